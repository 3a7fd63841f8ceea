//go:build linux && (amd64 || arm64)

package v4l2

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"testing"
)

func mjpegLayout(w, h int) *layout { return &layout{pixel: *pixelNamed("mjpeg"), width: w, height: h} }

// colourful has every kind of coefficient in it.
func colourful(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{byte(x * 4), byte(y*5 ^ x), byte(x * y), 255})
		}
	}
	return img
}

func jpegBytes(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Go's encoder uses the tables of Annex K too: without them, and with ours put
// in, the picture is the same.
func TestUsualTables(t *testing.T) {
	for _, quality := range []int{20, 75, 99} {
		whole := jpegBytes(t, colourful(64, 48), quality)
		bare := withoutTables(whole)
		if _, err := jpeg.Decode(bytes.NewReader(bare)); err == nil {
			t.Fatal("the picture can be decoded without tables: this test shows nothing")
		}
		want, err := jpeg.Decode(bytes.NewReader(whole))
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{
			"bare":       bare,
			"whole":      whole,
			"padded":     append(append([]byte{0, 0, 0xff}, bare...), make([]byte, 100)...),
			"no end":     bare[:len(bare)-2],
			"fill bytes": append([]byte{0xff, 0xd8, 0xff, 0xff}, bare[2:]...),
		} {
			got, err := mjpegLayout(64, 48).decode(b)
			if err != nil {
				t.Errorf("quality %d, %s: %v", quality, name, err)
				continue
			}
			if !bytes.Equal(got.(*image.YCbCr).Y, want.(*image.YCbCr).Y) || !bytes.Equal(got.(*image.YCbCr).Cr, want.(*image.YCbCr).Cr) {
				t.Errorf("quality %d, %s: another picture", quality, name)
			}
		}
	}
}

func TestDecodeLeavesInputAlone(t *testing.T) {
	whole := jpegBytes(t, colourful(64, 48), 75)
	b := append(whole[:len(whole):len(whole)], 1, 2, 3)
	if _, err := mjpegLayout(64, 48).decode(b[:len(whole)]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, append(whole[:len(whole):len(whole)], 1, 2, 3)) {
		t.Error("bytes after the picture were written")
	}
}

func TestMJPEGRefuses(t *testing.T) {
	whole := jpegBytes(t, colourful(64, 48), 75)
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "no JPEG in it"},
		{"zeros", make([]byte, 1000), "no JPEG in it"},
		{"only a mark", []byte{0xff, 0xd8}, "cut off"},
		{"cut in the head", whole[:30], "cut off"},
		{"cut in the picture", whole[:len(whole)/2], "no good JPEG"},
		{"no picture", []byte{0xff, 0xd8, 0xff, 0xd9, 0, 0}, "ends before its picture"},
		{"noise in the head", []byte{0xff, 0xd8, 1, 2, 3, 4, 5}, "damaged at byte 2"},
		{"bad size", []byte{0xff, 0xd8, 0xff, 0xe0, 0, 1, 5, 5}, "damaged at byte 2"},
		{"large", jpegBytes(t, colourful(128, 64), 75), "says that it is 128x64, agreed was 64x48"},
	}
	for _, tt := range tests {
		img, err := mjpegLayout(64, 48).decode(tt.b)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err = %v (picture %v), want %q", tt.name, err, img != nil, tt.want)
		}
	}
	if img, err := mjpegLayout(64, 40).decode(whole); err != nil || img.Bounds().Dy() != 48 {
		t.Errorf("a height that was rounded up: %v", err)
	}
}

func FuzzMJPEG(f *testing.F) {
	whole := jpegBytes(f, colourful(32, 24), 75)
	f.Add(whole)
	f.Add(withoutTables(whole))
	f.Add(whole[:len(whole)/2])
	f.Add(jpegBytes(f, image.NewGray(image.Rect(0, 0, 8, 8)), 50))
	f.Add([]byte{0xff, 0xd8, 0xff, 0xe0, 0, 1, 5, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := mjpegLayout(32, 24).decode(b)
		if err != nil {
			return
		}
		switch img.(type) {
		case *image.YCbCr, *image.RGBA, *image.Gray:
		default:
			t.Fatalf("a %T", img)
		}
		if s := img.Bounds(); s.Empty() || s.Dx()*s.Dy() > 2*32*24 {
			t.Fatalf("%v", s)
		}
	})
}

// What a driver says of its format, and what it puts into its buffers, are
// bytes from outside.
func FuzzLayout(f *testing.F) {
	for _, p := range pixels() {
		f.Add(uint32(16), uint32(12), uint32(0), fourCC(p.codes[0]), uint32(8), uint32(0), uint32(0), []byte("0123456789"))
		f.Add(uint32(7), uint32(5), uint32(40), fourCC(p.codes[0]), uint32(3), uint32(2), uint32(1), make([]byte, 1000))
	}
	f.Fuzz(func(t *testing.T, w, h, stride, code, space, enc, quant uint32, data []byte) {
		if uint64(w)*uint64(h) > 1<<20 {
			return // only the memory of the test
		}
		l, err := newLayout(pixFormat{width: w, height: h, bytesPerLine: stride, pixelFormat: code, colorspace: space, ycbcrEnc: enc, quantization: quant})
		if err != nil {
			return
		}
		if l.compressed() {
			return
		}
		img, err := l.unpack(data)
		if err == nil && img.Bounds() != image.Rect(0, 0, int(w), int(h)) {
			t.Fatalf("%v for %dx%d", img.Bounds(), w, h)
		}
	})
}
