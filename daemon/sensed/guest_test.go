//go:build guest && linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/mqtt/mqtttest"
)

// This test runs in the guest of deploy/vm, as root: the whole daemon with a
// camera, a microphone and pins that the kernel simulates, and a broker. The
// program lies beside the test.

// guestPatience is long: a model answers slowly in an emulator.
const guestPatience = 4 * time.Minute

// house is the daemon at work and what it is connected to.
type house struct {
	*testing.T
	p     *process
	heard *mqtttest.Listener
}

// await waits for an event of a source and kind that is as wanted, among those
// after the first n messages.
func (h *house) await(n int, source string, kind event.Kind, what string, ok func(event.Event) bool) event.Event {
	h.Helper()
	for deadline := time.Now().Add(guestPatience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		for _, e := range events(h.T, h.heard.Heard()[n:], source, kind) {
			if ok(e) {
				return e
			}
		}
	}
	var all []string
	for _, m := range h.heard.Heard()[n:] {
		all = append(all, fmt.Sprintf("%s %.300s", m.Topic, m.Payload))
	}
	h.Fatalf("%s: did not happen; heard\n%s\nlog:\n%s", what, strings.Join(all, "\n"), h.p.err)
	return event.Event{}
}

// state waits until a source says that it is so.
func (h *house) state(n int, source, state string) event.Event {
	h.Helper()
	return h.await(n, source, event.Status, source+" is "+state, func(e event.Event) bool { return e.State == state })
}

// now is how many messages there are.
func (h *house) now() int { return len(h.heard.Heard()) }

// pull drives an input of the simulated chip.
func (h *house) pull(line int, up bool) {
	h.Helper()
	text := "pull-down"
	if up {
		text = "pull-up"
	}
	h.write(h.sim(line, "pull"), text)
}

func (h *house) sim(line int, file string) string {
	h.Helper()
	found, err := filepath.Glob(fmt.Sprintf("/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio%d/%s", line, file))
	if err != nil || len(found) != 1 {
		h.Fatalf("the simulated pin %d is not there: %v", line, found)
	}
	return found[0]
}

func (h *house) write(path, text string) {
	h.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		h.Fatal(err)
	}
}

// lights returns which of the lamps of microphone and camera are lit.
func (h *house) lights() string {
	h.Helper()
	var out []string
	for line, name := range map[int]string{4: "microphone", 5: "camera"} {
		b, err := os.ReadFile(h.sim(line, "value"))
		if err != nil {
			h.Fatal(err)
		}
		if strings.TrimSpace(string(b)) == "1" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// open returns the devices that the daemon has open.
func (h *house) open() string {
	h.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", h.p.cmd.Process.Pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		h.Fatal(err)
	}
	var out []string
	for _, f := range files {
		target, _ := os.Readlink(filepath.Join(dir, f.Name())) // it may be closed by now
		if strings.HasPrefix(target, "/dev/video") || strings.HasPrefix(target, "/dev/snd/pcm") {
			out = append(out, target)
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

func TestGuestWholeDaemon(t *testing.T) {
	build = func() (string, error) { return filepath.Abs("sensed") }
	samples, err := filepath.Abs("../../deploy/models/tiny/samples")
	if err != nil {
		t.Fatal(err)
	}
	broker := mqtttest.Start(t, mqtttest.Options{Quiet: true})
	h := &house{T: t, heard: mqtttest.Listen(t, broker.URL(), "sensed/#", nil)}
	h.pull(0, false) // nothing moves
	h.pull(6, true)  // nobody talks
	h.p = start(t, nil, "run", "--config", file(t, "sensed.yaml", fmt.Sprintf(`
node: porch
broker:
  url: %s
sources:
  - name: door
    source: v4l2:platform:vivid-000?size=320x180&fps=2&brightness=130
    tasks:
      - kind: caption
    gate: {motion: false}
  - name: hall
    source: "portaudio:Loopback: PCM (hw:0,1)?rate=16000&channels=1"
    tasks:
      - kind: transcribe
  - name: desk
    source: "portaudio:Loopback: PCM (hw:0,0)?rate=16000&channels=1"
    tasks:
      - kind: transcribe
  - name: yard
    source: v4l2:platform:vivid-001?size=641x361
    tasks:
      - kind: caption
triggers:
  - pin: GPIO20
    debounce: 300ms
    starts: [door]
switches:
  - {pin: GPIO21, role: privacy}
  - {pin: GPIO22, role: mute, press: toggle, sources: [hall]}
  - {pin: GPIO26, role: talk, sources: [desk]}
led: {microphone: GPIO24, camera: GPIO25}
`, broker.URL())))

	// All is open and lit; one camera is asked for a size that it does not have.
	h.state(0, "door", event.OK)
	h.state(0, "hall", event.OK)
	h.state(0, "desk", event.Muted)
	if e := h.state(0, "yard", event.Failed); !strings.Contains(e.Error, "it gives no pictures of 641x361") {
		t.Errorf("%+v", e)
	}
	if l := h.lights(); l != "camera microphone" {
		t.Errorf("lit: %q", l)
	}

	// Something moves, and the sensor bounces.
	n := h.now()
	for _, up := range []bool{true, false, true, false, true} {
		h.pull(0, up)
	}
	pin := h.await(n, "GPIO20", event.Pin, "an edge", func(event.Event) bool { return true })
	words := h.await(n, "door", event.Caption, "a caption", func(e event.Event) bool { return e.ID == pin.ID })
	if pin.State != "high" || words.Text == "" || words.Error != "" {
		t.Errorf("%+v\n%+v", pin, words)
	}
	t.Logf("what vivid shows: %q", words.Text)
	if all := events(t, h.heard.Heard()[n:], "GPIO20", event.Pin); len(all) != 1 {
		t.Errorf("%d edges", len(all))
	}

	// Somebody speaks.
	n = h.now()
	if out, err := exec.Command("aplay", "-q", "-D", "plughw:Loopback,0,0", filepath.Join(samples, "speech0.wav")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sound := h.await(n, "hall", event.Sound, "a sound", func(event.Event) bool { return true })
	said := h.await(n, "hall", event.Transcript, "a transcript", func(e event.Event) bool { return e.ID == sound.ID })
	h.alike(said.Text, "is the front door open")

	// The privacy switch cuts both, whatever their buttons say.
	n = h.now()
	h.pull(1, false)
	h.state(n, "door", event.Private)
	h.state(n, "hall", event.Private)
	if o, l := h.open(), h.lights(); o != "" || l != "" {
		t.Errorf("while the privacy switch is on, open is %q and lit %q", o, l)
	}
	n = h.now()
	h.pull(1, true)
	h.state(n, "door", event.OK)
	h.state(n, "hall", event.OK)
	if l := h.lights(); l != "camera microphone" {
		t.Errorf("lit: %q", l)
	}

	// A press mutes the microphone, and its lamp goes out.
	n = h.now()
	h.press(2, true)
	h.press(2, false)
	h.state(n, "hall", event.Muted)
	if o, l := h.open(), h.lights(); strings.Contains(o, "snd") || l != "camera" {
		t.Errorf("while it is muted, open is %q and lit %q", o, l)
	}

	// Push to talk: what is heard while the button is held is answered, here
	// through the other end of the card.
	n = h.now()
	h.press(6, true)
	h.state(n, "desk", event.OK)
	if l := h.lights(); l != "camera microphone" {
		t.Errorf("while somebody talks, lit is %q", l)
	}
	if out, err := exec.Command("aplay", "-q", "-D", "plughw:Loopback,1,0", filepath.Join(samples, "speech1.wav")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	time.Sleep(2 * time.Second) // what was played is still on its way to the ear
	h.press(6, false)
	talked := h.await(n, "GPIO26", event.Pin, "a press", func(e event.Event) bool { return e.State == "on" })
	said = h.await(n, "desk", event.Transcript, "what was talked", func(e event.Event) bool { return e.ID == talked.ID })
	h.alike(said.Text, "show me the living room camera")
	h.state(n, "desk", event.Muted)
	n = h.now()
	h.press(2, true)
	h.press(2, false)
	h.state(n, "hall", event.OK)

	// The camera is pulled and comes back; the microphone does not notice.
	n = h.now()
	h.write("/sys/bus/platform/drivers/vivid/unbind", "vivid.0")
	h.await(n, "door", event.Status, "the loss of the camera", func(e event.Event) bool { return e.State == event.Lost || e.State == event.Absent })
	if l := h.lights(); l != "microphone" {
		t.Errorf("without a camera, lit is %q", l)
	}
	h.write("/sys/bus/platform/drivers/vivid/bind", "vivid.0")
	h.state(n, "door", event.OK)
	if states := events(t, h.heard.Heard()[n:], "hall", event.Status); len(states) != 0 {
		t.Errorf("meanwhile the microphone said %+v", states)
	}

	code, took := h.p.signal(syscall.SIGTERM)
	if code != 0 {
		t.Errorf("exit code %d after %v\n%s", code, took, h.p.err)
	}
	if l := h.lights(); l != "" {
		t.Errorf("after the end, lit is %q", l)
	}
}

// alike allows one wrong word: an emulator that is too slow loses some sound.
func (h *house) alike(got, want string) {
	h.Helper()
	h.Logf("heard %q", got)
	words := strings.Fields(got)
	missing := 0
	for _, w := range strings.Fields(want) {
		if !slices.Contains(words, w) {
			missing++
		}
	}
	if missing > 1 || len(words) > len(strings.Fields(want))+1 {
		h.Errorf("heard %q, want %q", got, want)
	}
}

// press holds or lets go a button between a pin and ground, and waits until the
// daemon has seen that.
func (h *house) press(line int, down bool) {
	h.Helper()
	n := h.now()
	h.pull(line, !down)
	want := "off"
	if down {
		want = "on"
	}
	h.await(n, fmt.Sprintf("GPIO%d", 20+line), event.Pin, "a button", func(e event.Event) bool { return e.State == want })
}
