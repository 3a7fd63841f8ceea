package scene

import (
	"math/rand/v2"
)

// rgb is a colour, 0..255 a channel; while a scene is drawn it may lie outside.
type rgb [3]float32

func gray(v float32) rgb { return rgb{v, v, v} }

func (c rgb) times(f float32) rgb { return rgb{c[0] * f, c[1] * f, c[2] * f} }

// canvas is a picture in floating point, rows of RGB.
type canvas struct {
	w, h int
	pix  []float32
}

func newCanvas(w, h int) *canvas { return &canvas{w, h, make([]float32, 3*w*h)} }

// band fills the rows y0..y1 with a gradient from top to bottom.
func (c *canvas) band(y0, y1 int, top, bottom rgb) {
	for y := y0; y < y1; y++ {
		t := float32(0)
		if y1-y0 > 1 {
			t = float32(y-y0) / float32(y1-y0-1)
		}
		var v rgb
		for i := range v {
			v[i] = top[i]*(1-t) + bottom[i]*t
		}
		c.rect(0, y, c.w, y+1, v)
	}
}

// rect fills a rectangle, as far as it lies in the picture.
func (c *canvas) rect(x0, y0, x1, y1 int, v rgb) {
	c.each(x0, y0, x1, y1, func(p []float32) { copy(p, v[:]) })
}

// darken multiplies a rectangle by f.
func (c *canvas) darken(x0, y0, x1, y1 int, f float32) {
	c.each(x0, y0, x1, y1, func(p []float32) {
		p[0] *= f
		p[1] *= f
		p[2] *= f
	})
}

func (c *canvas) each(x0, y0, x1, y1 int, f func(p []float32)) {
	x0, y0, x1, y1 = max(0, x0), max(0, y0), min(c.w, x1), min(c.h, y1)
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			at := 3 * (y*c.w + x)
			f(c.pix[at : at+3])
		}
	}
}

// texture adds grey noise to the rows y0..y1: a grid of normal values, one for
// scale pixels each way, interpolated linearly, of standard deviation amp.
func (c *canvas) texture(r *rand.Rand, y0, y1, scale int, amp float32) {
	h := y1 - y0
	if h <= 0 {
		return
	}
	gw, gh := max(2, c.w/scale), max(2, h/scale)
	grid := make([]float32, gw*gh)
	for i := range grid {
		grid[i] = float32(r.NormFloat64())
	}
	for y := range h {
		top, bottom, fy := between2(y, h, gh)
		for x := range c.w {
			left, right, fx := between2(x, c.w, gw)
			a := grid[top*gw+left]*(1-fx) + grid[top*gw+right]*fx
			b := grid[bottom*gw+left]*(1-fx) + grid[bottom*gw+right]*fx
			v := (a*(1-fy) + b*fy) * amp
			p := c.pix[3*((y0+y)*c.w+x):]
			p[0] += v
			p[1] += v
			p[2] += v
		}
	}
}

// between2 finds the grid points before and after pixel i of n, of a grid of m
// whose cells have their values in the middle, and how far it is to the second.
func between2(i, n, m int) (before, after int, f float32) {
	at := (float32(i)+.5)*float32(m)/float32(n) - .5
	at = min(float32(m-1), max(0, at))
	before = int(at)
	return before, min(before+1, m-1), at - float32(before)
}

func uniform(r *rand.Rand, a, b float32) float32 { return a + (b-a)*r.Float32() }

// between draws an integer from a to b-1.
func between(r *rand.Rand, a, b int) int { return a + r.IntN(b-a) }
