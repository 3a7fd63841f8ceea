//go:build linux && (amd64 || arm64)

package v4l2

import (
	"context"
	"errors"
	"image"
	"image/color"
	"testing"

	"sensed/devices"
)

const markerDHT, markerSOS = 0xc4, 0xda

// A glance shows the luminance of the picture that Whole then gives: all of it,
// or the means of squares of a JPEG.
func TestGlanceShowsThePicture(t *testing.T) {
	for _, p := range pixels() {
		t.Run(p.name, func(t *testing.T) {
			f := newFake()
			f.formats, f.pad = []string{p.codes[0]}, 6
			if p.unpack == nil {
				f.picture = jpegOf
			}
			cam := open(t, f.source(t, Opts{Width: 64, Height: 48})).(devices.Glancer)
			defer cam.Close()
			for i := range 10 {
				shown, err := cam.Glance(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				gray := shown.Image.(*image.Gray)
				if i%2 == 1 {
					continue // nobody asks
				}
				whole, err := cam.Whole()
				if err != nil {
					t.Fatal(err)
				}
				side := whole.Image.Bounds().Dx() / gray.Rect.Dx()
				worst := 0.0
				for y := range whole.Image.Bounds().Dy() / side {
					for x := range gray.Rect.Dx() {
						sum := 0.0
						for dy := range side {
							for dx := range side {
								sum += float64(light(whole.Image, x*side+dx, y*side+dy))
							}
						}
						d := sum/float64(side*side) - float64(gray.GrayAt(x, y).Y)
						worst = max(worst, d, -d)
					}
				}
				if side == 1 && worst > 1 || side > 1 && worst > 32 {
					t.Errorf("picture %d differs from its glance by %.1f", i, worst)
				}
			}
		})
	}
}

// light is the luminance of a pixel.
func light(img image.Image, x, y int) uint8 {
	if m, ok := img.(*image.YCbCr); ok {
		return m.Y[m.YOffset(x, y)]
	}
	return color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y
}

// The path of a picture that nobody asks for allocates nothing, in any format.
func TestGlancesAllocateNothing(t *testing.T) {
	for _, p := range pixels() {
		l := &layout{pixel: p, width: 64, height: 48}
		data := jpegBytes(t, colourful(64, 48), 80)
		if !l.compressed() {
			l.stride = p.line(64)
			data = make([]byte, p.need(64, 48, l.stride))
		}
		c := &camera{format: l, buffers: [][]byte{data}}
		b := buffer{bytesUsed: uint32(len(data))}
		glance := func() {
			if _, damage := c.luminance(b); damage != nil {
				t.Fatal(damage)
			}
		}
		glance()
		if n := testing.AllocsPerRun(20, glance); n != 0 {
			t.Errorf("%s: %v allocations a glance", p.name, n)
		}
	}
}

// A buffer that is kept for Whole goes back in the end, also when nobody asks.
func TestGlanceKeepsOneBuffer(t *testing.T) {
	f := newFake()
	cam := open(t, f.source(t, Opts{Width: 64, Height: 48})).(devices.Glancer)
	for range 3 * wantBuffers {
		if _, err := cam.Glance(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := cam.Glance(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	if _, err := cam.Whole(); err == nil {
		t.Error("the picture of a glance before a cancelled one was given")
	}
	if err := cam.Close(); err != nil {
		t.Error(err)
	}
	if _, err := cam.Whole(); err == nil {
		t.Error("a closed camera gave a picture")
	}
}
