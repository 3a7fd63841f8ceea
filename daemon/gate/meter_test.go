package gate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	m, err := NewMeter(2 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	// A faint hiss, and for half a second a tone of a tenth of full scale.
	x := mix(make([]float32, 4*sampleRate), white(rand.New(rand.NewPCG(1, 1)), 4*sampleRate), 0.001)
	for i := range sampleRate / 2 {
		x[sampleRate+i] += float32(0.1 * math.Sin(2*math.Pi*440*float64(i)/sampleRate))
	}
	var got []Loudness
	for at := 0; at < len(x); at += 320 {
		if l, ok := m.Push(epoch.Add(time.Duration(at)*time.Second/sampleRate), x[at:at+320]); ok {
			got = append(got, l)
		}
	}
	want := []Loudness{
		{Time: epoch, Mean: -29.0, Peak: -19.8, Floor: -60}, // a quarter of the time -23 dBFS
		{Time: epoch.Add(2 * time.Second), Mean: -60, Peak: -48, Floor: -60},
	}
	if len(got) != len(want) {
		t.Fatalf("%d times in four seconds, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if !g.Time.Equal(w.Time) || math.Abs(g.Mean-w.Mean) > 0.2 || math.Abs(g.Peak-w.Peak) > 1 || math.Abs(g.Floor-w.Floor) > 0.5 {
			t.Errorf("%d: %+v, want about %+v", i, g, w)
		}
	}
	for range 2 * sampleRate / 320 {
		if l, ok := m.Push(epoch, make([]float32, 320)); ok && (l.Mean != -120 || l.Peak != -120 || l.Floor != -120) {
			t.Errorf("silence is %+v", l)
		}
	}
	if n := testing.AllocsPerRun(200, func() { m.Push(epoch, x[:320]) }); n != 0 {
		t.Errorf("%v allocations a chunk", n)
	}
	if _, err := NewMeter(time.Millisecond); err == nil {
		t.Error("a meter of a millisecond was made")
	}
}
