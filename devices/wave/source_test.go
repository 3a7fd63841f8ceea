package wave

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
)

// folder writes WAV files of the given lengths, in samples, at 16 kHz; every
// sample of a file has the value of its place, in hundredths.
func folder(t *testing.T, lengths map[string]int) string {
	t.Helper()
	dir := t.TempDir()
	for name, n := range lengths {
		x := make([]float32, n)
		for i := range x {
			x[i] = 0.25
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(Encode(f, x), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openMic(t *testing.T, o Opts) devices.Microphone {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestConformance(t *testing.T) {
	dir := folder(t, map[string]int{"a.wav": 5000, "b.wav": 4321})
	clock := func() devices.Clock { return devicetest.NewClock(time.Unix(1e9, 0)) }
	for name, o := range map[string]Opts{
		"as fast as read": {Paths: []string{dir}, Gap: 100 * time.Millisecond},
		"real time":       {Paths: []string{dir}, Gap: 30 * time.Millisecond, Realtime: true},
		"a jumping clock": {Paths: []string{dir}, Lead: 200 * time.Millisecond, Realtime: true, Clock: clock()},
	} {
		devicetest.Microphone(t, name, func(t *testing.T) devices.Microphone { return openMic(t, o) }, devicetest.MicrophoneOpts{Finite: true})
		o.Loop = true
		devicetest.Microphone(t, name+", looping", func(t *testing.T) devices.Microphone { return openMic(t, o) }, devicetest.MicrophoneOpts{})
	}
}

// Files are played in order with their names, silences without.
func TestOrderNamesAndGaps(t *testing.T) {
	dir := folder(t, map[string]int{"b.wav": 700, "A.WAV": 320, "c.wav": 1})
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("not sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := openMic(t, Opts{Paths: []string{filepath.Join(dir, "c.wav"), dir}, Lead: 10 * time.Millisecond, Gap: 30 * time.Millisecond})
	defer m.Close()
	type piece struct {
		name string
		n    int
	}
	var got []piece
	for {
		c, err := m.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range c.Samples {
			if want := c.Name != ""; (v == 0.25) != want || (v == 0) == want {
				t.Fatalf("a sample of %q is %v", c.Name, v)
			}
		}
		if k := len(got) - 1; k >= 0 && got[k].name == c.Name {
			got[k].n += len(c.Samples)
		} else {
			got = append(got, piece{c.Name, len(c.Samples)})
		}
	}
	want := []piece{{"", 160}, {"c.wav", 1}, {"", 480}, {"A.WAV", 320}, {"", 480}, {"b.wav", 700}, {"", 480}, {"c.wav", 1}, {"", 480}}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("piece %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// In real time a chunk comes when its last sample was heard, and a cancelled
// Next loses nothing.
func TestRealtime(t *testing.T) {
	dir := folder(t, map[string]int{"a.wav": 8000})
	start := time.Unix(1e9, 0)
	clock := devicetest.NewClock(start)
	m := openMic(t, Opts{Paths: []string{dir}, Realtime: true, Clock: clock})
	defer m.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 25 {
		c, err := m.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := start.Add(time.Duration(i) * 20 * time.Millisecond); !c.Time.Equal(want) {
			t.Errorf("chunk %d is of %v, want %v", i, c.Time, want)
		}
		if want := c.Time.Add(20 * time.Millisecond); !clock.Now().Equal(want) {
			t.Errorf("chunk %d came at %v, want %v", i, clock.Now(), want)
		}
		if _, err := m.Next(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	}
	// A clock that ends the context in the middle of a wait.
	held := &held{Clock: devicetest.NewClock(start)}
	m2 := openMic(t, Opts{Paths: []string{dir}, Realtime: true, Clock: held})
	defer m2.Close()
	held.err = context.Canceled
	if _, err := m2.Next(t.Context()); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	held.err = nil
	if c, err := m2.Next(t.Context()); err != nil || !c.Time.Equal(start) {
		t.Errorf("after a cancelled wait the chunk of %v came (%v), want that of %v", c.Time, err, start)
	}
}

// held is a clock that gives up waiting with err.
type held struct {
	devices.Clock
	err error
}

func (h *held) Until(ctx context.Context, t time.Time) error {
	if h.err != nil {
		return h.err
	}
	return h.Clock.Until(ctx, t)
}

func TestNewRefuses(t *testing.T) {
	for want, o := range map[string]Opts{
		"no WAV file":           {},
		"path":                  {Paths: []string{"a.wav", ""}},
		"cannot be negative":    {Paths: []string{"a"}, Gap: -1},
		"longer than a day":     {Paths: []string{"a"}, Lead: 25 * time.Hour},
		"outside 1ms..1s":       {Paths: []string{"a"}, Chunk: time.Hour},
		"a chunk of 1µs is out": {Paths: []string{"a"}, Chunk: time.Microsecond},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v has no %q", o, err, want)
		}
	}
	s, err := New(Opts{Paths: []string{"a.wav", "b"}})
	if err != nil || s.String() != "wav:a.wav,b" {
		t.Errorf("String() is %q, %v", s, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := folder(t, map[string]int{"a.wav": 10})
	bad := filepath.Join(dir, "text.wav")
	if err := os.WriteFile(bad, []byte("hello, this is text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.wav"): "none.wav: no such file",
		t.TempDir():                    "holds no .wav file",
		dir:                            bad + ": is not a WAV file",
		bad:                            bad + ": is not a WAV file",
		"/dev/null":                    "/dev/null is neither a file nor a folder",
	} {
		s, err := New(Opts{Paths: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v has no %q", path, err, want)
		}
	}
	s, err := New(Opts{Paths: []string{filepath.Join(dir, "a.wav")}})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with an ended context gave %v", err)
	}
}

// A loop over files without a sample ends instead of spinning.
func TestLoopOverNothing(t *testing.T) {
	dir := folder(t, map[string]int{"a.wav": 0, "b.wav": 0})
	m := openMic(t, Opts{Paths: []string{dir}, Loop: true})
	defer m.Close()
	if _, err := m.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "holds no sound") {
		t.Errorf("got %v", err)
	}
}

func TestNextAfterClose(t *testing.T) {
	m := openMic(t, Opts{Paths: []string{folder(t, map[string]int{"a.wav": 10000})}})
	if _, err := m.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got %v", err)
	}
}
