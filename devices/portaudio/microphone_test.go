package portaudio

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fake returns a microphone without a device, for the test to push to.
func fake(t *testing.T, o Opts, rate, channels int) *microphone {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMicrophone(s.opts, "fake", rate, channels)
	if err != nil {
		t.Fatal(err)
	}
	m.stop = func() error { return nil }
	return m
}

// tone is n frames of a sine, the same on all channels, from frame number at.
func tone(at, n, rate, channels int) []float32 {
	x := make([]float32, 0, n*channels)
	for i := at; i < at+n; i++ {
		for range channels {
			x = append(x, float32(0.5*math.Sin(2*math.Pi*440*float64(i)/float64(rate))))
		}
	}
	return x
}

func TestFakeConformance(t *testing.T) {
	devicetest.Microphone(t, "fed", func(t *testing.T) devices.Microphone {
		m := fake(t, Opts{}, 48000, 2)
		quit, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for i := 0; ; i++ {
				select {
				case <-quit:
					return
				case <-time.After(time.Millisecond):
				}
				m.push(tone(i*960, 960, 48000, 2), epoch.Add(time.Duration(i)*20*time.Millisecond))
			}
		}()
		m.stop = func() error { close(quit); <-ended; return nil }
		return m
	}, devicetest.MicrophoneOpts{})
}

// What comes at 48 kHz in stereo goes out at 16 kHz in mono, and its times are
// those of the device's frames.
func TestTimesAndSound(t *testing.T) {
	m := fake(t, Opts{}, 48000, 2)
	var heard []float32
	for i := range 50 {
		m.push(tone(i*960, 960, 48000, 2), epoch.Add(time.Duration(i)*20*time.Millisecond))
		c, err := m.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := epoch.Add(time.Duration(len(heard)) * time.Second / 16000); c.Time.Sub(want).Abs() > time.Microsecond {
			t.Errorf("chunk %d is of %v, want %v", i, c.Time, want)
		}
		heard = append(heard, c.Samples...)
	}
	if len(heard) < 15900 || len(heard) > 16000 {
		t.Errorf("a second gave %d samples", len(heard))
	}
	for i := 100; i < 15000; i++ {
		if want := 0.5 * math.Sin(2*math.Pi*440*float64(i)/16000); math.Abs(float64(heard[i])-want) > 1e-3 {
			t.Fatalf("sample %d is %v, want %v", i, heard[i], want)
		}
	}
}

// When nobody listens, sound is dropped and counted, the pusher is never held
// up, and the times after the gap are right.
func TestOverflow(t *testing.T) {
	var log bytes.Buffer
	m := fake(t, Opts{Log: slog.New(slog.NewTextHandler(&log, nil))}, 16000, 1)
	blocks := int(queueTime/blockTime) + 50
	for i := range blocks {
		m.push(tone(i*320, 320, 16000, 1), epoch.Add(time.Duration(i)*blockTime))
	}
	if want := int64(50 * 320); m.Dropped() != want {
		t.Errorf("%d frames were dropped, want %d", m.Dropped(), want)
	}
	for i := range blocks - 50 {
		c, err := m.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := epoch.Add(time.Duration(i) * blockTime); !c.Time.Equal(want) {
			t.Fatalf("chunk %d is of %v, want %v", i, c.Time, want)
		}
	}
	at := epoch.Add(time.Duration(blocks) * blockTime)
	m.push(tone(blocks*320, 320, 16000, 1), at)
	c, err := m.Next(t.Context())
	if err != nil || !c.Time.Equal(at) {
		t.Errorf("the chunk after the gap is of %v (%v), want %v", c.Time, err, at)
	}
	if !strings.Contains(log.String(), "sound was lost") || !strings.Contains(log.String(), "lost=1s") {
		t.Errorf("the log says %q", log.String())
	}
}

// The device's clock runs fast and then the board's is set: small differences
// are drawn in, a large one is followed at once.
func TestClocks(t *testing.T) {
	m := fake(t, Opts{}, 16000, 1)
	at := epoch
	var last devices.PCM
	for i := range 1000 {
		at = epoch.Add(time.Duration(i) * 20010 * time.Microsecond) // 500 ppm
		m.push(tone(i*320, 320, 16000, 1), at)
		c, err := m.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Time.Sub(at).Abs(); d > time.Millisecond {
			t.Fatalf("chunk %d is %v off", i, d)
		}
		if d := c.Time.Sub(last.Time) - 20*time.Millisecond; i > 0 && d.Abs() > 100*time.Microsecond {
			t.Fatalf("chunk %d begins %v after the one before ends", i, d)
		}
		last = c
	}
	at = at.Add(-time.Hour)
	m.push(tone(0, 320, 16000, 1), at)
	if c, err := m.Next(t.Context()); err != nil || c.Time.Sub(at).Abs() > time.Millisecond {
		t.Errorf("after the clock was set back the chunk is of %v (%v), want %v", c.Time, err, at)
	}
}

func TestLost(t *testing.T) {
	m := fake(t, Opts{LostAfter: time.Millisecond}, 16000, 1)
	_, err := m.Next(t.Context())
	if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), `"fake" has delivered nothing for 1ms`) {
		t.Errorf("no sound: %v", err)
	}
	m.push(tone(0, 320, 16000, 1), epoch)
	if _, again := m.Next(t.Context()); again != err {
		t.Errorf("after that: %v", again)
	}

	m = fake(t, Opts{}, 16000, 1)
	m.push(tone(0, 320, 16000, 1), epoch)
	m.broken <- errors.New("no such device")
	if _, err := m.Next(t.Context()); err != nil {
		t.Errorf("the sound from before the device broke: %v", err)
	}
	if _, err := m.Next(t.Context()); !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "no such device") {
		t.Errorf("a broken device: %v", err)
	}
}

func TestStuck(t *testing.T) {
	feed := func(m *microphone, value func(i int) float32) (blocks int, err error) {
		for i := range 500 {
			x := make([]float32, 640)
			for k := range x {
				x[k] = value(i*640 + k)
			}
			m.push(x, epoch.Add(time.Duration(i)*20*time.Millisecond))
			if _, err := m.Next(t.Context()); err != nil {
				return i, err
			}
		}
		return 500, nil
	}
	o := Opts{StuckAfter: 2 * time.Second}
	zero := func(int) float32 { return 0 }
	for name, c := range map[string]struct {
		opts   Opts
		value  func(i int) float32
		want   string
		blocks int
	}{
		"silence":               {o, zero, "digital silence for 2s", 99},
		"frozen":                {o, func(i int) float32 { return 0.25 - float32(i%2)/2 }, "the same sample for 2s", 99},
		"silence after a while": {o, func(i int) float32 { return max(0, 0.5-float32(i)/64000) }, "digital silence for 2s", 149},
		"muted, which is fine":  {Opts{StuckAfter: -1}, zero, "", 500},
		"faint noise":           {o, func(i int) float32 { return float32(i/20000%2) / 32768 }, "", 500},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, err := feed(fake(t, c.opts, 16000, 2), c.value)
			if blocks != c.blocks {
				t.Errorf("it ended at block %d, want %d", blocks, c.blocks)
			}
			if c.want != "" && (!errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), c.want)) || c.want == "" && err != nil {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCloseOnce(t *testing.T) {
	m := fake(t, Opts{}, 16000, 1)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Next after Close: %v", err)
	}
	if err := m.Close(); err == nil {
		t.Error("a second Close is no error")
	}
}

func TestChoose(t *testing.T) {
	found := []Device{{Name: "USB Sound: Audio (hw:1,0)"}, {Name: "pulse"}, {Name: "default", Default: true}, {Name: "pulsemic"}, {Name: "USB"}}
	for pattern, want := range map[string]int{"": 2, "pulse": 1, "PULSEM": 3, "usb sound": 0, "USB": 4, "usb": 0} {
		if got, err := choose(found, pattern); err != nil || got != want {
			t.Errorf("%q is device %d (%v), want %d", pattern, got, err, want)
		}
	}
	for _, c := range []struct {
		found   []Device
		pattern string
		want    string
	}{
		{nil, "", "no microphone is connected"},
		{nil, "usb", "no microphone is connected"},
		{found, "webcam", `no microphone has "webcam" in its name; there are "USB Sound: Audio (hw:1,0)", "pulse"`},
		{found[:2], "", `no default microphone; name one of "USB Sound`},
	} {
		if _, err := choose(c.found, c.pattern); !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v has no %q", c.pattern, err, c.want)
		}
	}
}

func TestNew(t *testing.T) {
	for want, o := range map[string]Opts{
		"channels":    {Channels: 9},
		"rate 100 Hz": {Rate: 100},
		"time limits": {Timeout: -1},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v has no %q", o, err, want)
		}
	}
	for device, want := range map[string]string{"": "portaudio:default", "usb": "portaudio:usb"} {
		if s, err := New(Opts{Device: device}); err != nil || s.String() != want {
			t.Errorf("%q: %v, %v", device, s, err)
		}
	}
}

// A call that is given up is undone when it comes back, and the next waits for
// its turn.
func TestWithin(t *testing.T) {
	release, undone := make(chan struct{}), make(chan int, 1)
	slow := func() (int, error) { <-release; return 7, nil }
	if _, err := within(t.Context(), time.Millisecond, errHangs, slow, func(v int) { undone <- v }); !errors.Is(err, errHangs) {
		t.Errorf("a slow call gave %v", err)
	}
	if _, err := within(t.Context(), time.Millisecond, errHangs, slow, func(int) {}); !errors.Is(err, errBusy) {
		t.Errorf("the next gave %v", err)
	}
	close(release)
	if v := <-undone; v != 7 {
		t.Errorf("%d was undone, want 7", v)
	}
	if v, err := within(t.Context(), time.Minute, errHangs, func() (int, error) { return 8, nil }, func(int) {}); v != 8 || err != nil {
		t.Errorf("after that: %d, %v", v, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started, hold := make(chan struct{}), make(chan struct{})
	go func() { <-started; cancel() }()
	if _, err := within(ctx, time.Minute, errHangs, func() (int, error) { close(started); <-hold; return 9, nil }, func(v int) { undone <- v }); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call gave %v", err)
	}
	close(hold)
	if v := <-undone; v != 9 {
		t.Errorf("%d was undone, want 9", v)
	}
}
