package replay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/image/bmp"
)

var (
	red  = color.RGBA{200, 40, 40, 255}
	blue = color.RGBA{40, 40, 200, 255}
)

// halves is the picture of testdata/README.md.
func halves() *image.RGBA {
	img := flat(red, 16, 12)
	for y := range 12 {
		for x := 8; x < 16; x++ {
			img.SetRGBA(x, y, blue)
		}
	}
	return img
}

func near(a, b color.Color, tol int) bool {
	r, g, bl, _ := a.RGBA()
	R, G, B, _ := b.RGBA()
	d := func(x, y uint32) bool { return max(int(x>>8)-int(y>>8), int(y>>8)-int(x>>8)) <= tol }
	return d(r, R) && d(g, G) && d(bl, B)
}

func encoded(t testing.TB, encode func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// samples are good pictures of every kind, all of them halves.
func samples(t testing.TB) map[string][]byte {
	src := halves()
	convert := func(dst interface {
		image.Image
		Set(x, y int, c color.Color)
	}) image.Image {
		for y := range 12 {
			for x := range 16 {
				dst.Set(x, y, src.At(x, y))
			}
		}
		return dst
	}
	r := src.Bounds()
	m := map[string][]byte{
		"rgb.png":     encoded(t, func(w io.Writer) error { return png.Encode(w, src) }),
		"rgb16.png":   encoded(t, func(w io.Writer) error { return png.Encode(w, convert(image.NewRGBA64(r))) }),
		"palette.png": encoded(t, func(w io.Writer) error { return png.Encode(w, convert(image.NewPaletted(r, color.Palette{red, blue}))) }),
		"plain.jpg":   encoded(t, func(w io.Writer) error { return jpeg.Encode(w, src, &jpeg.Options{Quality: 95}) }),
		"plain.gif": encoded(t, func(w io.Writer) error {
			return gif.Encode(w, convert(image.NewPaletted(r, color.Palette{red, blue})), nil)
		}),
		"plain.bmp": encoded(t, func(w io.Writer) error { return bmp.Encode(w, src) }),
	}
	for _, n := range []string{"lossy.webp", "lossless.webp", "progressive.jpg", "cmyk.jpg"} {
		m[n] = testdata(t, n)
	}
	return m
}

func TestDecodeKinds(t *testing.T) {
	for name, data := range samples(t) {
		t.Run(name, func(t *testing.T) {
			img, err := Decode(bytes.NewReader(data), name, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			switch img.(type) {
			case *image.YCbCr, *image.RGBA, *image.NRGBA, *image.Gray:
			default:
				t.Errorf("the picture is a %T", img)
			}
			if img.Bounds() != image.Rect(0, 0, 16, 12) {
				t.Errorf("bounds are %v", img.Bounds())
			}
			if l, r := img.At(2, 6), img.At(13, 6); !near(l, red, 12) || !near(r, blue, 12) {
				t.Errorf("left %v, right %v", l, r)
			}
		})
	}
}

func TestDecodeGray(t *testing.T) {
	g := image.NewGray16(image.Rect(0, 0, 3, 2))
	g.SetGray16(2, 1, color.Gray16{0x81ff})
	img, err := Decode(bytes.NewReader(encoded(t, func(w io.Writer) error { return png.Encode(w, g) })), "g.png", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := img.(*image.Gray); !ok || p.GrayAt(2, 1).Y != 0x81 || p.GrayAt(1, 1).Y != 0 {
		t.Errorf("got %T %v", img, img.At(2, 1))
	}
}

func TestDecodeTransparent(t *testing.T) {
	src := image.NewNRGBA64(image.Rect(0, 0, 3, 2))
	src.SetNRGBA64(1, 1, color.NRGBA64{0x1234, 0x5678, 0x9abc, 0x8000})
	img, err := Decode(bytes.NewReader(encoded(t, func(w io.Writer) error { return png.Encode(w, src) })), "g.png", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := img.(*image.NRGBA); !ok || p.NRGBAAt(1, 1) != (color.NRGBA{0x12, 0x56, 0x9a, 0x80}) {
		t.Errorf("got %T %v", img, img.At(1, 1))
	}
	img, err = Decode(bytes.NewReader(testdata(t, "alpha.webp")), "alpha.webp", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := img.(*image.NRGBA); !ok || p.NRGBAAt(2, 6).A != 128 || !near(color.RGBA{p.NRGBAAt(2, 6).R, p.NRGBAAt(2, 6).G, p.NRGBAAt(2, 6).B, 255}, red, 12) {
		t.Errorf("got %T %v", img, img.At(2, 6))
	}
}

// A GIF frame may cover only a part of its screen.
func TestDecodeSmallGIFFrame(t *testing.T) {
	frame := image.NewPaletted(image.Rect(4, 3, 8, 6), color.Palette{red, blue})
	data := encoded(t, func(w io.Writer) error {
		return gif.EncodeAll(w, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: 16, Height: 12, ColorModel: frame.Palette}})
	})
	img, err := Decode(bytes.NewReader(data), "part.gif", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != image.Rect(0, 0, 16, 12) || !near(img.At(5, 4), red, 0) {
		t.Errorf("%v, %v", img.Bounds(), img.At(5, 4))
	}
	if _, _, _, a := img.At(0, 0).RGBA(); a != 0 {
		t.Errorf("outside of the frame it is %v", img.At(0, 0))
	}
}

func TestDecodeTurnsUpright(t *testing.T) {
	green := color.RGBA{40, 200, 40, 255}
	for o := 2; o <= 8; o++ {
		img, err := Decode(bytes.NewReader(testdata(t, fmt.Sprintf("upright%d.jpg", o))), "x.jpg", Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if img.Bounds() != image.Rect(0, 0, 16, 12) || !near(img.At(1, 1), green, 12) || !near(img.At(1, 10), red, 12) || !near(img.At(13, 1), blue, 12) {
			t.Errorf("orientation %d: %v, %v %v %v", o, img.Bounds(), img.At(1, 1), img.At(1, 10), img.At(13, 1))
		}
		for _, src := range []image.Image{image.NewRGBA(image.Rect(0, 0, 2, 3)), image.NewNRGBA(image.Rect(0, 0, 2, 3))} {
			src.(interface{ Set(x, y int, c color.Color) }).Set(0, 0, green)
			want := map[int]image.Point{2: {1, 0}, 3: {1, 2}, 4: {0, 2}, 5: {0, 0}, 6: {2, 0}, 7: {2, 1}, 8: {0, 1}}[o]
			if got := upright(src, o); !near(got.At(want.X, want.Y), green, 0) {
				t.Errorf("orientation %d: the corner of a %T is not at %v", o, src, want)
			}
		}
		gray := image.NewGray(image.Rect(0, 0, 2, 3))
		gray.Pix = []byte{1, 2, 3, 4, 5, 6}
		want := map[int][]byte{2: {2, 1, 4, 3, 6, 5}, 3: {6, 5, 4, 3, 2, 1}, 4: {5, 6, 3, 4, 1, 2}, 5: {1, 3, 5, 2, 4, 6},
			6: {5, 3, 1, 6, 4, 2}, 7: {6, 4, 2, 5, 3, 1}, 8: {2, 4, 6, 1, 3, 5}}[o]
		if got := upright(gray, o).(*image.Gray).Pix; !bytes.Equal(got, want) {
			t.Errorf("orientation %d: %v, want %v", o, got, want)
		}
	}
}

// chunk is one chunk of a PNG.
func chunk(id string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, id...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngHeader begins a PNG that says it is w by h.
func pngHeader(w, h uint32, depth, colour byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, w)
	b = binary.BigEndian.AppendUint32(b, h)
	return append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(b, depth, colour, 0, 0, 0))...)
}

// jpegHeader begins a JPEG that says it is w by h.
func jpegHeader(w, h uint16, sof byte) []byte {
	b := []byte{0xff, 0xd8, 0xff, sof, 0, 17, 8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0}
	return append(b, 0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0)
}

// webpFile wraps chunks.
func webpFile(chunks ...string) []byte {
	body := "WEBP" + strings.Join(chunks, "")
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// badFiles are files that are no pictures, with a part of the message for each.
func badFiles(t testing.TB) map[string]struct {
	data []byte
	want string
} {
	good := samples(t)
	vp8x := "VP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x0f\x00\x00\x0b\x00\x00" // a canvas of 16x12
	huge := "VP8 \x0a\x00\x00\x00\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f" // a picture of 16383x16383
	return map[string]struct {
		data []byte
		want string
	}{
		"empty.jpg":       {nil, "is empty"},
		"letter.jpg":      {[]byte("Dear camera,\nplease look here"), "holds text, not a picture"},
		"page.jpg":        {[]byte("<!DOCTYPE html><title>404 – nicht gefunden</title>"), "holds text"},
		"noise.jpg":       {[]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 200, 201}, "is not a PNG, JPEG"},
		"phone.jpg":       {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), "HEIC"},
		"scan.tif":        {[]byte("II*\x00\x08\x00\x00\x00"), "TIFF"},
		"zero.png":        {pngHeader(0, 0, 8, 2), "zero.png: "},
		"zero.jpg":        {jpegHeader(0, 0, 0xc0), "zero.jpg: "},
		"zero.gif":        {[]byte("GIF89a\x00\x00\x00\x00\x00\x00\x00;"), "is 0x0: it holds no pixels"},
		"zero.bmp":        {append(append([]byte("BM"), make([]byte, 12)...), append([]byte{40}, make([]byte, 60)...)...), "zero.bmp: "},
		"thin.png":        {pngHeader(30000, 1, 8, 2), "is 30000x1: a side may have 16384 pixels"},
		"tall.jpg":        {jpegHeader(1, 30000, 0xc0), "is 1x30000: a side may have"},
		"bomb.png":        {append(pngHeader(16000, 16000, 8, 6), chunk("IDAT", []byte{0x78, 0x9c, 1, 2})...), "of memory, 256 MiB are allowed"},
		"bomb16.png":      {pngHeader(6000, 6000, 16, 6), "PNG with 16 bits a channel"},
		"bomb.gif":        {[]byte("GIF89a\xff\x3f\xff\x3f\x00\x00\x00;"), "is 16383x16383"},
		"bomb.jpg":        {jpegHeader(16000, 16000, 0xc0), "is 16000x16000"},
		"progressive.jpg": {jpegHeader(6000, 6000, 0xc2), "progressive JPEG"},
		"bomb.bmp":        {append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x80\x3e\x00\x00\x80\x3e\x00\x00\x01\x00\x18\x00"), make([]byte, 24)...), "is 16000x16000"},
		"lying.webp":      {webpFile(vp8x, huge), "is 16383x16383"},
		"none.webp":       {webpFile(vp8x), "holds no picture"},
		"animated.webp":   {testdata(t, "animated.webp"), "it is animated"},
		"half.png":        {good["rgb.png"][:50], "not enough pixel data"},
		"half.jpg":        {good["plain.jpg"][:len(good["plain.jpg"])-20], "short Huffman data"},
		"half.gif":        {good["plain.gif"][:len(good["plain.gif"])-20], "half.gif: "},
		"half.bmp":        {good["plain.bmp"][:200], "is cut off"},
		"half.webp":       {good["lossless.webp"][:40], "half.webp: "},
		"broken.png":      {bytes.Replace(good["rgb.png"], []byte("IDAT"), []byte("IDAX"), 1), "broken.png: "},
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, tt := range badFiles(t) {
		t.Run(name, func(t *testing.T) {
			img, err := Decode(bytes.NewReader(tt.data), name, Limits{})
			t.Log(err)
			var bad *BadFile
			if !errors.As(err, &bad) || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v (picture %v), want %q", err, img != nil, tt.want)
			}
			if errors.Is(err, io.EOF) {
				t.Errorf("%v reads as the end of the source", err)
			}
		})
	}
}

func TestDecodeLimits(t *testing.T) {
	data := samples(t)["rgb.png"]
	for want, lim := range map[string]Limits{
		"is longer than 50 bytes": {Bytes: 50},
		"a side may have 15":      {Side: 15},
		"767 bytes are allowed":   {Memory: 767},
	} {
		if _, err := Decode(bytes.NewReader(data), "x.png", lim); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("limits %+v: err = %v, want %q", lim, err, want)
		}
	}
	if _, err := Decode(bytes.NewReader(data), "x.png", Limits{Bytes: int64(len(data)), Side: 16, Memory: 768}); err != nil {
		t.Errorf("a picture just as large as allowed: %v", err)
	}
}

func TestDecodeFile(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good.png", halves())
	if img, err := DecodeFile(context.Background(), good, Limits{}); err != nil || img.Bounds().Dx() != 16 {
		t.Errorf("%v", err)
	}
	fifo := filepath.Join(dir, "fifo.png")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.png"): "none.png: cannot be read",
		dir:                            "is not a file",
		fifo:                           "fifo.png: is not a file",
	} {
		if _, err := DecodeFile(context.Background(), path, Limits{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("DecodeFile(%s): err = %v, want %q", path, err, want)
		}
	}
	if _, err := DecodeFile(context.Background(), good, Limits{Bytes: 10}); err == nil || !strings.Contains(err.Error(), "longer than 10 bytes") {
		t.Errorf("err = %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := DecodeFile(ctx, good, Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: err = %v", err)
	}
}

// A decoder that is already running ends with its context too.
func TestDecodeStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := decode(ctx, samples(t)["plain.jpg"], "x.jpg", Limits{}.withDefaults()); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data)
	}
	for _, b := range badFiles(f) {
		f.Add(b.data)
	}
	f.Add(testdata(f, "upright6.jpg"))
	f.Add(testdata(f, "alpha.webp"))
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Decode(bytes.NewReader(data), "fuzz", Limits{Bytes: 1 << 16, Side: 256, Memory: 1 << 20})
		if err != nil {
			var bad *BadFile
			if !errors.As(err, &bad) || errors.Is(err, io.EOF) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if b := img.Bounds(); b.Min != (image.Point{}) || b.Empty() || b.Dx() > 256 || b.Dy() > 256 {
			t.Fatalf("bounds %v", b)
		}
		img.At(img.Bounds().Dx()-1, img.Bounds().Dy()-1)
	})
}
