package scene

import (
	"embed"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"path"
	"strings"

	"golang.org/x/image/draw"
)

//go:embed sprites/*.png
var spriteFiles embed.FS

// sprite is a thing at the size in which it is drawn.
type sprite struct {
	img *image.RGBA // premultiplied
	// solid is the part that one sees (more than a fifth opaque), which the
	// true box encloses.
	solid image.Rectangle
}

// cast draws things for a scene.
type cast struct {
	r     *rand.Rand
	files map[string][]string // by label, in the order of their names
}

func newCast(r *rand.Rand) (*cast, error) {
	entries, err := spriteFiles.ReadDir("sprites")
	if err != nil {
		return nil, err
	}
	c := &cast{r, map[string][]string{}}
	for _, e := range entries {
		label, _, _ := strings.Cut(e.Name(), "-")
		c.files[label] = append(c.files[label], path.Join("sprites", e.Name()))
	}
	return c, nil
}

// pick reads one of the pictures of label. All of them look to the left.
func (c *cast) pick(label string) (image.Image, error) {
	files := c.files[label]
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no picture of a %s", label)
	}
	f, err := spriteFiles.Open(files[c.r.IntN(len(files))])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return png.Decode(f)
}

// scaled draws src with its longer side of long pixels, stretched by aspect,
// and turned around when mirror is true.
func scaled(src image.Image, long, aspect float64, mirror bool) *sprite {
	b := src.Bounds()
	k := long / float64(max(b.Dx(), b.Dy()))
	w, h := max(6, int(float64(b.Dx())*k*aspect)), max(6, int(float64(b.Dy())*k/aspect))
	var scaler draw.Scaler = draw.CatmullRom
	if k < 1 {
		scaler = draw.BiLinear
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	scaler.Scale(dst, dst.Bounds(), src, b, draw.Src, nil)
	if mirror {
		for y := range h {
			row := dst.Pix[y*dst.Stride:][:4*w]
			for i, j := 0, w-1; i < j; i, j = i+1, j-1 {
				for ch := range 4 {
					row[4*i+ch], row[4*j+ch] = row[4*j+ch], row[4*i+ch]
				}
			}
		}
	}
	s := &sprite{img: dst}
	for y := range h {
		for x := range w {
			if dst.Pix[dst.PixOffset(x, y)+3] > 51 {
				s.solid = s.solid.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return s
}

// onto draws the sprite with its corner at (x, y).
func (s *sprite) onto(c *canvas, x, y int) {
	b := s.img.Bounds().Intersect(image.Rect(-x, -y, c.w-x, c.h-y))
	for sy := b.Min.Y; sy < b.Max.Y; sy++ {
		for sx := b.Min.X; sx < b.Max.X; sx++ {
			p := s.img.Pix[s.img.PixOffset(sx, sy):][:4]
			if p[3] == 0 {
				continue
			}
			through := 1 - float32(p[3])/255
			q := c.pix[3*((y+sy)*c.w+x+sx):][:3]
			q[0] = q[0]*through + float32(p[0])
			q[1] = q[1]*through + float32(p[1])
			q[2] = q[2]*through + float32(p[2])
		}
	}
}
