// Package arducam is the ArduCAM Mini with the OV2640 sensor: a camera whose
// pictures wait as JPEG in a memory beside the sensor (the ArduChip) and are
// fetched over SPI. The sensor itself is set up over I2C.
//
// ArduChip: https://www.arducam.com/downloads/shields/ArduCAM_Mini_2MP_Camera_Shield_Hardware_Application_Note.pdf
// OV2640: https://www.uctronics.com/download/cam_module/OV2640DS.pdf
//
// # Errata
//
// The length that the ArduChip tells is that of what the sensor sent, not of the
// picture: the picture begins where its first marker is, ends with its last, and
// bytes before and behind it mean nothing.
//
// Whenever chip select goes up the ArduChip forgets that it was being read, but
// not how far: each transfer begins with the command again.
//
// The sensor's settings for colours and edges are in no data sheet; they are the
// maker's numbers, the same in every driver (see settings.go).
package arducam

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
	// Width and Height of the pictures: one of [Sizes] [640x480].
	Width, Height int
	// FPS is how many pictures are taken in a second at most [2].
	FPS float64
	// MHz is the speed of the SPI port [4]; the ArduChip bears 8.
	MHz float64
	// Timeout is how long a picture may take [3s].
	Timeout time.Duration
	// Clock is waited with [devices.Wall].
	Clock devices.Clock
	// Log hears of broken pictures [nobody].
	Log *slog.Logger
}

// Bounds of the options.
const (
	MinMHz = 0.1
	MaxMHz = 8
	MaxFPS = 30
)

func (o Opts) withDefaults() Opts {
	o.Width, o.Height = cmp.Or(o.Width, 640), cmp.Or(o.Height, 480)
	o.FPS = cmp.Or(o.FPS, 2)
	o.MHz = cmp.Or(o.MHz, 4)
	o.Timeout = cmp.Or(o.Timeout, 3*time.Second)
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
	case window(o.Width, o.Height) == nil:
		return fmt.Errorf("arducam: it takes no pictures of %dx%d: choose one of %s", o.Width, o.Height, sizeNames())
	case math.IsNaN(o.FPS) || o.FPS < 1e-4 || o.FPS > MaxFPS:
		return fmt.Errorf("arducam: fps is %v: give a number above 0 and up to %d", o.FPS, MaxFPS)
	case math.IsNaN(o.MHz) || o.MHz < MinMHz || o.MHz > MaxMHz:
		return fmt.Errorf("arducam: the speed of %v MHz is outside %v to %v", o.MHz, MinMHz, MaxMHz)
	case o.Timeout < 0:
		return fmt.Errorf("arducam: timeout is %v: give a time above 0", o.Timeout)
	}
	return nil
}

// Dev is a camera on buses that somebody else opens and closes. It is used by
// one goroutine.
type Dev struct {
	o      Opts
	spi    spi.Conn
	i2c    i2c.Bus
	name   string
	pace   devices.Pace
	w, r   []byte // of one transfer
	data   []byte // a picture as it comes
	seq    uint64
	last   time.Time // of the last frame
	err    error     // after which there is nothing more
	halted bool
}

var (
	_ devices.Camera = (*Dev)(nil)
	_ conn.Resource  = (*Dev)(nil)
)

// chunk is how much is fetched in one transfer: a buffer of the kernel.
const chunk = 4096

// New connects to the port. It says nothing to the camera: [Dev.Start] does.
func New(p spi.Port, b i2c.Bus, o *Opts) (*Dev, error) {
	d := &Dev{o: o.withDefaults(), i2c: b, name: fmt.Sprintf("arducam on %s and %s", p, b)}
	if err := d.o.check(); err != nil {
		return nil, err
	}
	c, err := p.Connect(physic.Frequency(d.o.MHz*float64(physic.MegaHertz)), spi.Mode0, 8)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	n := chunk
	if l, ok := c.(conn.Limits); ok && l.MaxTxSize() > 0 {
		n = min(n, l.MaxTxSize())
	}
	if n < 16 {
		return nil, fmt.Errorf("%s: the port moves only %d bytes at a time: set spidev.bufsiz=4096 on the kernel's command line", d, n)
	}
	d.spi, d.w, d.r = c, make([]byte, n), make([]byte, n)
	d.pace = devices.Pace{Clock: d.o.Clock, Every: time.Duration(float64(time.Second) / d.o.FPS)}
	return d, nil
}

// String names the camera in messages.
func (d *Dev) String() string { return d.name }

// Start tests both buses and sets the sensor up. An error wraps
// [devices.ErrAbsent] when no camera answers.
func (d *Dev) Start(ctx context.Context) error {
	if err := d.testChip(ctx); err != nil {
		return err
	}
	if err := d.testSensor(); err != nil {
		return err
	}
	if err := d.setUp(ctx); err != nil {
		return err
	}
	if err := d.writeChip(regFrames, 0); err != nil { // one at a time
		return err
	}
	d.o.Log.Info("camera opened", "camera", d.name, "size", fmt.Sprintf("%dx%d", d.o.Width, d.o.Height))
	return d.sleep(ctx, settleTime)
}

// Halt ends the use. The sensor goes on by itself.
func (d *Dev) Halt() error {
	d.halted = true
	return nil
}

// Close is [Dev.Halt].
func (d *Dev) Close() error { return d.Halt() }

func (d *Dev) sleep(ctx context.Context, t time.Duration) error {
	return d.o.Clock.Until(ctx, d.o.Clock.Now().Add(t))
}

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
		return nil, fmt.Errorf("arducam: %w", err)
	}
	return s, s.o.check()
}

// String names the camera in messages.
func (s *Source) String() string { return fmt.Sprintf("arducam on %s and %s", s.spi, s.i2c) }

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
