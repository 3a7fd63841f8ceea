//go:build guest && linux

package gpio_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/gpio"
)

// These tests run in the guest of deploy/vm, as root, with a simulated chip of
// pins that are named GPIO20 to GPIO27.

// sim returns the file of the simulator for line n: pull drives an input, value
// shows a level.
func sim(t *testing.T, n int, file string) string {
	t.Helper()
	names, err := filepath.Glob("/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio" + string(rune('0'+n)) + "/" + file)
	if err != nil || len(names) != 1 {
		t.Fatalf("the simulated pin %d is not there: %v", n, names)
	}
	return names[0]
}

func drive(t *testing.T, n int, up bool) {
	t.Helper()
	pull := "pull-down"
	if up {
		pull = "pull-up"
	}
	if err := os.WriteFile(sim(t, n, "pull"), []byte(pull), 0); err != nil {
		t.Fatal(err)
	}
}

func value(t *testing.T, n int) string {
	t.Helper()
	b, err := os.ReadFile(sim(t, n, "value"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func openTrigger(t *testing.T, pin string, o gpio.Opts) *gpio.Trigger {
	t.Helper()
	s, err := gpio.NewSource(pin, o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// follow collects edges until no more came for a while.
func follow(t *testing.T, p *gpio.Trigger, quiet time.Duration) (levels []bool) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), quiet)
		e, err := p.Next(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return levels
		}
		if err != nil {
			t.Fatal(err)
		}
		levels = append(levels, e.High)
	}
}

func TestGuestEdges(t *testing.T) {
	drive(t, 0, false)
	p := openTrigger(t, "GPIO20", gpio.Opts{Edge: "both", Debounce: 200 * time.Millisecond})
	if p.High() {
		t.Error("at first it is high")
	}
	for round := range 3 {
		// It bounces, and ends where it was to go.
		for _, up := range []bool{true, false, true, false, true} {
			drive(t, 0, up)
		}
		if got := follow(t, p, 2*time.Second); len(got) != 1 || !got[0] {
			t.Errorf("round %d: going up it gave %v", round, got)
		}
		for _, up := range []bool{false, true, false} {
			drive(t, 0, up)
		}
		if got := follow(t, p, 2*time.Second); len(got) != 1 || got[0] {
			t.Errorf("round %d: going down it gave %v", round, got)
		}
		drive(t, 0, true) // a spike
		drive(t, 0, false)
		if got := follow(t, p, 2*time.Second); len(got) != 0 {
			t.Errorf("round %d: a spike gave %v", round, got)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A waiting trigger wakes up for an edge, not for its clock, and ends at once.
func TestGuestWakesUp(t *testing.T) {
	drive(t, 1, false)
	p := openTrigger(t, "GPIO21", gpio.Opts{})
	edges := make(chan gpio.Edge, 1)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		for {
			e, err := p.Next(ctx)
			if err != nil {
				over <- err
				return
			}
			edges <- e
		}
	}()
	for range 3 {
		before := time.Now()
		drive(t, 1, true)
		if e := <-edges; !e.High || e.Time.Before(before) || e.Time.Sub(before) > 30*time.Second {
			t.Errorf("got %+v", e)
		}
		drive(t, 1, false)
		time.Sleep(150 * time.Millisecond) // the trigger sees that it is low again
	}
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// The resistor is set, a level that is there at the beginning is known, and a pin
// that was closed can be opened again, also by other programs.
func TestGuestPullAndGiveBack(t *testing.T) {
	for range 3 {
		p := openTrigger(t, "GPIO22", gpio.Opts{Pull: "up", Edge: "both"})
		if !p.High() {
			t.Error("pulled up it is low")
		}
		if out, err := exec.Command("gpioget", "gpiochip0", "2").CombinedOutput(); err == nil {
			t.Errorf("another program reads a pin that is open: %s", out)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if out, err := exec.Command("gpioget", "gpiochip0", "2").CombinedOutput(); err != nil {
			t.Errorf("another program cannot read a pin that was closed: %v: %s", err, out)
		}
	}
}

func TestGuestLight(t *testing.T) {
	for range 2 {
		l, err := gpio.OpenLight("GPIO23", gpio.LightOpts{})
		if err != nil {
			t.Fatal(err)
		}
		for _, on := range []bool{false, true, false, true} {
			if err := l.Set(on); err != nil {
				t.Fatal(err)
			}
			if v := value(t, 3); (v == "1") != on {
				t.Errorf("set to %v the pin is %s", on, v)
			}
		}
		if err := l.Halt(); err != nil {
			t.Error(err)
		}
		if v := value(t, 3); v != "0" {
			t.Errorf("after the end the pin is %s", v)
		}
	}
}

// A pin of another program is refused with words, one that is not there too.
func TestGuestBusy(t *testing.T) {
	other := exec.Command("gpiomon", "gpiochip0", "4")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	s, err := gpio.NewSource("GPIO24", gpio.Opts{})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		p, err := s.Open(t.Context())
		if err == nil {
			if err := p.Close(); err != nil { // gpiomon has not begun yet
				t.Error(err)
			}
			if time.Now().After(deadline) {
				t.Fatal("a pin of another program was opened")
			}
			continue
		}
		if !strings.Contains(err.Error(), "pin GPIO24 cannot be made an input; another program may have it") || !strings.Contains(err.Error(), "busy") {
			t.Errorf("err = %v", err)
		}
		break
	}
	none, err := gpio.NewSource("GPIO99", gpio.Opts{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Open(t.Context()); !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "GPIO20") {
		t.Errorf("err = %v", err)
	}
}
