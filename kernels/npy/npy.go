// Package npy reads arrays of float32 from NumPy's files, the form in which
// reference results come.
//
// The format is described in numpy/lib/format.py of the project NumPy. Read
// are versions 1 to 3, little-endian float32 in C order.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// Array is an array of numbers, the last dimension innermost. A scalar has an
// empty shape.
type Array struct {
	Shape []int
	Data  []float32
}

// ReadFile reads a file. Its errors name it.
func ReadFile(path string) (Array, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Array{}, err
	}
	a, err := Parse(data)
	if err != nil {
		return Array{}, fmt.Errorf("%s: not a usable NumPy array: %w", path, err)
	}
	return a, nil
}

const magic = "\x93NUMPY"

// Parse reads an array from the contents of a file.
func Parse(data []byte) (Array, error) {
	header, values, err := split(data)
	if err != nil {
		return Array{}, err
	}
	shape, err := readHeader(header)
	if err != nil {
		return Array{}, err
	}
	n := 1
	for _, d := range shape {
		if d > 0 && n > len(values)/d {
			return Array{}, fmt.Errorf("the file is cut short: %d bytes are too few for the shape %v", len(values), shape)
		}
		n *= d
	}
	if len(values) != 4*n {
		return Array{}, fmt.Errorf("the shape %v takes %d bytes and there are %d", shape, 4*n, len(values))
	}
	a := Array{Shape: shape, Data: make([]float32, n)}
	for i := range a.Data {
		a.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(values[4*i:]))
	}
	return a, nil
}

// split separates the header, a line of Python, from the values.
func split(data []byte) (header string, values []byte, err error) {
	if len(data) < len(magic)+4 || string(data[:len(magic)]) != magic {
		return "", nil, fmt.Errorf("it does not begin with %q and a header", magic)
	}
	version, rest := data[len(magic)], data[len(magic)+2:]
	var n, size int
	switch version {
	case 1:
		n, size = int(binary.LittleEndian.Uint16(rest)), 2
	case 2, 3:
		if len(rest) < 4 {
			return "", nil, errors.New("the header is cut short")
		}
		n, size = int(binary.LittleEndian.Uint32(rest)), 4
	default:
		return "", nil, fmt.Errorf("version %d of the format is not supported (1 to 3 are)", version)
	}
	rest = rest[size:]
	if n > len(rest) {
		return "", nil, errors.New("the header is cut short")
	}
	return string(rest[:n]), rest[n:], nil
}

// readHeader returns the shape from a header like
// {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
func readHeader(header string) ([]int, error) {
	kind, err := field(header, "descr")
	if err != nil {
		return nil, err
	}
	if kind = strings.Trim(kind, `'"`); kind != "<f4" {
		return nil, fmt.Errorf("its numbers are %q and should be \"<f4\", little-endian float32", kind)
	}
	order, err := field(header, "fortran_order")
	if err != nil {
		return nil, err
	}
	if order != "False" {
		return nil, fmt.Errorf("its fortran_order is %s and should be False: save it with numpy.ascontiguousarray", order)
	}
	text, err := field(header, "shape")
	if err != nil {
		return nil, err
	}
	inside, ok := strings.CutPrefix(text, "(")
	inside, closed := strings.CutSuffix(inside, ")")
	if !ok || !closed {
		return nil, fmt.Errorf("its shape is %q, which is not a tuple", text)
	}
	var shape []int
	for part := range strings.SplitSeq(inside, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		d, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("its shape is %q: %w", text, err)
		}
		shape = append(shape, int(d))
	}
	return shape, nil
}

// field returns the text of one value of the dictionary.
func field(header, name string) (string, error) {
	for _, quote := range []string{"'", `"`} {
		_, after, found := strings.Cut(header, quote+name+quote+":")
		if !found {
			continue
		}
		after = strings.TrimSpace(after)
		end := strings.IndexAny(after, ",}")
		if strings.HasPrefix(after, "(") {
			end = strings.Index(after, ")") + 1
		}
		if end <= 0 {
			break
		}
		return after[:end], nil
	}
	return "", fmt.Errorf("the header has no usable field %q", name)
}
