package gate

import (
	"fmt"
	"image"
	"image/draw"

	"sensed/devices"
)

// Blackout paints parts of pictures black, so that nobody further on ever sees
// what is there. A pixel is painted when a polygon touches it or one of its
// neighbours. It keeps where to paint for the sizes that it saw last, and is
// used by one goroutine.
type Blackout struct {
	polygons []Polygon
	covers   [4]cover // the last one used first
}

// cover is what is painted in pictures of a size.
type cover struct {
	w, h  int
	spans []rowSpan
}

// rowSpan is a part of a row: the pixels from x1 to x2, x2 excluded.
type rowSpan struct{ y, x1, x2 int }

// NewBlackout returns a blackout of some polygons; of none it does nothing.
func NewBlackout(polygons []Polygon) (*Blackout, error) {
	for i, p := range polygons {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("blackout: place %d: %w", i+1, err)
		}
	}
	return &Blackout{polygons: polygons}, nil
}

// Cover paints a frame that nobody else sees yet: the pixels themselves, the
// bytes of its buffers that no pixel shows, and what was measured beside it.
// A colour sample that several pixels share is grey when one of them is black.
// A picture of another type than those of [devices.Frame] is replaced.
func (b *Blackout) Cover(f *devices.Frame) {
	if len(b.polygons) == 0 {
		return
	}
	if t := f.Thermal; t != nil && t.Width > 0 && t.Height > 0 {
		for _, s := range b.spans(t.Width, t.Height) {
			clear(t.Centikelvin[s.y*t.Width+s.x1 : s.y*t.Width+s.x2]) // zero: nothing is known
		}
	}
	if f.Image == nil || f.Image.Bounds().Empty() {
		return
	}
	size := f.Image.Bounds().Size()
	spans := b.spans(size.X, size.Y)
	switch m := f.Image.(type) {
	case *image.YCbCr:
		blackYCbCr(m, spans)
	case *image.Gray:
		tidy(m.Pix, m.Stride, size.X, size.Y, 0)
		for _, s := range spans {
			clear(m.Pix[s.y*m.Stride+s.x1 : s.y*m.Stride+s.x2])
		}
	case *image.RGBA:
		blackRGB(m.Pix, m.Stride, size, spans)
	case *image.NRGBA:
		blackRGB(m.Pix, m.Stride, size, spans)
	default:
		c := image.NewRGBA(image.Rectangle{Max: size})
		draw.Draw(c, c.Rect, f.Image, f.Image.Bounds().Min, draw.Src)
		blackRGB(c.Pix, c.Stride, size, spans)
		f.Image = c
	}
}

// spans returns what is black in pictures of w by h.
func (b *Blackout) spans(w, h int) []rowSpan {
	for i, c := range b.covers {
		if c.w == w && c.h == h {
			copy(b.covers[1:i+1], b.covers[:i])
			b.covers[0] = c
			return c.spans
		}
	}
	r := newRaster(w, h)
	for _, p := range b.polygons {
		r.fill(p)
		r.trace(p)
	}
	r.widen()
	c := cover{w: w, h: h}
	for y := range h {
		row := r.set[y*w : (y+1)*w]
		for x := 0; x < w; x++ {
			from := x
			for x < w && row[x] {
				x++
			}
			if x > from {
				c.spans = append(c.spans, rowSpan{y, from, x})
			}
		}
	}
	copy(b.covers[1:], b.covers[:])
	b.covers[0] = c
	return c.spans
}

// tidy sets the bytes of a plane that belong to no pixel: decoders leave copies
// of the last pixels there.
func tidy(plane []uint8, stride, w, h int, to uint8) {
	for y := range h {
		fill(plane[min(len(plane), y*stride+w):min(len(plane), (y+1)*stride)], to)
	}
	fill(plane[min(len(plane), h*stride):], to)
}

func fill(b []uint8, v uint8) {
	for i := range b {
		b[i] = v
	}
}

func blackYCbCr(m *image.YCbCr, spans []rowSpan) {
	// The samples of the picture's pixels, from the first of the planes on.
	first := m.COffset(m.Rect.Min.X, m.Rect.Min.Y)
	last := m.COffset(m.Rect.Max.X-1, m.Rect.Max.Y-1) - first
	tidy(m.Y, m.YStride, m.Rect.Dx(), m.Rect.Dy(), 0)
	tidy(m.Cb[first:], m.CStride, last%m.CStride+1, last/m.CStride+1, 128)
	tidy(m.Cr[first:], m.CStride, last%m.CStride+1, last/m.CStride+1, 128)
	for _, s := range spans {
		y, x1, x2 := m.Rect.Min.Y+s.y, m.Rect.Min.X+s.x1, m.Rect.Min.X+s.x2
		at := m.YOffset(x1, y)
		clear(m.Y[at : at+s.x2-s.x1])
		from, to := m.COffset(x1, y), m.COffset(x2-1, y)+1
		fill(m.Cb[from:to], 128)
		fill(m.Cr[from:to], 128)
	}
}

func blackRGB(pix []uint8, stride int, size image.Point, spans []rowSpan) {
	tidy(pix, stride, 4*size.X, size.Y, 0)
	for _, s := range spans {
		row := pix[s.y*stride+4*s.x1 : s.y*stride+4*s.x2]
		for i := 0; i < len(row); i += 4 {
			row[i], row[i+1], row[i+2], row[i+3] = 0, 0, 0, 255
		}
	}
}
