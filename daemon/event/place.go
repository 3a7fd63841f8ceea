package event

import (
	"cmp"
	"math"
	"slices"
)

// gridSize is how many steps a model's boxes have on each side of the frame.
const gridSize = 1000

// sameThing is the overlap from which two boxes with one label are one thing.
const sameThing = 0.7

// Place turns the boxes of a model into objects of a frame of width by height
// pixels. Boxes outside the frame, or without an extent the right way round, are
// left out. Of boxes with one label that overlap nearly whole only the one with
// the best score is kept. The order is that of the answer.
func Place(found []Found, width, height int) []Object {
	kept := make([]Object, 0, len(found)) // never nil: nothing found is an answer
	order := make([]int, len(found))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(found[b].Score, found[a].Score) })
	var good []int
	for _, i := range order {
		twin := slices.ContainsFunc(good, func(j int) bool {
			return found[j].Label == found[i].Label && Overlap(found[j].place(width, height).Box, found[i].place(width, height).Box) > sameThing
		})
		if found[i].fits() && !twin {
			good = append(good, i)
		}
	}
	slices.Sort(good)
	for _, i := range good {
		kept = append(kept, found[i].place(width, height))
	}
	return kept
}

// fits tells whether the box lies on the grid and is not inside out.
func (f Found) fits() bool {
	b := f.Box
	return b[0] >= 0 && b[1] >= 0 && b[2] <= gridSize && b[3] <= gridSize && b[0] <= b[2] && b[1] <= b[3]
}

func (f Found) place(width, height int) Object {
	y1, x1, y2, x2 := f.Box[0], f.Box[1], f.Box[2], f.Box[3]
	o := Object{Label: f.Label, Score: math.Round(f.Score*1e4) / 1e4}
	o.Box = [4]float64{part(x1), part(y1), part(x2 - x1), part(y2 - y1)}
	px := func(v, size int) int { return int(math.Round(float64(v) * float64(size) / gridSize)) }
	o.Pixels = [4]int{px(x1, width), px(y1, height), px(x2, width) - px(x1, width), px(y2, height) - px(y1, height)}
	return o
}

// part is a place on the grid as a part of the frame.
func part(v int) float64 { return float64(v) / gridSize }

// Overlap is the intersection of two boxes [x, y, w, h] over their union, 0..1.
func Overlap(a, b [4]float64) float64 {
	w := min(a[0]+a[2], b[0]+b[2]) - max(a[0], b[0])
	h := min(a[1]+a[3], b[1]+b[3]) - max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	both := w * h
	return both / (a[2]*a[3] + b[2]*b[3] - both)
}

// Count returns how many objects of each label there are, nil for none.
func Count(objects []Object) map[string]int {
	if len(objects) == 0 {
		return nil
	}
	counts := map[string]int{}
	for _, o := range objects {
		counts[o.Label]++
	}
	return counts
}
