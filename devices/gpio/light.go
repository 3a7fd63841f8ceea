package gpio

import (
	"errors"
	"fmt"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
)

// LightOpts says how a light is wired.
type LightOpts struct {
	// ActiveLow lights up when the pin is low.
	ActiveLow bool
}

// Light is an LED, a lamp or a relay on a pin. One goroutine uses it.
type Light struct {
	pin gpio.PinOut
	low bool
}

// OpenLight sets up the pin with this name and leaves the light dark. The error
// wraps [devices.ErrAbsent] when this machine has no such pin.
func OpenLight(name string, o LightOpts) (*Light, error) {
	if name == "" {
		return nil, errors.New("gpio: the light names no pin, such as GPIO27")
	}
	p, err := find(name)
	if err != nil {
		return nil, fmt.Errorf("gpio: %w", err)
	}
	return NewLight(p, &o)
}

// NewLight makes the pin an output and leaves the light dark.
func NewLight(pin gpio.PinOut, o *LightOpts) (*Light, error) {
	l := &Light{pin: pin, low: o.ActiveLow}
	if err := l.Set(false); err != nil {
		return nil, fmt.Errorf("%w; another program may have it", err)
	}
	return l, nil
}

// Set turns the light on or off.
func (l *Light) Set(on bool) error {
	if err := l.pin.Out(gpio.Level(on != l.low)); err != nil {
		return fmt.Errorf("gpio: pin %s cannot be driven: %w", l.pin.Name(), err)
	}
	return nil
}

// String names the light for messages.
func (l *Light) String() string { return "light on " + l.pin.Name() }

// Halt turns the light off and gives the pin back.
func (l *Light) Halt() error {
	err := errors.Join(l.Set(false), l.pin.Halt())
	giveBack(l.pin)
	if err != nil {
		return fmt.Errorf("gpio: %v does not end: %w", l, err)
	}
	return nil
}

var _ conn.Resource = (*Light)(nil)
