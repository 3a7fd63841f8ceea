// Package npy reads and writes the array files of NumPy, in which reference
// values are kept.
//
// The format is described in NumPy's documentation under numpy.lib.format.
// Versions 1 and 2, little-endian numbers and C order are read.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
)

// ErrFormat is wrapped by every error about the contents of a file.
var ErrFormat = errors.New("not a usable .npy file")

const magic = "\x93NUMPY"

// Array is an array of numbers, the last index running fastest.
type Array struct {
	// Shape has the outermost dimension first; none at all is one number.
	Shape []int
	// Type is the encoding in the file: <f2 <f4 <f8 |u1 <i4 <i8.
	Type string
	// Data holds the values in single precision: exact for <f2 <f4 and |u1,
	// rounded for <f8. Whole numbers that it cannot hold exactly are refused.
	Data []float32
}

// ReadFile reads the file at path. Errors name it.
func ReadFile(path string) (Array, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Array{}, err
	}
	a, err := Parse(b)
	if err != nil {
		return Array{}, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// Parse reads a file that is in memory.
func Parse(b []byte) (Array, error) {
	a, err := parse(b)
	if err != nil {
		return Array{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return a, nil
}

func parse(b []byte) (Array, error) {
	text, data, err := split(b)
	if err != nil {
		return Array{}, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return Array{}, err
	}
	if h.fortran {
		return Array{}, errors.New("it is stored in Fortran order; C order is needed")
	}
	decode, width := decoder(h.descr)
	if decode == nil {
		return Array{}, fmt.Errorf("it holds numbers of type %q; <f2 <f4 <f8 |u1 <i4 <i8 are supported", h.descr)
	}
	n := 1
	for _, d := range h.shape {
		hi, lo := bits.Mul64(uint64(n), uint64(d))
		if hi != 0 || lo > math.MaxInt/8 {
			return Array{}, fmt.Errorf("shape %v is too large for any file", h.shape)
		}
		n = int(lo)
	}
	if n*width != len(data) {
		return Array{}, fmt.Errorf("shape %v of %s needs %d bytes of data and there are %d", h.shape, h.descr, n*width, len(data))
	}
	whole := h.descr == "<i4" || h.descr == "<i8"
	a := Array{Shape: h.shape, Type: h.descr, Data: make([]float32, n)}
	for i := range a.Data {
		v := decode(data[i*width:])
		if whole && math.Abs(v) > 1<<24 {
			return Array{}, fmt.Errorf("number %d is %.0f, which single precision cannot hold exactly", i, v)
		}
		a.Data[i] = float32(v)
	}
	return a, nil
}

// split separates the header's text from the data.
func split(b []byte) (text string, data []byte, err error) {
	if len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return "", nil, fmt.Errorf("it does not begin with %q and a version", magic)
	}
	version, b := b[len(magic)], b[len(magic)+2:]
	var length, field uint64
	switch version {
	case 1:
		length, field = uint64(binary.LittleEndian.Uint16(b)), 2
	case 2:
		if len(b) < 4 {
			return "", nil, errors.New("it is cut short in its header")
		}
		length, field = uint64(binary.LittleEndian.Uint32(b)), 4
	default:
		return "", nil, fmt.Errorf("version %d is not supported (1 and 2 are)", version)
	}
	if length > uint64(len(b))-field {
		return "", nil, errors.New("it is cut short in its header")
	}
	return string(b[field : field+length]), b[field+length:], nil
}

// decoder returns the function that reads one number, and its width in bytes.
func decoder(descr string) (decode func([]byte) float64, width int) {
	le := binary.LittleEndian
	switch descr {
	case "<f2":
		return func(b []byte) float64 { return half(le.Uint16(b)) }, 2
	case "<f4":
		return func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) }, 4
	case "<f8":
		return func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }, 8
	case "|u1":
		return func(b []byte) float64 { return float64(b[0]) }, 1
	case "<i4":
		return func(b []byte) float64 { return float64(int32(le.Uint32(b))) }, 4
	case "<i8":
		return func(b []byte) float64 { return float64(int64(le.Uint64(b))) }, 8
	}
	return nil, 0
}

// half widens an IEEE 754 half.
func half(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	exponent, fraction := int(h>>10)&31, float64(h&1023)
	switch exponent {
	case 0:
		return math.Copysign(math.Ldexp(fraction, -24), sign)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

// WriteFile writes values as <f4 in the given shape, version 1.
func WriteFile(path string, shape []int, values []float32) error {
	b, err := Append(nil, shape, values)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, b, 0o644)
}

// Append adds a whole file, version 1 with numbers of type <f4, to b.
func Append(b []byte, shape []int, values []float32) ([]byte, error) {
	n := 1
	dims := ""
	for _, d := range shape {
		n *= d
		dims += fmt.Sprintf("%d,", d)
	}
	if n != len(values) {
		return nil, fmt.Errorf("shape %v does not fit %d values", shape, len(values))
	}
	text := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", dims)
	const fixed = len(magic) + 2 + 2
	// Spaces and a newline bring the data to a multiple of 64 bytes.
	length := (fixed+len(text)+1+63)/64*64 - fixed
	if length > math.MaxUint16 {
		return nil, fmt.Errorf("%d dimensions are too many", len(shape))
	}
	b = append(append(b, magic...), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	b = fmt.Appendf(b, "%-*s\n", length-1, text)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b, nil
}
