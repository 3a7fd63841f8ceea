package arducam

import (
	"bytes"
	"context"
	"errors"
	"image"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
)

func TestConformance(t *testing.T) {
	devicetest.Camera(t, "320x240", func(t *testing.T) devices.Camera {
		return open(t, newBoard(newClock()), Opts{Width: 320, Height: 240})
	}, devicetest.CameraOpts{})
}

func TestSizes(t *testing.T) {
	for _, size := range Sizes() {
		b := newBoard(newClock())
		d := open(t, b, Opts{Width: size.Width, Height: size.Height})
		f, err := d.Next(t.Context())
		if err != nil {
			t.Errorf("%v: %v", size, err)
			continue
		}
		if got := f.Image.Bounds().Size(); got != image.Pt(size.Width, size.Height) {
			t.Errorf("%v: a picture of %v", size, got)
		}
		if b.largest > chunk {
			t.Errorf("%v: a transfer of %d bytes", size, b.largest)
		}
	}
}

func TestPace(t *testing.T) {
	b := newBoard(newClock())
	d := open(t, b, Opts{Width: 320, Height: 240, FPS: 4})
	var first, last time.Time
	for i := range 9 {
		f, err := d.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = f.Time
		}
		last = f.Time
	}
	if took := last.Sub(first); took != 2*time.Second {
		t.Errorf("nine pictures at 4 a second took %v", took)
	}
}

// A picture that breaks on the wire is taken again.
func TestBrokenPictures(t *testing.T) {
	for name, breaks := range map[string]func(*board){
		"empty":             func(b *board) { b.length = func(int) int { return 0 } },
		"longer than it is": func(b *board) { b.length = func(int) int { return 1<<23 - 1 } },
		"shorter":           func(b *board) { b.length = func(n int) int { return n / 2 } },
		"no start": func(b *board) {
			b.memory = func(p []byte) []byte { return bytes.ReplaceAll(p, []byte{0xff, 0xd8}, []byte{0, 0}) }
		},
		"no end": func(b *board) {
			b.memory = func(p []byte) []byte { return bytes.ReplaceAll(p, []byte{0xff, 0xd9}, []byte{0, 0}) }
		},
		"damaged":      func(b *board) { b.memory = func(p []byte) []byte { clear(p[200:400]); return p } },
		"another size": func(b *board) { b.memory = func([]byte) []byte { return encode(320, 248, 1) } },
		"all zeros":    func(b *board) { b.memory = func(p []byte) []byte { clear(p); return p } },
	} {
		b := newBoard(newClock())
		d := open(t, b, Opts{Width: 320, Height: 240})
		breaks(b)
		once := b.memory
		broken := 0
		if once != nil {
			b.memory = func(p []byte) []byte {
				if broken++; broken > 2 {
					return p
				}
				return once(p)
			}
		} else {
			length := b.length
			b.length = func(n int) int {
				if broken++; broken > 6 { // three registers each
					return n
				}
				return length(n)
			}
		}
		if f, err := d.Next(t.Context()); err != nil || f.Seq != 1 || b.shots != 3 {
			t.Errorf("%s: %v after %d shots", name, err, b.shots)
		}
		b.memory, b.length = nil, nil
		breaks(b)
		_, err := d.Next(t.Context())
		if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "8 broken pictures in a row") {
			t.Errorf("%s for ever: %v", name, err)
		}
		if _, again := d.Next(t.Context()); again != err {
			t.Errorf("%s: then %v", name, again)
		}
	}
}

func TestStartFails(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fault  func(*board)
		absent bool
		want   string
	}{
		{"nothing on the port", func(b *board) { b.deadPort = true }, true, "nothing answers on the SPI port"},
		{"noise", func(b *board) { b.noise = true }, false, "the test register gives 0x51 for 0x55"},
		{"port fails", func(b *board) { b.spiErr = errors.New("no clock") }, false, "the SPI port fails (no clock)"},
		{"no sensor", func(b *board) { b.i2cErr = errors.New("remote I/O error") }, true, "no sensor answers at address 0x30"},
		{"another sensor", func(b *board) { b.id = 0x56 }, false, "the sensor calls itself 0x5642"},
	} {
		b := newBoard(newClock())
		tc.fault(b)
		d, err := New(port{b}, b, &Opts{Clock: b.clock})
		if err != nil {
			t.Fatal(err)
		}
		err = d.Start(t.Context())
		if err == nil || errors.Is(err, devices.ErrAbsent) != tc.absent || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "arducam on sim and sim") {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestLost(t *testing.T) {
	for want, fault := range map[string]func(*board){
		"no picture within 3s":           func(b *board) { b.never = true },
		"the SPI port fails (no clock)":  func(b *board) { b.spiErr = errors.New("no clock") },
		"8 broken pictures in a row (no": func(b *board) { b.memory = func(p []byte) []byte { return make([]byte, len(p)) } },
	} {
		b := newBoard(newClock())
		d := open(t, b, Opts{Width: 320, Height: 240})
		fault(b)
		began := b.clock.Now()
		if _, err := d.Next(t.Context()); !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if took := b.clock.Now().Sub(began); took > 5*time.Second {
			t.Errorf("%s: it took %v", want, took)
		}
	}
}

// cancels is a clock under which every wait is cancelled.
type cancels struct{ *devicetest.Clock }

func (cancels) Until(context.Context, time.Time) error { return context.Canceled }

func TestCancel(t *testing.T) {
	b := newBoard(newClock())
	d, err := New(port{b}, b, &Opts{Clock: cancels{b.clock}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("Start: %v", err)
	}
	d = open(t, b, Opts{Width: 320, Height: 240})
	d.o.Clock = cancels{b.clock}
	if _, err := d.Next(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("while the picture is taken: %v", err)
	}
	d.o.Clock = b.clock
	// While it is fetched: the first transfer of the memory ends the context.
	ctx, cancel := context.WithCancel(t.Context())
	b.memory = func(p []byte) []byte { cancel(); return p }
	if _, err := d.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("while the picture is fetched: %v", err)
	}
	if _, err := d.Next(t.Context()); err != nil {
		t.Errorf("after that: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}
}

func TestOptions(t *testing.T) {
	b := newBoard(newClock())
	for want, o := range map[string]Opts{
		"no pictures of 640x481: choose one of 320x240, 640x480": {Height: 481},
		"fps is 31":                       {FPS: 31},
		"fps is -1":                       {FPS: -1},
		"the speed of 100 MHz is outside": {MHz: 100},
		"timeout is -1s":                  {Timeout: -time.Second},
	} {
		for _, err := range []error{second(New(port{b}, b, &o)), second(NewSource("", "", o))} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
	b.limit = 8
	if _, err := New(port{b}, b, &Opts{}); err == nil || !strings.Contains(err.Error(), "spidev.bufsiz") {
		t.Errorf("a port with small transfers: %v", err)
	}
	b.limit = 100
	d := open(t, b, Opts{Width: 320, Height: 240})
	if _, err := d.Next(t.Context()); err != nil || b.largest > 100 {
		t.Errorf("%v with transfers of %d bytes", err, b.largest)
	}
	if _, err := NewSource("x", "", Opts{}); err == nil || !strings.Contains(err.Error(), `"x" is not the name of`) {
		t.Error(err)
	}
	s, err := NewSource("SPI999.0", "I2C1", Opts{})
	if err != nil || s.String() != "arducam on SPI999.0 and I2C1" {
		t.Fatal(s, err)
	}
	if _, err := s.Open(t.Context()); !errors.Is(err, devices.ErrAbsent) {
		t.Errorf("absent bus: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// FuzzFind: what is found in any bytes has both ends, and no bytes make the
// decoder panic or give another picture than was asked for.
func FuzzFind(f *testing.F) {
	whole := encode(32, 24, 9)
	f.Add(whole)
	f.Add(append([]byte{0, 0xff, 0xd9}, whole...))
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{0xff, 0xd8, 0xff, 0xd9})
	f.Add([]byte{})
	d := &Dev{o: Opts{Width: 32, Height: 24}}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := find(b)
		if err == nil && (!bytes.HasPrefix(p, []byte{0xff, 0xd8, 0xff}) || !bytes.HasSuffix(p, []byte{0xff, 0xd9})) {
			t.Errorf("found % x", p)
		}
		if img, err := d.decode(b); err == nil && img.Bounds() != image.Rect(0, 0, 32, 24) {
			t.Errorf("a picture of %v", img.Bounds())
		}
	})
}
