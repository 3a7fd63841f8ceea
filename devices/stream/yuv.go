package stream

import "image"

// YUV420 is the picture in data: planes Y, Cb and Cr of width x height pixels,
// chroma at half of both, as image.YCbCr has them (BT.601, full range). It
// shares data, which has [YUV420Size] bytes.
func YUV420(data []byte, width, height int) *image.YCbCr {
	cw, ch := (width+1)/2, (height+1)/2
	luma, chroma := width*height, cw*ch
	return &image.YCbCr{
		Y: data[:luma:luma], Cb: data[luma : luma+chroma : luma+chroma], Cr: data[luma+chroma : luma+2*chroma : luma+2*chroma],
		YStride: width, CStride: cw, SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, width, height),
	}
}

// YUV420Size is the number of bytes of such a picture.
func YUV420Size(width, height int) int {
	return width*height + 2*((width+1)/2)*((height+1)/2)
}

// Luma keeps the memory of one plane of luminance. It is used by one goroutine;
// the zero value is ready.
type Luma struct{ gray image.Gray }

// Copy copies a plane. The result is valid until the next call.
func (l *Luma) Copy(plane []byte, stride, width, height int) *image.Gray {
	l.gray = image.Gray{Pix: l.gray.Pix[:0], Stride: width, Rect: image.Rect(0, 0, width, height)}
	for y := range height {
		l.gray.Pix = append(l.gray.Pix, plane[y*stride:][:width]...)
	}
	return &l.gray
}
