//go:build linux && (amd64 || arm64)

package v4l2

import (
	"fmt"
	"image"
	"slices"
)

// pixel is a way in which a camera gives its pictures.
// https://docs.kernel.org/userspace-api/media/v4l/pixfmt.html
type pixel struct {
	name  string
	codes []string
	// line is the number of bytes that a row of w pixels (of the first plane)
	// takes at least; nil for compressed pictures.
	line func(w int) int
	// need is the number of bytes of a picture whose rows are stride apart.
	need func(w, h, stride int) int
	// unpack makes a picture of at least need bytes.
	unpack func(b []byte, w, h, stride int) image.Image
	// luma takes the luminance of such a picture.
	luma func(dst *image.Gray, b []byte, stride int)
	// yuv is whether the picture is YCbCr, whose colours may need correction.
	yuv bool
}

// pixels are the known formats, the best ones first.
func pixels() []pixel {
	return []pixel{
		{"yuyv", []string{"YUYV"}, pairs(4), packed(4), unpackYUYV, every(0), true},
		{"uyvy", []string{"UYVY"}, pairs(4), packed(4), unpackUYVY, every(1), true},
		{"nv12", []string{"NV12"}, pairs(2), needNV12, unpackNV12, copyRows, true},
		{"yuv420", []string{"YU12"}, pairs(2), needYUV420, unpackYUV420, copyRows, true},
		{"rgb24", []string{"RGB3"}, each(3), rows(3), unpackRGB, weigh(0, 2), false},
		{"bgr24", []string{"BGR3"}, each(3), rows(3), unpackBGR, weigh(2, 0), false},
		{"grey", []string{"GREY"}, each(1), rows(1), unpackGrey, copyRows, false},
		{"mjpeg", []string{"MJPG", "JPEG"}, nil, nil, nil, nil, false},
	}
}

func (p *pixel) has(code uint32) bool { return slices.Contains(p.codes, fourCCText(code)) }

func pixelNamed(name string) *pixel {
	for _, p := range pixels() {
		if p.name == name {
			return &p
		}
	}
	return nil
}

func pixelNames() []string {
	var names []string
	for _, p := range pixels() {
		names = append(names, p.name)
	}
	return names
}

// layout is a format with its sizes, as the driver gave them.
type layout struct {
	pixel                 pixel
	width, height, stride int
	colour                *colour // nil when the colours are those of image.YCbCr
}

// newLayout checks what a driver answered.
func newLayout(f pixFormat) (*layout, error) {
	l := &layout{width: int(f.width), height: int(f.height), stride: int(f.bytesPerLine)}
	known := false
	for _, p := range pixels() {
		if p.has(f.pixelFormat) {
			l.pixel, known = p, true
		}
	}
	if !known {
		return nil, fmt.Errorf("the driver switched to the format %s, which is unknown here: choose another format", fourCCText(f.pixelFormat))
	}
	if f.width == 0 || f.height == 0 || f.width > MaxSide || f.height > MaxSide {
		return nil, fmt.Errorf("the driver gives pictures of %dx%d: ask for another size", f.width, f.height)
	}
	if l.compressed() {
		return l, nil
	}
	least := l.pixel.line(l.width)
	if l.stride == 0 {
		l.stride = least
	}
	if l.stride < least || f.bytesPerLine > 8*MaxSide {
		return nil, fmt.Errorf("the driver says that a row of %d pixels takes %d bytes in the format %s: ask for another size or format", l.width, l.stride, l.pixel.name)
	}
	if l.pixel.yuv {
		l.colour = newColour(f)
	}
	return l, nil
}

func (l *layout) String() string { return fmt.Sprintf("%s %dx%d", l.pixel.name, l.width, l.height) }

func (l *layout) compressed() bool { return l.pixel.unpack == nil }

// unpack makes a picture of the bytes of an uncompressed format.
func (l *layout) unpack(b []byte) (image.Image, error) {
	if need := l.pixel.need(l.width, l.height, l.stride); len(b) < need {
		return nil, fmt.Errorf("the picture is cut off: %d of %d bytes came", len(b), need)
	}
	img := l.pixel.unpack(b, l.width, l.height, l.stride)
	if l.colour != nil {
		l.colour.correct(img.(*image.YCbCr))
	}
	return img, nil
}

// half is the number of chroma samples for n pixels.
func half(n int) int { return (n + 1) / 2 }

func pairs(bytes int) func(w int) int { return func(w int) int { return half(w) * bytes } }

func each(bytes int) func(w int) int { return func(w int) int { return w * bytes } }

// packed and rows: the last row need not be padded.
func packed(bytes int) func(w, h, stride int) int {
	return func(w, h, stride int) int { return stride*(h-1) + half(w)*bytes }
}

func rows(bytes int) func(w, h, stride int) int {
	return func(w, h, stride int) int { return stride*(h-1) + w*bytes }
}

func unpackYUYV(b []byte, w, h, stride int) image.Image { return unpack422(b, w, h, stride, 0, 1, 3) }

func unpackUYVY(b []byte, w, h, stride int) image.Image { return unpack422(b, w, h, stride, 1, 0, 2) }

// unpack422 takes the four bytes of two pixels apart: luma at y and y+2,
// chroma at cb and cr.
func unpack422(b []byte, w, h, stride, y, cb, cr int) image.Image {
	p := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio422)
	for row := range h {
		src := b[row*stride:]
		luma, u, v := p.Y[row*p.YStride:][:w], p.Cb[row*p.CStride:][:half(w)], p.Cr[row*p.CStride:][:half(w)]
		for i := range u {
			s := src[4*i : 4*i+4]
			luma[2*i] = s[y]
			if 2*i+1 < w {
				luma[2*i+1] = s[y+2]
			}
			u[i], v[i] = s[cb], s[cr]
		}
	}
	return p
}

func needNV12(w, h, stride int) int { return stride*h + stride*(half(h)-1) + 2*half(w) }

// unpackNV12: a plane of luma, then one of interleaved chroma.
func unpackNV12(b []byte, w, h, stride int) image.Image {
	p := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for row := range h {
		copy(p.Y[row*p.YStride:][:w], b[row*stride:])
	}
	for row := range half(h) {
		src := b[stride*h+row*stride:]
		u, v := p.Cb[row*p.CStride:][:half(w)], p.Cr[row*p.CStride:][:half(w)]
		for i := range u {
			u[i], v[i] = src[2*i], src[2*i+1]
		}
	}
	return p
}

func needYUV420(w, h, stride int) int {
	return stride*h + stride/2*half(h) + stride/2*(half(h)-1) + half(w)
}

// unpackYUV420: three planes; rows of chroma are half as far apart.
func unpackYUV420(b []byte, w, h, stride int) image.Image {
	p := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for row := range h {
		copy(p.Y[row*p.YStride:][:w], b[row*stride:])
	}
	u, v := b[stride*h:], b[stride*h+stride/2*half(h):]
	for row := range half(h) {
		copy(p.Cb[row*p.CStride:][:half(w)], u[row*(stride/2):])
		copy(p.Cr[row*p.CStride:][:half(w)], v[row*(stride/2):])
	}
	return p
}

func unpackRGB(b []byte, w, h, stride int) image.Image { return unpack24(b, w, h, stride, 0, 2) }

func unpackBGR(b []byte, w, h, stride int) image.Image { return unpack24(b, w, h, stride, 2, 0) }

func unpack24(b []byte, w, h, stride, red, blue int) image.Image {
	p := image.NewRGBA(image.Rect(0, 0, w, h))
	for row := range h {
		src, dst := b[row*stride:], p.Pix[row*p.Stride:]
		for x := range w {
			s, d := src[3*x:3*x+3], dst[4*x:4*x+4]
			d[0], d[1], d[2], d[3] = s[red], s[1], s[blue], 0xff
		}
	}
	return p
}

func unpackGrey(b []byte, w, h, stride int) image.Image {
	p := image.NewGray(image.Rect(0, 0, w, h))
	for row := range h {
		copy(p.Pix[row*p.Stride:][:w], b[row*stride:])
	}
	return p
}
