package arducam

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"sensed/devices/devicetest"
)

// board is an ArduCAM Mini behind its buses.
type board struct {
	clock *devicetest.Clock

	// Faults.
	spiErr, i2cErr error
	deadPort       bool                // nothing is on it
	noise          bool                // a bit of what is read flips
	never          bool                // no picture is ever done
	id             byte                // of the sensor
	memory         func([]byte) []byte // what becomes of a picture in it
	length         func(int) int       // what it says of it
	limit          int                 // of the port

	regs    [256]byte // of the ArduChip
	bank    byte
	sensor  [2][256]byte
	picture []byte
	at      int
	ready   time.Time
	shots   int
	largest int // transfer
}

func newBoard(clock *devicetest.Clock) *board {
	b := &board{clock: clock, id: product}
	b.reset()
	return b
}

func (b *board) reset() {
	b.sensor = [2][256]byte{}
	b.sensor[bankSensor][regProduct], b.sensor[bankSensor][regProduct+1] = b.id, 0x42
}

func (b *board) String() string                  { return "sim" }
func (b *board) SetSpeed(physic.Frequency) error { return nil }

// Tx is the I2C side.
func (b *board) Tx(addr uint16, w, r []byte) error {
	if b.i2cErr != nil {
		return b.i2cErr
	}
	if addr != Address || len(w) == 0 || len(w)+len(r) != 2 {
		return fmt.Errorf("a transfer to %#x of %d and %d bytes", addr, len(w), len(r))
	}
	b.sensor[bankSensor][regProduct] = b.id
	switch {
	case len(r) == 1:
		r[0] = b.sensor[b.bank][w[0]]
	case w[0] == regBank:
		b.bank = w[1] & 1
	case b.bank == bankSensor && w[0] == regReset7 && w[1]&resetSensor != 0:
		b.reset()
	default:
		b.sensor[b.bank][w[0]] = w[1]
	}
	return nil
}

// port and wire are the SPI side.
type port struct{ *board }

func (p port) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	if mode != spi.Mode0 || bits != 8 || f > MaxMHz*physic.MegaHertz {
		return nil, fmt.Errorf("connected with %v, mode %v, %d bits", f, mode, bits)
	}
	return wire(p), nil
}

type wire struct{ *board }

func (w wire) Duplex() conn.Duplex          { return conn.Full }
func (w wire) TxPackets([]spi.Packet) error { return errors.New("not needed") }
func (w wire) MaxTxSize() int               { return w.limit }
func (w wire) Tx(out, in []byte) error      { return w.transfer(out, in) }

func (b *board) transfer(out, in []byte) error {
	if b.spiErr != nil {
		return b.spiErr
	}
	if len(out) != len(in) || len(out) < 2 {
		return fmt.Errorf("a transfer of %d and %d bytes", len(out), len(in))
	}
	b.largest = max(b.largest, len(out))
	b.clock.Advance(time.Duration(len(out)) * 2 * time.Microsecond) // 4 MHz
	if b.deadPort {
		for i := range in {
			in[i] = 0xff
		}
		return nil
	}
	for i := range in {
		in[i] = 0xee // means nothing
	}
	reg := out[0]
	switch {
	case reg == regBurst:
		for i := range in[1:] {
			in[i+1] = 0
			if b.at < len(b.picture) {
				in[i+1] = b.picture[b.at]
			}
			b.at++
		}
	case reg&writing != 0:
		b.regs[reg&^writing] = out[1]
		if reg&^writing == regMemory {
			b.control(out[1])
		}
	default:
		in[1] = b.read(reg)
	}
	if b.noise && reg == regTest {
		in[1] ^= 4
	}
	return nil
}

func (b *board) control(v byte) {
	if v&memoryClear != 0 {
		b.picture, b.at, b.ready = nil, 0, time.Time{}
	}
	if v&memoryStart != 0 {
		b.ready = b.clock.Now().Add(66 * time.Millisecond)
	}
}

func (b *board) read(reg byte) byte {
	switch reg {
	case regDone:
		if b.never || b.ready.IsZero() || b.clock.Now().Before(b.ready) {
			return 0
		}
		b.shoot()
		return done | 1 // and the level of VSYNC
	case regLength, regLength + 1, regLength + 2:
		n := len(b.picture)
		if b.length != nil {
			n = b.length(n)
		}
		v := byte(n >> (8 * (reg - regLength)))
		if reg == regLength+2 {
			v |= 0x80 // has no meaning
		}
		return v
	}
	return b.regs[reg]
}

// shoot puts a picture into the memory: of the size that the registers say, with
// a shade that grows, between bytes that mean nothing.
func (b *board) shoot() {
	if b.picture != nil {
		return
	}
	b.shots++
	dsp := &b.sensor[bankDSP]
	top := int(dsp[regZoomTop])
	w, h := 4*(int(dsp[regZoomW])|top&3<<8), 4*(int(dsp[regZoomH])|top>>2&1<<8)
	b.picture = append(append([]byte{0, 0xff, 0xd9}, encode(w, h, byte(b.shots))...), make([]byte, 100)...)
	if dsp[regFormat] != formatJPEG {
		b.picture = make([]byte, w*h*2)
	}
	if b.memory != nil {
		b.picture = b.memory(b.picture)
	}
}

func encode(w, h int, shade byte) []byte {
	img := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio422)
	for y := range h {
		for x := range w {
			c := color.YCbCrModel.Convert(color.RGBA{byte(x), byte(y), shade, 255}).(color.YCbCr)
			img.Y[img.YOffset(x, y)], img.Cb[img.COffset(x, y)], img.Cr[img.COffset(x, y)] = c.Y, c.Cb, c.Cr
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func newClock() *devicetest.Clock {
	return devicetest.NewClock(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
}

// open starts a camera on a board.
func open(t *testing.T, b *board, o Opts) *Dev {
	t.Helper()
	o.Clock = b.clock
	d, err := New(port{b}, b, &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}
