package gate

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
)

// Point is a place in a picture: (0, 0) is its upper left, (1, 1) its lower
// right corner.
type Point struct{ X, Y float64 }

// Polygon is a closed outline of at least three corners.
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

// contains says whether a place is inside, by the even-odd rule.
func (p Polygon) contains(x, y float64) bool {
	in := false
	for i, j := 0, len(p)-1; i < len(p); j, i = i, i+1 {
		a, b := p[i], p[j]
		if (a.Y > y) != (b.Y > y) && x < a.X+(y-a.Y)/(b.Y-a.Y)*(b.X-a.X) {
			in = !in
		}
	}
	return in
}

// Paint returns a copy of the picture with everything inside the polygons
// black, so that nobody further on ever sees it; with no polygons, the picture
// itself. A pixel is inside when any part of it may be: the outline is widened
// by one pixel. YCbCr pictures stay YCbCr (a shared chroma sample is grey when
// any of its pixels is black), all others become RGBA.
func Paint(img image.Image, polygons []Polygon) image.Image {
	if len(polygons) == 0 {
		return img
	}
	b := img.Bounds()
	if b.Empty() {
		return img
	}
	if src, ok := img.(*image.YCbCr); ok {
		dst := image.NewYCbCr(b, src.SubsampleRatio)
		for y := b.Min.Y; y < b.Max.Y; y++ {
			s, d := src.YOffset(b.Min.X, y), dst.YOffset(b.Min.X, y)
			copy(dst.Y[d:d+b.Dx()], src.Y[s:])
			for x := b.Min.X; x < b.Max.X; x++ {
				s, d := src.COffset(x, y), dst.COffset(x, y)
				dst.Cb[d], dst.Cr[d] = src.Cb[s], src.Cr[s]
			}
		}
		hidden(b, polygons, func(x, y int) {
			dst.Y[dst.YOffset(x, y)] = 0
			dst.Cb[dst.COffset(x, y)], dst.Cr[dst.COffset(x, y)] = 128, 128
		})
		return dst
	}
	dst := image.NewRGBA(b)
	draw.Draw(dst, b, img, b.Min, draw.Src)
	hidden(b, polygons, func(x, y int) { dst.SetRGBA(x, y, color.RGBA{A: 255}) })
	return dst
}

// hidden calls f for every pixel that a polygon touches.
func hidden(b image.Rectangle, polygons []Polygon, f func(x, y int)) {
	w, h := b.Dx(), b.Dy()
	inside := make([]bool, (w+2)*(h+2)) // with a border of one pixel
	for _, p := range polygons {
		for y := -1; y <= h; y++ {
			for x := -1; x <= w; x++ {
				if p.contains((float64(x)+0.5)/float64(w), (float64(y)+0.5)/float64(h)) {
					inside[(y+1)*(w+2)+x+1] = true
				}
			}
		}
		outline(p, w, h, func(x, y int) { inside[(y+1)*(w+2)+x+1] = true })
	}
	for y := range h {
		for x := range w {
			near := false
			for dy := 0; dy <= 2 && !near; dy++ {
				for dx := 0; dx <= 2 && !near; dx++ {
					near = inside[(y+dy)*(w+2)+x+dx]
				}
			}
			if near {
				f(b.Min.X+x, b.Min.Y+y)
			}
		}
	}
}

// outline calls f for the pixels along the edges, so that a sliver that misses
// every pixel centre is hidden too.
func outline(p Polygon, w, h int, f func(x, y int)) {
	for i, a := range p {
		b := p[(i+1)%len(p)]
		steps := 2*max(abs(int((b.X-a.X)*float64(w))), abs(int((b.Y-a.Y)*float64(h)))) + 2
		for s := 0; s <= steps; s++ {
			t := float64(s) / float64(steps)
			x := int((a.X + t*(b.X-a.X)) * float64(w))
			y := int((a.Y + t*(b.Y-a.Y)) * float64(h))
			f(min(max(x, 0), w-1), min(max(y, 0), h-1))
		}
	}
}

func abs(x int) int {
	if x < 0 {
		return -x
	}
	return x
}
