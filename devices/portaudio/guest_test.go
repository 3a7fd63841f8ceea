//go:build guest && linux && cgo

package portaudio

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/wave"
)

// These tests run in the guest of deploy/vm, as root, with a sound card of the
// kernel's driver snd-aloop: what is played on its device 0 is heard on device 1.

const (
	card     = "Loopback"
	speaker  = "hw:Loopback,0,0"
	earpiece = "Loopback: PCM (hw:0,1)"
)

// plugCard binds the card to its driver, or takes it away.
func plugCard(t *testing.T, in bool) {
	t.Helper()
	file := "unbind"
	if in {
		file = "bind"
	}
	if err := os.WriteFile(filepath.Join("/sys/bus/platform/drivers/snd_aloop", file), []byte("snd_aloop.0"), 0); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("udevadm", "settle").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// play plays samples at 16 kHz on the card and returns a channel that tells when
// that is over.
func play(t *testing.T, samples []float32) <-chan error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "said.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(wave.Encode(f, samples), f.Close()); err != nil {
		t.Fatal(err)
	}
	// plug: changes to what the other side has chosen.
	cmd := exec.Command("aplay", "-q", "--buffer-time=400000", "-D", "plug"+speaker, path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	return over
}

// What is played on the card is heard.
func TestGuestHearsWhatIsPlayed(t *testing.T) {
	said, _, err := wave.DecodeFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	silence := make([]float32, devices.SampleRate)
	for name, o := range map[string]Opts{
		"as the device prefers": {Device: earpiece},
		"16 kHz mono":           {Device: earpiece, Rate: 16000, Channels: 1},
	} {
		// What was resampled is off by a part of a sample.
		good := 0.9
		if o.Rate == devices.SampleRate {
			good = 0.999
		}
		t.Run(name, func(t *testing.T) {
			// An emulator may be too slow for a moment: one good take of three.
			best := 0.0
			for take := 0; take < 3 && best <= good; take++ {
				m := openMic(t, o)
				if _, err := m.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
				over := play(t, slices.Concat(silence, said, silence))
				var heard []float32
				for rest := -1; rest != 0; rest-- {
					c, err := m.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					heard = append(heard, c.Samples...)
					select {
					case err := <-over:
						if err != nil {
							t.Fatalf("aplay: %v", err)
						}
						rest = 25
					default:
					}
				}
				if err := m.Close(); err != nil {
					t.Error(err)
				}
				c := likeness(said, heard)
				t.Logf("take %d: correlation %.5f of %d samples", take, c, len(heard))
				best = max(best, c)
			}
			if best <= good {
				t.Errorf("the highest correlation with what was played is %.4f, want above %v", best, good)
			}
		})
	}
}

// likeness is the normalised correlation of what was heard with what was said, at
// the best whole shift: an emulator takes too long for finer ones.
func likeness(said, heard []float32) float64 {
	const beginning = 800 // samples, which tell where it is
	best, at := 0.0, 0
	loud := len(said) / 3
	for from := loud; from+len(said)-loud <= len(heard); from++ {
		x, y := said[loud:loud+beginning], heard[from:from+beginning]
		if c := dot(x, y) / math.Sqrt(1e-9+dot(y, y)); c > best {
			best, at = c, from-loud
		}
	}
	heard = heard[at : at+len(said)]
	return dot(said, heard) / math.Sqrt(1e-9+dot(said, said)*dot(heard, heard))
}

// A microphone that comes late is absent until then; one that is pulled is lost,
// and comes back. Nothing stays behind.
func TestGuestUnplugged(t *testing.T) {
	s, err := New(Opts{Device: card, LostAfter: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	plugCard(t, false)
	fds := 0
	for round := range 3 {
		if _, err := s.Open(t.Context()); !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), card) {
			t.Errorf("round %d: away: %v", round, err)
		}
		plugCard(t, true)
		m, err := s.Open(t.Context())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if _, err := m.Next(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		lost := make(chan error, 1)
		go func() {
			for {
				if _, err := m.Next(t.Context()); err != nil {
					lost <- err
					return
				}
			}
		}()
		pulled := make(chan struct{})
		go func() { // the driver waits until nobody has the card open any more
			defer close(pulled)
			plugCard(t, false)
		}()
		select {
		case err := <-lost:
			if !errors.Is(err, devices.ErrLost) {
				t.Errorf("round %d: pulled: %v", round, err)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing is heard of a microphone that was pulled")
		}
		if err := m.Close(); err != nil {
			t.Logf("round %d: closing: %v", round, err)
		}
		<-pulled
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			fds = len(entries)
		} else if len(entries) != fds {
			t.Errorf("%d files open, after round %d %d", fds, round, len(entries))
		}
	}
	plugCard(t, true)
}

// A card that another program has open is absent, and the message says why.
func TestGuestBusy(t *testing.T) {
	other := exec.Command("arecord", "-q", "-D", "hw:Loopback,1,0", "-f", "S16_LE", "-r", "48000", "-c", "2", "/dev/null")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for taken := false; !taken; time.Sleep(100 * time.Millisecond) {
		b, err := os.ReadFile("/proc/asound/card0/pcm1c/sub0/status")
		if err != nil {
			t.Fatal(err)
		}
		taken = !strings.HasPrefix(string(b), "closed")
	}
	s, err := New(Opts{Device: earpiece})
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Open(t.Context())
	if err == nil {
		_ = m.Close()
	}
	if !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), earpiece) || !strings.Contains(err.Error(), "another program uses") {
		t.Errorf("err = %v", err)
	}
}
