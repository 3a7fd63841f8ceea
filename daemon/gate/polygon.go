package gate

import (
	"cmp"
	"fmt"
	"slices"
)

// Point is a place in a picture: (0, 0) is its upper left, (1, 1) its lower
// right corner.
type Point struct{ X, Y float64 }

// Polygon is a closed outline of at least three corners. Where it crosses
// itself, everything that it goes around belongs to it.
type Polygon []Point

// Validate says what is wrong with a polygon from a configuration.
func (p Polygon) Validate() error {
	if len(p) < 3 {
		return fmt.Errorf("a polygon needs at least 3 corners, this one has %d", len(p))
	}
	for i, c := range p {
		if !(c.X >= 0 && c.X <= 1 && c.Y >= 0 && c.Y <= 1) {
			return fmt.Errorf("corner %d (%v, %v) of a polygon is outside 0..1", i+1, c.X, c.Y)
		}
	}
	return nil
}

// crossing is where an edge of a polygon crosses a horizontal line: downwards
// (1) or upwards (-1).
type crossing struct {
	x   float64
	way int
}

// crossings returns where the polygon crosses the line at y, from left to right.
func (p Polygon) crossings(to []crossing, y float64) []crossing {
	to = to[:0]
	for i, j := 0, len(p)-1; i < len(p); j, i = i, i+1 {
		a, b := p[j], p[i]
		switch {
		case a.Y <= y && b.Y > y:
			to = append(to, crossing{a.X + (y-a.Y)/(b.Y-a.Y)*(b.X-a.X), 1})
		case b.Y <= y && a.Y > y:
			to = append(to, crossing{a.X + (y-a.Y)/(b.Y-a.Y)*(b.X-a.X), -1})
		}
	}
	slices.SortFunc(to, func(a, b crossing) int { return cmp.Compare(a.x, b.x) })
	return to
}

// raster is a picture of yes and no.
type raster struct {
	w, h int
	set  []bool
}

func newRaster(w, h int) *raster { return &raster{w: w, h: h, set: make([]bool, w*h)} }

// fill sets the pixels whose middle lies in a polygon.
func (r *raster) fill(p Polygon) {
	var cs []crossing
	for y := range r.h {
		cs = p.crossings(cs, (float64(y)+0.5)/float64(r.h))
		around := 0
		for i := 0; i+1 < len(cs); i++ {
			if around += cs[i].way; around == 0 {
				continue
			}
			// The middle of pixel x is at (x+0.5)/w.
			from, to := cs[i].x*float64(r.w)-0.5, cs[i+1].x*float64(r.w)-0.5
			for x := max(0, int(from)); x < r.w && float64(x) < to; x++ {
				if float64(x) >= from {
					r.set[y*r.w+x] = true
				}
			}
		}
	}
}

// trace sets the pixels along the edges of a polygon, or some beside them: none
// that an edge touches is further than one pixel from one that is set.
func (r *raster) trace(p Polygon) {
	for i, a := range p {
		b := p[(i+1)%len(p)]
		dx, dy := (b.X-a.X)*float64(r.w), (b.Y-a.Y)*float64(r.h)
		steps := 2*int(max(dx, -dx, dy, -dy)) + 2
		for s := range steps + 1 {
			t := float64(s) / float64(steps)
			x, y := int(a.X*float64(r.w)+t*dx), int(a.Y*float64(r.h)+t*dy)
			r.set[min(max(y, 0), r.h-1)*r.w+min(max(x, 0), r.w-1)] = true
		}
	}
}

// widen sets the eight neighbours of all that is set.
func (r *raster) widen() {
	row := make([]bool, r.w)
	for y := range r.h {
		line := r.set[y*r.w : (y+1)*r.w]
		copy(row, line)
		for x, in := range row {
			if in {
				line[max(0, x-1)], line[min(r.w-1, x+1)] = true, true
			}
		}
	}
	above, here := make([]bool, r.w), make([]bool, r.w)
	for y := range r.h {
		line := r.set[y*r.w : (y+1)*r.w]
		copy(here, line)
		for x := range line {
			line[x] = line[x] || above[x] || y+1 < r.h && r.set[(y+1)*r.w+x]
		}
		above, here = here, above
	}
}
