package arducam

import (
	"errors"
	"testing"

	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/spi/spitest"

	"sensed/devices"
)

// The conversation with a camera, written down from the application note.

func wrote(reg, v byte) conntest.IO { return conntest.IO{W: []byte{0x80 | reg, v}, R: []byte{0, 0}} }
func read(reg, v byte) conntest.IO  { return conntest.IO{W: []byte{reg, 0}, R: []byte{0, v}} }

func chipStart() []conntest.IO {
	return []conntest.IO{
		wrote(0x07, 0x80), wrote(0x07, 0x00), // reset
		wrote(0x00, 0x55), read(0x00, 0x55), wrote(0x00, 0xaa), read(0x00, 0xaa), // test
		wrote(0x01, 0x00), // one picture at a time
	}
}

func sensorStart(size *scaling) []i2ctest.IO {
	set := func(reg, v byte) i2ctest.IO { return i2ctest.IO{Addr: 0x30, W: []byte{reg, v}} }
	ops := []i2ctest.IO{
		set(0xff, 1), {Addr: 0x30, W: []byte{0x0a}, R: []byte{0x26}}, {Addr: 0x30, W: []byte{0x0b}, R: []byte{0x41}},
		set(0xff, 1), set(0x12, 0x80),
	}
	for _, list := range [][]setting{makersSettings(), size.settings(), jpegSettings()} {
		for _, s := range list {
			ops = append(ops, set(s.reg, s.value))
		}
	}
	return ops
}

// chipPicture is how a picture is taken and fetched.
func chipPicture(picture []byte) []conntest.IO {
	n := len(picture)
	ops := []conntest.IO{
		wrote(0x04, 0x01), wrote(0x04, 0x02), // clear, start
		read(0x41, 0x00), read(0x41, 0x01), read(0x41, 0x09), // not yet, not yet, done
		read(0x42, byte(n)), read(0x43, byte(n>>8)), read(0x44, byte(n>>16)),
	}
	for len(picture) > 0 {
		k := min(len(picture), chunk-1)
		ops = append(ops, conntest.IO{W: append([]byte{0x3c}, make([]byte, k)...), R: append([]byte{0}, picture[:k]...)})
		picture = picture[k:]
	}
	return ops
}

func TestConversation(t *testing.T) {
	size := window(320, 240)
	chip, sensor := append(chipStart(), chipPicture(encode(320, 240, 7))...), sensorStart(size)
	if len(chip) < len(chipStart())+10 {
		t.Fatal("the picture fits into one transfer")
	}
	try := func(chipSteps, sensorSteps int) error {
		port := &spitest.Playback{Playback: conntest.Playback{Ops: chip[:chipSteps], DontPanic: true}}
		bus := &i2ctest.Playback{Ops: sensor[:sensorSteps], DontPanic: true}
		d, err := New(port, bus, &Opts{Width: 320, Height: 240, Clock: newClock()})
		if err != nil {
			t.Fatal(err)
		}
		if err = d.Start(t.Context()); err == nil {
			_, err = d.Next(t.Context())
		}
		if sensorSteps == len(sensor) {
			if e := port.Close(); e != nil {
				t.Error(e)
			}
		}
		if chipSteps == len(chip) && err == nil || sensorSteps < len(sensor) {
			if e := bus.Close(); e != nil {
				t.Error(e)
			}
		}
		return err
	}
	if err := try(len(chip), len(sensor)); err != nil {
		t.Errorf("all: %v", err)
	}
	for n := range chip {
		if err := try(n, len(sensor)); !errors.Is(err, devices.ErrLost) {
			t.Errorf("the SPI port cut off before step %d of %d: %v", n, len(chip), err)
		}
	}
	for n := range sensor {
		want := devices.ErrLost
		if n == 0 {
			want = devices.ErrAbsent
		}
		if err := try(len(chip), n); !errors.Is(err, want) {
			t.Errorf("the I2C bus cut off before step %d of %d: %v", n, len(sensor), err)
		}
	}
}

// The registers of a size, by the data sheet's meaning of them.
func TestSettings(t *testing.T) {
	for _, size := range windows() {
		regs := map[byte]int{}
		for _, s := range size.settings() {
			regs[s.reg] = int(s.value)
		}
		inW, inH := 8*regs[0xc0], 8*regs[0xc1]
		cutW, cutH := 4*(regs[0x51]|regs[0x55]>>3&1<<8|regs[0x57]>>7<<9), 4*(regs[0x52]|regs[0x55]>>7<<8)
		outW, outH := 4*(regs[0x5a]|regs[0x5c]&3<<8), 4*(regs[0x5b]|regs[0x5c]>>2&1<<8)
		if inW != 1600 || inH != 1200 || cutW != 1600 || cutH != 1200 || outW != size.Width || outH != size.Height {
			t.Errorf("%v: %dx%d, %dx%d, %dx%d", size.Size, inW, inH, cutW, cutH, outW, outH)
		}
		if div := regs[0x50] & 7; 1600>>div < size.Width || 1200>>div < size.Height {
			t.Errorf("%v: divided by %d there is too little", size.Size, 1<<div)
		}
	}
}
