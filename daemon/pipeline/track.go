package pipeline

import (
	"cmp"
	"slices"

	"sensed/daemon/event"
)

// Limits of following things from picture to picture.
const (
	// stays is the overlap from which a box is taken for the thing that was
	// there before. Pictures come seconds apart, so it is small.
	stays = 0.2
	// unseen is in how many pictures in a row a thing may be missing.
	unseen = 3
)

// tracker gives things numbers that they keep from picture to picture. A thing
// is found again where a box of its label overlaps its last one; of several the
// pair that overlaps most counts first. The zero value knows no thing.
type tracker struct{ things []thing }

type thing struct {
	number int
	label  string
	box    [4]float64
	missed int // pictures in a row
}

// pair is a thing and the box that may be it.
type pair struct {
	thing, object int
	overlap       float64
}

// follow sets Track of all objects of a picture. next returns a number that no
// thing has.
func (t *tracker) follow(objects []event.Object, next func() int) {
	var pairs []pair
	for i, th := range t.things {
		for j, o := range objects {
			if v := event.Overlap(th.box, o.Box); o.Label == th.label && v >= stays {
				pairs = append(pairs, pair{i, j, v})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(b.overlap, a.overlap) })
	for i := range t.things {
		t.things[i].missed++
	}
	for _, p := range pairs {
		th := &t.things[p.thing]
		if th.missed == 0 || objects[p.object].Track != 0 {
			continue // one of the two is taken
		}
		th.missed, th.box = 0, objects[p.object].Box
		objects[p.object].Track = th.number
	}
	for j := range objects {
		if objects[j].Track == 0 {
			objects[j].Track = next()
			t.things = append(t.things, thing{number: objects[j].Track, label: objects[j].Label, box: objects[j].Box})
		}
	}
	t.things = slices.DeleteFunc(t.things, func(th thing) bool { return th.missed > unseen })
}
