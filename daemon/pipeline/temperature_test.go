package pipeline

import (
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/devices"

	"github.com/google/go-cmp/cmp"
)

// warm is what a camera of 4 by 2 points measures: 20 °C, and one hotter point.
func warm(celsius float64) *devices.Thermal {
	t := &devices.Thermal{Width: 4, Height: 2, Centikelvin: make([]uint16, 8)}
	for i := range t.Centikelvin {
		t.Centikelvin[i] = 29315
	}
	t.Centikelvin[6] = uint16(27315 + 100*celsius + 0.5)
	return t
}

func TestTemperaturesArePublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		// Twelve seconds at one temperature, then a jump, then a hair's breadth.
		var steps []step
		for i := range 16 {
			hot := 30.0
			if i >= 13 {
				hot = 45.5
			}
			if i == 15 {
				hot = 45.9
			}
			steps = append(steps, step{after: time.Second, image: still(uint8(i)), thermal: warm(hot)})
		}
		o := &opener{t: t, scripts: [][]step{steps}}
		b := run(t, Options{Engine: &engine{}, Sources: []Source{{Name: "roof", OpenCamera: o.camera}}})
		after(20 * time.Second)
		b.quiet()
		got := b.pub.all(event.Temperature)
		want := []event.Warmth{
			{Min: 20, Max: 30, Mean: 21.25, Hottest: [2]float64{0.625, 0.75}},
			{Min: 20, Max: 30, Mean: 21.25, Hottest: [2]float64{0.625, 0.75}},
			{Min: 20, Max: 45.5, Mean: 23.19, Hottest: [2]float64{0.625, 0.75}},
		}
		at := []int{1, 11, 14} // seconds
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d: %+v", len(got), len(want), got)
		}
		for i, e := range got {
			if d := cmp.Diff(&want[i], e.Temperature); d != "" || !e.Time.Equal(start.Add(time.Duration(at[i])*time.Second)) {
				t.Errorf("event %d at %v (-want +got):\n%s", i, e.Time.Sub(start), d)
			}
			e.Node = "node"
			if err := e.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestThermometer(t *testing.T) {
	var m thermometer
	now := time.Unix(1000, 0)
	for i, s := range []struct {
		ahead    time.Duration
		min, max float64
		want     bool
	}{
		{0, 10, 20, true},
		{500 * time.Millisecond, 10, 30, false}, // too soon
		{500 * time.Millisecond, 10, 30, true},
		{time.Second, 10.9, 30.9, false},
		{time.Second, 8.9, 30, true}, // colder counts too
		{9 * time.Second, 8.9, 30, false},
		{time.Second, 8.9, 30, true},
		{-time.Hour, 8.9, 30, true}, // the clock was set back
	} {
		now = now.Add(s.ahead)
		if got := m.due(devices.Reading{Min: s.min, Max: s.max}, now); got != s.want {
			t.Errorf("step %d: %t, want %t", i, got, s.want)
		}
	}
}
