// Package lepton is the FLIR Lepton thermal camera, 2.x (80x60) and 3.x
// (160x120), on an SPI port and an I2C bus.
//
// Engineering datasheet:
// https://www.flir.com/globalassets/imported-assets/document/flir-lepton-engineering-datasheet.pdf
// Commands on the I2C bus:
// https://www.flir.com/globalassets/imported-assets/document/flir-lepton-software-interface-description-document.pdf
//
// # Errata
//
// The module has no line that says when a picture is ready: it must be read
// without end, and what it has not got yet it fills with packets to be thrown
// away. Read too slowly it loses its place and sends broken pictures until
// nobody reads for 185 ms.
//
// It makes 9 pictures a second and sends each three times; while its shutter is
// shut to calibrate, it sends the last one again and again. Pictures that are
// the same to the last bit are therefore one.
//
// A 3.x numbers the four segments of a picture from 1 and what it only repeats
// with 0; a 2.x knows no segments and always sends 0. Which of the two it is
// shows after some packets.
//
// The checksum covers the packet with the upper four bits of its number and the
// checksum itself taken as zero, so the segment number is not protected.
package lepton

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"sensed/devices"
	"sensed/devices/bus"
)

// Opts say how the camera is used. Zero fields mean the value in brackets.
type Opts struct {
	// MHz is the speed of the SPI port [16]. A 3.x needs 12, a 2.x 2.2; long
	// wires do not bear the 20 that the module does.
	MHz float64
	// Silence is how long there may be no new picture before the camera counts
	// as lost [5s]. It calibrates for a second now and then.
	Silence time.Duration
	// Clock is waited with [devices.Wall].
	Clock devices.Clock
	// Log hears what the module is and of broken pictures [nobody].
	Log *slog.Logger
}

// Bounds of Opts.MHz.
const (
	MinMHz = 2.2
	MaxMHz = 20
)

func (o Opts) withDefaults() Opts {
	o.MHz = cmp.Or(o.MHz, 16)
	o.Silence = cmp.Or(o.Silence, 5*time.Second)
	if o.Clock == nil {
		o.Clock = devices.Wall{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o *Opts) check() error {
	switch {
	case math.IsNaN(o.MHz) || o.MHz < MinMHz || o.MHz > MaxMHz:
		return fmt.Errorf("lepton: the speed of %v MHz is outside %v to %v", o.MHz, MinMHz, MaxMHz)
	case o.Silence < 0:
		return fmt.Errorf("lepton: silence is %v: give a time above 0", o.Silence)
	}
	return nil
}

// Dev is a camera on buses that somebody else opens and closes. It is used by
// one goroutine.
type Dev struct {
	o        Opts
	spi      spi.Conn
	cci      cci
	name     string
	degrees  bool // its values are hundredths of a kelvin
	stream   stream
	gain     gain
	shown    []uint16 // the values of the last frame
	buf      []byte   // of one transfer
	rest     []byte   // of buf: packets that were not looked at
	lastRead time.Time
	resync   bool // nothing may be read before lastRead + idle
	seq      uint64
	last     time.Time // of the last frame
	err      error     // after which there is nothing more
	halted   bool
}

var (
	_ devices.Camera = (*Dev)(nil)
	_ conn.Resource  = (*Dev)(nil)
)

// New connects to the port. It says nothing to the camera: [Dev.Start] does.
func New(p spi.Port, b i2c.Bus, o *Opts) (*Dev, error) {
	d := &Dev{o: o.withDefaults(), name: fmt.Sprintf("lepton on %s and %s", p, b)}
	if err := d.o.check(); err != nil {
		return nil, err
	}
	c, err := p.Connect(physic.Frequency(d.o.MHz*float64(physic.MegaHertz)), spi.Mode3, 8)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	n := readPackets
	if l, ok := c.(conn.Limits); ok && l.MaxTxSize() > 0 {
		n = min(n, l.MaxTxSize()/packetSize)
	}
	if n < 1 {
		return nil, fmt.Errorf("%s: the port moves less than a packet of %d bytes at a time: set spidev.bufsiz=4096 on the kernel's command line", d, packetSize)
	}
	d.spi, d.buf = c, make([]byte, n*packetSize)
	d.cci = cci{bus: b, clock: d.o.Clock, name: d.name}
	return d, nil
}

// String names the camera in messages.
func (d *Dev) String() string { return d.name }

// Start sets the module up: plain values without telemetry, and temperatures if
// it can. An error wraps [devices.ErrAbsent] when none answers.
func (d *Dev) Start(ctx context.Context) error {
	if err := d.cci.begin(ctx); err != nil {
		return err
	}
	if err := d.cci.run(ctx, cmdPing); err != nil {
		return err
	}
	if err := d.cci.ready(ctx); err != nil {
		return err
	}
	// Both may be left on by another program.
	for _, c := range []uint16{cmdTelemetry, cmdAGC} {
		if err := d.cci.set(ctx, c, off); err != nil {
			return err
		}
	}
	degrees, err := d.measure(ctx)
	if err != nil {
		return err
	}
	d.degrees = degrees
	d.gain.least = leastCounts
	if degrees {
		d.gain.least = leastCentikelvin
	}
	d.lastRead, d.resync = d.o.Clock.Now(), true // who read before us and how is unknown
	d.o.Log.Info("thermal camera opened", "camera", d.name, "temperatures", degrees)
	return nil
}

// measure makes the module give hundredths of a kelvin. It tells whether it
// can: those without radiometry (2.0, 3.0) refuse.
func (d *Dev) measure(ctx context.Context) (bool, error) {
	for _, s := range []struct {
		cmd   uint16
		value uint32
	}{{cmdRadiometry, on}, {cmdLinearStep, hundredths}, {cmdLinear, on}} {
		err := d.cci.set(ctx, s.cmd, s.value)
		var r *refusal
		if errors.As(err, &r) && r.unknown() {
			d.o.Log.Info("this module measures no temperatures", "camera", d.name, "answer", r.code)
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	v, err := d.cci.get(ctx, cmdLinear, 2)
	return v == on, err
}

// Halt ends the use. The module goes on by itself; it has no command to stop
// that another would undo.
func (d *Dev) Halt() error {
	d.halted = true
	return nil
}

// Close is [Dev.Halt].
func (d *Dev) Close() error { return d.Halt() }

// Source is a camera on buses of this board; [Source.Open] opens them.
type Source struct {
	spi, i2c string
	o        Opts
}

// NewSource checks the names of the buses and o, and touches no bus. The names
// are those of package bus; empty means SPI0.0 and I2C1.
func NewSource(spiPort, i2cBus string, o Opts) (*Source, error) {
	s := &Source{cmp.Or(spiPort, "SPI0.0"), cmp.Or(i2cBus, "I2C1"), o.withDefaults()}
	if err := errors.Join(bus.CheckSPI(s.spi), bus.CheckI2C(s.i2c)); err != nil {
		return nil, fmt.Errorf("lepton: %w", err)
	}
	return s, s.o.check()
}

// String names the camera in messages.
func (s *Source) String() string { return fmt.Sprintf("lepton on %s and %s", s.spi, s.i2c) }

// Open starts the camera. An error wraps [devices.ErrAbsent] when a bus or the
// camera is not there.
func (s *Source) Open(ctx context.Context) (devices.Camera, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ports, err := bus.Open(s.spi, s.i2c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	d, err := New(ports.SPI, ports.I2C, &s.o)
	if err == nil {
		err = d.Start(ctx)
	}
	if err != nil {
		_ = ports.Close() // the first error counts
		return nil, err
	}
	return &owner{d, ports}, nil
}

// owner is a camera with its buses.
type owner struct {
	*Dev
	ports *bus.Ports
}

// Close ends the use and closes the buses.
func (o *owner) Close() error { return errors.Join(o.Halt(), o.ports.Close()) }
