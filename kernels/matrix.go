package kernels

import (
	"fmt"
	"unsafe"

	"sensed/kernels/gguf"
	"sensed/kernels/ref"
)

// Matrix is a weight matrix of Rows by Cols in one of the GGUF encodings, used
// where it is mapped. [Pool.Pack] makes another form of it, in which products
// are faster.
type Matrix struct {
	Type       gguf.Type
	Rows, Cols int

	data     []byte
	rowBytes int
	round    bool
	packed   []byte // what Pack made, or nil
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

// PackedBytes returns the size of the packed form of m for the processor of
// this pool, 0 when packing gains nothing.
func (p *Pool) PackedBytes(m *Matrix) int {
	tiles := (m.Rows + tileRows - 1) / tileRows
	return tiles * p.packedTileBytes(m)
}

// Pack writes the packed form of m to dst, which has PackedBytes bytes and
// starts at a multiple of 64 bytes.
func (p *Pool) Pack(dst []byte, m *Matrix) {
	p.checkPacked(dst, m)
	tile := p.packedTileBytes(m)
	p.run(len(dst)/max(1, tile), func(worker, i int) { p.packTile(dst[i*tile:(i+1)*tile], m, worker, i) })
}

// Packed returns the same matrix with its packed form, which [Pool.Pack] made
// of a matrix with the same contents and which must stay as it is while the
// matrix is in use. Products come out the same, bit for bit.
func (p *Pool) Packed(m *Matrix, packed []byte) *Matrix {
	p.checkPacked(packed, m)
	if len(packed) == 0 {
		return m
	}
	q := *m
	q.packed = packed
	return &q
}

// checkPacked panics when packed has another size or alignment than it must
// have, which is a mistake of the caller.
func (p *Pool) checkPacked(packed []byte, m *Matrix) {
	same(len(packed), p.PackedBytes(m))
	if len(packed) > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(packed)))%PackAlignment != 0 {
		panic("kernels: packed weights do not start at a multiple of 64 bytes")
	}
}

// PackAlignment is that of packed matrices, in bytes.
const PackAlignment = 64
