package lepton

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Pictures come in packets ("video over SPI"): number, checksum, and 80 points.
const (
	packetSize    = 164
	headerSize    = 4
	packetPoints  = 80
	packetsInRun  = 60 // a 2.x sends a picture in one run, a 3.x in four
	segments      = 4
	segmentPacket = 20 // of each run carries its segment number

	// settle is after how many runs without a segment number a module is a 2.x:
	// a 3.x sends eight of them one after the other.
	settle = 12
)

// What is wrong with a packet. errDiscard is no fault: there is nothing yet.
var (
	errDiscard  = errors.New("there is no picture yet")
	errChecksum = errors.New("its checksum is wrong")
	errNumber   = errors.New("its number is impossible")
)

// packet is one packet, checked.
type packet struct {
	number  int // 0..59
	segment int // 0..7, of packet 20 only
	payload []byte
}

// parsePacket checks the packet in b, which it keeps.
func parsePacket(b []byte) (packet, error) {
	if len(b) != packetSize {
		return packet{}, fmt.Errorf("a packet has %d bytes, not %d", packetSize, len(b))
	}
	id := binary.BigEndian.Uint16(b)
	if discarded(b) {
		return packet{}, errDiscard
	}
	if checksum(b) != binary.BigEndian.Uint16(b[2:]) {
		return packet{}, errChecksum
	}
	p := packet{number: int(id & 0x0fff), payload: b[headerSize:]}
	if p.number >= packetsInRun {
		return packet{}, errNumber
	}
	if p.number == segmentPacket {
		p.segment = int(id>>12) & 7
	}
	return p, nil
}

// discarded tells whether a packet says that there is nothing yet.
func discarded(b []byte) bool { return b[0]&0x0f == 0x0f }

// checksum is the CRC-16 of a packet: x^16+x^12+x^5+1 from zero, without the
// segment number and the checksum itself.
func checksum(b []byte) uint16 {
	crc := crc16(0, b[0]&0x0f)
	crc = crc16(crc, b[1])
	crc = crc16(crc16(crc, 0), 0)
	for _, v := range b[headerSize:] {
		crc = crc16(crc, v)
	}
	return crc
}

// crc16 goes on by a byte, four bits at a time.
func crc16(crc uint16, v byte) uint16 {
	crc = crc<<4 ^ nibbles[byte(crc>>12)^v>>4]
	return crc<<4 ^ nibbles[byte(crc>>12)^v&0x0f]
}

// nibbles is the table of crc16: the remainder of each four bits.
var nibbles = func() (t [16]uint16) {
	for i := range t {
		r := uint16(i) << 12
		for range 4 {
			carry := r&0x8000 != 0
			r <<= 1
			if carry {
				r ^= 0x1021
			}
		}
		t[i] = r
	}
	return t
}()

// stream puts packets together to pictures.
type stream struct {
	run     [packetsInRun * packetPoints]uint16 // the run that is coming in
	next    int                                 // the packet of it that is expected
	segment int                                 // of the run, known from packet 20 on

	picture [segments * packetsInRun * packetPoints]uint16 // of a 3.x
	have    int                                            // its segments that came, in order
	wide    bool                                           // it is a 3.x
	plain   int                                            // runs without a segment number since the last with one

	runs    uint64 // that came whole
	damaged int    // packets since the last whole run that did not fit
	faulty  uint64 // packets that did not fit, of all
}

// points are the values of a whole picture; they are good until the next push.
type points struct {
	width, height int
	values        []uint16
}

// push takes the next packet. It returns the picture that it completes, or nil.
func (s *stream) push(b []byte) *points {
	p, err := parsePacket(b)
	switch {
	case errors.Is(err, errDiscard):
		return nil
	case err != nil:
		s.fault()
		return nil
	case p.number == 0:
		if s.next != 0 {
			s.fault() // the run before it has no end
		}
		s.next = 0
	case p.number != s.next:
		s.fault()
		return nil
	}
	line := s.run[p.number*packetPoints:][:packetPoints]
	for i := range line {
		line[i] = binary.BigEndian.Uint16(p.payload[2*i:])
	}
	if p.number == segmentPacket {
		s.segment = p.segment
	}
	if s.next++; s.next < packetsInRun {
		return nil
	}
	s.next, s.damaged = 0, 0
	s.runs++
	return s.finish()
}

// fault notes a packet that does not fit and gives the run up.
func (s *stream) fault() {
	s.next = 0
	s.damaged++
	s.faulty++
}

// finish takes a whole run.
func (s *stream) finish() *points {
	if s.segment == 0 {
		s.plain = min(s.plain+1, settle)
		if s.wide || s.plain < settle {
			return nil
		}
		return &points{packetPoints, packetsInRun, s.run[:]}
	}
	s.wide = true
	if s.segment == 1 {
		s.have = 0
	}
	if s.segment != s.have+1 || s.segment > segments {
		s.have = 0
		return nil
	}
	copy(s.picture[s.have*len(s.run):], s.run[:])
	if s.have++; s.have < segments {
		return nil
	}
	s.have = 0
	return &points{2 * packetPoints, 2 * packetsInRun, s.picture[:]}
}

// restart forgets what came in, but not what kind of module it is.
func (s *stream) restart() { s.next, s.have, s.damaged = 0, 0, 0 }
