package arducam

import (
	"context"
	"fmt"
	"strings"

	"sensed/devices"
)

// Address of the sensor on the I2C bus.
const Address = 0x30

// Registers of the sensor that are used by name. They are in two banks.
const (
	regBank = 0xff // chooses the bank

	// Bank of the sensor.
	regReset7  = 0x12 // bit 7 resets
	regProduct = 0x0a // two registers
	product    = 0x26

	// Bank of the signal processor; sizes are given in fours or eights, with
	// the bits that do not fit in registers of their own.
	regStop     = 0xe0 // holds parts of the processor
	stopOutput  = 0x04
	stopJPEG    = 0x10
	regWidth8   = 0xc0
	regHeight8  = 0xc1
	regSize8    = 0x8c
	regParts2   = 0x86
	regDivide   = 0x50
	regWidth4   = 0x51
	regHeight4  = 0x52
	regOffsetX  = 0x53
	regOffsetY  = 0x54
	regSize4    = 0x55
	regSizeTop  = 0x57
	regZoomW    = 0x5a
	regZoomH    = 0x5b
	regZoomTop  = 0x5c
	regClock    = 0xd3
	regFormat   = 0xda
	formatJPEG  = 0x10
	regQuality  = 0x44
	quality     = 0x0c // smaller is better
	parts       = 0x20 | 0x10 | 0x08 | 0x04 | 0x01
	lowPass     = 0x80
	clockAuto   = 0x80
	fullW       = 1600
	fullH       = 1200
	bankDSP     = 0
	bankSensor  = 1
	resetSensor = 0x80
)

// setting is a value of a register.
type setting struct{ reg, value byte }

// Size of pictures.
type Size struct{ Width, Height int }

// String is as in 640x480.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.Width, s.Height) }

// Sizes returns the sizes of pictures that the camera takes.
func Sizes() []Size {
	var out []Size
	for _, w := range windows() {
		out = append(out, w.Size)
	}
	return out
}

func sizeNames() string {
	var names []string
	for _, s := range Sizes() {
		names = append(names, s.String())
	}
	return strings.Join(names, ", ")
}

// scaling is how the sensor's 1600 by 1200 points become a picture: divided by
// powers of two, then zoomed.
type scaling struct {
	Size
	halvings byte
	divide   byte // other bits of regDivide
	clock    byte // of the output
}

func windows() []scaling {
	return []scaling{
		{Size{320, 240}, 2, lowPass, 4},
		{Size{640, 480}, 0, lowPass, 2},
		{Size{800, 600}, 1, lowPass, 2},
		{Size{1024, 768}, 0, 0, 2},
		{Size{1600, 1200}, 0, 0, clockAuto},
	}
}

// window returns the scaling to a size, or nil.
func window(w, h int) *scaling {
	for _, s := range windows() {
		if s.Size == (Size{w, h}) {
			return &s
		}
	}
	return nil
}

// settings are the registers of a scaling.
func (s *scaling) settings() []setting {
	w, h := s.Width, s.Height
	return []setting{
		{regBank, bankDSP}, {regStop, stopOutput},
		{regSize8, byte(fullW>>11&1<<6 | fullW&7<<3 | fullH&7)}, {regWidth8, fullW / 8}, {regHeight8, fullH / 8},
		{regParts2, parts},
		{regWidth4, byte(fullW / 4 & 0xff)}, {regHeight4, byte(fullH / 4 & 0xff)}, {regOffsetX, 0}, {regOffsetY, 0},
		{regSize4, byte(fullH>>10&1<<7 | fullW>>10&1<<3)}, {regSizeTop, byte(fullW >> 11 & 1 << 7)},
		{regDivide, s.divide | s.halvings<<3 | s.halvings},
		{regZoomW, byte(w / 4)}, {regZoomH, byte(h / 4)}, {regZoomTop, byte(h>>10&1<<2 | w>>10&3)},
		{regClock, s.clock}, {regStop, 0},
	}
}

// jpegSettings make the output JPEG.
func jpegSettings() []setting {
	return []setting{
		{regBank, bankDSP}, {regStop, stopJPEG | stopOutput}, {0xe1, 0x77}, {0xe5, 0x1f}, {0xd7, 0x03},
		{regFormat, formatJPEG}, {regQuality, quality}, {regStop, 0},
	}
}

// testSensor looks which sensor is there.
func (d *Dev) testSensor() error {
	if err := d.i2c.Tx(Address, []byte{regBank, bankSensor}, nil); err != nil {
		return fmt.Errorf("%s: no sensor answers at address %#x of the I2C bus (%w): check SDA and SCL: %w", d, Address, err, devices.ErrAbsent)
	}
	var id [2]byte
	for i := range id {
		if err := d.talk([]byte{regProduct + byte(i)}, id[i:i+1]); err != nil {
			return err
		}
	}
	if id[0] != product {
		return fmt.Errorf("%s: the sensor calls itself %#02x%02x; this driver knows the OV2640 (0x26..) only: use an ArduCAM Mini 2MP", d, id[0], id[1])
	}
	return nil
}

// setUp resets the sensor and sets all of it.
func (d *Dev) setUp(ctx context.Context) error {
	if err := d.set(ctx, []setting{{regBank, bankSensor}, {regReset7, resetSensor}}); err != nil {
		return err
	}
	if err := d.sleep(ctx, resetTime); err != nil {
		return err
	}
	for _, s := range [][]setting{makersSettings(), window(d.o.Width, d.o.Height).settings(), jpegSettings()} {
		if err := d.set(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dev) set(ctx context.Context, settings []setting) error {
	for _, s := range settings {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.talk([]byte{s.reg, s.value}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dev) talk(w, r []byte) error {
	if err := d.i2c.Tx(Address, w, r); err != nil {
		return fmt.Errorf("%s: the I2C bus fails (%w): check the wiring: %w", d, err, devices.ErrLost)
	}
	return nil
}
