package kernels

import (
	"fmt"

	"sensed/kernels/gguf"
	"sensed/kernels/ref"
)

// Matrix is a weight matrix of Rows by Cols in one of the GGUF encodings, used
// where it is mapped: nothing is copied or packed.
type Matrix struct {
	Type       gguf.Type
	Rows, Cols int

	data     []byte
	rowBytes int
	round    bool
}

// NewMatrix wraps the encoded rows in data, which need no alignment and must
// stay mapped while the matrix is in use. It fails when the encoding is
// unknown, a row is not a whole number of blocks, or data has another size.
func NewMatrix(t gguf.Type, rows, cols int, data []byte) (*Matrix, error) {
	elements, size := t.Block()
	switch {
	case elements == 0:
		return nil, fmt.Errorf("encoding %v is not supported", t)
	case rows <= 0 || cols <= 0 || cols%elements != 0:
		return nil, fmt.Errorf("%d x %d values do not fit blocks of %d (%v)", rows, cols, elements, t)
	}
	rowBytes := cols / elements * size
	if len(data)/rowBytes != rows || len(data)%rowBytes != 0 {
		return nil, fmt.Errorf("%d x %d values of %v need %d bytes, there are %d", rows, cols, t, rows*rowBytes, len(data))
	}
	return &Matrix{Type: t, Rows: rows, Cols: cols, data: data, rowBytes: rowBytes}, nil
}

// quantized says that the encoding itself is in a few bits.
func (m *Matrix) quantized() bool {
	switch m.Type {
	case gguf.F32, gguf.F16, gguf.BF16:
		return false
	}
	return true
}

// Rounded returns the same matrix, whose float weights are rounded to 8 bits in
// blocks of 32 while they are multiplied. With many rows of activations that is
// two to four times faster, with few about as fast; it is off by about half a
// percent. However many rows there are, each comes out the same. Nothing is
// stored.
func (m *Matrix) Rounded() *Matrix {
	r := *m
	r.round = !m.quantized() && m.Cols%32 == 0
	return &r
}

// rounds says that products are computed on int8 activations.
func (m *Matrix) rounds() bool { return m.quantized() || m.round }

// encodedRow returns the bytes of row r.
func (m *Matrix) encodedRow(r int) []byte {
	return m.data[r*m.rowBytes : (r+1)*m.rowBytes : (r+1)*m.rowBytes]
}

// Row writes the values of row r, exactly as encoded, to dst, which holds Cols
// of them.
func (m *Matrix) Row(dst []float32, r int) { ref.Dequantize(dst[:m.Cols], m.Type, m.encodedRow(r)) }
