package pipeline

import (
	"math/rand/v2"
	"slices"
	"testing"

	"sensed/daemon/event"
)

func TestTracker(t *testing.T) {
	type box struct {
		label string
		x     float64
		want  int
	}
	for _, tt := range []struct {
		name     string
		pictures [][]box
	}{
		{"stays", [][]box{{{"dog", 0.1, 1}}, {{"dog", 0.15, 1}}, {{"dog", 0.2, 1}}}},
		{"jumps", [][]box{{{"dog", 0.1, 1}}, {{"dog", 0.6, 2}}}},
		{"another label", [][]box{{{"dog", 0.1, 1}}, {{"cat", 0.1, 2}}}},
		{"two that swap places in the list", [][]box{{{"dog", 0.1, 1}, {"dog", 0.6, 2}}, {{"dog", 0.62, 2}, {"dog", 0.12, 1}}}},
		{"the nearer of two", [][]box{{{"dog", 0.3, 1}}, {{"dog", 0.2, 2}, {"dog", 0.32, 1}}}},
		{"missing for three pictures", [][]box{{{"dog", 0.1, 1}}, {}, {}, {}, {{"dog", 0.1, 1}}}},
		{"gone", [][]box{{{"dog", 0.1, 1}}, {}, {}, {}, {}, {{"dog", 0.1, 2}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tr tracker
			n := 0
			for i, p := range tt.pictures {
				var objects []event.Object
				var want []int
				for _, b := range p {
					objects = append(objects, event.Object{Label: b.label, Box: [4]float64{b.x, 0.2, 0.2, 0.2}})
					want = append(want, b.want)
				}
				tr.follow(objects, func() int { n++; return n })
				var got []int
				for _, o := range objects {
					got = append(got, o.Track)
				}
				if !slices.Equal(got, want) {
					t.Errorf("picture %d: %v, want %v", i, got, want)
				}
			}
		})
	}
}

// TestTrackerIsBounded: numbers are never used twice in a picture, and what is
// gone is forgotten.
func TestTrackerIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var tr tracker
	n := 0
	for range 500 {
		objects := make([]event.Object, r.IntN(20))
		for i := range objects {
			objects[i] = event.Object{Label: []string{"a", "b"}[r.IntN(2)], Box: [4]float64{r.Float64() / 2, r.Float64() / 2, r.Float64() / 2, r.Float64() / 2}}
		}
		tr.follow(objects, func() int { n++; return n })
		seen := map[int]bool{}
		for _, o := range objects {
			if o.Track == 0 || seen[o.Track] {
				t.Fatalf("track %d is missing or there twice", o.Track)
			}
			seen[o.Track] = true
		}
		if len(tr.things) > 20*(unseen+1) {
			t.Fatalf("%d things are remembered", len(tr.things))
		}
	}
}

func TestSameWords(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"A dog on the beach.", "a dog on beach", true},
		{"A dog and a cat.", "A cat and a dog", true},
		{"A dog.", "A dog and a cat.", false},
		{"A dog and a cat.", "A dog.", false},
		{"", "", true},
		{"3 birds", "4 birds", false},
	} {
		if got := sameWords(tt.a, tt.b); got != tt.same {
			t.Errorf("%q and %q: the same is %t, want %t", tt.a, tt.b, got, tt.same)
		}
	}
}
