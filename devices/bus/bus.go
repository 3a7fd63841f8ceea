// Package bus opens the SPI and I2C buses of the board through periph.io
// (https://periph.io), by the names that periph gives them, and says what to do
// when a bus is not there. It also lists the buses.
//
// Each bus is a device node of the kernel (/dev/spidev0.0, /dev/i2c-1). It is
// opened when it is used and not found once at the start of the process, so that
// a bus that is switched on later is seen.
package bus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/host/v3/sysfs"

	"sensed/devices"
)

// spiName and i2cName take the names of periph, of the kernel, and plain numbers.
var (
	spiName = regexp.MustCompile(`^(?:SPI|/dev/spidev)?(\d{1,4})\.(\d{1,2})$`)
	i2cName = regexp.MustCompile(`^(?:I2C|/dev/i2c-)?(\d{1,4})$`)
)

// Ports are an SPI port and the I2C bus beside it: what a camera on the header
// is wired to.
type Ports struct {
	SPI spi.PortCloser
	I2C i2c.BusCloser
}

// Open opens both. An error wraps [devices.ErrAbsent] when one is not there.
func Open(spiPort, i2cBus string) (*Ports, error) {
	s, err := OpenSPI(spiPort)
	if err != nil {
		return nil, err
	}
	i, err := OpenI2C(i2cBus)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &Ports{s, i}, nil
}

// Close closes both.
func (p *Ports) Close() error { return errors.Join(p.SPI.Close(), p.I2C.Close()) }

// CheckSPI tells whether a name can be that of an SPI port.
func CheckSPI(name string) error {
	if !spiName.MatchString(name) {
		return fmt.Errorf("%q is not the name of an SPI port: write for example SPI0.0 (bus 0, chip select 0)", name)
	}
	return nil
}

// CheckI2C tells whether a name can be that of an I2C bus.
func CheckI2C(name string) error {
	if !i2cName.MatchString(name) {
		return fmt.Errorf("%q is not the name of an I2C bus: write for example I2C1", name)
	}
	return nil
}

// OpenSPI opens an SPI port by its name: SPI0.0, 0.0 or /dev/spidev0.0.
func OpenSPI(name string) (spi.PortCloser, error) {
	if err := CheckSPI(name); err != nil {
		return nil, err
	}
	m := spiName.FindStringSubmatch(name)
	bus, _ := strconv.Atoi(m[1]) // a few digits
	cs, _ := strconv.Atoi(m[2])
	if err := usable(fmt.Sprintf("/dev/spidev%d.%d", bus, cs), spiKind); err != nil {
		return nil, err
	}
	p, err := sysfs.NewSPI(bus, cs)
	if err != nil {
		return nil, fmt.Errorf("SPI%d.%d does not open: %w", bus, cs, err)
	}
	return p, nil
}

// OpenI2C opens an I2C bus by its name: I2C1, 1 or /dev/i2c-1.
func OpenI2C(name string) (i2c.BusCloser, error) {
	if err := CheckI2C(name); err != nil {
		return nil, err
	}
	bus, _ := strconv.Atoi(i2cName.FindStringSubmatch(name)[1]) // a few digits
	if err := usable(fmt.Sprintf("/dev/i2c-%d", bus), i2cKind); err != nil {
		return nil, err
	}
	b, err := sysfs.NewI2C(bus)
	if err != nil {
		return nil, fmt.Errorf("I2C%d does not open: %w", bus, err)
	}
	return b, nil
}

// kind is what is particular to the buses of one kind.
type kind struct {
	name  string // of the bus
	glob  string // of its device nodes
	group string // that may use them
	param string // of config.txt that switches it on
}

var (
	spiKind = kind{"SPI", "/dev/spidev*", "spi", "spi"}
	i2cKind = kind{"I2C", "/dev/i2c-*", "i2c", "i2c_arm"}
)

// usable tells whether this process may use a device node.
func usable(path string, k kind) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no %s: switch the bus on (dtparam=%s=on in /boot/firmware/config.txt, then restart) or correct its name (sensed devices lists what is there)",
			devices.ErrAbsent, path, k.param)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %s: %w", path, advice(k.group), err)
	}
	return fmt.Errorf("%s does not open: %w", strings.TrimSpace(path), err)
}

// advice is what to do when a device belongs to a group.
func advice(group string) string {
	return fmt.Sprintf("this user may not use it: put the user into the group %s (sudo usermod -aG %s USER) and start anew", group, group)
}
