package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// The kinds of metadata values, numbered as in the files.
const (
	kindUint8   = 0
	kindInt8    = 1
	kindUint16  = 2
	kindInt16   = 3
	kindUint32  = 4
	kindInt32   = 5
	kindFloat32 = 6
	kindBool    = 7
	kindString  = 8
	kindArray   = 9
	kindUint64  = 10
	kindInt64   = 11
	kindFloat64 = 12
)

// kindName is what an error calls a kind of value.
func kindName(kind uint32) string {
	names := [...]string{"uint8", "int8", "uint16", "int16", "uint32", "int32",
		"float32", "bool", "string", "array", "uint64", "int64", "float64"}
	if int64(kind) < int64(len(names)) {
		return names[kind]
	}
	return fmt.Sprintf("kind %d", kind)
}

// kindSize is the size of one value in bytes; 0 for strings, arrays and kinds
// that do not exist.
func kindSize(kind uint32) int {
	switch kind {
	case kindUint8, kindInt8, kindBool:
		return 1
	case kindUint16, kindInt16:
		return 2
	case kindUint32, kindInt32, kindFloat32:
		return 4
	case kindUint64, kindInt64, kindFloat64:
		return 8
	}
	return 0
}

// value is one piece of metadata, still in its encoded form: raw holds the
// scalar, the bytes of the string, or the elements of the array.
type value struct {
	kind  uint32 // of the value or, for an array, of its elements
	array bool
	count int // elements of an array, 1 otherwise
	raw   []byte
}

// describe names the value's kind for an error.
func (v value) describe() string {
	if v.array {
		return fmt.Sprintf("an array of %d %s", v.count, kindName(v.kind))
	}
	return kindName(v.kind)
}

// reader walks over the head of a file. Its methods refuse to step over the
// end, so a length taken from the file is compared with what is left before
// it is used for anything.
type reader struct {
	data []byte
	pos  int
}

func (r *reader) left() int { return len(r.data) - r.pos }

// take returns the next n bytes.
func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(r.left()) {
		return nil, fmt.Errorf("the file is cut short: %d bytes wanted at offset %d, %d are left", n, r.pos, r.left())
	}
	b := r.data[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

func (r *reader) uint32() (uint32, error) {
	b, err := r.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (r *reader) uint64() (uint64, error) {
	b, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// text returns the bytes of a string: a length of 64 bits, then the bytes.
func (r *reader) text() ([]byte, error) {
	n, err := r.uint64()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

// value reads one metadata value.
func (r *reader) value() (value, error) {
	kind, err := r.uint32()
	if err != nil {
		return value{}, err
	}
	switch {
	case kind == kindString:
		raw, err := r.text()
		return value{kind: kind, count: 1, raw: raw}, err
	case kind == kindArray:
		return r.array()
	case kindSize(kind) > 0:
		raw, err := r.take(uint64(kindSize(kind)))
		return value{kind: kind, count: 1, raw: raw}, err
	}
	return value{}, fmt.Errorf("has a value of unknown %s", kindName(kind))
}

// array reads the elements' kind, their number and the elements.
func (r *reader) array() (value, error) {
	kind, err := r.uint32()
	if err != nil {
		return value{}, err
	}
	n, err := r.uint64()
	if err != nil {
		return value{}, err
	}
	if kind == kindString {
		return r.strings(n)
	}
	size := kindSize(kind)
	if size == 0 {
		return value{}, fmt.Errorf("is an array of %s, which is not supported", kindName(kind))
	}
	hi, bytes := bits.Mul64(n, uint64(size))
	if hi != 0 {
		return value{}, fmt.Errorf("is an array of %d elements, which no file can hold", n)
	}
	raw, err := r.take(bytes)
	if err != nil {
		return value{}, err
	}
	return value{kind: kind, array: true, count: int(n), raw: raw}, nil
}

// strings steps over n strings and keeps their encoded form.
func (r *reader) strings(n uint64) (value, error) {
	const least = 8 // bytes of an empty string
	if n > uint64(r.left())/least {
		return value{}, fmt.Errorf("the file is cut short: an array of %d strings does not fit into the %d bytes that are left", n, r.left())
	}
	start := r.pos
	for i := range n {
		if _, err := r.text(); err != nil {
			return value{}, fmt.Errorf("string %d of %d: %w", i, n, err)
		}
	}
	return value{kind: kindString, array: true, count: int(n), raw: r.data[start:r.pos:r.pos]}, nil
}

// mul multiplies two non-negative sizes and says whether the product is one.
func mul(a, b int) (int, bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	return int(lo), hi == 0 && lo <= math.MaxInt
}
