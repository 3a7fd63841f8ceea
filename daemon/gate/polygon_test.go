package gate

import (
	"image"
	"image/color"
	"image/draw"
	"testing"
)

// fill fills a picture with a light colour that no mask has.
func fill(img draw.Image) {
	draw.Draw(img, img.Bounds(), image.NewUniform(color.RGBA{200, 180, 160, 255}), image.Point{}, draw.Src)
}

func ycbcr(r image.Rectangle, ratio image.YCbCrSubsampleRatio) *image.YCbCr {
	img := image.NewYCbCr(r, ratio)
	for i := range img.Y {
		img.Y[i] = 180
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 100, 150
	}
	return img
}

// black says whether a pixel has no light at all.
func black(c color.Color) bool {
	r, g, b, _ := c.RGBA()
	return r|g|b == 0
}

func TestPaint(t *testing.T) {
	rgba, gray := image.NewRGBA(image.Rect(0, 0, 100, 80)), image.NewGray(image.Rect(0, 0, 100, 80))
	fill(rgba)
	fill(gray)
	big := image.NewNRGBA(image.Rect(-20, -20, 200, 200))
	fill(big)
	square := Polygon{{0.25, 0.25}, {0.75, 0.25}, {0.75, 0.75}, {0.25, 0.75}}
	for name, img := range map[string]image.Image{
		"RGBA": rgba, "Gray": gray, "part of NRGBA": big.SubImage(image.Rect(10, 20, 110, 100)),
		"4:2:0": ycbcr(image.Rect(0, 0, 100, 80), image.YCbCrSubsampleRatio420),
		"4:2:2": ycbcr(image.Rect(0, 0, 100, 80), image.YCbCrSubsampleRatio422),
		"4:4:4": ycbcr(image.Rect(0, 0, 100, 80), image.YCbCrSubsampleRatio444),
		"odd":   ycbcr(image.Rect(0, 0, 99, 79), image.YCbCrSubsampleRatio420),
		"part of 4:2:0": ycbcr(image.Rect(0, 0, 200, 200), image.YCbCrSubsampleRatio420).
			SubImage(image.Rect(11, 21, 111, 101)),
	} {
		t.Run(name, func(t *testing.T) {
			b := img.Bounds()
			got := Paint(img, []Polygon{square})
			if got.Bounds() != b {
				t.Fatalf("bounds %v became %v", b, got.Bounds())
			}
			for y := b.Min.Y; y < b.Max.Y; y++ {
				for x := b.Min.X; x < b.Max.X; x++ {
					if black(img.At(x, y)) {
						t.Fatalf("the original was painted at %d,%d", x, y)
					}
					u, v := (float64(x-b.Min.X)+0.5)/float64(b.Dx()), (float64(y-b.Min.Y)+0.5)/float64(b.Dy())
					inside := u >= 0.25 && u <= 0.75 && v >= 0.25 && v <= 0.75
					away := u < 0.2 || u > 0.8 || v < 0.2 || v > 0.8
					if is := black(got.At(x, y)); inside && !is || away && is {
						t.Fatalf("pixel %d,%d is black: %v", x, y, is)
					}
					if away && got.At(x, y) != img.At(x, y) {
						r1, g1, b1, _ := got.At(x, y).RGBA()
						r2, g2, b2, _ := img.At(x, y).RGBA()
						if r1 != r2 || g1 != g2 || b1 != b2 {
							t.Fatalf("pixel %d,%d outside changed", x, y)
						}
					}
				}
			}
		})
	}
}

// Without a polygon the picture is handed on; a sliver, a hair and places at
// the edge still hide what they touch; nothing panics.
func TestPaintEdges(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 50, 50))
	fill(img)
	if got := Paint(img, nil); got != image.Image(img) {
		t.Error("without polygons it made a copy")
	}
	if got := Paint(image.NewRGBA(image.Rectangle{}), []Polygon{{{0, 0}, {1, 0}, {1, 1}}}); !got.Bounds().Empty() {
		t.Error("a picture of nothing became one")
	}
	hair := Paint(img, []Polygon{{{0.5, 0.1}, {0.5, 0.9}, {0.5, 0.1}}})
	for y := 6; y < 44; y++ {
		if !black(hair.At(25, y)) {
			t.Fatalf("the hair misses 25,%d", y)
		}
	}
	all := Paint(img, []Polygon{{{0, 0}, {1, 0}, {1, 1}, {0, 1}}})
	for y := range 50 {
		for x := range 50 {
			if !black(all.At(x, y)) {
				t.Fatalf("%d,%d is not hidden", x, y)
			}
		}
	}
	two := Paint(img, []Polygon{{{0, 0}, {0.2, 0}, {0.2, 0.2}, {0, 0.2}}, {{0.8, 0.8}, {1, 0.8}, {1, 1}, {0.8, 1}}})
	if !black(two.At(2, 2)) || !black(two.At(47, 47)) || black(two.At(25, 25)) {
		t.Error("of two polygons one is missing")
	}
	for _, r := range []image.Rectangle{image.Rect(0, 0, 1, 1), image.Rect(0, 0, 300, 1), image.Rect(5, 5, 6, 300)} {
		Paint(image.NewGray(r), []Polygon{{{0, 0}, {1, 1}, {0, 1}}})
		Paint(ycbcr(r, image.YCbCrSubsampleRatio420), []Polygon{{{0, 0}, {1, 1}, {0, 1}}})
	}
}
