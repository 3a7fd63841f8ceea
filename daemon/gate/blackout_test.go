package gate

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"strings"
	"testing"

	"sensed/devices"
)

// secret is a byte that pictures have only where they are to be painted over,
// open one that they have elsewhere.
const secret, open = 0xa5, 0x60

// buffers returns all bytes of a picture, shown or not.
func buffers(t *testing.T, img image.Image) [][]uint8 {
	t.Helper()
	switch m := img.(type) {
	case *image.YCbCr:
		return [][]uint8{m.Y, m.Cb, m.Cr}
	case *image.Gray:
		return [][]uint8{m.Pix}
	case *image.RGBA:
		return [][]uint8{m.Pix}
	case *image.NRGBA:
		return [][]uint8{m.Pix}
	}
	t.Fatalf("a picture of type %T", img)
	return nil
}

func set(b []uint8, v uint8) {
	for i := range b {
		b[i] = v
	}
}

// made is a picture of each type that a camera may give, all open.
func made(t *testing.T, w, h int) map[string]image.Image {
	t.Helper()
	r := image.Rect(0, 0, w, h)
	out := map[string]image.Image{"Gray": image.NewGray(r), "RGBA": image.NewRGBA(r), "NRGBA": image.NewNRGBA(r)}
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410} {
		// As decoders make it: rows of whole blocks.
		whole := image.NewYCbCr(image.Rect(0, 0, (w+31)/32*32, (h+31)/32*32), ratio)
		out[ratio.String()] = whole.SubImage(r)
	}
	for _, img := range out {
		for _, b := range buffers(t, img) {
			set(b, open)
		}
	}
	return out
}

// hide puts the secret where a pixel of img that a polygon touches has its
// samples, and into all bytes that no pixel shows. It does not use the code
// that it is to test.
func hide(t *testing.T, img image.Image, touched func(x, y int) bool) {
	t.Helper()
	b := img.Bounds()
	shown := map[*uint8]bool{}
	each := func(f func(x, y int, p []*uint8)) {
		for y := range b.Dy() {
			for x := range b.Dx() {
				switch m := img.(type) {
				case *image.YCbCr:
					f(x, y, []*uint8{&m.Y[m.YOffset(x, y)], &m.Cb[m.COffset(x, y)], &m.Cr[m.COffset(x, y)]})
				case *image.Gray:
					f(x, y, []*uint8{&m.Pix[m.PixOffset(x, y)]})
				case *image.RGBA:
					o := m.PixOffset(x, y)
					f(x, y, []*uint8{&m.Pix[o], &m.Pix[o+1], &m.Pix[o+2], &m.Pix[o+3]})
				case *image.NRGBA:
					o := m.PixOffset(x, y)
					f(x, y, []*uint8{&m.Pix[o], &m.Pix[o+1], &m.Pix[o+2], &m.Pix[o+3]})
				}
			}
		}
	}
	each(func(x, y int, ps []*uint8) {
		for _, p := range ps {
			shown[p] = true
		}
		if touched(x, y) {
			for _, p := range ps {
				*p = secret
			}
		}
	})
	for _, buf := range buffers(t, img) {
		for i := range buf {
			if !shown[&buf[i]] {
				buf[i] = secret
			}
		}
	}
}

// touches says whether a polygon may touch pixel (x, y) of w by h: whether its
// middle is nearer than half a diagonal to an edge, or inside.
func touches(p Polygon, w, h int) func(x, y int) bool {
	return func(x, y int) bool {
		cx, cy := float64(x)+0.5, float64(y)+0.5
		around := 0.0
		for i, a := range p {
			b := p[(i+1)%len(p)]
			ax, ay, bx, by := a.X*float64(w)-cx, a.Y*float64(h)-cy, b.X*float64(w)-cx, b.Y*float64(h)-cy
			around += math.Atan2(ax*by-ay*bx, ax*bx+ay*by) // the angle in which it is seen
			dx, dy := bx-ax, by-ay
			t := 0.0
			if l := dx*dx + dy*dy; l > 0 {
				t = min(1, max(0, -(ax*dx+ay*dy)/l))
			}
			if math.Hypot(ax+t*dx, ay+t*dy) < math.Sqrt2/2 {
				return true
			}
		}
		return math.Abs(around) > math.Pi
	}
}

var shapes = map[string]Polygon{
	"rectangle": {{0.25, 0.25}, {0.75, 0.25}, {0.75, 0.75}, {0.25, 0.75}},
	"triangle":  {{0.13, 0.9}, {0.57, 0.11}, {0.93, 0.62}},
	"star":      {{0.5, 0.02}, {0.79, 0.93}, {0.03, 0.37}, {0.97, 0.37}, {0.21, 0.93}}, // crosses itself
	"hair":      {{0.501, 0.1}, {0.503, 0.9}, {0.502, 0.5}},
	"corner":    {{1, 1}, {0.9, 1}, {1, 0.9}},
	"edge":      {{0, 0}, {1, 0}, {1, 0.001}, {0, 0.001}},
	"all":       {{0, 0}, {1, 0}, {1, 1}, {0, 1}},
}

// No byte of what a polygon touches stays in any buffer, whatever the type and
// the size, and what is far from it stays as it was.
func TestBlackoutLeavesNoByte(t *testing.T) {
	for _, size := range []image.Point{{96, 64}, {99, 61}, {1, 1}, {2, 3}, {40, 1}} {
		for shape, p := range shapes {
			touched := touches(p, size.X, size.Y)
			for name, img := range made(t, size.X, size.Y) {
				hide(t, img, touched)
				b, err := NewBlackout([]Polygon{p})
				if err != nil {
					t.Fatal(err)
				}
				f := devices.Frame{Image: img}
				b.Cover(&f)
				for plane, buf := range buffers(t, f.Image) {
					if at := bytes.IndexByte(buf, secret); at >= 0 {
						t.Errorf("%v, %s, %s: byte %d of plane %d stayed", size, shape, name, at, plane)
					}
				}
				checkFar(t, fmt.Sprintf("%v, %s, %s", size, shape, name), f.Image, touched)
			}
		}
	}
}

// checkFar checks that pixels further than a few from what is hidden are as
// they were, and that hidden ones are black.
func checkFar(t *testing.T, what string, img image.Image, touched func(x, y int) bool) {
	t.Helper()
	b := img.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			if touched(x, y) {
				if r, g, bl, a := img.At(x, y).RGBA(); r|g|bl != 0 || a != 0xffff {
					t.Fatalf("%s: pixel %d,%d is %v, not black", what, x, y, img.At(x, y))
				}
				continue
			}
			near := false
			for dy := -3; dy <= 3; dy++ {
				for dx := -5; dx <= 5; dx++ {
					near = near || touched(x+dx, y+dy)
				}
			}
			if !near && !untouched(img, x, y) {
				t.Fatalf("%s: pixel %d,%d, far from all, changed to %v", what, x, y, img.At(x, y))
			}
		}
	}
}

func untouched(img image.Image, x, y int) bool {
	switch m := img.(type) {
	case *image.YCbCr:
		return m.YCbCrAt(x, y) == color.YCbCr{Y: open, Cb: open, Cr: open}
	case *image.Gray:
		return m.GrayAt(x, y).Y == open
	case *image.RGBA:
		return m.RGBAAt(x, y) == color.RGBA{open, open, open, open}
	case *image.NRGBA:
		return m.NRGBAAt(x, y) == color.NRGBA{open, open, open, open}
	}
	return false
}

// What a decoder puts beyond the picture's edge are copies of its last pixels.
func TestBlackoutOfADecodedPicture(t *testing.T) {
	src := image.NewRGBA(image.Rect(0, 0, 101, 67))
	draw.Draw(src, src.Rect, image.NewUniform(color.RGBA{200, 180, 160, 255}), image.Point{}, draw.Src)
	var file bytes.Buffer
	if err := jpeg.Encode(&file, src, nil); err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(&file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBlackout([]Polygon{shapes["all"]})
	if err != nil {
		t.Fatal(err)
	}
	f := devices.Frame{Image: img}
	b.Cover(&f)
	for plane, buf := range buffers(t, f.Image) {
		want := []uint8{0, 128, 128}[plane]
		for i, v := range buf {
			if v != want {
				t.Fatalf("byte %d of plane %d is %d", i, plane, v)
			}
		}
	}
}

func TestBlackoutOfTemperatures(t *testing.T) {
	const w, h = 80, 60
	touched := touches(shapes["triangle"], w, h)
	th := &devices.Thermal{Width: w, Height: h, Centikelvin: make([]uint16, w*h)}
	for i := range th.Centikelvin {
		th.Centikelvin[i] = 29515
		if touched(i%w, i/w) {
			th.Centikelvin[i] = 31000
		}
	}
	b, err := NewBlackout([]Polygon{shapes["triangle"]})
	if err != nil {
		t.Fatal(err)
	}
	b.Cover(&devices.Frame{Thermal: th})
	if r, ok := th.Reading(); !ok || r.Max != 22 || r.Min != 22 {
		t.Errorf("the reading is %+v, %v: what is hidden was measured", r, ok)
	}
}

// One blackout serves pictures of several sizes, in turn, without allocating.
func TestBlackoutOfSeveralSizes(t *testing.T) {
	b, err := NewBlackout([]Polygon{shapes["rectangle"]})
	if err != nil {
		t.Fatal(err)
	}
	var imgs []image.Image
	for i := range 6 {
		imgs = append(imgs, image.NewGray(image.Rect(0, 0, 20+i, 30)))
	}
	for range 3 {
		for _, img := range imgs {
			set(img.(*image.Gray).Pix, open)
			b.Cover(&devices.Frame{Image: img})
			if got := img.(*image.Gray); got.GrayAt(10, 15).Y != 0 || got.GrayAt(1, 1).Y != open {
				t.Fatalf("%v is painted wrongly", got.Rect)
			}
		}
	}
	f := devices.Frame{Image: imgs[5]}
	small := devices.Frame{Image: imgs[4]}
	if n := testing.AllocsPerRun(10, func() { b.Cover(&f); b.Cover(&small) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBlackoutOfNothing(t *testing.T) {
	none, err := NewBlackout(nil)
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewGray(image.Rect(0, 0, 4, 4))
	set(img.Pix, open)
	none.Cover(&devices.Frame{Image: img})
	if img.Pix[5] != open {
		t.Error("without a polygon it painted")
	}
	all, err := NewBlackout([]Polygon{shapes["all"]})
	if err != nil {
		t.Fatal(err)
	}
	all.Cover(&devices.Frame{})
	all.Cover(&devices.Frame{Image: image.NewRGBA(image.Rectangle{})})
	// A picture of a type that no camera should give.
	f := devices.Frame{Image: paletteless{image.NewGray(image.Rect(3, 3, 9, 9))}}
	all.Cover(&f)
	if got, ok := f.Image.(*image.RGBA); !ok || got.Rect != image.Rect(0, 0, 6, 6) || got.RGBAAt(2, 2) != (color.RGBA{A: 255}) {
		t.Errorf("it became %v", f.Image)
	}
	for want, p := range map[string]Polygon{"place 1": {{0, 0}, {1, 1}}, "corner 3": {{0, 0}, {1, 0}, {1, 2}}} {
		if _, err := NewBlackout([]Polygon{p}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v does not name %s", p, err, want)
		}
	}
}

func BenchmarkBlackout(b *testing.B) {
	hidden, err := NewBlackout([]Polygon{shapes["triangle"], shapes["corner"]})
	if err != nil {
		b.Fatal(err)
	}
	f := devices.Frame{Image: image.NewYCbCr(image.Rect(0, 0, 640, 480), image.YCbCrSubsampleRatio420)}
	for b.Loop() {
		hidden.Cover(&f)
	}
}
