package lepton

import (
	"errors"
	"fmt"
	"image"
	"testing"

	"periph.io/x/conn/v3/conntest"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/spi/spitest"

	"sensed/devices"
	"sensed/devices/devicetest"
)

// ask and say are one transfer each.
func ask(reg uint16, words ...byte) i2ctest.IO {
	return i2ctest.IO{Addr: Address, W: []byte{byte(reg >> 8), byte(reg)}, R: words}
}

func say(reg uint16, words ...byte) i2ctest.IO {
	return i2ctest.IO{Addr: Address, W: append([]byte{byte(reg >> 8), byte(reg)}, words...)}
}

func status(code int8, low byte) i2ctest.IO { return ask(regStatus, byte(code), low) }

const (
	idleBits = 0x06 // booted
	busyBits = 0x07
)

func runs(cmd uint16) []i2ctest.IO {
	return []i2ctest.IO{status(0, idleBits), say(regLength, 0, 0), say(regCommand, byte(cmd>>8), byte(cmd|run)), status(0, idleBits)}
}

func sets(cmd uint16, value byte, code int8) []i2ctest.IO {
	return []i2ctest.IO{
		status(0, idleBits), say(regData, 0, value, 0, 0),
		status(0, idleBits), say(regLength, 0, 2), say(regCommand, byte(cmd>>8), byte(cmd|set)), status(0, busyBits), status(code, idleBits),
	}
}

func gets(cmd uint16, words, value byte) []i2ctest.IO {
	return []i2ctest.IO{
		status(0, idleBits), say(regLength, 0, words), say(regCommand, byte(cmd>>8), byte(cmd|get)), status(0, idleBits),
		ask(regData, 0, value, 0, 0),
	}
}

// conversation is how a module is set up: one that is booting still, calibrates,
// and either measures temperatures or does not know the command.
func conversation(radiometry bool) []i2ctest.IO {
	var ops []i2ctest.IO
	for _, part := range [][]i2ctest.IO{
		{status(0, 0x00), status(0, 0x02), status(0, idleBits)},
		runs(cmdPing), gets(cmdState, 4, 4), gets(cmdState, 4, 0), sets(cmdTelemetry, 0, 0), sets(cmdAGC, 0, 0),
	} {
		ops = append(ops, part...)
	}
	if !radiometry {
		return append(ops, sets(cmdRadiometry, 1, codeUnsupported)...)
	}
	for _, part := range [][]i2ctest.IO{
		sets(cmdRadiometry, 1, 0), sets(cmdLinearStep, 1, 0), sets(cmdLinear, 1, 0), gets(cmdLinear, 2, 1),
	} {
		ops = append(ops, part...)
	}
	return ops
}

func TestConversation(t *testing.T) {
	for _, radiometry := range []bool{true, false} {
		whole := conversation(radiometry)
		for n := range len(whole) + 1 {
			bus := &i2ctest.Playback{Ops: whole[:n], DontPanic: true}
			d, err := New(&spitest.Playback{}, bus, &Opts{Clock: devicetest.NewClock(epoch)})
			if err != nil {
				t.Fatal(err)
			}
			err = d.Start(t.Context())
			switch {
			case n == len(whole) && (err != nil || d.degrees != radiometry):
				t.Errorf("all: %v, temperatures %t", err, d.degrees)
			case n == 0 && !errors.Is(err, devices.ErrAbsent):
				t.Errorf("nothing answers: %v", err)
			case n > 0 && n < len(whole) && !errors.Is(err, devices.ErrLost):
				t.Errorf("cut off before step %d of %d: %v", n, len(whole), err)
			}
			if err := bus.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// recording makes the transfers that bring packets, in pieces as they are read.
func recording(packets ...[]byte) []conntest.IO {
	var ops []conntest.IO
	for len(packets) > 0 {
		var r []byte
		for range readPackets {
			if len(packets) == 0 {
				r = append(r, repeat(0xff, packetSize)...)
				continue
			}
			r = append(r, packets[0]...)
			packets = packets[1:]
		}
		ops = append(ops, conntest.IO{R: r})
	}
	return ops
}

func repeat(v byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = v
	}
	return b
}

// runOf makes the packets of a run whose values all are v.
func runOf(segment int, v uint16) (packets [][]byte) {
	for i := range packetsInRun {
		b := make([]byte, packetSize)
		fill(b, i, segment, func(int) uint16 { return v })
		packets = append(packets, b)
	}
	return packets
}

func TestRecordedPictures(t *testing.T) {
	var wide, narrow [][]byte
	wide = append(wide, repeat(0xff, packetSize))
	for s := range segments {
		wide = append(wide, runOf(s+1, uint16(30000+s))...)
		wide = append(wide, repeat(0xff, packetSize))
	}
	for range settle {
		narrow = append(narrow, runOf(0, 30000)...)
	}
	for name, tc := range map[string]struct {
		packets [][]byte
		size    image.Point
	}{"3.x": {wide, image.Pt(160, 120)}, "2.x": {narrow, image.Pt(80, 60)}} {
		whole := recording(tc.packets...)
		for n := range len(whole) + 1 {
			port := &spitest.Playback{Playback: conntest.Playback{Ops: whole[:n], DontPanic: true}}
			d, err := New(port, &i2ctest.Playback{}, &Opts{Clock: devicetest.NewClock(epoch)})
			if err != nil {
				t.Fatal(err)
			}
			d.degrees, d.gain.least = true, leastCentikelvin
			f, err := d.Next(t.Context())
			switch {
			case n < len(whole) && !errors.Is(err, devices.ErrLost):
				t.Errorf("%s: cut off before transfer %d of %d: %v", name, n, len(whole), err)
			case n == len(whole):
				if err != nil || f.Image.Bounds().Size() != tc.size {
					t.Fatalf("%s: %v, %v", name, f, err)
				}
				if r, _ := f.Thermal.Reading(); r.Min != 26.85 || name == "3.x" && (r.Max != 26.88 || r.Hottest != image.Pt(0, 90)) {
					t.Errorf("%s: %+v", name, r)
				}
			}
			if err := port.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Runs that do not fit together make no picture.
func TestSegments(t *testing.T) {
	cut := func(p [][]byte, from, to int) [][]byte { return append(append([][]byte{}, p[:from]...), p[to:]...) }
	bad := runOf(2, 1)
	bad[30][50] ^= 4
	for _, tc := range []struct {
		name string
		runs [][][]byte
		want string // pictures by the index of the run that completes them
	}{
		{"in order", [][][]byte{runOf(1, 1), runOf(2, 1), runOf(3, 1), runOf(4, 1)}, "[3]"},
		{"repetitions between", [][][]byte{runOf(1, 1), runOf(2, 1), runOf(0, 9), runOf(3, 1), runOf(4, 1), runOf(0, 9)}, "[4]"},
		{"one is missing", [][][]byte{runOf(1, 1), runOf(3, 1), runOf(4, 1), runOf(1, 1), runOf(2, 1), runOf(3, 1), runOf(4, 1)}, "[6]"},
		{"one comes twice", [][][]byte{runOf(1, 1), runOf(1, 1), runOf(2, 1), runOf(2, 1), runOf(3, 1), runOf(4, 1)}, "[]"},
		{"begins in the middle", [][][]byte{runOf(3, 1), runOf(4, 1), runOf(1, 1), runOf(2, 1), runOf(3, 1), runOf(4, 1)}, "[5]"},
		{"impossible number", [][][]byte{runOf(1, 1), runOf(2, 1), runOf(3, 1), runOf(4, 1), runOf(5, 1), runOf(7, 1)}, "[3]"},
		{"a packet is missing", [][][]byte{runOf(1, 1), cut(runOf(2, 1), 30, 31), runOf(3, 1), runOf(4, 1)}, "[]"},
		{"the first is missing", [][][]byte{runOf(1, 1), cut(runOf(2, 1), 0, 1), runOf(3, 1), runOf(4, 1)}, "[]"},
		{"a packet is broken", [][][]byte{runOf(1, 1), bad, runOf(3, 1), runOf(4, 1)}, "[]"},
		{"a run breaks off", [][][]byte{runOf(1, 1), cut(runOf(2, 1), 10, 60), runOf(2, 1), runOf(3, 1), runOf(4, 1)}, "[4]"},
	} {
		var s stream
		got := []int{}
		for i, r := range tc.runs {
			for _, p := range r {
				if s.push(p) != nil {
					got = append(got, i)
				}
			}
		}
		if fmt.Sprint(got) != tc.want {
			t.Errorf("%s: pictures after %v, want %s", tc.name, got, tc.want)
		}
	}
}

func TestPacket(t *testing.T) {
	good := func(number int) []byte { return runOf(3, 30000)[number] }
	flip := func(b []byte, at int, bit byte) []byte { b[at] ^= bit; return b }
	high := make([]byte, packetSize)
	fill(high, 60, 0, func(int) uint16 { return 1 })
	for _, tc := range []struct {
		name string
		b    []byte
		want error
	}{
		{"first", good(0), nil},
		{"last", good(59), nil},
		{"segment", good(segmentPacket), nil},
		{"discard", repeat(0xff, packetSize), errDiscard},
		{"discard with other bits", flip(good(0), 0, 0x0f), errDiscard},
		{"number", flip(good(0), 1, 1), errChecksum},
		{"checksum", flip(good(0), 3, 1), errChecksum},
		{"value", flip(good(0), 163, 0x80), errChecksum},
		{"telemetry", high, errNumber},
	} {
		p, err := parsePacket(tc.b)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		if tc.name == "segment" && (p.segment != 3 || p.number != segmentPacket) {
			t.Errorf("%+v", p)
		}
	}
	for _, n := range []int{0, 1, packetSize - 1, packetSize + 1} {
		if _, err := parsePacket(make([]byte, n)); err == nil {
			t.Errorf("a packet of %d bytes is taken", n)
		}
	}
}

// FuzzPacket: no bytes make the reader panic, and a packet that is taken is one
// by the definition of the checksum.
func FuzzPacket(f *testing.F) {
	f.Add(runOf(3, 30000)[segmentPacket], uint8(4))
	f.Add(repeat(0xff, packetSize), uint8(1))
	f.Add(make([]byte, packetSize), uint8(200))
	f.Add([]byte{1}, uint8(1))
	next := runOf(0, 5)
	f.Fuzz(func(t *testing.T, b []byte, times uint8) {
		if p, err := parsePacket(b); err == nil {
			if plainChecksum(b) != uint16(b[2])<<8|uint16(b[3]) || p.number < 0 || p.number >= packetsInRun || len(p.payload) != 2*packetPoints {
				t.Errorf("%+v", p)
			}
		}
		var s stream
		for range times {
			s.push(b)
		}
		before := s.runs
		for _, p := range next { // afterwards it still works
			s.push(p)
		}
		if s.runs == before {
			t.Error("no run came after that")
		}
	})
}
