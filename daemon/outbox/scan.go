package outbox

import "bytes"

// found is what the bytes of a segment hold.
type found struct {
	cursor  uint64 // everything up to here is acknowledged
	records []placed
	damage  []span // what is no record, in order; the last may be a torn end
	end     int    // where the last good record ends
}

// placed is a message's record and where it begins.
type placed struct {
	head
	off int
}

type span struct{ off, size int }

// scan reads a segment, whatever its bytes are. It stops at nothing: after
// damage it goes on at the next record that is whole.
func scan(b []byte, base uint64) found {
	f := found{end: min(headerSize, len(b))}
	cursor, ok := parseHeader(b, base)
	f.cursor = cursor
	if !ok {
		f.cursor = 0
		f.end = 0
		f.damage = append(f.damage, span{0, min(headerSize, len(b))})
	}
	last := uint64(0)
	if base > 0 {
		last = base - 1
	}
	for pos := min(headerSize, len(b)); pos < len(b); {
		h, good := parseHead(b[pos:], base)
		if good && pos+h.size() <= len(b) {
			_, sound := h.body(b[pos:], base)
			switch {
			case sound && h.kind == kindAck:
				f.cursor = max(f.cursor, h.number)
			case sound && h.number > last:
				last = h.number
				f.records = append(f.records, placed{h, pos})
			default:
				f.damage = append(f.damage, span{pos, h.size()})
			}
			pos += h.size()
			if sound {
				f.end = pos
			}
			continue
		}
		next := resume(b, pos+1, base)
		f.damage = append(f.damage, span{pos, next - pos})
		pos = next
	}
	return f
}

// resume returns where the next whole record begins, or the end.
func resume(b []byte, pos int, base uint64) int {
	for pos < len(b) {
		i := bytes.Index(b[pos:], []byte(mark))
		if i < 0 {
			break
		}
		pos += i
		if h, ok := parseHead(b[pos:], base); ok {
			if _, sound := h.body(b[pos:], base); sound {
				return pos
			}
		}
		pos++
	}
	return len(b)
}
