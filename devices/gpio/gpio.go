// Package gpio holds the pins of the board: a trigger (a PIR motion sensor, a
// button, a reed contact) and a light (an LED, a relay). It stands on periph.io
// (https://periph.io/device/), which on a Raspberry Pi uses the kernel's GPIO
// character device.
//
// Pins are named as periph names them: GPIO17 or 17, P1_11 for the place on the
// header, or a function such as I2C1_SDA. The drivers of the host are loaded
// when the first pin is opened, never before.
package gpio

import (
	"fmt"
	"strings"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/host/v3"

	"sensed/devices"
)

// find returns the pin with this name. The error wraps [devices.ErrAbsent] when
// this machine has none.
func find(name string) (gpio.PinIO, error) {
	state, err := host.Init()
	if err != nil {
		return nil, fmt.Errorf("%w: pin %s: the GPIO drivers do not start: %w", devices.ErrAbsent, name, err)
	}
	if p := gpioreg.ByName(name); p != nil {
		return p, nil
	}
	all := gpioreg.All()
	if len(all) > 0 {
		return nil, fmt.Errorf("%w: pin %s: this board has no pin of that name; it has %s", devices.ErrAbsent, name, names(all))
	}
	var why []string
	for _, f := range state.Failed {
		why = append(why, f.String())
	}
	if len(why) > 0 {
		return nil, fmt.Errorf("%w: pin %s: the GPIO pins cannot be used (%s); is this user in the group gpio?", devices.ErrAbsent, name, strings.Join(why, "; "))
	}
	return nil, fmt.Errorf("%w: pin %s: this machine has no GPIO pins (no /dev/gpiochip* that this user may open)", devices.ErrAbsent, name)
}

// giveBack frees a pin for other programs, where its driver can do that: what
// periph's drivers halt stays with this process.
func giveBack(pin any) {
	if c, ok := pin.(interface{ Close() }); ok {
		c.Close()
	}
}

// names lists some pins.
func names(pins []gpio.PinIO) string {
	var list []string
	for _, p := range pins {
		if len(list) == 40 {
			list = append(list, "...")
			break
		}
		list = append(list, p.Name())
	}
	return strings.Join(list, ", ")
}
