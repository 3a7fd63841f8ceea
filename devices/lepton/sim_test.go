package lepton

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"sensed/devices/devicetest"
)

// module is a Lepton behind its buses. Each packet that is read moves the clock
// on. It loses its place as the real one does: when a run was not read before
// the next began, until nobody reads for 185 ms.
type module struct {
	clock *devicetest.Clock
	wide  bool // a 3.x
	cold  bool // without radiometry

	// Faults.
	freeze  bool             // the same picture for ever
	mute    bool             // sends nothing when it has lost its place, else rubbish
	line    func(p []byte)   // what the wire does to each packet
	spiErr  error            // of each transfer
	i2cErr  error            // of each transfer
	asleep  bool             // never boots
	stuck   bool             // never finishes a command
	refuses map[uint16]int8  // commands, with their error code
	limit   int              // of the port
	sent    map[uint16][]int // values that commands set

	mu       sync.Mutex
	start    time.Time
	last     time.Time // of the last packet
	run, pos int
	lost     bool
	regs     map[uint16]uint16
	busy     int // polls
}

func newModule(clock *devicetest.Clock, wide bool) *module {
	return &module{clock: clock, wide: wide, start: clock.Now(), run: -1, lost: true,
		regs: map[uint16]uint16{}, refuses: map[uint16]int8{}, sent: map[uint16][]int{}}
}

func (m *module) String() string { return "sim" }

// port and wire are the SPI side; they are apart because of their names.
type port struct{ *module }

func (p port) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	if mode != spi.Mode3 || bits != 8 || f > MaxMHz*physic.MegaHertz {
		return nil, fmt.Errorf("connected with %v, mode %v, %d bits", f, mode, bits)
	}
	return wire(p), nil
}

type wire struct{ *module }

func (w wire) Duplex() conn.Duplex           { return conn.Full }
func (w wire) TxPackets([]spi.Packet) error  { return errors.New("not needed") }
func (w wire) MaxTxSize() int                { return w.limit }
func (w wire) Tx(out, in []byte) (err error) { return w.transfer(out, in) }

const packetTime = 82 * time.Microsecond // at 16 MHz

func (m *module) period() time.Duration {
	if m.wide {
		return time.Second / 106
	}
	return time.Second * 10 / 265
}

func (m *module) transfer(out, in []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spiErr != nil {
		return m.spiErr
	}
	if len(out) != 0 || len(in)%packetSize != 0 {
		return fmt.Errorf("a transfer of %d and %d bytes", len(out), len(in))
	}
	for i := 0; i < len(in); i += packetSize {
		m.packet(in[i : i+packetSize])
		if m.line != nil {
			m.line(in[i : i+packetSize])
		}
		m.clock.Advance(packetTime)
		m.last = m.clock.Now()
	}
	return nil
}

// packet gives the next packet.
func (m *module) packet(b []byte) {
	now := m.clock.Now()
	run := int(now.Sub(m.start) / m.period())
	switch {
	case m.lost && now.Sub(m.last) >= 185*time.Millisecond:
		m.lost, m.run, m.pos = false, run, packetsInRun // from the next run on
	case m.lost && m.mute:
		discard(b)
		return
	case m.lost:
		for i := range b {
			b[i] = byte(i*7 + run)
		}
		return
	case run > m.run && m.pos < packetsInRun:
		m.lost = true
		m.packet(b)
		return
	case run > m.run:
		m.run, m.pos = run, 0
	}
	if m.pos == packetsInRun {
		discard(b)
		return
	}
	frame, segment := run/3, 0
	if m.wide {
		frame = run / 12
		if s := run%12 + 1; s <= segments {
			segment = s
		}
	}
	if m.freeze {
		frame = 0
	}
	fill(b, m.pos, segment, func(i int) uint16 { return m.value(frame, segment, m.pos*packetPoints+i) })
	m.pos++
}

// value is what point i of a run of a frame has: 20 °C, warmer to the right, a
// little noise, and one hot point. Without radiometry it is something else.
func (m *module) value(frame, segment, i int) uint16 {
	width := packetPoints
	if m.wide {
		width *= 2
		i += max(segment-1, 0) * packetsInRun * packetPoints
	}
	v := 29315 + 10*(i%width)*80/width + (i*31+frame*17)%7
	if i == hotY*width+hotX {
		v = 31015
	}
	if m.cold {
		v = 8000 + (v-29315)/4
	}
	return uint16(v)
}

const hotX, hotY = 42, 17

// fill makes a packet.
func fill(b []byte, number, segment int, value func(int) uint16) {
	binary.BigEndian.PutUint16(b, uint16(number))
	if number == segmentPacket {
		binary.BigEndian.PutUint16(b, uint16(segment<<12|number))
	}
	for i := range packetPoints {
		binary.BigEndian.PutUint16(b[headerSize+2*i:], value(i))
	}
	binary.BigEndian.PutUint16(b[2:], plainChecksum(b))
}

// plainChecksum is the checksum by its definition, bit by bit.
func plainChecksum(b []byte) uint16 {
	c := append([]byte{b[0] & 0x0f, b[1], 0, 0}, b[headerSize:]...)
	var crc uint16
	for _, v := range c {
		for bit := 7; bit >= 0; bit-- {
			carry := crc>>15 ^ uint16(v>>bit&1)
			crc <<= 1
			if carry == 1 {
				crc ^= 1<<12 | 1<<5 | 1
			}
		}
	}
	return crc
}

func discard(b []byte) {
	for i := range b {
		b[i] = 0xff
	}
}

// Tx is the I2C side.
func (m *module) Tx(addr uint16, w, r []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.i2cErr != nil {
		return m.i2cErr
	}
	if addr != Address || len(w) < 2 {
		return fmt.Errorf("a transfer to %#x of %d bytes", addr, len(w))
	}
	reg := binary.BigEndian.Uint16(w)
	for i := 2; i < len(w); i += 2 {
		m.regs[reg+uint16(i-2)] = binary.BigEndian.Uint16(w[i:])
	}
	if len(w) > 2 && reg == regCommand {
		m.command(m.regs[regCommand])
	}
	for i := 0; i < len(r); i += 2 {
		v := m.regs[reg+uint16(i)]
		if reg == regStatus {
			v = m.status()
		}
		binary.BigEndian.PutUint16(r[i:], v)
	}
	return nil
}

func (m *module) SetSpeed(physic.Frequency) error { return nil }

func (m *module) status() uint16 {
	if m.asleep {
		return 1 << 1
	}
	v := m.regs[regStatus] | statusBooted
	if m.busy > 0 || m.stuck {
		m.busy--
		v |= statusBusy
	}
	return v
}

func (m *module) command(cmd uint16) {
	m.busy, m.regs[regStatus] = 1, 0
	code, no := m.refuses[cmd&^3]
	if !no && m.cold && cmd&0xff00 == 0x4e00 {
		code, no = codeUnknown, true
	}
	switch {
	case no:
		m.regs[regStatus] = uint16(code) << 8
	case cmd&3 == set:
		v := int(m.regs[regData]) | int(m.regs[regData+2])<<16
		m.sent[cmd&^3] = append(m.sent[cmd&^3], v)
	case cmd&3 == get:
		v := 0
		if set := m.sent[cmd&^3]; len(set) > 0 {
			v = set[len(set)-1]
		}
		m.regs[regData], m.regs[regData+2] = uint16(v), uint16(v>>16)
	}
}
