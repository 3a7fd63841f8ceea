package gpio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"

	"sensed/devices"
)

// Opts says when a trigger fires. Empty fields mean the value in brackets.
type Opts struct {
	// Edge is "rising", "falling" or "both" ["rising"].
	Edge string
	// Pull is the resistor: "up", "down" or "none" ["none"].
	Pull string
	// Debounce is how long the level must stay before it counts; zero takes
	// every edge.
	Debounce time.Duration
	// Clock is [devices.Wall] when nil.
	Clock devices.Clock
}

// Edge is a change of a pin that counts.
type Edge struct {
	Time time.Time // of the first edge, before the level settled
	High bool      // the level after it
}

// poll is how long one wait for an edge takes at most, so how late a cancelled
// [Trigger.Next] may return. A level that changed without an edge, as some
// drivers have it, is seen by then too.
const poll = 100 * time.Millisecond

// settle is how long a level may go on bouncing.
const settle = time.Second

// Source is a trigger that is not open.
type Source struct {
	pin  string
	opts Opts
}

// NewSource checks the options of a trigger on the pin with this name. It
// touches no pin.
func NewSource(pin string, o Opts) (*Source, error) {
	if pin == "" {
		return nil, errors.New("gpio: the trigger names no pin, such as GPIO17")
	}
	if _, _, err := o.periph(); err != nil {
		return nil, fmt.Errorf("gpio: pin %s: %w", pin, err)
	}
	return &Source{pin: pin, opts: o}, nil
}

// String names the source for messages.
func (s *Source) String() string { return "gpio:" + s.pin }

// Open sets the pin up. The error wraps [devices.ErrAbsent] when this machine
// has no such pin.
func (s *Source) Open(ctx context.Context) (*Trigger, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := find(s.pin)
	if err != nil {
		return nil, fmt.Errorf("gpio: %w", err)
	}
	return New(p, &s.opts)
}

// Trigger is an open pin. One goroutine uses it.
type Trigger struct {
	pin      gpio.PinIn
	edge     gpio.Edge
	debounce time.Duration
	clock    devices.Clock
	high     bool // the last level that counted
}

// New makes the pin an input and returns a trigger on it.
func New(pin gpio.PinIn, o *Opts) (*Trigger, error) {
	edge, pull, err := o.periph()
	if err != nil {
		return nil, fmt.Errorf("gpio: pin %s: %w", pin.Name(), err)
	}
	t := &Trigger{pin: pin, edge: edge, debounce: o.Debounce, clock: o.Clock}
	if t.clock == nil {
		t.clock = devices.Wall{}
	}
	// Both edges, so that the level is known when the wanted one comes.
	if err := pin.In(pull, gpio.BothEdges); err != nil {
		return nil, fmt.Errorf("gpio: pin %s cannot be made an input; another program may have it: %w", pin.Name(), err)
	}
	t.high = pin.Read() == gpio.High
	return t, nil
}

// periph returns the options in periph's terms.
func (o *Opts) periph() (gpio.Edge, gpio.Pull, error) {
	edges := map[string]gpio.Edge{"": gpio.RisingEdge, "rising": gpio.RisingEdge, "falling": gpio.FallingEdge, "both": gpio.BothEdges}
	pulls := map[string]gpio.Pull{"": gpio.Float, "none": gpio.Float, "up": gpio.PullUp, "down": gpio.PullDown}
	edge, ok := edges[o.Edge]
	if !ok {
		return 0, 0, fmt.Errorf("the edge %q is not rising, falling or both", o.Edge)
	}
	pull, ok := pulls[o.Pull]
	if !ok {
		return 0, 0, fmt.Errorf("the pull %q is not up, down or none", o.Pull)
	}
	if o.Debounce < 0 || o.Debounce > settle {
		return 0, 0, fmt.Errorf("the debounce time %v is outside 0..%v", o.Debounce, settle)
	}
	return edge, pull, nil
}

// String names the trigger for messages.
func (t *Trigger) String() string { return "trigger on " + t.pin.Name() }

// High returns the level after the last edge, or at first that which the pin had
// when it was opened.
func (t *Trigger) High() bool { return t.high }

// Next waits for the next edge that counts. It returns ctx.Err() soon after ctx
// ends.
func (t *Trigger) Next(ctx context.Context) (Edge, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Edge{}, err
		}
		from := t.clock.Now()
		edge := t.pin.WaitForEdge(poll)
		at := t.clock.Now()
		if !edge && at.Sub(from) < poll/2 {
			// The driver cannot wait, so we do.
			if err := t.clock.Until(ctx, from.Add(poll/4)); err != nil {
				return Edge{}, err
			}
		}
		if edge {
			t.settle(at)
		}
		high := t.pin.Read() == gpio.High
		changed := high != t.high
		t.high = high
		switch {
		case changed && t.wants(high):
			return Edge{Time: at, High: high}, nil
		case edge && !changed && t.debounce == 0 && t.edge != gpio.BothEdges && t.wants(!high):
			// A pulse that is over already: both edges came between two looks.
			return Edge{Time: at, High: !high}, nil
		}
	}
}

// settle waits until the level has stayed for the debounce time.
func (t *Trigger) settle(from time.Time) {
	for t.debounce > 0 && t.pin.WaitForEdge(t.debounce) {
		if t.clock.Now().Sub(from) > settle {
			return
		}
	}
}

func (t *Trigger) wants(high bool) bool {
	return t.edge == gpio.BothEdges || (t.edge == gpio.RisingEdge) == high
}

// Halt ends a wait that is going on.
func (t *Trigger) Halt() error {
	if err := t.pin.Halt(); err != nil {
		return fmt.Errorf("gpio: pin %s: %w", t.pin.Name(), err)
	}
	return nil
}

// Close is [Trigger.Halt], and gives the pin back.
func (t *Trigger) Close() error {
	err := t.Halt()
	giveBack(t.pin)
	return err
}

var _ conn.Resource = (*Trigger)(nil)
