package replay

import (
	"bytes"
	"image"
	"image/color"
)

// plain turns what the decoders give into one of the four types of a frame,
// with bounds r, which begins at (0, 0). Channels of 16 bits lose their low byte.
func plain(img image.Image, r image.Rectangle) image.Image {
	b := img.Bounds()
	switch p := img.(type) {
	case *image.YCbCr, *image.RGBA, *image.NRGBA, *image.Gray:
		if b.Min == (image.Point{}) {
			return img
		}
	case *image.Gray16:
		dst := image.NewGray(r)
		for y := range r.Dy() {
			for x := range r.Dx() {
				dst.Pix[dst.PixOffset(x, y)] = p.Pix[p.PixOffset(b.Min.X+x, b.Min.Y+y)]
			}
		}
		return dst
	case *image.Paletted:
		return fromPalette(p, r)
	case *image.RGBA64:
		dst := image.NewRGBA(r)
		highBytes(dst.Pix, dst.Stride, p.Pix, p.Stride, 4*r.Dx(), r.Dy())
		return dst
	case *image.NRGBA64:
		dst := image.NewNRGBA(r)
		highBytes(dst.Pix, dst.Stride, p.Pix, p.Stride, 4*r.Dx(), r.Dy())
		return dst
	}
	dst := image.NewNRGBA(r)
	for y := range r.Dy() {
		for x := range r.Dx() {
			c := color.NRGBAModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			dst.SetNRGBA(x, y, c)
		}
	}
	return dst
}

// highBytes copies the high byte of each big-endian 16-bit channel of rows of
// n channels.
func highBytes(dst []byte, dstStride int, src []byte, srcStride, n, rows int) {
	for y := range rows {
		d, s := dst[y*dstStride:][:n], src[y*srcStride:][:2*n]
		for i := range d {
			d[i] = s[2*i]
		}
	}
}

// fromPalette looks every pixel up. The picture may cover only a part of r (a
// GIF frame on its screen); the rest stays transparent.
func fromPalette(p *image.Paletted, r image.Rectangle) image.Image {
	var table [256][4]uint8
	for i, c := range p.Palette {
		if i == len(table) {
			break
		}
		v := color.NRGBAModel.Convert(c).(color.NRGBA)
		table[i] = [4]uint8{v.R, v.G, v.B, v.A}
	}
	dst := image.NewNRGBA(r)
	b := p.Bounds().Intersect(r)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			copy(dst.Pix[dst.PixOffset(x, y):], table[p.Pix[p.PixOffset(x, y)]][:])
		}
	}
	return dst
}

// clone copies a picture of one of the four types of a frame.
func clone(img image.Image) image.Image {
	switch p := img.(type) {
	case *image.YCbCr:
		c := *p
		c.Y, c.Cb, c.Cr = bytes.Clone(p.Y), bytes.Clone(p.Cb), bytes.Clone(p.Cr)
		return &c
	case *image.RGBA:
		c := *p
		c.Pix = bytes.Clone(p.Pix)
		return &c
	case *image.NRGBA:
		c := *p
		c.Pix = bytes.Clone(p.Pix)
		return &c
	case *image.Gray:
		c := *p
		c.Pix = bytes.Clone(p.Pix)
		return &c
	}
	return img // there is no other
}
