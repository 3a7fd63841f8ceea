//go:build cgo

package portaudio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	"sensed/devices/devicetest"
	"sensed/devices/wave"
)

// patience is how long anything may take that should happen soon. It only
// passes when a test is about to fail.
const patience = 30 * time.Second

// house is the home of this test process. ALSA reads its configuration again
// when the files have changed, but does not look for a home that has.
var house string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "portaudio")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		house = dir
		for name, value := range map[string]string{
			"HOME": dir, "XDG_RUNTIME_DIR": dir, "XDG_CONFIG_HOME": filepath.Join(dir, "config"),
			"PULSE_SERVER": "unix:" + filepath.Join(dir, "pulse-native"), "PULSE_COOKIE": filepath.Join(dir, "cookie"),
		} {
			if err := os.Setenv(name, value); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		return m.Run()
	}())
}

// home gives ALSA this .asoundrc.
func home(t *testing.T, asoundrc string) string {
	t.Helper()
	next := filepath.Join(house, "next")
	write(t, next, asoundrc)
	if err := os.Rename(next, filepath.Join(house, ".asoundrc")); err != nil {
		t.Fatal(err)
	}
	return house
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

// alone runs the calling test in a process of its own, for PortAudio reads the
// PCMs of the ALSA configuration once only. It returns true in that process.
func alone(t *testing.T) bool {
	t.Helper()
	const mark = "SENSED_TEST_ALONE"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

// record plays said into the virtual microphone, with some silence around it,
// and returns what was heard.
func record(t *testing.T, m devices.Microphone, said []float32) []float32 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "said.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	silence := make([]float32, devices.SampleRate)
	if err := errors.Join(wave.Encode(f, slices.Concat(silence, said, silence)), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Next(t.Context()); err != nil { // it runs
		t.Fatal(err)
	}
	play := exec.Command("paplay", "--latency-msec=500", "--device=virtmic", path)
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
			rest = 25 // a little more: what is still on its way
		default:
		}
	}
	return heard
}

// correlation is the highest normalised cross-correlation of what was heard
// with what was said, over all shifts to a sixteenth of a sample.
func correlation(said, heard []float32) float64 {
	const beginning = 1500 // samples, which tell where it is
	best, at := 0.0, 0
	for from := 0; from+len(said) <= len(heard); from++ {
		if c := dot(said[:beginning], heard[from:]) / math.Sqrt(1e-9+dot(heard[from:from+beginning], heard[from:])); c > best {
			best, at = c, from
		}
	}
	best = 0
	for sixteenth := -16; sixteenth <= 16; sixteenth++ {
		x := shift(said, float64(sixteenth)/16)
		y := heard[at:min(len(heard), at+len(x))]
		best = max(best, dot(x[:len(y)], y)/math.Sqrt(1e-9+dot(x, x)*dot(y, y)))
	}
	return best
}

// dot is the inner product over the length of a.
func dot(a, b []float32) (sum float64) {
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

// shift delays x by d samples, -1..1, with a windowed sinc.
func shift(x []float32, d float64) []float32 {
	const half = 16
	y := make([]float32, len(x))
	for i := range y {
		var sum float64
		for j := max(0, i-half); j <= min(len(x)-1, i+half); j++ {
			u := float64(i-j) - d
			s := 1.0
			if math.Abs(u) > 1e-9 {
				s = math.Sin(math.Pi*u) / (math.Pi * u)
			}
			w := math.Cos(math.Pi * u / (2*half + 4))
			sum += float64(x[j]) * s * w * w
		}
		y[i] = float32(sum)
	}
	return y
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
				heard := record(t, m, said)
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
	o := Opts{Device: "pulsemic", LostAfter: patience} // it must not take that long
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
	if _, err := s.Open(t.Context()); !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "pulsemic") {
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
	if !alone(t) {
		return
	}
	dir := t.TempDir()
	var raw []byte // a ramp: sample i is i/2^20
	for i := range 1 << 20 {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(i)/(1<<20)))
	}
	path := filepath.Join(dir, "x.raw")
	write(t, path, string(raw))
	home(t, fmt.Sprintf(`pcm.filemic { type file slave.pcm "null" file "/dev/null" infile "%s" format "raw" }`, path))
	m := openMic(t, Opts{Device: "filemic", Channels: 1, Rate: 16000})
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i := range 10 {
		c, err := m.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && c.Samples[0] != 0 {
			t.Errorf("the first sample is %v", c.Samples[0])
		}
		for k, v := range c.Samples[1:] {
			if v-c.Samples[k] != 1./(1<<20) {
				t.Fatalf("sample %v comes after %v", v, c.Samples[k])
			}
		}
	}
}

// A second microphone that comes late is found although the first one is open:
// that one is lost for a moment, and then both are there.
func TestLateBesideAnother(t *testing.T) {
	if !alone(t) {
		return
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "x.raw")
	write(t, raw, strings.Repeat("\x00\x00\x10\x3e\x00\x00\x20\x3e", 1<<19))
	pcm := func(name string) string {
		return fmt.Sprintf("pcm.%s { type file slave.pcm \"null\" file \"/dev/null\" infile \"%s\" format \"raw\" }\n", name, raw)
	}
	cards := filepath.Join(dir, "cards")
	write(t, cards, "0 [first]")
	home(t, pcm("firstmic"))
	options := func(name string) Opts {
		return Opts{Device: name, Channels: 1, Rate: 16000, Cards: cards}
	}
	first := openMic(t, options("firstmic"))
	late, err := New(options("latemic"))
	if err != nil {
		t.Fatal(err)
	}
	absent := func() {
		t.Helper()
		if _, err := late.Open(t.Context()); !errors.Is(err, devices.ErrAbsent) {
			t.Fatalf("the late microphone is not there yet: %v", err)
		}
	}
	absent()
	if _, err := first.Next(t.Context()); err != nil {
		t.Fatalf("nothing has changed, and the first microphone says: %v", err)
	}

	home(t, pcm("firstmic")+pcm("latemic"))
	write(t, cards, "0 [first]\n1 [late]")
	absent() // the list is an old one
	for {
		if _, err = first.Next(t.Context()); err != nil {
			break
		}
	}
	if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "opened anew") {
		t.Fatalf("the first microphone makes room: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"firstmic", "latemic"} {
		m := openMic(t, options(name))
		defer m.Close()
		if _, err := m.Next(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A PCM that blocks hangs PortAudio; the caller is told in time, and so is the
// next one. When it stops blocking, all is well again.
func TestHangingDevice(t *testing.T) {
	if !alone(t) {
		return
	}
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
