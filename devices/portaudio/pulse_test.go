//go:build cgo

package portaudio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
	"sensed/devices/wave"
)

// patience is how long anything may take that should happen soon. It only
// passes when a test is about to fail.
const patience = 30 * time.Second

// home gives the test a home of its own for ALSA and PulseAudio, with this
// .asoundrc.
func home(t *testing.T, asoundrc string) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	t.Setenv("PULSE_SERVER", "unix:"+filepath.Join(dir, "pulse-native"))
	t.Setenv("PULSE_COOKIE", filepath.Join(dir, "cookie"))
	write(t, filepath.Join(dir, ".asoundrc"), asoundrc)
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pulse starts a PulseAudio whose only sink, virtmic, goes nowhere; what is
// played there is heard by the ALSA device pulsemic. The returned function
// stops it, at the latest it dies with the test.
func pulse(t *testing.T, dir string) (stop func()) {
	t.Helper()
	cmd := exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm", "--use-pid-file=no",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+filepath.Join(dir, "pulse-native"),
		"-L", "module-null-sink sink_name=virtmic rate=16000 channels=1")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("pulseaudio (Debian package pulseaudio) does not start: %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(stop)
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if out, err := exec.Command("pactl", "list", "short", "sources").Output(); err == nil && bytes.Contains(out, []byte("virtmic.monitor")) {
			return stop
		}
		select {
		case <-ended:
			t.Fatalf("pulseaudio ended:\n%s", &log)
		default:
		}
		if time.Since(start) > patience {
			stop()
			t.Fatalf("pulseaudio has no virtmic.monitor after %v:\n%s", patience, &log)
		}
	}
}

const pulsemic = `
pcm.pulsemic { type pulse device virtmic.monitor hint { show on description "Virtual" } }
ctl.pulsemic { type pulse }
`

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

const sample = "../../deploy/models/tiny/samples/speech0.wav"

// record plays the file into the virtual microphone and returns what was
// heard.
func record(t *testing.T, m devices.Microphone, path string) []float32 {
	t.Helper()
	play := exec.Command("paplay", "--latency-msec=100", "--device=virtmic", path)
	play.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := play.Start(); err != nil {
		t.Fatalf("paplay (Debian package pulseaudio-utils): %v", err)
	}
	over := make(chan error, 1)
	go func() { over <- play.Wait() }()
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
				t.Fatalf("paplay %s: %v", path, err)
			}
			rest = 50 // a second more: what is still on its way
		default:
		}
	}
	return heard
}

// correlation is the highest normalised cross-correlation of what was heard
// with what was said, over all shifts, to an eighth of a sample.
func correlation(said, heard []float32) float64 {
	const half = 16 // of the interpolating filter
	best := 0.0
	for eighth := range 8 {
		x := make([]float64, len(said))
		var norm float64
		for i := range x {
			for k := -half; k < half; k++ {
				if j := i + k; j >= 0 && j < len(said) {
					d := float64(k) + float64(eighth)/8
					w := math.Cos(math.Pi * d / (2*half + 2))
					s := 1.0
					if d != 0 {
						s = math.Sin(math.Pi*d) / (math.Pi * d)
					}
					x[i] += float64(said[j]) * s * w * w
				}
			}
			norm += x[i] * x[i]
		}
		var energy float64
		for i, v := range heard {
			energy += float64(v) * float64(v)
			if i >= len(x) {
				energy -= float64(heard[i-len(x)]) * float64(heard[i-len(x)])
			}
			from := i + 1 - len(x)
			if from < 0 || energy < norm/2 {
				continue
			}
			var sum float64
			for k, s := range x {
				sum += s * float64(heard[from+k])
			}
			best = max(best, sum/math.Sqrt(norm*energy))
		}
	}
	return best
}

// What is played into a virtual microphone is heard as it was: with the rate
// and channels that the device prefers, and with those that are asked for.
func TestHearsWhatIsPlayed(t *testing.T) {
	dir := home(t, pulsemic)
	pulse(t, dir)
	said, _, err := wave.DecodeFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Opts{
		"as the device prefers": {Device: "pulsemic"},
		"16 kHz mono":           {Device: "PULSEMIC", Rate: 16000, Channels: 1},
		"48 kHz stereo":         {Device: "pulse", Rate: 48000, Channels: 2},
	} {
		t.Run(name, func(t *testing.T) {
			// Real time on a machine that does other things: one good take of
			// three is asked for.
			best := 0.0
			for take := 0; take < 3 && best <= 0.99; take++ {
				m := openMic(t, o)
				heard := record(t, m, sample)
				dropped := m.(interface{ Dropped() int64 }).Dropped()
				if err := m.Close(); err != nil {
					t.Error(err)
				}
				c := correlation(said, heard)
				t.Logf("take %d: correlation %.5f, %d samples, %d dropped", take, c, len(heard), dropped)
				best = max(best, c)
			}
			if best <= 0.99 {
				t.Errorf("the highest correlation with what was played is %.4f, want above 0.99", best)
			}
		})
	}
}

func TestConformance(t *testing.T) {
	dir := home(t, pulsemic)
	pulse(t, dir)
	// The libraries keep some files and threads from their first use on.
	if err := openMic(t, Opts{Device: "pulsemic"}).Close(); err != nil {
		t.Fatal(err)
	}
	devicetest.Microphone(t, "pulsemic", func(t *testing.T) devices.Microphone {
		return openMic(t, Opts{Device: "pulsemic"})
	}, devicetest.MicrophoneOpts{Slack: 60 * time.Millisecond})
}

func TestList(t *testing.T) {
	dir := home(t, pulsemic)
	pulse(t, dir)
	found, err := List(t.Context(), patience)
	if err != nil {
		t.Fatal(err)
	}
	if i, err := choose(found, "pulsemic"); err != nil || found[i].Name != "pulsemic" || found[i].Channels < 1 || found[i].Rate < 8000 {
		t.Errorf("found %+v, %v", found, err)
	}
	s, err := New(Opts{Device: "no such thing"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Open(t.Context())
	if !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), `"no such thing"`) || !strings.Contains(err.Error(), `"pulsemic"`) {
		t.Errorf("a device that is not there: %v", err)
	}
	s, err = New(Opts{Device: "pulsemic", Timeout: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Open(t.Context()); !errors.Is(err, errHangs) && !errors.Is(err, errBusy) {
		t.Errorf("with no time at all: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ended); !errors.Is(err, context.Canceled) && !errors.Is(err, errBusy) {
		t.Errorf("with an ended context: %v", err)
	}
}

// The device is lost when the sound server dies, absent while it is gone, and
// there again after that.
func TestLostAndFound(t *testing.T) {
	dir := home(t, pulsemic)
	stop := pulse(t, dir)
	o := Opts{Device: "pulsemic", LostAfter: 500 * time.Millisecond}
	m := openMic(t, o)
	if _, err := m.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	var err error
	for start := time.Now(); err == nil && time.Since(start) < patience; {
		_, err = m.Next(t.Context())
	}
	if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), `"pulsemic"`) {
		t.Errorf("after the server died: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Logf("Close of a lost microphone: %v", err)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context()); !errors.Is(err, devices.ErrAbsent) {
		t.Errorf("while it is gone: %v", err)
	}
	pulse(t, dir)
	m = openMic(t, o)
	defer m.Close()
	if _, err := m.Next(t.Context()); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// A microphone that gives nothing but zeros is lost after a while, unless that
// is fine.
func TestDigitalSilence(t *testing.T) {
	dir := home(t, pulsemic)
	pulse(t, dir)
	m := openMic(t, Opts{Device: "pulsemic", StuckAfter: 200 * time.Millisecond})
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		_, err = m.Next(t.Context())
	}
	if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "muted") {
		t.Errorf("zeros gave %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	m = openMic(t, Opts{Device: "pulsemic", StuckAfter: -1})
	defer m.Close()
	for range 30 {
		if _, err := m.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// ALSA's file plugin delivers without a pace of its own.
func TestFilePlugin(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "x.raw")
	write(t, raw, strings.Repeat("\x00\x10\x00\xf0", 1<<20))
	home(t, fmt.Sprintf(`pcm.filemic { type file slave.pcm "null" file "/dev/null" infile "%s" format "raw" }`, raw))
	m := openMic(t, Opts{Device: "filemic", Channels: 1})
	defer m.Close()
	for range 10 {
		c, err := m.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range c.Samples {
			if v > 0.2 || v < -0.2 {
				t.Fatalf("a sample is %v", v)
			}
		}
	}
}

// A PCM that blocks hangs PortAudio; the caller is told in time, and so is the
// next one. When it stops blocking, all is well again.
func TestHangingDevice(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	home(t, fmt.Sprintf(`pcm.hangs { type file slave.pcm "null" file "/dev/null" infile "%s" format "raw" }`, fifo))
	s, err := New(Opts{Device: "hangs", Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context()); !errors.Is(err, errHangs) || !strings.Contains(err.Error(), "FIFO") {
		t.Errorf("Open gave %v", err)
	}
	if _, err := List(t.Context(), 10*time.Millisecond); !errors.Is(err, errBusy) {
		t.Errorf("List gave %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with an ended context gave %v", err)
	}

	// A writer lets the call in the background end.
	stopWriting := make(chan struct{})
	written := make(chan struct{})
	go func() {
		defer close(written)
		for {
			select {
			case <-stopWriting:
				return
			default:
			}
			if w, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				_, _ = w.Write(make([]byte, 4096))
				w.Close()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	select {
	case turn <- struct{}{}:
		<-turn
	case <-time.After(patience):
		t.Error("the call in the background does not end")
	}
	close(stopWriting)
	<-written
}
