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

// Decode writes the values of a row that was read by itself: encoded are its
// bytes.
func (m *Matrix) Decode(dst []float32, encoded []byte) {
	ref.Dequantize(dst[:m.Cols], m.Type, encoded[:m.rowBytes])
}

// PackedBytes returns the size of the packed form of m for the processor of
// this pool, 0 when packing gains nothing. It is a multiple of [Pool.PackedTile].
func (p *Pool) PackedBytes(m *Matrix) int {
	return (m.Rows + tileRows - 1) / tileRows * p.PackedTile(m)
}

// PackedTile returns the size of the piece in which m is packed.
func (p *Pool) PackedTile(m *Matrix) int { return p.packedTileBytes(m) }

// PackFormat names the packed form of this pool's processor: what was packed
// under another name is of no use.
func (p *Pool) PackFormat() string { return p.packFormat() }

// Pack writes part of the packed form of m to dst: len(dst) bytes of it from
// byte from on, both whole tiles. dst starts at a multiple of 64 bytes.
func (p *Pool) Pack(dst []byte, m *Matrix, from int) {
	tile := p.PackedTile(m)
	if len(dst) == 0 {
		return
	}
	if from%tile != 0 || len(dst)%tile != 0 || from+len(dst) > p.PackedBytes(m) || !packable(dst) {
		panic(fmt.Sprintf("kernels: bytes %d to %d are no tiles of %d x %d packed weights", from, from+len(dst), m.Rows, m.Cols))
	}
	first := from / tile
	p.run(len(dst)/tile, func(worker, i int) { p.packTile(dst[i*tile:(i+1)*tile], m, worker, first+i) })
}

// UsePacked lets products of m read its packed form, all that [Pool.Pack] made
// of a matrix with the same contents. It starts at a multiple of 64 bytes and
// must stay as it is while m is in use. Products come out the same, bit for bit.
func (p *Pool) UsePacked(m *Matrix, packed []byte) {
	if len(packed) != p.PackedBytes(m) || !packable(packed) {
		panic(fmt.Sprintf("kernels: %d bytes at %p are not %d x %d packed weights", len(packed), packed, m.Rows, m.Cols))
	}
	if len(packed) > 0 {
		m.packed = packed
	}
}

// PackAlignment is that of packed matrices, in bytes.
const PackAlignment = 64

// packable says whether b starts where packed weights may; nothing may anywhere.
func packable(b []byte) bool {
	return len(b) == 0 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%PackAlignment == 0
}
