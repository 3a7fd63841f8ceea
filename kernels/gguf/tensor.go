package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Tensor is a named array of numbers inside a file.
type Tensor struct {
	Name string
	Type Type
	// Shape has the outermost dimension first and at least one entry: a matrix
	// is [rows, columns] and its rows lie one after the other.
	Shape []int
	// Data is the encoded form, a view into the file at any alignment: read
	// only, and valid until the file is closed.
	Data []byte

	file string // for errors
	size int    // of Data, in bytes
}

// Elements returns how many numbers the tensor holds.
func (t Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Cols returns the length of a row: the innermost dimension.
func (t Tensor) Cols() int { return t.Shape[len(t.Shape)-1] }

// Rows returns the number of rows: the product of all other dimensions.
func (t Tensor) Rows() int { return t.Elements() / t.Cols() }

// Is returns an error that names file and tensor unless the tensor has exactly
// this shape, outermost dimension first.
func (t Tensor) Is(shape ...int) error {
	same := len(shape) == len(t.Shape)
	for i := 0; same && i < len(shape); i++ {
		same = shape[i] == t.Shape[i]
	}
	if !same {
		return fmt.Errorf("%s: tensor %q has shape %v and should have %v", t.file, t.Name, t.Shape, shape)
	}
	return nil
}

// Floats returns a copy of the numbers, row by row. It is for the small
// tensors (norms, scales, biases), which are stored as F32, F16 or BF16; other
// encodings are an error.
func (t Tensor) Floats() ([]float32, error) {
	out := make([]float32, 0, t.Elements())
	switch t.Type {
	case F32:
		for b := t.Data; len(b) >= 4; b = b[4:] {
			out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case F16:
		for b := t.Data; len(b) >= 2; b = b[2:] {
			out = append(out, float16(binary.LittleEndian.Uint16(b)))
		}
	case BF16:
		for b := t.Data; len(b) >= 2; b = b[2:] {
			out = append(out, math.Float32frombits(uint32(binary.LittleEndian.Uint16(b))<<16))
		}
	default:
		return nil, fmt.Errorf("%s: tensor %q is stored as %s; F32, F16 or BF16 is needed here", t.file, t.Name, t.Type)
	}
	return out, nil
}

// float16 widens an IEEE 754 half.
func float16(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0: // zero and subnormals: fraction * 2^-24
		f := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31: // infinities and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// describe reads dimensions, type and offset, and works out the size.
func (t *Tensor) describe(r *reader) (offset uint64, err error) {
	dims, err := r.uint32()
	if err != nil {
		return 0, err
	}
	if dims > maxDims {
		return 0, fmt.Errorf("has %d dimensions, %d are allowed", dims, maxDims)
	}
	// The file lists the innermost dimension first; none at all is a scalar.
	t.Shape = make([]int, max(dims, 1))
	t.Shape[0] = 1
	for i := range dims {
		d, err := r.uint64()
		if err != nil {
			return 0, err
		}
		if d == 0 || d > math.MaxInt {
			return 0, fmt.Errorf("dimension %d is %d", i, d)
		}
		t.Shape[dims-1-i] = int(d)
	}
	code, err := r.uint32()
	if err != nil {
		return 0, err
	}
	t.Type = Type(code)
	if t.size, err = size(t.Type, t.Shape); err != nil {
		return 0, err
	}
	return r.uint64()
}

// size returns the bytes that a tensor takes, which fit an int, and checks
// that its rows are whole blocks.
func size(typ Type, shape []int) (int, error) {
	elements, bytes := typ.Block()
	if elements == 0 {
		return 0, fmt.Errorf("is stored as %s, which is not supported", typ)
	}
	cols := shape[len(shape)-1]
	if cols%elements != 0 {
		return 0, fmt.Errorf("has rows of %d numbers, and %s needs a multiple of %d", cols, typ, elements)
	}
	total, ok := mul(cols/elements, bytes)
	number := cols
	for _, d := range shape[:len(shape)-1] {
		if ok {
			total, ok = mul(total, d)
		}
		if ok {
			number, ok = mul(number, d)
		}
	}
	if !ok {
		return 0, fmt.Errorf("has shape %v, which no file can hold", shape)
	}
	return total, nil
}
