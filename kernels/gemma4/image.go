package gemma4

import (
	"image"
	"image/color"
)

// Pixels is an 8-bit RGB picture: three bytes a pixel, row after row, without
// padding. It is also an image.Image, opaque.
type Pixels struct {
	W, H int
	Pix  []uint8 // [H][W][3]
}

// NewPixels returns a black picture.
func NewPixels(w, h int) *Pixels { return &Pixels{W: w, H: h, Pix: make([]uint8, 3*w*h)} }

// ColorModel implements image.Image.
func (p *Pixels) ColorModel() color.Model { return color.NRGBAModel }

// Bounds implements image.Image.
func (p *Pixels) Bounds() image.Rectangle { return image.Rect(0, 0, p.W, p.H) }

// At implements image.Image.
func (p *Pixels) At(x, y int) color.Color {
	if x < 0 || y < 0 || x >= p.W || y >= p.H {
		return color.NRGBA{}
	}
	i := 3 * (y*p.W + x)
	return color.NRGBA{R: p.Pix[i], G: p.Pix[i+1], B: p.Pix[i+2], A: 0xff}
}

// rowReader writes row y of a picture, counted from its top, into dst as RGB:
// [width][3]. It may be called from several goroutines.
type rowReader func(dst []uint8, y int)

// rowsOf returns a reader of the picture's rows as 8-bit RGB. Transparency is
// dropped, not blended, and a 16-bit channel keeps its upper byte: what the
// model's reference does with a picture that is not RGB.
//
// The kinds that the standard decoders and the cameras produce have a path
// without a method call for each pixel.
func rowsOf(im image.Image) rowReader {
	b := im.Bounds()
	switch im := im.(type) {
	case *Pixels:
		return func(dst []uint8, y int) { copy(dst, im.Pix[3*im.W*y:]) }
	case *image.RGBA:
		return func(dst []uint8, y int) { rgbaRow(dst, im.Pix[im.PixOffset(b.Min.X, b.Min.Y+y):]) }
	case *image.NRGBA:
		return func(dst []uint8, y int) { nrgbaRow(dst, im.Pix[im.PixOffset(b.Min.X, b.Min.Y+y):]) }
	case *image.NRGBA64:
		return func(dst []uint8, y int) { nrgba64Row(dst, im.Pix[im.PixOffset(b.Min.X, b.Min.Y+y):]) }
	case *image.Gray:
		return func(dst []uint8, y int) { grayRow(dst, im.Pix[im.PixOffset(b.Min.X, b.Min.Y+y):], 1) }
	case *image.Gray16:
		return func(dst []uint8, y int) { grayRow(dst, im.Pix[im.PixOffset(b.Min.X, b.Min.Y+y):], 2) }
	case *image.CMYK:
		return func(dst []uint8, y int) { cmykRow(dst, im.Pix[im.PixOffset(b.Min.X, b.Min.Y+y):]) }
	case *image.Paletted:
		return palettedRows(im)
	case *image.YCbCr:
		return ycbcrRows(im)
	case *image.NYCbCrA:
		return ycbcrRows(&im.YCbCr)
	}
	return anyRows(im)
}

// anyRows reads any picture pixel by pixel.
func anyRows(im image.Image) rowReader {
	b := im.Bounds()
	return func(dst []uint8, y int) {
		for x := range len(dst) / 3 {
			c := straight(im.At(b.Min.X+x, b.Min.Y+y))
			dst[3*x], dst[3*x+1], dst[3*x+2] = c.R, c.G, c.B
		}
	}
}

// straight returns the colour with its alpha taken out of the channels.
func straight(c color.Color) color.NRGBA {
	switch c := c.(type) {
	case color.NRGBA:
		return c
	case color.NRGBA64:
		return color.NRGBA{R: uint8(c.R >> 8), G: uint8(c.G >> 8), B: uint8(c.B >> 8), A: uint8(c.A >> 8)}
	}
	return color.NRGBAModel.Convert(c).(color.NRGBA)
}

func rgbaRow(dst, src []uint8) {
	for x := range len(dst) / 3 {
		s, d := src[4*x:4*x+4:4*x+4], dst[3*x:3*x+3:3*x+3]
		if s[3] == 0xff {
			d[0], d[1], d[2] = s[0], s[1], s[2]
			continue
		}
		c := straight(color.RGBA{R: s[0], G: s[1], B: s[2], A: s[3]})
		d[0], d[1], d[2] = c.R, c.G, c.B
	}
}

func nrgbaRow(dst, src []uint8) {
	for x := range len(dst) / 3 {
		s, d := src[4*x:4*x+3:4*x+3], dst[3*x:3*x+3:3*x+3]
		d[0], d[1], d[2] = s[0], s[1], s[2]
	}
}

func nrgba64Row(dst, src []uint8) {
	for x := range len(dst) / 3 {
		s, d := src[8*x:8*x+5:8*x+5], dst[3*x:3*x+3:3*x+3]
		d[0], d[1], d[2] = s[0], s[2], s[4]
	}
}

// grayRow reads one channel of size bytes, the upper one first.
func grayRow(dst, src []uint8, size int) {
	for x := range len(dst) / 3 {
		v, d := src[size*x], dst[3*x:3*x+3:3*x+3]
		d[0], d[1], d[2] = v, v, v
	}
}

// cmykRow multiplies each ink's paper by the black ink's, in 8 bits.
func cmykRow(dst, src []uint8) {
	for x := range len(dst) / 3 {
		s, d := src[4*x:4*x+4:4*x+4], dst[3*x:3*x+3:3*x+3]
		paper := 255 - int(s[3])
		for i := range d {
			p := int(s[i])*paper + 128
			d[i] = uint8(max(0, paper-(p+p>>8)>>8))
		}
	}
}

func palettedRows(im *image.Paletted) rowReader {
	var table [256][3]uint8
	for i, c := range im.Palette {
		if i == len(table) {
			break
		}
		s := straight(c)
		table[i] = [3]uint8{s.R, s.G, s.B}
	}
	b := im.Bounds()
	return func(dst []uint8, y int) {
		src := im.Pix[im.PixOffset(b.Min.X, b.Min.Y+y):]
		for x := range len(dst) / 3 {
			copy(dst[3*x:3*x+3], table[src[x]][:])
		}
	}
}
