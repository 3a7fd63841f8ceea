package gemma4

import (
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// decode reads a picture of testdata/pictures.
func decode(t *testing.T, name string) image.Image {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "pictures", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	im, _, err := image.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return im
}

// plain returns the pixels of a picture as the model sees them, at its size.
func plain(t *testing.T, im image.Image) *Pixels {
	t.Helper()
	p, err := Resize(im, im.Bounds().Dx(), im.Bounds().Dy())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRGBEqualsPillow compares pictures of every kind with what Pillow's
// convert('RGB') makes of them (testdata/pictures.py). The JPEG decoders differ
// by a rounding here and there; interpolating the colours wrongly would show up
// as differences of tens.
func TestRGBEqualsPillow(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "pictures", "*.rgb.png"))
	if err != nil || len(files) < 12 {
		t.Fatalf("%d pictures, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".rgb.png")
		tolerance := 0
		source := name + ".png"
		if _, err := os.Stat(filepath.Join("testdata", "pictures", source)); err != nil {
			source, tolerance = name+".jpg", 3
		}
		got, want := plain(t, decode(t, source)), plain(t, decode(t, name+".rgb.png"))
		if got.W != want.W || got.H != want.H {
			t.Fatalf("%s: %dx%d, want %dx%d", source, got.W, got.H, want.W, want.H)
		}
		worst, at, sum := 0, 0, 0
		for i, p := range got.Pix {
			d := int(max(p, want.Pix[i]) - min(p, want.Pix[i]))
			if sum += d; d > worst {
				worst, at = d, i
			}
		}
		if mean := float64(sum) / float64(len(got.Pix)); worst > tolerance || mean > 0.1*float64(tolerance) {
			t.Errorf("%s (%T): differs by up to %d at (%d, %d), by %.3f on average", source, decode(t, source), worst, at/3%got.W, at/3/got.W, mean)
		}
	}
}

// hidden keeps the picture's type from rowsOf.
type hidden struct{ image.Image }

// TestFastPathsEqualSlowPath holds the paths for each kind of picture, whole
// and cut out, against the one that asks for pixel by pixel.
func TestFastPathsEqualSlowPath(t *testing.T) {
	box := image.Rect(3, 5, 40, 33)
	source := &Pixels{W: 40, H: 40, Pix: noise(3 * 40 * 40)}
	gray16 := image.NewGray16(box)
	cmyk := image.NewCMYK(box)
	for i, v := range noise(len(gray16.Pix)) {
		gray16.Pix[i] = v
	}
	copy(cmyk.Pix, noise(len(cmyk.Pix)))
	palette := image.NewPaletted(box, color.Palette{color.Black, color.NRGBA{R: 200, G: 100, B: 50, A: 10}, color.RGBA{R: 30, G: 20, B: 10, A: 60}, color.Gray{Y: 77}})
	for i := range palette.Pix {
		palette.Pix[i] = uint8(i % 4)
	}
	see := image.NewNRGBA64(box)
	copy(see.Pix, noise(len(see.Pix)))
	clear := image.NewRGBA(box)
	for i := 0; i < len(clear.Pix); i += 4 { // premultiplied: no channel above alpha
		a := uint8(i * 7)
		clear.Pix[i], clear.Pix[i+1], clear.Pix[i+2], clear.Pix[i+3] = a/2, a/3, a, a
	}
	rgba, nrgba, gray := image.NewRGBA(box), image.NewNRGBA(box), image.NewGray(box)
	for _, im := range []draw.Image{rgba, nrgba, gray} {
		draw.Draw(im, box, source, box.Min, draw.Src)
	}
	full := image.NewYCbCr(box, image.YCbCrSubsampleRatio444)
	copy(full.Y, noise(len(full.Y)))
	copy(full.Cb, noise(len(full.Cb)))
	copy(full.Cr, noise(len(full.Cr)))
	type cut interface {
		SubImage(image.Rectangle) image.Image
	}
	for _, im := range []image.Image{rgba, nrgba, gray, gray16, palette, see, clear, full, source} {
		views := []image.Image{im}
		if c, ok := im.(cut); ok {
			views = append(views, c.SubImage(image.Rect(7, 9, 30, 21)))
		}
		for _, v := range views {
			got, want := plain(t, v), plain(t, hidden{v})
			for i, p := range got.Pix {
				// The standard library's YCbCr rounds differently.
				if _, jpeg := im.(*image.YCbCr); max(p, want.Pix[i])-min(p, want.Pix[i]) > 1 || p != want.Pix[i] && !jpeg {
					t.Errorf("%T %v: byte %d is %d, pixel by pixel it is %d", v, v.Bounds(), i, p, want.Pix[i])
					break
				}
			}
		}
	}
	for i, p := range plain(t, cmyk).Pix { // the standard library rounds down
		if want := plain(t, hidden{cmyk}).Pix[i]; max(p, want)-min(p, want) > 1 {
			t.Fatalf("CMYK: byte %d is %d, pixel by pixel it is %d", i, p, want)
		}
	}
}

// TestHalvedColour: colour at half resolution is interpolated, also at odd
// sizes, and cuts that split a pair and strips fall back to plain reading.
func TestHalvedColour(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio422} {
		for _, size := range [][2]int{{9, 7}, {8, 8}, {5, 1}, {7, 2}} {
			im := image.NewYCbCr(image.Rect(0, 0, size[0], size[1]), ratio)
			for i := range im.Y {
				im.Y[i] = 128
			}
			for y := 0; y < size[1]; y += 2 {
				for x := range size[0] {
					im.Cb[im.COffset(x, y)] = 128
				}
			}
			for y := range size[1] {
				for x := range size[0] {
					im.Cb[im.COffset(x, y)], im.Cr[im.COffset(x, y)] = 128, uint8(100+10*(x/2))
				}
			}
			p := plain(t, im)
			for x := 2; x+1 < size[0]; x++ { // away from the ends red rises by 7 a pixel, not by 14 every other one
				step := int(p.Pix[3*x]) - int(p.Pix[3*(x-1)])
				if step < 5 || step > 9 {
					t.Errorf("%v %v: red rises by %d at column %d: %v", ratio, size, step, x, p.Pix[:3*size[0]])
					break
				}
			}
		}
	}
	im := image.NewYCbCr(image.Rect(0, 0, 12, 12), image.YCbCrSubsampleRatio420)
	copy(im.Y, noise(len(im.Y)))
	copy(im.Cb, noise(len(im.Cb)))
	for _, r := range []image.Rectangle{image.Rect(1, 0, 9, 8), image.Rect(2, 3, 9, 8), image.Rect(0, 0, 3, 9)} {
		v := im.SubImage(r)
		if string(plain(t, v).Pix) != string(plain(t, hidden{v}).Pix) {
			t.Errorf("%v differs from plain reading", r)
		}
	}
}

func TestPixelsIsAnImage(t *testing.T) {
	p := &Pixels{W: 2, H: 1, Pix: []uint8{1, 2, 3, 4, 5, 6}}
	if got := p.At(1, 0); got != (color.NRGBA{R: 4, G: 5, B: 6, A: 255}) {
		t.Errorf("pixel (1, 0) is %v", got)
	}
	if got := p.At(2, 0); got != (color.NRGBA{}) {
		t.Errorf("pixel outside is %v", got)
	}
}

// BenchmarkResize takes a camera frame to the size for 70 soft tokens.
func BenchmarkResize(b *testing.B) {
	im := &Pixels{W: 640, H: 480, Pix: noise(3 * 640 * 480)}
	for b.Loop() {
		if _, err := Resize(im, 432, 336); err != nil {
			b.Fatal(err)
		}
	}
}
