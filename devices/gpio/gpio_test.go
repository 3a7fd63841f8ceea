package gpio

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/physic"

	"sensed/devices"
	"sensed/devices/devicetest"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// tape is a pin that plays back what was recorded: each wait takes the next
// step, and a step that is left over fails the test.
type tape struct {
	*gpiotest.Pin
	t     *testing.T
	clock *devicetest.Clock
	steps []step
	waits []time.Duration // that were asked for
	end   func()          // after the last step
}

// step is one answer of WaitForEdge: an edge or none, after a time, and the
// level from then on.
type step struct {
	edge  bool
	after time.Duration
	high  gpio.Level
}

func newTape(t *testing.T, steps ...step) *tape {
	p := &tape{
		Pin: &gpiotest.Pin{N: "GPIO17", Num: 17, EdgesChan: make(chan gpio.Level, 1)},
		t:   t, clock: devicetest.NewClock(epoch), steps: steps,
	}
	t.Cleanup(func() {
		if len(p.steps) > 0 {
			t.Errorf("%d steps of the recording are left", len(p.steps))
		}
	})
	return p
}

func (p *tape) WaitForEdge(timeout time.Duration) bool {
	p.waits = append(p.waits, timeout)
	if len(p.steps) == 0 {
		if p.end == nil {
			p.t.Error("a wait after the end of the recording")
			panic("stop")
		}
		p.end()
		return false
	}
	s := p.steps[0]
	p.steps = p.steps[1:]
	p.clock.Advance(s.after)
	if err := p.Out(s.high); err != nil {
		p.t.Error(err)
	}
	return s.edge
}

const ms = time.Millisecond

// play collects the edges of a recording.
func play(t *testing.T, p *tape, o Opts) []Edge {
	t.Helper()
	o.Clock = p.clock
	tr, err := New(p, &o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.end = cancel
	var edges []Edge
	for {
		e, err := tr.Next(ctx)
		if errors.Is(err, context.Canceled) {
			return edges
		}
		if err != nil {
			t.Fatal(err)
		}
		edges = append(edges, e)
	}
}

func TestEdges(t *testing.T) {
	const high, low = gpio.High, gpio.Low
	none := step{false, poll, low}
	at := func(d time.Duration, high bool) Edge { return Edge{epoch.Add(d), high} }
	for _, c := range []struct {
		name  string
		opts  Opts
		steps []step
		want  []Edge
	}{
		{"nothing happens", Opts{}, []step{none, none}, nil},
		{"rising", Opts{}, []step{none, {true, 10 * ms, high}, {true, 50 * ms, low}, {true, 5 * ms, high}}, []Edge{at(110*ms, true), at(165*ms, true)}},
		{"falling", Opts{Edge: "falling"}, []step{{true, 10 * ms, high}, {true, 50 * ms, low}}, []Edge{at(60*ms, false)}},
		{"both", Opts{Edge: "both"}, []step{{true, 10 * ms, high}, {true, 50 * ms, low}}, []Edge{at(10*ms, true), at(60*ms, false)}},
		{"a pulse between two looks", Opts{}, []step{{true, 10 * ms, low}}, []Edge{at(10*ms, true)}},
		{"a pulse, both wanted, has no edge that is known", Opts{Edge: "both"}, []step{{true, 10 * ms, low}}, nil},
		{"a level without an edge", Opts{}, []step{{false, poll, high}, {false, poll, high}}, []Edge{at(poll, true)}},
		{"bounces count once", Opts{Debounce: 20 * ms}, []step{
			{true, 10 * ms, high}, {true, ms, low}, {true, ms, high}, {true, ms, low}, {true, ms, high}, {false, 20 * ms, high},
			{true, 10 * ms, low}, {true, ms, high}, {true, ms, low}, {false, 20 * ms, low},
		}, []Edge{at(10*ms, true)}},
		{"bounces, both", Opts{Debounce: 20 * ms, Edge: "both"}, []step{
			{true, 10 * ms, high}, {true, ms, low}, {true, ms, high}, {false, 20 * ms, high},
			{true, 10 * ms, low}, {false, 20 * ms, low},
		}, []Edge{at(10*ms, true), at(42*ms, false)}},
		{"a spike is no edge", Opts{Debounce: 20 * ms}, []step{{true, 10 * ms, high}, {true, ms, low}, {false, 20 * ms, low}, none}, nil},
		{"a driver that cannot wait", Opts{}, []step{{false, 0, low}, {false, 0, low}, {false, 0, high}}, []Edge{at(50*ms, true)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newTape(t, c.steps...)
			got := play(t, p, c.opts)
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("edge %d is %v, want %v", i, got[i], c.want[i])
				}
			}
		})
	}
}

// A pin that never stops bouncing does not hold the trigger for ever.
func TestSettleIsBounded(t *testing.T) {
	var steps []step
	for i := range 101 {
		steps = append(steps, step{true, 11 * ms, gpio.Level(i%5 != 2)})
	}
	got := play(t, newTape(t, steps...), Opts{Debounce: 20 * ms})
	if len(got) == 0 || got[0].Time != epoch.Add(11*ms) {
		t.Errorf("got %v", got)
	}
}

// With periph's own fake and real time: edges come through, a cancelled wait
// ends, and the pin is set up as asked.
func TestFakePin(t *testing.T) {
	p := &gpiotest.Pin{N: "GPIO17", Num: 17, EdgesChan: make(chan gpio.Level, 1)}
	tr, err := New(p, &Opts{Pull: "up", Edge: "falling"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Pull() != gpio.PullUp {
		t.Errorf("the pull is %v", p.Pull())
	}
	if tr.String() != "trigger on GPIO17" {
		t.Errorf("its name is %q", tr)
	}
	p.EdgesChan <- gpio.Low
	before := time.Now()
	e, err := tr.Next(t.Context())
	if err != nil || e.High || e.Time.Before(before) {
		t.Errorf("got %v, %v", e, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if _, err := tr.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait gave %v", err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

func TestRefuses(t *testing.T) {
	for want, o := range map[string]Opts{
		`edge "up"`:         {Edge: "up"},
		`pull "strong"`:     {Pull: "strong"},
		"debounce time -1n": {Debounce: -1},
		"debounce time 1m":  {Debounce: time.Minute},
	} {
		if _, err := NewSource("GPIO17", o); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "GPIO17") {
			t.Errorf("%+v: error %v has no %q", o, err, want)
		}
	}
	if _, err := NewSource("", Opts{}); err == nil {
		t.Error("a trigger without a pin was taken")
	}
	// The fake refuses edges when it has no channel for them.
	if _, err := New(&gpiotest.Pin{N: "GPIO4", Num: 4}, &Opts{}); err == nil || !strings.Contains(err.Error(), "GPIO4") {
		t.Errorf("a pin that cannot be an input gave %v", err)
	}
	if _, err := New(&gpiotest.Pin{N: "GPIO4", Num: 4}, &Opts{Edge: "up"}); err == nil {
		t.Error("New took a bad edge")
	}
}

// A pin that is not there is absent, and the message names it.
func TestAbsent(t *testing.T) {
	s, err := NewSource("GPIO_NONE", Opts{})
	if err != nil || s.String() != "gpio:GPIO_NONE" {
		t.Fatal(s, err)
	}
	_, err = s.Open(t.Context())
	if !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "pin GPIO_NONE: ") {
		t.Errorf("got %v", err)
	}
	t.Log(err)
	if _, err := OpenLight("GPIO_NONE", LightOpts{}); !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "pin GPIO_NONE: ") {
		t.Errorf("got %v", err)
	}
	if _, err := OpenLight("", LightOpts{}); err == nil {
		t.Error("a light without a pin was taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}

	// And one that is there is found by its name.
	p := &gpiotest.Pin{N: "SENSED_TEST", Num: 4711, EdgesChan: make(chan gpio.Level, 1)}
	if err := gpioreg.Register(p); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := gpioreg.Unregister("SENSED_TEST"); err != nil {
			t.Error(err)
		}
	}()
	s, err = NewSource("SENSED_TEST", Opts{Pull: "down"})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := s.Open(t.Context())
	if err != nil || p.Pull() != gpio.PullDown {
		t.Fatalf("got %v, pull %v", err, p.Pull())
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	// With some pins on the board, a wrong name gets the right ones.
	if _, err := find("GPIO_NONE"); err == nil || !strings.Contains(err.Error(), "SENSED_TEST") {
		t.Errorf("got %v", err)
	}
}

func TestLight(t *testing.T) {
	for _, low := range []bool{false, true} {
		p := &gpiotest.Pin{N: "GPIO27", Num: 27, L: gpio.Level(!low)}
		l, err := NewLight(p, &LightOpts{ActiveLow: low})
		if err != nil {
			t.Fatal(err)
		}
		check := func(lit bool) {
			t.Helper()
			if p.L != gpio.Level(lit != low) {
				t.Errorf("active low %v: the pin is %v, want the light %v", low, p.L, lit)
			}
		}
		check(false)
		if err := l.Set(true); err != nil {
			t.Error(err)
		}
		check(true)
		if err := l.Halt(); err != nil {
			t.Error(err)
		}
		check(false)
		if l.String() != "light on GPIO27" {
			t.Errorf("its name is %q", l)
		}
	}
	if _, err := NewLight(stubborn{&gpiotest.Pin{N: "GPIO27"}}, &LightOpts{}); err == nil || !strings.Contains(err.Error(), "GPIO27") {
		t.Errorf("a pin that cannot be driven gave %v", err)
	}
}

// stubborn is a pin that cannot be driven.
type stubborn struct{ *gpiotest.Pin }

func (stubborn) Out(gpio.Level) error                  { return errors.New("no") }
func (stubborn) PWM(gpio.Duty, physic.Frequency) error { return errors.New("no") }
