package stream

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// stripes is a JPEG with much coded data.
func stripes(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x * y), uint8(x * 31), uint8(y * 17), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withThumbnail puts a JPEG into an APP1 segment of another, as EXIF has it.
func withThumbnail(b, thumb []byte) []byte {
	n := len(thumb) + 2
	return append(append([]byte{0xff, 0xd8, 0xff, 0xe1, byte(n >> 8), byte(n)}, thumb...), b[2:]...)
}

func TestFindsPictures(t *testing.T) {
	a, b := stripes(t, 64, 48), grey(t, 99, 32, 32)
	exif := withThumbnail(a, b)
	join := func(parts ...any) []byte {
		var out []byte
		for _, p := range parts {
			switch p := p.(type) {
			case string:
				out = append(out, p...)
			case []byte:
				out = append(out, p...)
			}
		}
		return out
	}
	tests := []struct {
		name   string
		stream []byte
		want   [][]byte
		end    error
	}{
		{"nothing", nil, nil, io.EOF},
		{"no picture", []byte("hello \xff world"), nil, io.EOF},
		{"one after the other", join(a, b, a), [][]byte{a, b, a}, io.EOF},
		{"multipart", join("--x\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\n", a, "\r\n--x\r\n\r\n", b, "\r\n--x--\r\n"), [][]byte{a, b}, io.EOF},
		{"another picture within", join("x", exif, "y", b), [][]byte{exif, b}, io.EOF},
		{"ends within", join(a, b[:len(b)-1]), [][]byte{a}, io.ErrUnexpectedEOF},
		{"ends after two bytes", join(a, "\xff\xd8"), [][]byte{a}, io.ErrUnexpectedEOF},
		{"ends in a header", join(a, b[:30]), [][]byte{a}, io.ErrUnexpectedEOF},
		{"cut off by the next", join(a[:len(a)-100], b), [][]byte{a[:len(a)-100], b}, io.EOF},
		{"no structure", join("\xff\xd8\xff\x00 text", b), [][]byte{{0xff, 0xd8}, b}, io.EOF},
		{"nothing in it", join("\xff\xd8\xff\xd9", b), [][]byte{{0xff, 0xd8, 0xff, 0xd9}, b}, io.EOF},
		{"fill bytes", join(b[:2], "\xff\xff\xff", b[2:]), [][]byte{b}, io.EOF},
		{"segment of no length", join("\xff\xd8\xff\xe0\x00\x00", b), [][]byte{{0xff, 0xd8, 0xff, 0xe0, 0, 0}, b}, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{"whole": bytes.NewReader(tt.stream), "bytes": iotest.OneByteReader(bytes.NewReader(tt.stream))} {
				j := NewJPEGs(r)
				for i, want := range tt.want {
					got, err := j.Next([]byte("before"))
					if err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
						t.Fatalf("%s: picture %d: %d bytes, %v; want %d bytes", how, i, len(got)-6, err, len(want))
					}
				}
				if got, err := j.Next(nil); err != tt.end {
					t.Errorf("%s: then %d bytes, %v; want %v", how, len(got), err, tt.end)
				}
			}
		})
	}
}

// A stream that never ends a picture takes bounded memory.
func TestPictureWithoutEnd(t *testing.T) {
	good := stripes(t, 64, 48)
	endless := io.MultiReader(bytes.NewReader(good[:len(good)-2]), zeros{})
	got, err := NewJPEGs(endless).Next(nil)
	if err != nil || len(got) < MaxJPEG || len(got) > MaxJPEG+1<<17 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := DecodeJPEG([]byte("\xff\xd8\xff\xd9")); err == nil {
		t.Error("a picture of nothing was decoded")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestDecodesWhatCamerasSend(t *testing.T) {
	good := stripes(t, 64, 48)
	large := bytes.Clone(good) // says that it is 65500 pixels high
	at := bytes.Index(large, []byte{0xff, 0xc0})
	large[at+5], large[at+6] = 0xff, 0xdc
	tests := []struct {
		name string
		in   []byte
		want string // of the error
	}{
		{"good", good, ""},
		{"grey", grey(t, 3, 64, 48), ""},
		{"no end", good[:len(good)-2], ""},
		{"half", good[:len(good)/2], "JPEG"},
		{"only the head", good[:100], "cut off"},
		{"text", []byte("<html>"), "no JPEG"},
		{"too large", large, "too large: choose a smaller size"},
	}
	var glance JPEGGlance
	for _, tt := range tests {
		img, err := DecodeJPEG(tt.in)
		if tt.want == "" && (err != nil || img.Bounds() != image.Rect(0, 0, 64, 48)) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if g, err := glance.Glance(tt.in); tt.want == "" && (err != nil || g.Bounds().Empty()) {
			t.Errorf("%s: a glance gave %v", tt.name, err)
		}
	}
}

func FuzzJPEGs(f *testing.F) {
	a, b := stripes(f, 16, 16), grey(f, 9, 16, 16)
	f.Add(a)
	f.Add(append(append([]byte("--x\r\nContent-Length: 9\r\n\r\n"), a...), b...))
	f.Add(append(a[:len(a)-20:len(a)-20], b...))
	f.Add(withThumbnail(a, b))
	f.Add([]byte("\xff\xd8\xff\x00\xff\xd8\xff\xff\xff\xd8"))
	f.Fuzz(func(t *testing.T, in []byte) {
		j, slow := NewJPEGs(bytes.NewReader(in)), NewJPEGs(iotest.OneByteReader(bytes.NewReader(in)))
		total := 0
		for {
			got, err := j.Next(nil)
			again, err2 := slow.Next(nil)
			if err != err2 || err == nil && !bytes.Equal(got, again) {
				t.Fatalf("whole: %q, %v; byte by byte: %q, %v", got, err, again, err2)
			}
			if err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Fatal(err)
				}
				break
			}
			if !bytes.HasPrefix(got, []byte{0xff, 0xd8}) {
				t.Fatalf("%q is no picture", got)
			}
			total += len(got)
			if c, err := jpeg.DecodeConfig(bytes.NewReader(got)); err == nil && c.Width*c.Height > 1<<16 {
				continue // allowed, but slow
			}
			img, err := DecodeJPEG(got)
			if err == nil && img.Bounds().Empty() {
				t.Fatal("a picture without pixels")
			}
		}
		if total > len(in) {
			t.Fatalf("%d bytes of pictures in %d", total, len(in))
		}
	})
}
