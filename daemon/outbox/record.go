package outbox

import (
	"encoding/binary"
	"hash/crc32"
)

// A segment is a header and records, all little-endian:
//
//	header  magic[8] base:u64 cursor:u64 zero:u32 crc:u32
//	record  mark[4] length:u32 number:u64 time:i64 kind:u8 priority:u8 zero:u16 body-crc:u32 head-crc:u32 body[length]
//
// Every checksum is CRC-32C, started from the base (its halves, combined by
// exclusive or), which is the lowest number that the segment may hold: what an
// SD card shows of an older file is not taken for a record of this one.
const (
	headerSize = 32
	recordHead = 36

	// MaxBody bounds one message.
	MaxBody = 1 << 20

	// maxNumber is the largest integer that JSON readers agree on.
	maxNumber = 1<<53 - 1

	kindMessage = 1
	kindAck     = 2 // everything up to its number is acknowledged
)

// What a segment and a record begin with.
const (
	magic = "sensout\x01"
	mark  = "\xf5rec"
)

func sum(base uint64, b []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the library
	return crc32.Update(uint32(base)^uint32(base>>32), table, b)
}

func appendHeader(to []byte, base, cursor uint64) []byte {
	start := len(to)
	to = append(to, magic...)
	to = binary.LittleEndian.AppendUint64(to, base)
	to = binary.LittleEndian.AppendUint64(to, cursor)
	to = binary.LittleEndian.AppendUint32(to, 0)
	return binary.LittleEndian.AppendUint32(to, sum(base, to[start:]))
}

// parseHeader returns the cursor of a segment.
func parseHeader(b []byte, base uint64) (cursor uint64, ok bool) {
	if len(b) < headerSize || string(b[:8]) != magic || binary.LittleEndian.Uint64(b[8:]) != base ||
		binary.LittleEndian.Uint32(b[28:]) != sum(base, b[:28]) {
		return 0, false
	}
	cursor = binary.LittleEndian.Uint64(b[16:])
	return cursor, cursor <= maxNumber
}

// head is what stands before the body of a record.
type head struct {
	length   uint32 // of the body, in bytes
	number   uint64
	time     int64 // when it was accepted, Unix milliseconds
	kind     uint8
	priority Priority
	bodySum  uint32
}

// size of the whole record in bytes.
func (h head) size() int { return recordHead + int(h.length) }

func appendRecord(to []byte, base uint64, h head, body []byte) []byte {
	start := len(to)
	to = append(to, mark...)
	to = binary.LittleEndian.AppendUint32(to, uint32(len(body)))
	to = binary.LittleEndian.AppendUint64(to, h.number)
	to = binary.LittleEndian.AppendUint64(to, uint64(h.time))
	to = append(to, h.kind, byte(h.priority), 0, 0)
	to = binary.LittleEndian.AppendUint32(to, sum(base, body))
	to = binary.LittleEndian.AppendUint32(to, sum(base, to[start:]))
	return append(to, body...)
}

// parseHead reads what stands before the body of a record; it does not look at
// the body, which may be missing.
func parseHead(b []byte, base uint64) (head, bool) {
	if len(b) < recordHead || string(b[:4]) != mark || binary.LittleEndian.Uint32(b[32:]) != sum(base, b[:32]) {
		return head{}, false
	}
	h := head{
		length:   binary.LittleEndian.Uint32(b[4:]),
		number:   binary.LittleEndian.Uint64(b[8:]),
		time:     int64(binary.LittleEndian.Uint64(b[16:])),
		kind:     b[24],
		priority: Priority(b[25]),
		bodySum:  binary.LittleEndian.Uint32(b[28:]),
	}
	fit := h.length <= MaxBody && h.number <= maxNumber && h.priority.valid() && (h.kind == kindMessage || h.kind == kindAck)
	return h, fit
}

// body returns the body of a record that is complete and undamaged.
func (h head) body(record []byte, base uint64) ([]byte, bool) {
	if len(record) < h.size() {
		return nil, false
	}
	b := record[recordHead:h.size()]
	return b, sum(base, b) == h.bodySum
}
