package arducam

import (
	"context"
	"fmt"
	"time"

	"sensed/devices"
)

// Registers of the ArduChip. The highest bit of the address means writing.
const (
	regTest   = 0x00
	regFrames = 0x01 // pictures of a capture, less one
	regMemory = 0x04 // see memory...
	regReset  = 0x07
	regBurst  = 0x3c // the memory, byte for byte
	regDone   = 0x41 // bit done: a picture is in the memory
	regLength = 0x42 // of the memory's content; three registers, low first
	writing   = 0x80

	memoryClear = 0x01
	memoryStart = 0x02
	resetOn     = 0x80
	done        = 0x08

	// maxLength is what the memory holds: 384 KiB.
	maxLength = 0x5ffff
)

// Times.
const (
	resetTime  = 100 * time.Millisecond
	settleTime = 300 * time.Millisecond // until the exposure is right
	pollEvery  = 5 * time.Millisecond
)

// testChip resets the ArduChip and looks whether it keeps what is written.
func (d *Dev) testChip(ctx context.Context) error {
	for _, v := range []byte{resetOn, 0} {
		if err := d.writeChip(regReset, v); err != nil {
			return err
		}
		if err := d.sleep(ctx, resetTime); err != nil {
			return err
		}
	}
	for _, v := range []byte{0x55, 0xaa} {
		if err := d.writeChip(regTest, v); err != nil {
			return err
		}
		got, err := d.readChip(regTest)
		switch {
		case err != nil:
			return err
		case got == 0 || got == 0xff:
			return fmt.Errorf("%s: nothing answers on the SPI port: check power, MISO, MOSI, clock and chip select: %w", d, devices.ErrAbsent)
		case got != v:
			return fmt.Errorf("%s: the test register gives %#02x for %#02x: use shorter wires or a lower speed, and let nothing else use the port", d, got, v)
		}
	}
	return nil
}

// capture takes a picture and returns what is in the memory; it is good until
// the next call.
func (d *Dev) capture(ctx context.Context) ([]byte, error) {
	for _, v := range []byte{memoryClear, memoryStart} {
		if err := d.writeChip(regMemory, v); err != nil {
			return nil, err
		}
	}
	for end := d.o.Clock.Now().Add(d.o.Timeout); ; {
		v, err := d.readChip(regDone)
		if err != nil {
			return nil, err
		}
		if v&done != 0 {
			break
		}
		if !d.o.Clock.Now().Before(end) {
			return nil, fmt.Errorf("%s: no picture within %v: switch its power off and on: %w", d, d.o.Timeout, devices.ErrLost)
		}
		if err := d.sleep(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
	n := 0
	for i := range byte(3) {
		v, err := d.readChip(regLength + i)
		if err != nil {
			return nil, err
		}
		n |= int(v) << (8 * i)
	}
	n &= 1<<23 - 1 // the highest bit has no meaning
	if n == 0 || n > maxLength {
		return nil, &damage{fmt.Sprintf("its memory says that it holds %d bytes", n)}
	}
	return d.fetch(ctx, n)
}

// fetch reads n bytes of the memory.
func (d *Dev) fetch(ctx context.Context, n int) ([]byte, error) {
	d.data = d.data[:0]
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		k := min(n, len(d.w)-1)
		clear(d.w)
		d.w[0] = regBurst
		if err := d.tx(d.w[:k+1], d.r[:k+1]); err != nil {
			return nil, err
		}
		d.data = append(d.data, d.r[1:k+1]...)
		n -= k
	}
	return d.data, nil
}

func (d *Dev) writeChip(reg, v byte) error { return d.tx([]byte{reg | writing, v}, make([]byte, 2)) }

func (d *Dev) readChip(reg byte) (byte, error) {
	r := make([]byte, 2)
	err := d.tx([]byte{reg, 0}, r)
	return r[1], err
}

func (d *Dev) tx(w, r []byte) error {
	if err := d.spi.Tx(w, r); err != nil {
		return fmt.Errorf("%s: the SPI port fails (%w): %w", d, err, devices.ErrLost)
	}
	return nil
}
