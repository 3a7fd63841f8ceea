package replay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"unicode/utf8"

	"golang.org/x/image/bmp"
)

// kind is a picture format, in the words of messages.
type kind string

const (
	pngKind  kind = "PNG"
	jpegKind kind = "JPEG"
	gifKind  kind = "GIF"
	webpKind kind = "WebP"
	bmpKind  kind = "BMP"
)

// sniff recognises a picture by its first bytes. When it is none that sensed
// reads, kind is "" and why says what it is instead.
func sniff(b []byte) (k kind, why string) {
	has := func(at int, s string) bool { return len(b) >= at+len(s) && string(b[at:at+len(s)]) == s }
	switch {
	case has(0, "\x89PNG\r\n\x1a\n"):
		return pngKind, ""
	case has(0, "\xff\xd8\xff"):
		return jpegKind, ""
	case has(0, "GIF87a"), has(0, "GIF89a"):
		return gifKind, ""
	case has(0, "RIFF") && has(8, "WEBP"):
		return webpKind, ""
	case has(0, "BM") && (has(14, "\x28\x00\x00\x00") || has(14, "\x6c\x00\x00\x00") || has(14, "\x7c\x00\x00\x00")):
		return bmpKind, ""
	case len(b) == 0:
		return "", "is empty: replace it"
	case has(4, "ftyphei"), has(4, "ftyphev"), has(4, "ftypmif1"), has(4, "ftypmsf1"):
		return "", "is a HEIC picture, which sensed does not read: export it as JPEG"
	case has(4, "ftypavif"), has(4, "ftypavis"):
		return "", "is an AVIF picture, which sensed does not read: export it as JPEG"
	case has(0, "II*\x00"), has(0, "MM\x00*"):
		return "", "is a TIFF or raw picture, which sensed does not read: export it as JPEG or PNG"
	case has(0, "%PDF-"):
		return "", "is a PDF document, not a picture: export the page as PNG"
	case isText(b):
		return "", "holds text, not a picture: replace it, or correct its name"
	}
	return "", "is not a PNG, JPEG, GIF, WebP or BMP picture: replace it, or correct its name"
}

// isText says whether the beginning of b reads as text.
func isText(b []byte) bool {
	b = b[:min(len(b), 512)]
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && len(b) >= utf8.UTFMax {
			return false
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' && r != 0x1b {
			return false
		}
		b = b[n:]
	}
	return true
}

// extent is the size of a picture before it is decoded.
type extent struct {
	width, height int
	perPixel      int // bytes that decoding takes for one pixel, at most
	how           string
}

func (e extent) check(name string, lim Limits) error {
	if e.width <= 0 || e.height <= 0 {
		return &BadFile{Name: name, Why: fmt.Sprintf("is %dx%d: it holds no pixels: replace it", e.width, e.height)}
	}
	if e.width > lim.Side || e.height > lim.Side {
		return &BadFile{Name: name, Why: fmt.Sprintf("is %dx%d: a side may have %d pixels: make the picture smaller", e.width, e.height, lim.Side)}
	}
	if need := int64(e.width) * int64(e.height) * int64(e.perPixel); need > lim.Memory {
		return &BadFile{Name: name, Why: fmt.Sprintf("is %dx%d (%s): decoding it takes %s of memory, %s are allowed: make the picture smaller",
			e.width, e.height, e.how, megabytes(need), megabytes(lim.Memory))}
	}
	return nil
}

// measure reads the size of a picture from its header.
func measure(k kind, data []byte) (extent, error) {
	var (
		c   image.Config
		err error
		e   = extent{how: string(k)}
	)
	r := bytes.NewReader(data)
	switch k {
	case pngKind:
		c, err = png.DecodeConfig(r)
		e.perPixel = 1
		switch c.ColorModel {
		case color.GrayModel:
		case color.Gray16Model:
			e.perPixel = 3
		case color.RGBA64Model, color.NRGBA64Model:
			e.perPixel, e.how = 12, "PNG with 16 bits a channel"
		case color.RGBAModel, color.NRGBAModel:
			e.perPixel = 4
		default: // a palette, and what it becomes
			e.perPixel = 5
		}
	case jpegKind:
		c, err = jpeg.DecodeConfig(r)
		e.perPixel = 3
		if c.ColorModel == color.CMYKModel {
			e.perPixel = 8
		}
		if isProgressive(data) { // the decoder keeps every coefficient as an int32
			e.perPixel, e.how = e.perPixel*5, "progressive JPEG"
		}
	case gifKind:
		c, err = gif.DecodeConfig(r)
		e.perPixel = 5
	case webpKind:
		c.Width, c.Height, err = webpSize(data)
		e.perPixel = 9 // planes with alpha, or pixels and their transforms
	case bmpKind:
		c, err = bmp.DecodeConfig(r)
		e.perPixel = 5
	}
	e.width, e.height = c.Width, c.Height
	return e, err
}

// webpSize returns the size of the picture inside, not of the canvas that an
// extended header announces: the decoder believes the former.
// https://developers.google.com/speed/webp/docs/riff_container
func webpSize(data []byte) (width, height int, err error) {
	rest := data[min(12, len(data)):]
	for len(rest) >= 8 {
		id, size := string(rest[:4]), binary.LittleEndian.Uint32(rest[4:])
		rest = rest[8:]
		body := rest[:min(uint64(size), uint64(len(rest)))]
		switch {
		case id == "VP8 " && len(body) >= 10:
			return int(binary.LittleEndian.Uint16(body[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(body[8:]) & 0x3fff), nil
		case id == "VP8L" && len(body) >= 5:
			b := binary.LittleEndian.Uint32(body[1:])
			return int(b&0x3fff) + 1, int(b>>14&0x3fff) + 1, nil
		case id == "ANIM":
			return 0, 0, errors.New("it is animated, which sensed does not read")
		}
		skip := uint64(size) + uint64(size&1)
		if skip >= uint64(len(rest)) {
			break
		}
		rest = rest[skip:]
	}
	return 0, 0, errors.New("it holds no picture")
}
