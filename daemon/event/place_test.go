package event_test

import (
	"math"
	"testing"

	"sensed/daemon/event"

	"github.com/google/go-cmp/cmp"
)

func TestPlace(t *testing.T) {
	found := []event.Found{
		{Label: "dog", Box: [4]int{100, 200, 600, 700}, Score: 0.6},
		{Label: "dog", Box: [4]int{110, 205, 600, 700}, Score: 0.9}, // the same one, better
		{Label: "cat", Box: [4]int{110, 205, 600, 700}, Score: 0.5}, // another label
		{Label: "dog", Box: [4]int{600, 0, 1000, 300}, Score: 0.4},
		{Label: "dog", Box: [4]int{0, 0, 1001, 10}, Score: 1}, // outside
		{Label: "dog", Box: [4]int{9, 9, 0, 0}, Score: 1},     // inside out
	}
	want := []event.Object{
		{Label: "dog", Box: [4]float64{0.205, 0.11, 0.495, 0.49}, Pixels: [4]int{131, 53, 317, 235}, Score: 0.9},
		{Label: "cat", Box: [4]float64{0.205, 0.11, 0.495, 0.49}, Pixels: [4]int{131, 53, 317, 235}, Score: 0.5},
		{Label: "dog", Box: [4]float64{0, 0.6, 0.3, 0.4}, Pixels: [4]int{0, 288, 192, 192}, Score: 0.4},
	}
	got := event.Place(found, 640, 480)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff(map[string]int{"dog": 2, "cat": 1}, event.Count(got)); d != "" {
		t.Errorf("counts (-want +got)\n%s", d)
	}
	if none := event.Place(nil, 640, 480); none == nil || len(none) != 0 || event.Count(none) != nil {
		t.Errorf("nothing found gives %#v", none)
	}
}

func TestOverlap(t *testing.T) {
	for _, tt := range []struct {
		a, b [4]float64
		want float64
	}{
		{[4]float64{0, 0, 1, 1}, [4]float64{0, 0, 1, 1}, 1},
		{[4]float64{0, 0, 0.5, 1}, [4]float64{0.5, 0, 0.5, 1}, 0},
		{[4]float64{0, 0, 0.5, 1}, [4]float64{0.25, 0, 0.5, 1}, 1.0 / 3},
		{[4]float64{0.2, 0.2, 0, 0}, [4]float64{0.2, 0.2, 0, 0}, 0},
	} {
		if got := event.Overlap(tt.a, tt.b); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("overlap of %v and %v is %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

// FuzzPlace: whatever a model says, what is left of it can be published.
func FuzzPlace(f *testing.F) {
	f.Add(0, 0, 1000, 1000, 10, 20, 30, 40, 640, 480)
	f.Add(-5, 3, 2, 1, 0, 0, 0, 0, 1, 1)
	f.Add(333, 667, 999, 1000, 333, 667, 1000, 1000, 3, 7)
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g, h, i, w, ht int) {
		if w < 1 || ht < 1 || w > 1<<20 || ht > 1<<20 {
			return
		}
		found := []event.Found{{Label: "a", Box: [4]int{a, b, c, d}, Score: 0.5}, {Label: "a", Box: [4]int{e, g, h, i}, Score: 0.4}}
		ev := full()
		ev.Objects = event.Place(found, w, ht)
		if err := ev.Validate(); err != nil {
			t.Fatalf("%v gives %v: %v", found, ev.Objects, err)
		}
		for _, o := range ev.Objects {
			if o.Pixels[0]+o.Pixels[2] > w || o.Pixels[1]+o.Pixels[3] > ht {
				t.Fatalf("%v is not inside %d by %d", o, w, ht)
			}
		}
	})
}
