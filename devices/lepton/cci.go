package lepton

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"

	"sensed/devices"
)

// Address of the module on the I2C bus.
const Address = 0x2a

// Registers, each 16 bits wide.
const (
	regStatus  = 0x0002
	regCommand = 0x0004
	regLength  = 0x0006
	regData    = 0x0008 // the first of sixteen
)

// Bits of the status; its upper half is an error code, negative or zero.
const (
	statusBusy   = 1 << 0
	statusBooted = 1<<1 | 1<<2 // by itself, and to the end
)

// Commands, without the two bits that say what is done with them.
const (
	cmdPing       = 0x0200
	cmdState      = 0x0204
	cmdTelemetry  = 0x0218
	cmdAGC        = 0x0100
	cmdRadiometry = 0x4e10
	cmdLinear     = 0x4ec0
	cmdLinearStep = 0x4ec4

	get = 0
	set = 1
	run = 2
)

// Values of commands: two words, the lower first.
const (
	off        = 0
	on         = 1
	hundredths = 1 // of a kelvin, else tenths

	stateReady = 0
)

// Error codes of the status.
const (
	codeUnknown     = -7 // command
	codeUnsupported = -8
)

// Time limits.
const (
	bootTime    = 3 * time.Second
	commandTime = time.Second
	readyTime   = 5 * time.Second // it may be calibrating
	pollEvery   = 5 * time.Millisecond
)

// cci gives commands to the module ("command and control interface").
type cci struct {
	bus   i2c.Bus
	clock devices.Clock
	name  string
}

// refusal is what the module answers to a command that it does not do.
type refusal struct {
	name string
	cmd  uint16
	code int8
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s: the module refuses command %#04x with code %d", r.name, r.cmd, r.code)
}

// unknown tells whether the module does not know the command at all.
func (r *refusal) unknown() bool { return r.code == codeUnknown || r.code == codeUnsupported }

// begin waits until the module has booted. Here an error of the bus means that
// there is none.
func (c *cci) begin(ctx context.Context) error {
	if _, err := c.read(regStatus); err != nil {
		return fmt.Errorf("%s: nothing answers at address %#x of the I2C bus (%w): check power, SDA and SCL: %w", c.name, Address, err, devices.ErrAbsent)
	}
	return c.poll(ctx, bootTime, "it does not finish booting: switch its power off and on", func() (bool, error) {
		s, err := c.read(regStatus)
		return s&statusBooted == statusBooted && s&statusBusy == 0, err
	})
}

// ready waits until the module has nothing else to do, such as calibrating.
func (c *cci) ready(ctx context.Context) error {
	return c.poll(ctx, readyTime, "it is not ready: switch its power off and on", func() (bool, error) {
		v, err := c.get(ctx, cmdState, 4)
		return v == stateReady, err
	})
}

// run gives a command without values.
func (c *cci) run(ctx context.Context, cmd uint16) error {
	return c.command(ctx, cmd|run, 0)
}

// set gives a command with a value.
func (c *cci) set(ctx context.Context, cmd uint16, v uint32) error {
	if err := c.idle(ctx); err != nil {
		return err
	}
	if err := c.write(regData, uint16(v), uint16(v>>16)); err != nil {
		return err
	}
	return c.command(ctx, cmd|set, 2)
}

// get asks for an answer of so many words and returns the first two.
func (c *cci) get(ctx context.Context, cmd, words uint16) (uint32, error) {
	if err := c.command(ctx, cmd|get, words); err != nil {
		return 0, err
	}
	w := make([]byte, 4)
	if err := c.tx([]byte{regData >> 8, regData & 0xff}, w); err != nil {
		return 0, err
	}
	return uint32(binary.BigEndian.Uint16(w)) | uint32(binary.BigEndian.Uint16(w[2:]))<<16, nil
}

// command gives a command of so many words and waits until it is done.
func (c *cci) command(ctx context.Context, cmd, words uint16) error {
	if err := c.idle(ctx); err != nil {
		return err
	}
	if err := c.write(regLength, words); err != nil {
		return err
	}
	if err := c.write(regCommand, cmd); err != nil {
		return err
	}
	var status uint16
	err := c.poll(ctx, commandTime, fmt.Sprintf("it does not finish command %#04x", cmd), func() (done bool, err error) {
		status, err = c.read(regStatus)
		return status&statusBusy == 0, err
	})
	if err != nil {
		return err
	}
	if code := int8(status >> 8); code != 0 {
		return &refusal{c.name, cmd, code}
	}
	return nil
}

// idle waits until the module can take a command.
func (c *cci) idle(ctx context.Context) error {
	return c.poll(ctx, commandTime, "it stays busy", func() (bool, error) {
		s, err := c.read(regStatus)
		return s&statusBusy == 0, err
	})
}

// poll asks until the answer is yes or the limit is over.
func (c *cci) poll(ctx context.Context, limit time.Duration, late string, ask func() (bool, error)) error {
	end := c.clock.Now().Add(limit)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		now := c.clock.Now()
		if !now.Before(end) {
			return fmt.Errorf("%s: after %v %s: %w", c.name, limit, late, devices.ErrLost)
		}
		if err := c.clock.Until(ctx, now.Add(pollEvery)); err != nil {
			return err
		}
	}
}

func (c *cci) read(reg uint16) (uint16, error) {
	r := make([]byte, 2)
	err := c.tx([]byte{byte(reg >> 8), byte(reg)}, r)
	return binary.BigEndian.Uint16(r), err
}

func (c *cci) write(reg uint16, words ...uint16) error {
	w := binary.BigEndian.AppendUint16(nil, reg)
	for _, v := range words {
		w = binary.BigEndian.AppendUint16(w, v)
	}
	return c.tx(w, nil)
}

func (c *cci) tx(w, r []byte) error {
	if err := c.bus.Tx(Address, w, r); err != nil {
		return fmt.Errorf("%s: the I2C bus fails (%w): check the wiring: %w", c.name, err, devices.ErrLost)
	}
	return nil
}
