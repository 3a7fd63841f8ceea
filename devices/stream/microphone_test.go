package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
	"sensed/devices/wave"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// tone is stereo s16le at 48 kHz that comes as fast as it is read: 440 Hz, of
// amplitude 0.5 left and 0.25 right. It ends after n frames.
type tone struct{ at, n int }

func (s *tone) Read(b []byte) (int, error) {
	if s.at == s.n {
		return 0, io.EOF
	}
	k := 0
	for ; k+4 <= len(b) && s.at < s.n; k += 4 {
		v := math.Sin(2 * math.Pi * 440 * float64(s.at) / 48000)
		binary.LittleEndian.PutUint16(b[k:], uint16(int16(16384*v)))
		binary.LittleEndian.PutUint16(b[k+2:], uint16(int16(8192*v)))
		s.at++
	}
	return k, nil
}

// sound completes o for a test.
func sound(t *testing.T, o Sound) *Microphone {
	t.Helper()
	o.Name, o.Format, o.Rate, o.Channels, o.Log = "tone", wave.S16LE, 48000, 2, quiet()
	if o.Stop == nil {
		o.Stop = func() {}
	}
	if o.Silence == 0 {
		o.Silence = 20 * time.Second
	}
	if o.Stuck == 0 {
		o.Stuck = time.Minute
	}
	o.Explain = func(err error, n int64) error {
		if err == io.EOF {
			return err
		}
		return fmt.Errorf("tone: %d frames: %w: %w", n, err, devices.ErrLost)
	}
	m, err := NewMicrophone(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMicrophoneKeepsTheContract(t *testing.T) {
	devicetest.Microphone(t, "finite", func(t *testing.T) devices.Microphone {
		return sound(t, Sound{Reader: &tone{n: 48000}, Paced: true, Clock: devicetest.NewClock(start)})
	}, devicetest.MicrophoneOpts{Finite: true})
	devicetest.Microphone(t, "endless", func(t *testing.T) devices.Microphone {
		return sound(t, Sound{Reader: &tone{n: math.MaxInt}, Paced: true, Clock: devicetest.NewClock(start)})
	}, devicetest.MicrophoneOpts{})
}

func TestSoundIsTheSameAtOurRate(t *testing.T) {
	clock := devicetest.NewClock(start)
	m := sound(t, Sound{Reader: &tone{n: 96000}, Paced: true, Clock: clock})
	defer m.Close()
	n, worst := 0, 0.0
	for {
		pcm, err := m.Next(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range pcm.Samples {
			if n > 200 && n < 31800 {
				worst = max(worst, math.Abs(float64(v)-0.375*math.Sin(2*math.Pi*440*float64(n)/16000)))
			}
			n++
		}
	}
	if n != 32000 || worst > 0.001 {
		t.Errorf("2 s of sound gave %d samples, the worst wrong by %v", n, worst)
	}
	// It was heard as a microphone hears, but for what runs ahead.
	if took := clock.Now().Sub(start); took < 1400*time.Millisecond || took > 2*time.Second {
		t.Errorf("2 s of sound came in %v", took)
	}
}

func TestMicrophoneThatBreaks(t *testing.T) {
	m := sound(t, Sound{Reader: io.MultiReader(&tone{n: 4800}, broken{})})
	defer m.Close()
	var err error
	for err == nil {
		_, err = m.Next(context.Background())
	}
	if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "4800 frames: broken") {
		t.Errorf("err = %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

// A reader that gives nothing until it is closed.
func TestMicrophoneWithoutSound(t *testing.T) {
	r, w := io.Pipe()
	m := sound(t, Sound{Reader: r, Stop: func() { w.Close() }, Silence: time.Millisecond})
	for range 2 {
		if _, err := m.Next(context.Background()); !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "0 frames: no sound came for 1ms: it may hang") {
			t.Errorf("err = %v", err)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Next(context.Background()); err == nil {
		t.Error("a closed microphone gave sound")
	}
	if err := m.Close(); err == nil {
		t.Error("it was closed twice")
	}
}

func TestMicrophoneIsNeverSilentlyDeaf(t *testing.T) {
	for name, tt := range map[string]struct {
		frame, want string
	}{
		"zeros": {"\x00\x00\x00\x00", "digital silence for 1s: see whether it is muted"},
		"stuck": {"\x05\x00\x00\x00", "the same sample for 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sound(t, Sound{Reader: strings.NewReader(strings.Repeat(tt.frame, 100000)), Stuck: time.Second, Paced: true, Clock: devicetest.NewClock(start)})
			defer m.Close()
			n := 0
			var err error
			for err == nil {
				var pcm devices.PCM
				pcm, err = m.Next(context.Background())
				n += len(pcm.Samples)
			}
			if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), tt.want) || n < 15000 {
				t.Errorf("after %d samples: %v", n, err)
			}
		})
	}
}

// The time of the sound follows the clock: slowly when the two drift, at once
// when sound is missing, and not at all for what is only held back.
func TestTimeFollowsTheClock(t *testing.T) {
	tests := []struct {
		name     string
		arrives  func(i int) time.Duration // after the last sample of block i was heard
		low, top time.Duration             // where base is in the end, after start
	}{
		{"exactly", func(int) time.Duration { return 0 }, 0, 0},
		{"held back now and then", func(i int) time.Duration {
			if i%50 > 10 && i%50 < 45 {
				return 700 * time.Millisecond
			}
			return 0
		}, 0, 0},
		{"clock of its own", func(i int) time.Duration { return time.Duration(i) * 10 * time.Microsecond }, 8 * time.Millisecond, 10 * time.Millisecond},
		{"three seconds are missing", func(i int) time.Duration {
			if i > 500 {
				return 3 * time.Second
			}
			return 0
		}, 3 * time.Second, 3 * time.Second},
		{"begins with a backlog", func(i int) time.Duration { return max(0, time.Duration(5-i)) * 20 * time.Millisecond }, 90 * time.Millisecond, 95 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &Microphone{o: Sound{Rate: 48000, Channels: 2, Format: wave.S16LE, Log: quiet()}}
			for i := range 1000 {
				m.account(start.Add(time.Duration(i+1)*blockTime+tt.arrives(i)), 960)
			}
			if got := m.base.Sub(start); got < tt.low || got > tt.top {
				t.Errorf("the time is off by %v, want %v to %v", got, tt.low, tt.top)
			}
		})
	}
}

// The clock of a board without a battery is set soon after its start.
func TestPacedSoundOutlivesASetClock(t *testing.T) {
	clock := devicetest.NewClock(start)
	m := sound(t, Sound{Reader: &tone{n: math.MaxInt}, Paced: true, Clock: clock})
	defer m.Close()
	hear := func() devices.PCM {
		pcm, err := m.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return pcm
	}
	hear()
	m.base = m.base.Add(48 * time.Hour) // as if the clock had been set back
	before := clock.Now()
	for range 100 {
		hear()
	}
	if took := clock.Now().Sub(before); took > 3*time.Second {
		t.Errorf("100 blocks took %v", took)
	}
}
