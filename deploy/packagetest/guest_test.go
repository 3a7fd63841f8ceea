//go:build guest && linux

package packagetest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensed/daemon/bench"
	"sensed/daemon/event"
	"sensed/daemon/mqtt/mqtttest"
)

// These tests run in the guest of deploy/vm, as root, with the packages beside
// them: version 1 and version 2, which differ in their first configuration.
const (
	one = "sensed_1_amd64.deb"
	two = "sensed_2_amd64.deb"

	first = "/etc/sensed/sensed.yaml"
)

// TestGuestPackage is the life of a package on a machine, from its installation
// until it is purged.
func TestGuestPackage(t *testing.T) {
	b := newBoard(t)
	b.spi()
	b.run("dpkg", "--install", one)

	// What the package made.
	b.want("the service after the installation", b.show("ActiveState"), "active")
	b.want("the service at the next boot", b.run("systemctl", "is-enabled", "sensed"), "enabled")
	b.want("the groups of the user", b.groups("sensed"), "audio gpio i2c sensed spi video")
	for path, mode := range map[string]string{
		"/etc/sensed": "750 root:sensed", first: "640 root:sensed",
		"/var/lib/sensed": "750 sensed:sensed", "/var/cache/sensed": "750 sensed:sensed", "/run/sensed": "750 sensed:sensed",
		"/dev/gpiochip0": "660 root:gpio", b.bus(): "660 root:i2c", spidev: "660 root:spi", "/dev/media0": "660 root:video",
	} {
		b.want(path, b.run("stat", "-c", "%a %U:%G", path), mode)
	}
	if said := b.run("sensed", "status", "--once"); !strings.Contains(said, "camera") || !strings.Contains(said, "a demonstration") {
		t.Errorf("sensed status says:\n%s", said)
	}
	if said := b.show("StatusText"); !strings.Contains(said, "demonstration model") {
		t.Errorf("systemctl status says: %s", said)
	}
	if said := b.run("journalctl", "--no-pager", "--output=cat", "--unit=sensed"); !strings.Contains(said, "sensed model pull") {
		t.Errorf("the journal does not say how to get a model:\n%s", said)
	}

	// A configuration of the owner's own outlives everything but a purge.
	broker := mqtttest.Start(t, mqtttest.Options{Quiet: true, User: "porch", Password: "hidden"})
	own := fmt.Sprintf(guestConfiguration, broker.URL())
	b.write(first, own, 0o640)
	b.secret("sensed.mqtt-username", "porch")
	b.secret("sensed.mqtt-password", "hidden")
	heard := mqtttest.Listen(t, strings.Replace(broker.URL(), "://", "://porch:hidden@", 1), "sensed/#", nil)
	b.run("systemctl", "restart", "sensed")
	b.senses(heard)
	b.sandboxed()
	b.reloads(heard, own)
	b.restartsWhenFrozen()

	before := b.show("MainPID")
	b.run("dpkg", "--force-confold", "--install", two) // as unattended-upgrades does it
	b.want("the service after an upgrade", b.show("ActiveState"), "active")
	if now := b.show("MainPID"); now == before {
		t.Error("after an upgrade the old program still runs")
	}
	b.want("the configuration after an upgrade", b.read(first), own)
	if fresh := b.read(first + ".dpkg-dist"); !strings.Contains(fresh, "default of version 2") {
		t.Errorf("the new default is not beside the configuration:\n%s", fresh)
	}

	b.run("systemctl", "disable", "--now", "sensed")
	b.run("dpkg", "--force-confold", "--install", one)
	b.want("the version after a downgrade", b.run("dpkg-query", "--show", "--showformat", "${Version}", "sensed"), "1")
	b.want("a service that its owner stopped, after a downgrade", b.show("ActiveState"), "inactive")
	b.want("a service that its owner disabled, after a downgrade", b.try("systemctl", "is-enabled", "sensed"), "disabled")
	b.run("systemctl", "enable", "--now", "sensed")

	start := time.Now()
	b.run("dpkg", "--remove", "sensed")
	t.Logf("removing took %v", time.Since(start).Round(time.Millisecond))
	b.want("the service after a removal", b.show("ActiveState"), "inactive")
	b.gone("/usr/bin/sensed", "/usr/lib/systemd/system/sensed.service", "/usr/lib/udev/rules.d/60-sensed.rules", "/run/sensed")
	b.want("the configuration after a removal", b.read(first), own)
	b.want("the state after a removal", b.run("stat", "-c", "%U", "/var/lib/sensed"), "sensed")

	b.run("dpkg", "--install", one)
	b.want("the service after it came back", b.show("ActiveState"), "active")
	b.want("the configuration after it came back", b.read(first), own)
	b.run("dpkg", "--purge", "sensed") // while it runs
	b.purged()
}

const guestConfiguration = `
node: porch
broker:
  url: %s
  username: credential:sensed.mqtt-username
  password_file: credential:sensed.mqtt-password
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
triggers:
  - pin: GPIO20
    debounce: 300ms
    starts: [door]
`

// senses proves that camera, sound card and pins are reached through the
// sandbox.
func (b *board) senses(heard *mqtttest.Listener) {
	b.Helper()
	sim, err := filepath.Glob("/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio0/pull")
	if err != nil || len(sim) != 1 {
		b.Fatalf("the simulated pin is not there: %v", sim)
	}
	b.write(sim[0], "pull-down", 0)
	b.event(heard, "door/status", "the camera works", func(e event.Event) bool { return e.State == event.OK })
	b.event(heard, "hall/status", "the microphone works", func(e event.Event) bool { return e.State == event.OK })

	b.write(sim[0], "pull-up", 0)
	pin := b.event(heard, "GPIO20/pin", "an edge", func(e event.Event) bool { return e.State == "high" })
	words := b.event(heard, "door/caption", "a caption", func(e event.Event) bool { return e.ID == pin.ID })
	if words.Text == "" || words.Error != "" {
		b.Errorf("the caption is %+v", words)
	}
	b.run("aplay", "-q", "-D", "plughw:Loopback,0,0", "../models/tiny/samples/speech0.wav")
	said := b.event(heard, "hall/transcript", "a transcript", func(event.Event) bool { return true })
	if !strings.Contains(said.Text, "door") {
		b.Errorf("heard %q", said.Text)
	}
}

// sandboxed reads from the kernel what the unit asked for.
func (b *board) sandboxed() {
	b.Helper()
	pid := b.show("MainPID")
	status := map[string]string{}
	for line := range strings.Lines(b.read("/proc/" + pid + "/status")) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	for name, want := range map[string]string{
		"CapPrm": "0000000000000000", "CapBnd": "0000000000000000", "CapAmb": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2", "Umask": "0077",
	} {
		b.want(name, status[name], want)
	}
	b.want("oom_score_adj", b.read("/proc/"+pid+"/oom_score_adj"), "300")
	b.want("niceness", b.run("ps", "-o", "ni=", "-p", pid), "5")
	b.want("its own limit of memory", b.read("/sys/fs/cgroup/system.slice/sensed.service/memory.swap.max"), "0")
	if limit := b.read("/sys/fs/cgroup/system.slice/sensed.service/memory.max"); limit == "max" {
		b.Error("there is no limit of memory")
	}
	// In its mount namespace, as its user, only its own folders can be written.
	inside := func(command string) string {
		return b.try("nsenter", "--target", pid, "--mount", "--wd=/", "runuser", "-u", "sensed", "--", "sh", "-c", command)
	}
	b.want("writing", inside("for d in /var/lib/sensed /var/cache/sensed /run/sensed /tmp; do touch $d/x && rm $d/x || echo $d; done"), "")
	for _, d := range []string{"/etc/sensed", "/usr", "/var/log", "/opt"} {
		if out := inside("touch " + d + "/x && echo written"); strings.Contains(out, "written") {
			b.Errorf("%s can be written", d)
		}
	}
	// Root inside the unit's device policy, to see the policy and not the modes;
	// and the user of the unit, who needs both.
	b.want("the disk under the unit's device policy", b.under("root", "head -c1 /dev/vda >/dev/null 2>&1 || echo closed"), "closed")
	devices := strings.Join([]string{"/dev/video0", "/dev/media0", "/dev/snd/controlC0", "/dev/gpiochip0", b.bus(), spidev}, " ")
	b.want("devices that the user of the unit cannot open", b.under("sensed", "for d in "+devices+"; do : <>$d || echo $d; done"), "")
	if out := b.run("systemd-analyze", "security", "--no-pager", "--threshold=16", "sensed.service"); !strings.Contains(out, "Overall exposure") {
		b.Errorf("systemd-analyze security says:\n%s", out)
	}
}

// reloads changes the configuration under the running service.
func (b *board) reloads(heard *mqtttest.Listener, own string) {
	b.Helper()
	before := b.show("MainPID")
	for node, how := range map[string][]string{"barn": {"reload", "sensed"}, "shed": {"kill", "--kill-whom=main", "--signal=HUP", "sensed"}} {
		b.write(first, strings.Replace(own, "node: porch", "node: "+node, 1), 0o640)
		b.run("systemctl", how...)
		heard.Await("the node is called "+node, func(all []mqtttest.Message) bool {
			for _, m := range all {
				if m.Topic == "sensed/"+node+"/status" && m.Payload == "online" {
					return true
				}
			}
			return false
		})
	}
	b.write(first, "node: [", 0o640)
	if out := b.try("systemctl", "reload", "sensed"); !strings.Contains(out, "failed") {
		b.Errorf("a wrong configuration is reloaded: %s", out)
	}
	b.write(first, own, 0o640)
	b.run("systemctl", "reload", "sensed")
	b.want("the process after all these reloads", b.show("MainPID"), before)
}

// restartsWhenFrozen stops the process as a whole, with the watchdog of the unit
// and less patience.
func (b *board) restartsWhenFrozen() {
	b.Helper()
	b.patience(10 * time.Second)
	before := b.show("MainPID")
	b.fed(12 * time.Second)
	b.run("kill", "-STOP", before)
	b.restarted(before, 5*time.Minute) // on a busy machine an emulator takes its time
}

// TestSlowGuestLargeModel starts the service with a model that is worth packing:
// the packed weights go where the sandbox lets it write, once.
func TestSlowGuestLargeModel(t *testing.T) {
	b := newBoard(t)
	b.run("dpkg", "--install", one)
	const folder = "/var/lib/sensed/models/large"
	shape := bench.Shape{
		Name: "large", Vocabulary: 1024, Hidden: 1024, Heads: 4, KVHeads: 1, HeadDim: 256, LocalDim: 256, Period: 2,
		Layers: 10, Shared: 2, FFN: 4096, SharedFFN: 4096, PerLayer: 128, Window: 64, Context: 1024,
		Vision: bench.Vision{Hidden: 64, Layers: 1, Heads: 2, FFN: 64, Places: 256},
		Audio:  bench.Audio{Hidden: 64, Layers: 1, Heads: 2, FFN: 64, Out: 96, Channels: [2]int{8, 4}},
	}
	mix, err := bench.MixOf("q4_0")
	if err != nil {
		t.Fatal(err)
	}
	files, err := bench.Make(t.Context(), folder, shape, mix, func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	packed := "/var/cache/sensed/" + filepath.Base(files.Text) + ".packed"
	b.write(first, fmt.Sprintf("node: porch\nmodel: {text: %s, projector: %s}\nsources: []\n", files.Text, files.Projector), 0o640)
	start := time.Now()
	b.run("systemctl", "restart", "sensed")
	t.Logf("with packing it started in %v", time.Since(start).Round(time.Second))
	made := b.run("stat", "-c", "%i %y %U", packed)
	if !strings.HasSuffix(made, " sensed") {
		t.Errorf("the packed weights belong to: %s", made)
	}
	b.gone(folder+"/*.packed", "/var/cache/sensed/*.tmp")
	const words = "the weights were packed for this processor"
	journal := func() int {
		return strings.Count(b.run("journalctl", "--no-pager", "--output=cat", "--unit=sensed"), words)
	}
	if n := journal(); n != 1 {
		t.Errorf("the journal says %d times that weights were packed", n)
	}
	start = time.Now()
	b.run("systemctl", "restart", "sensed")
	t.Logf("without packing it started in %v", time.Since(start).Round(time.Second))
	b.want("the packed weights after a restart", b.run("stat", "-c", "%i %y %U", packed), made)
	if n := journal(); n != 1 {
		t.Errorf("after a restart the journal says %d times that weights were packed", n)
	}
	b.want("the state of the service", b.show("ActiveState"), "active")
	b.run("dpkg", "--purge", "sensed")
	b.purged()
}

// TestSlowGuestHang lets one worker hang for as long as the daemon has patience
// with it: a driver that never comes back, here opening a recording that is a
// pipe to which nobody writes.
func TestSlowGuestHang(t *testing.T) {
	b := newBoard(t)
	b.run("dpkg", "--install", one)
	b.run("install", "-d", "-o", "sensed", "/var/lib/sensed/recordings")
	b.run("mkfifo", "-m", "644", "/var/lib/sensed/recordings/a.wav")
	b.write(first, "node: porch\nsources:\n  - name: hall\n    source: wav:/var/lib/sensed/recordings?loop&gap=1s\n    tasks: [{kind: transcribe}]\n", 0o640)
	b.patience(30 * time.Second)
	before := b.show("MainPID")
	b.fed(40 * time.Second) // all the others get on, and nobody knows yet

	b.restarted(before, 8*time.Minute)
	if journal := b.run("journalctl", "--no-pager", "--output=cat", "--unit=sensed"); !strings.Contains(journal, "source hall has not moved for") {
		t.Error("the journal does not say who hung")
	}
	b.run("dpkg", "--purge", "sensed")
	b.purged()
}
