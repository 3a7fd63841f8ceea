package replay

import (
	"encoding/binary"
	"image"
	"image/color"
)

// jpegSegments calls visit with the marker and the body of each segment of a
// JPEG file up to its first scan, until visit returns false.
func jpegSegments(data []byte, visit func(marker byte, body []byte) bool) {
	at := 2
	for at+4 <= len(data) && data[at] == 0xff {
		marker := data[at+1]
		if marker == 0xff { // fill byte
			at++
			continue
		}
		if marker == 0xda {
			return
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		if size < 2 || at+2+size > len(data) || !visit(marker, data[at+4:at+2+size]) {
			return
		}
		at += 2 + size
	}
}

// isProgressive says whether a JPEG file has a progressive frame (SOF2).
func isProgressive(data []byte) bool {
	found := false
	jpegSegments(data, func(marker byte, _ []byte) bool {
		found = found || marker == 0xc2
		return !found
	})
	return found
}

// orientation returns the EXIF orientation of a JPEG file, 1 to 8, and 1 when
// it has none. Exif 2.3, tag 0x0112 of IFD0.
func orientation(data []byte) int {
	o := 1
	jpegSegments(data, func(marker byte, body []byte) bool {
		if marker != 0xe1 || len(body) < 14 || string(body[:6]) != "Exif\x00\x00" {
			return true
		}
		o = tiffOrientation(body[6:])
		return false
	})
	return o
}

func tiffOrientation(b []byte) int {
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	n := uint64(order.Uint16(b[at:]))
	for i := range n {
		entry := at + 2 + 12*i
		if entry+12 > uint64(len(b)) {
			return 1
		}
		if order.Uint16(b[entry:]) != 0x0112 || order.Uint16(b[entry+2:]) != 3 {
			continue
		}
		if v := int(order.Uint16(b[entry+8:])); v >= 1 && v <= 8 {
			return v
		}
		return 1
	}
	return 1
}

// upright turns a picture as its EXIF orientation o says. The bounds of img
// begin at (0, 0).
func upright(img image.Image, o int) image.Image {
	if o == 1 {
		return img
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	// from returns the stored pixel that is shown at (x, y).
	var from func(x, y int) (int, int)
	switch o {
	case 2:
		from = func(x, y int) (int, int) { return w - 1 - x, y }
	case 3:
		from = func(x, y int) (int, int) { return w - 1 - x, h - 1 - y }
	case 4:
		from = func(x, y int) (int, int) { return x, h - 1 - y }
	case 5:
		from = func(x, y int) (int, int) { return y, x }
	case 6:
		from = func(x, y int) (int, int) { return y, h - 1 - x }
	case 7:
		from = func(x, y int) (int, int) { return w - 1 - y, h - 1 - x }
	case 8:
		from = func(x, y int) (int, int) { return w - 1 - y, x }
	}
	dw, dh := w, h
	if o >= 5 {
		dw, dh = h, w
	}
	if g, ok := img.(*image.Gray); ok {
		dst := image.NewGray(image.Rect(0, 0, dw, dh))
		for y := range dh {
			for x := range dw {
				dst.SetGray(x, y, g.GrayAt(from(x, y)))
			}
		}
		return dst
	}
	dst := image.NewNRGBA(image.Rect(0, 0, dw, dh))
	for y := range dh {
		for x := range dw {
			sx, sy := from(x, y)
			var c color.NRGBA
			switch p := img.(type) {
			case *image.YCbCr:
				v := p.YCbCrAt(sx, sy)
				c.R, c.G, c.B = color.YCbCrToRGB(v.Y, v.Cb, v.Cr)
				c.A = 0xff
			case *image.NRGBA:
				c = p.NRGBAAt(sx, sy)
			default:
				c = color.NRGBAModel.Convert(img.At(sx, sy)).(color.NRGBA)
			}
			dst.SetNRGBA(x, y, c)
		}
	}
	return dst
}
