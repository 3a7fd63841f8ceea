package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
)

// quiet is the log of tests.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// grey is a JPEG of one grey.
func grey(t testing.TB, level uint8, w, h int) []byte {
	t.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = level
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 128, 128
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// feed is a stream that tests write.
type feed struct {
	pictures chan []byte
	stopped  chan struct{}
	once     sync.Once
	end      error // with which Read ends when pictures is closed
	tick     time.Duration
}

func newFeed() *feed {
	return &feed{pictures: make(chan []byte), stopped: make(chan struct{}), end: io.EOF}
}

func (f *feed) read(buf []byte) ([]byte, error) {
	if f.tick > 0 {
		select {
		case <-time.After(f.tick):
		case <-f.stopped:
			return buf, errors.New("stopped")
		}
	}
	select {
	case p, ok := <-f.pictures:
		if !ok {
			return buf, f.end
		}
		return append(buf, p...), nil
	case <-f.stopped:
		return buf, errors.New("stopped")
	}
}

func (f *feed) camera(o Pictures) *Camera {
	var glance JPEGGlance
	o.Name, o.Read, o.Decode, o.Glance, o.Log = "feed", f.read, DecodeJPEG, glance.Glance, quiet()
	o.Stop = func() { f.once.Do(func() { close(f.stopped) }) }
	if o.Silence == 0 {
		o.Silence = 20 * time.Second
	}
	if o.Explain == nil {
		o.Explain = func(err error, n uint64) error {
			return fmt.Errorf("feed: %d pictures: %w: %w", n, err, devices.ErrLost)
		}
	}
	return NewCamera(o)
}

func TestCameraKeepsTheContract(t *testing.T) {
	devicetest.Camera(t, "feed", func(t *testing.T) devices.Camera {
		f := newFeed()
		f.tick = time.Millisecond
		pictures := [][]byte{grey(t, 50, 320, 240), grey(t, 130, 320, 240)}
		go func() {
			for i := 0; ; i++ {
				select {
				case f.pictures <- pictures[i%2]:
				case <-f.stopped:
					return
				}
			}
		}()
		return f.camera(Pictures{})
	}, devicetest.CameraOpts{})
}

// level is the grey of a picture.
func level(img image.Image) int {
	b := img.Bounds()
	return int(color.GrayModel.Convert(img.At(b.Dx()/2, b.Dy()/2)).(color.Gray).Y)
}

func next(t *testing.T, c *Camera) devices.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	f, err := c.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSlowConsumerGetsTheNewest(t *testing.T) {
	f := newFeed()
	c := f.camera(Pictures{})
	defer c.Close()
	for i := range 5 {
		f.pictures <- grey(t, uint8(20+40*i), 32, 32)
	}
	f.pictures <- grey(t, 7, 32, 32) // taken when the one before waits
	var got devices.Frame
	for got.Seq < 6 { // the reading goroutine may be one behind
		got = next(t, c)
	}
	if l := level(got.Image); l < 5 || l > 9 {
		t.Errorf("picture %d is of level %d, want 7", got.Seq, l)
	}
}

func TestGlanceThenWhole(t *testing.T) {
	f := newFeed()
	c := f.camera(Pictures{})
	defer c.Close()
	if _, err := c.Whole(); err == nil {
		t.Error("there was a picture before any came")
	}
	f.pictures <- grey(t, 77, 640, 480)
	g, err := c.Glance(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	gray, ok := g.Image.(*image.Gray)
	if !ok || gray.Bounds().Dx() >= 640 || level(gray) < 75 || level(gray) > 79 {
		t.Errorf("a glance gave %T of %v, level %d", g.Image, g.Image.Bounds(), level(g.Image))
	}
	clear(gray.Pix) // a caller may paint it over
	w, err := c.Whole()
	if err != nil {
		t.Fatal(err)
	}
	if w.Seq != g.Seq || !w.Time.Equal(g.Time) || w.Image.Bounds() != image.Rect(0, 0, 640, 480) || level(w.Image) != 77 {
		t.Errorf("the whole is %d at %v, %v, level %d", w.Seq, w.Time, w.Image.Bounds(), level(w.Image))
	}
}

func TestStreamThatEnds(t *testing.T) {
	f := newFeed()
	c := f.camera(Pictures{})
	defer c.Close()
	f.pictures <- grey(t, 77, 32, 32)
	close(f.pictures)
	if got := next(t, c); got.Seq != 1 {
		t.Errorf("picture %d", got.Seq)
	}
	for range 2 {
		if _, err := c.Next(context.Background()); !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "1 pictures: EOF") {
			t.Errorf("after the end: %v", err)
		}
	}
}

func TestSilentCameraIsLost(t *testing.T) {
	f := newFeed()
	c := f.camera(Pictures{Silence: time.Millisecond})
	defer c.Close()
	for range 2 {
		if _, err := c.Next(context.Background()); !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "0 pictures: no picture came for 1ms: it may hang") {
			t.Errorf("err = %v", err)
		}
	}
}

func TestWaitForTheFirstPicture(t *testing.T) {
	errLate := errors.New("late")
	late := func() error { return errLate }
	f := newFeed()
	c := f.camera(Pictures{})
	if err := c.Wait(context.Background(), time.Millisecond, late); err != errLate {
		t.Errorf("nothing came: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Wait(ctx, time.Hour, late); err != context.Canceled {
		t.Errorf("ended context: %v", err)
	}
	f.pictures <- grey(t, 77, 32, 32)
	if err := c.Wait(context.Background(), 20*time.Second, late); err != nil {
		t.Error(err)
	}
	if got := next(t, c); got.Seq != 1 {
		t.Errorf("picture %d", got.Seq)
	}
	c.Close()

	f = newFeed()
	close(f.pictures)
	c = f.camera(Pictures{})
	defer c.Close()
	if err := c.Wait(context.Background(), 20*time.Second, late); !errors.Is(err, devices.ErrLost) {
		t.Errorf("it has ended: %v", err)
	}
}

// Damaged pictures are left out, but not for ever.
func TestDamagedPictures(t *testing.T) {
	f := newFeed()
	c := f.camera(Pictures{})
	defer c.Close()
	good := grey(t, 77, 64, 64)
	bad := good[:len(good)/2]
	go func() {
		for range 3 {
			f.pictures <- bad
		}
		f.pictures <- good
	}()
	if got := next(t, c); level(got.Image) != 77 {
		t.Errorf("level %d", level(got.Image))
	}
	go func() {
		for {
			select {
			case f.pictures <- bad:
			case <-f.stopped:
				return
			}
		}
	}()
	if _, err := c.Next(context.Background()); !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "60 damaged pictures in a row") {
		t.Errorf("err = %v", err)
	}
}

func TestRateIsLimited(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &Camera{o: Pictures{FPS: 2}}
	shown := 0
	for i := range 100 { // ten seconds at 10 frames a second, unsteady
		at := start.Add(time.Duration(i)*100*time.Millisecond + time.Duration(i*7919%40)*time.Millisecond)
		if !c.tooEarly(at) {
			shown++
		}
	}
	if shown < 19 || shown > 21 {
		t.Errorf("%d pictures of 100 in 10 s at 2 a second", shown)
	}
	if c.tooEarly(start.Add(-time.Hour)) {
		t.Error("a clock that was set back makes the camera blind")
	}
	if !c.tooEarly(start.Add(-time.Hour + 50*time.Millisecond)) {
		t.Error("and after that the rate is not limited")
	}
}

// What a picture of 640x480 costs: multiplied by the pictures in a second it is
// the share of a core that a camera takes.
func BenchmarkPicture(b *testing.B) {
	img := image.NewYCbCr(image.Rect(0, 0, 640, 480), image.YCbCrSubsampleRatio420)
	noise := rand.New(rand.NewPCG(1, 2))
	for y := range 480 {
		for x := range 640 { // waves, edges and the noise of a camera
			img.Y[img.YOffset(x, y)] = uint8(100 + 40*math.Sin(float64(x)/17)*math.Cos(float64(y)/23) + float64(x/80%2*40) + 4*noise.NormFloat64())
			img.Cb[img.COffset(x, y)], img.Cr[img.COffset(x, y)] = uint8(128+x/16), uint8(128-y/16)
		}
	}
	var coded bytes.Buffer
	if err := jpeg.Encode(&coded, img, &jpeg.Options{Quality: 85}); err != nil {
		b.Fatal(err)
	}
	data := coded.Bytes()
	var glance JPEGGlance
	for _, bb := range []struct {
		name string
		f    func() error
	}{
		{"split", func() error { _, err := NewJPEGs(bytes.NewReader(data)).Next(make([]byte, 0, len(data))); return err }},
		{"glance", func() error { _, err := glance.Glance(data); return err }},
		{"whole", func() error { _, err := DecodeJPEG(data); return err }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := bb.f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
