package mjpeg

import (
	"encoding/binary"
	"errors"
)

// fastBits is how many bits of a code are looked up at once. Codes of real
// pictures are seldom longer.
const fastBits = 10

// huffman is a table made ready for decoding (T.81, Annex F.2.2.3).
type huffman struct {
	// fast holds, by the next fastBits bits, the length of the code and its
	// value; length 0 says that the code is longer.
	fast [1 << fastBits]struct{ length, value uint8 }
	// By the length of a code: the largest one (-1: there is none), and where
	// the value of code c is: values[c+offset].
	largest, offset [17]int32
	values          [256]uint8
	defined         bool
}

var errTable = errors.New("a Huffman table of the JPEG is damaged")

// define makes the table of counts and values, which hold as many as counts says.
func (h *huffman) define(counts *[16]byte, values []byte) error {
	h.defined = false
	clear(h.fast[:])
	copy(h.values[:], values)
	code, at := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		n := int32(counts[length-1])
		h.offset[length] = at - code
		if code+n > 1<<length {
			return errTable // more codes than there can be
		}
		if length <= fastBits {
			for i := range n {
				span := int32(1) << (fastBits - length)
				for k := (code + i) * span; k < (code+i+1)*span; k++ {
					h.fast[k].length, h.fast[k].value = uint8(length), h.values[at+i]
				}
			}
		}
		code, at = code+n, at+n
		h.largest[length] = -1
		if n > 0 {
			h.largest[length] = code - 1
		}
		code <<= 1
	}
	h.defined = true
	return nil
}

// bits reads the entropy-coded part of a picture.
type bits struct {
	data []byte
	at   int    // next byte
	acc  uint64 // the bits that were read, in its low n
	n    int    // bits in acc; those of padding may be among them
	pad  int    // bits of padding that were added when the data ended
}

// need brings at least 32 bits into acc.
func (b *bits) need() {
	if b.n < 32 {
		b.fill()
	}
}

// fill fills acc. After the end of the data, or before a marker, with padding.
func (b *bits) fill() {
	if b.at+4 <= len(b.data) {
		// Four bytes at once, when none of them begins a marker.
		v := binary.BigEndian.Uint32(b.data[b.at:])
		if inv := ^v; (inv-0x01010101)&^inv&0x80808080 == 0 {
			b.acc, b.n, b.at = b.acc<<32|uint64(v), b.n+32, b.at+4
			return
		}
	}
	for b.n <= 56 {
		if b.at >= len(b.data) {
			b.acc, b.n, b.pad = b.acc<<8, b.n+8, b.pad+8
			continue
		}
		v := b.data[b.at]
		if v == 0xff {
			if b.at+1 >= len(b.data) || b.data[b.at+1] != 0 { // a marker
				b.acc, b.n, b.pad = b.acc<<8, b.n+8, b.pad+8
				continue
			}
			b.at++
		}
		b.at++
		b.acc, b.n = b.acc<<8|uint64(v), b.n+8
	}
}

// over says whether more was read than there is.
func (b *bits) over() bool { return b.n < b.pad }

// restart goes on after the restart marker, and says whether there was one.
func (b *bits) restart() bool {
	b.acc, b.n, b.pad = 0, 0, 0
	for b.at+1 < len(b.data) && b.data[b.at] == 0xff && b.data[b.at+1] == 0xff {
		b.at++
	}
	if b.at+1 >= len(b.data) || b.data[b.at] != 0xff || b.data[b.at+1] < markerRST0 || b.data[b.at+1] > markerRST7 {
		return false
	}
	b.at += 2
	return true
}

// symbol reads a code. There must be 16 bits. ok is false when there is no such code.
func (b *bits) symbol(h *huffman) (value uint8, ok bool) {
	f := h.fast[b.acc>>(uint(b.n-fastBits)&63)&(1<<fastBits-1)]
	if f.length > 0 {
		b.n -= int(f.length)
		return f.value, true
	}
	return b.long(h)
}

// long reads a code of more than fastBits bits.
func (b *bits) long(h *huffman) (value uint8, ok bool) {
	for length := fastBits + 1; length <= 16; length++ {
		code := int32(b.acc >> (b.n - length) & (1<<length - 1))
		if code <= h.largest[length] {
			b.n -= length
			return h.values[code+h.offset[length]], true
		}
	}
	return 0, false
}

// number reads a coefficient of size bits, at most 16 (T.81, F.2.2.1).
func (b *bits) number(size int) int32 {
	if size == 0 {
		return 0
	}
	b.n -= size
	v := int32(b.acc >> b.n & (1<<size - 1))
	if v < 1<<(size-1) {
		v += -1<<size + 1
	}
	return v
}
