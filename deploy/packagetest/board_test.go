//go:build guest && linux

package packagetest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/mqtt/mqtttest"
)

// board is the machine on which the package lives.
type board struct{ *testing.T }

// newBoard has no package before and after the test.
func newBoard(t *testing.T) *board {
	t.Helper()
	b := &board{t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("journal:\n%s", b.try("journalctl", "--no-pager", "--lines=60", "--unit=sensed"))
		}
		b.try("dpkg", "--purge", "sensed")
		os.RemoveAll("/run/systemd/system/sensed.service.d")
		b.try("systemctl", "daemon-reload")
	})
	return b
}

// run returns what a program prints; one that fails ends the test.
func (b *board) run(name string, args ...string) string {
	b.Helper()
	start := time.Now()
	out, err := exec.Command(name, args...).CombinedOutput()
	if took := time.Since(start); took > 3*time.Second {
		b.Logf("%v: %s %s", took.Round(time.Second/10), name, strings.Join(args, " "))
	}
	if err != nil {
		b.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// try is run for what may fail.
func (b *board) try(name string, args ...string) string {
	b.Helper()
	out, _ := exec.Command(name, args...).CombinedOutput()
	return strings.TrimSpace(string(out))
}

// show returns a property of the service.
func (b *board) show(property string) string {
	b.Helper()
	return b.run("systemctl", "show", "--value", "--property="+property, "sensed")
}

func (b *board) want(what, got, want string) {
	b.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		b.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (b *board) read(path string) string {
	b.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// write keeps the owner and the mode of a file that is there.
func (b *board) write(path, text string, mode os.FileMode) {
	b.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.Fatal(err)
	}
}

// secret puts a credential where only root can read it.
func (b *board) secret(name, value string) {
	b.Helper()
	if err := os.MkdirAll("/etc/credstore", 0o700); err != nil {
		b.Fatal(err)
	}
	b.write(filepath.Join("/etc/credstore", name), value, 0o600)
}

func (b *board) groups(user string) string {
	b.Helper()
	names := strings.Fields(b.run("id", "--groups", "--name", user))
	slices.Sort(names)
	return strings.Join(names, " ")
}

// bus is the device of the simulated I2C bus, which has the highest number.
func (b *board) bus() string {
	b.Helper()
	all, err := filepath.Glob("/dev/i2c-*")
	if err != nil || len(all) == 0 {
		b.Fatalf("there is no I2C bus: %v", err)
	}
	return slices.Max(all)
}

// gone fails for what is still there.
func (b *board) gone(paths ...string) {
	b.Helper()
	for _, pattern := range paths {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			b.Errorf("still there: %v", found)
		}
	}
}

// purged fails when anything is left but the user.
func (b *board) purged() {
	b.Helper()
	b.gone("/etc/sensed", "/var/lib/sensed", "/var/cache/sensed", "/run/sensed", "/etc/credstore/sensed.*", "/usr/bin/sensed",
		"/usr/share/doc/sensed", "/etc/systemd/system/sensed.service", "/etc/systemd/system/*.wants/sensed.service", "/var/lib/systemd/deb-systemd-helper-*/sensed*")
	b.want("the unit after a purge", b.show("LoadState"), "not-found")
	if left := b.try("pgrep", "-u", "sensed", "-l"); left != "" {
		b.Errorf("still running: %s", left)
	}
}

// spidev is a device on an SPI bus.
const spidev = "/dev/spidev0.0"

// spi makes the board have an SPI bus: an adapter at the parallel port of the
// emulator, whose only chip is given to the driver for programs.
func (b *board) spi() {
	b.Helper()
	b.run("modprobe", "--all", "parport_pc", "spi-lm70llp")
	const chip = "/sys/bus/spi/devices/spi0.0"
	b.write(chip+"/driver_override", "spidev", 0)
	b.try("sh", "-c", "echo spi0.0 >"+chip+"/driver/unbind") // of the driver for thermometers, if it is there
	b.write("/sys/bus/spi/drivers/spidev/bind", "spi0.0", 0)
	b.run("udevadm", "settle")
}

// under runs a command with the device policy of the unit.
func (b *board) under(user, command string) string {
	b.Helper()
	args := []string{"--quiet", "--pipe", "--wait", "--property=User=" + user}
	for line := range strings.Lines(b.read("/usr/lib/systemd/system/sensed.service")) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "Device") {
			args = append(args, "--property="+line)
		}
	}
	if len(args) < 10 {
		b.Fatalf("the unit has no device policy: %q", args)
	}
	return b.run("systemd-run", append(args, "sh", "-c", command)...)
}

// event waits for an event on a topic below the node.
func (b *board) event(heard *mqtttest.Listener, topic, what string, ok func(event.Event) bool) event.Event {
	b.Helper()
	var e event.Event
	deadline := time.Now().Add(4 * time.Minute) // a model answers slowly in an emulator
	for ; time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		for _, m := range heard.Heard() {
			if m.Topic != "sensed/porch/"+topic {
				continue
			}
			e = event.Event{}
			if err := json.Unmarshal([]byte(m.Payload), &e); err != nil {
				b.Fatalf("%s: %v", m.Payload, err)
			}
			if ok(e) {
				return e
			}
		}
	}
	var all []string
	for _, m := range heard.Heard() {
		all = append(all, fmt.Sprintf("%s %.200s", m.Topic, m.Payload))
	}
	b.Fatalf("%s: did not happen; heard\n%s", what, strings.Join(all, "\n"))
	return e
}

// patience gives the unit's watchdog a shorter time.
func (b *board) patience(d time.Duration) {
	b.Helper()
	const folder = "/run/systemd/system/sensed.service.d"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.Fatal(err)
	}
	b.write(filepath.Join(folder, "watchdog.conf"), fmt.Sprintf("[Service]\nWatchdogSec=%.0f\n", d.Seconds()), 0o644)
	b.run("systemctl", "daemon-reload")
	b.run("systemctl", "restart", "sensed")
}

// fed waits until the watchdog was fed over a span that is longer than its time.
func (b *board) fed(span time.Duration) {
	b.Helper()
	stamp := func() time.Duration {
		d, err := time.ParseDuration(b.show("WatchdogTimestampMonotonic") + "us")
		if err != nil {
			b.Fatal(err)
		}
		return d
	}
	before, restarts := stamp(), b.show("NRestarts")
	for deadline := time.Now().Add(span + time.Minute); stamp()-before < span; time.Sleep(500 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("the watchdog is not fed")
		}
	}
	b.want("restarts while all is well", b.show("NRestarts"), restarts)
}

// restarted waits until systemd has put another process in the place of one
// that hung, and looks for its last words.
func (b *board) restarted(before string, limit time.Duration) {
	b.Helper()
	again := func() bool {
		now := b.show("MainPID")
		return now != before && now != "0" && b.show("ActiveState") == "active"
	}
	for deadline := time.Now().Add(limit); !again(); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("systemd has not restarted it: %s", b.try("systemctl", "status", "--no-pager", "sensed"))
		}
	}
	journal := b.run("journalctl", "--no-pager", "--output=cat", "_PID="+before, "+", "UNIT=sensed.service")
	for _, want := range []string{"Watchdog timeout", "SIGABRT: abort", "goroutine "} {
		if !strings.Contains(journal, want) {
			b.Errorf("the journal does not say %q", want)
		}
	}
}
