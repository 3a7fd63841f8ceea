package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// meadow is a picture with smooth parts, edges and noise.
func meadow(w, h int) *image.RGBA {
	rng := rand.New(rand.NewPCG(1, uint64(w*h)))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := 120 + 60*math.Sin(float64(x)/37)*math.Cos(float64(y)/23) + 4*rng.NormFloat64()
			if (x/50+y/40)%5 == 0 {
				v = 230 - v/2
			}
			img.SetRGBA(x, y, color.RGBA{uint8(min(255, max(0, v))), uint8(min(255, max(0, v*0.9))), uint8(min(255, max(0, 255-v))), 255})
		}
	}
	return img
}

func encode(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// compare says how far a thumbnail is from the means of what the ordinary
// decoder gives: the mean and the largest difference.
func compare(t *testing.T, thumb *image.Gray, data []byte) (mean, worst float64) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var luma []uint8
	var stride int
	switch m := img.(type) {
	case *image.YCbCr:
		luma, stride = m.Y, m.YStride
	case *image.Gray:
		luma, stride = m.Pix, m.Stride
	}
	b := img.Bounds()
	side := 4
	if b.Dx()/8 >= wantWidth && b.Dy()/8 >= wantHeight {
		side = 8
	}
	if want := image.Rect(0, 0, (b.Dx()+side-1)/side, (b.Dy()+side-1)/side); thumb.Rect != want {
		t.Fatalf("the thumbnail is %v, want %v", thumb.Rect, want)
	}
	n := 0
	for ty := range b.Dy() / side {
		for tx := range b.Dx() / side {
			sum := 0
			for y := range side {
				for x := range side {
					sum += int(luma[(ty*side+y)*stride+tx*side+x])
				}
			}
			d := math.Abs(float64(thumb.GrayAt(tx, ty).Y) - float64(sum)/float64(side*side))
			mean, worst, n = mean+d, max(worst, d), n+1
		}
	}
	return mean / float64(max(1, n)), worst
}

func TestThumbIsTheMean(t *testing.T) {
	var thumb Thumb
	for _, size := range []image.Point{{640, 480}, {641, 479}, {1280, 960}, {16, 16}, {17, 33}, {1, 1}, {320, 240}} {
		colour := meadow(size.X, size.Y)
		for _, quality := range []int{40, 75, 95} {
			for name, img := range map[string]image.Image{"colour": colour, "grey": grey(colour)} {
				data := encode(t, img, quality)
				got, err := thumb.Decode(data)
				if err != nil {
					t.Fatalf("%v %s: %v", size, name, err)
				}
				mean, worst := compare(t, got, data)
				// What is left out are higher frequencies: those of edges inside of
				// a block. A block's mean is exact but for rounding.
				limit := 60.0
				if size.X >= 1280 {
					limit = 3
				}
				if mean > 2.5 || worst > limit {
					t.Errorf("%v %s at quality %d: the mean difference is %.2f (at most 2.5), the worst %.1f (at most %.0f)", size, name, quality, mean, worst, limit)
				}
			}
		}
	}
}

func grey(img *image.RGBA) *image.Gray {
	g := image.NewGray(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			g.Set(x, y, img.At(x, y))
		}
	}
	return g
}

// Other encoders use other sampling factors, tables and restart markers.
func TestThumbOfOtherEncoders(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Fatalf("this test needs ffmpeg (apt-get install ffmpeg): %v", err)
	}
	dir := t.TempDir()
	var thumb Thumb
	for _, format := range []string{"yuvj420p", "yuvj422p", "yuvj444p", "gray"} {
		for _, restart := range []string{"0", "1"} {
			out := filepath.Join(dir, format+restart+".jpg")
			// The encoder puts a restart marker before each slice.
			cmd := exec.Command("ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=640x480", "-frames:v", "1",
				"-vf", "format="+format, "-c:v", "mjpeg", "-q:v", "4", "-threads", "1", "-slices", map[string]string{"0": "1", "1": "4"}[restart], "-y", out)
			if msg, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("ffmpeg: %v: %s", err, msg)
			}
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			got, err := thumb.Decode(data)
			if err != nil {
				t.Errorf("%s, restart markers %s: %v", format, restart, err)
				continue
			}
			if mean, _ := compare(t, got, data); mean > 3 {
				t.Errorf("%s, restart markers %s: the mean difference is %.2f, at most 3", format, restart, mean)
			}
		}
	}
}

// The AVI form has no Huffman tables, and the tables of one picture are not
// those of the next.
func TestThumbWithoutTables(t *testing.T) {
	whole := encode(t, meadow(320, 240), 80)
	bare := without(t, whole, markerDHT)
	var thumb Thumb
	want, err := thumb.Decode(whole)
	if err != nil {
		t.Fatal(err)
	}
	pixels := bytes.Clone(want.Pix)
	got, err := thumb.Decode(bare)
	if err != nil || !bytes.Equal(got.Pix, pixels) {
		t.Errorf("without tables (error %v) the picture is another one", err)
	}
	if n := testing.AllocsPerRun(10, func() { _, err = thumb.Decode(bare) }); n != 0 || err != nil {
		t.Errorf("%v allocations, error %v", n, err)
	}
	if n := testing.AllocsPerRun(10, func() { _, err = thumb.Decode(whole) }); n != 0 || err != nil {
		t.Errorf("%v allocations with tables in the picture, error %v", n, err)
	}
	full, err := Complete(bare)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jpeg.Decode(bytes.NewReader(full)); err != nil {
		t.Errorf("completed, the ordinary decoder says: %v", err)
	}
}

// without takes the segments with a marker out.
func without(t *testing.T, b []byte, marker byte) []byte {
	t.Helper()
	out := bytes.Clone(b[:2])
	for at := 2; ; {
		m, _, next, err := segment(b, at)
		if err != nil {
			t.Fatal(err)
		}
		if m == markerSOS {
			return append(out, b[at:]...)
		}
		if m != marker {
			out = append(out, b[at:next]...)
		}
		at = next
	}
}

func TestThumbNoticesDamage(t *testing.T) {
	data := encode(t, meadow(320, 240), 80)
	var thumb Thumb
	for _, keep := range []int{0, 1, 2, 3, 20, 200, 400, len(data) / 2, len(data) * 9 / 10} {
		if _, err := thumb.Decode(data[:keep]); err == nil {
			t.Errorf("a JPEG cut after %d of %d bytes was read", keep, len(data))
		}
	}
	if _, err := thumb.Decode(data[:len(data)-2]); err != nil {
		t.Errorf("without the mark of its end: %v", err)
	}
	if _, err := thumb.Decode(append(make([]byte, 7), data...)); err != nil {
		t.Errorf("with padding before it: %v", err)
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":        {nil, "no JPEG"},
		"end at once":    {[]byte{0xff, markerSOI, 0xff, markerEOI}, "before its picture"},
		"no quantiser":   {without(t, data, markerDQT), "scan header"},
		"no frame":       {without(t, data, markerSOF0), "scan header"},
		"no marker":      {append(bytes.Clone(data[:2]), 1, 2, 3, 4), "damaged at byte 2"},
		"huge and empty": {huge(data), "cut off"},
	} {
		if _, err := thumb.Decode(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want something with %q", name, err, c.want)
		}
	}
	progressive := bytes.Clone(data)
	at := bytes.Index(progressive, []byte{0xff, markerSOF0})
	progressive[at+1] = markerSOF2
	if _, err := thumb.Decode(progressive); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a progressive one: %v", err)
	}
}

// huge says that the picture has 65535 by 65535 pixels.
func huge(data []byte) []byte {
	b := bytes.Clone(data)
	at := bytes.Index(b, []byte{0xff, markerSOF0})
	copy(b[at+5:], []byte{0xff, 0xff, 0xff, 0xff})
	return b
}

func FuzzThumb(f *testing.F) {
	for _, size := range []image.Point{{16, 16}, {33, 17}, {64, 48}} {
		data := encode(f, meadow(size.X, size.Y), 60)
		f.Add(data)
		f.Add(data[:len(data)/2])
		f.Add(huge(data))
		f.Add(encode(f, grey(meadow(size.X, size.Y)), 90))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var thumb Thumb
		got, err := thumb.Decode(b)
		if (got == nil) == (err == nil) {
			t.Fatalf("picture %v, error %v", got, err)
		}
		if err == nil && got.Rect.Empty() {
			t.Fatal("an empty picture")
		}
		if full, err := Complete(b); err == nil && len(full) < 4 {
			t.Fatalf("completed to %d bytes", len(full))
		}
	})
}

func BenchmarkThumb(b *testing.B) {
	for _, quality := range []int{75, 90} {
		data := encode(b, meadow(640, 480), quality)
		b.Run(fmt.Sprintf("whole, quality %d", quality), func(b *testing.B) {
			for b.Loop() {
				if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("thumbnail, quality %d", quality), func(b *testing.B) {
			var thumb Thumb
			b.ReportAllocs()
			for b.Loop() {
				if _, err := thumb.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(data))/1000, "kB/picture")
		})
	}
}
