package kernels

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"sensed/kernels/gguf"
)

// alignedBytes returns n bytes that start where packed weights must.
func alignedBytes(n int) []byte {
	b := make([]byte, n+PackAlignment)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (PackAlignment - 1)
	return b[skip : skip+n : skip+n]
}

// Packed weights give the very bits of those in the file, for any number of
// rows, also when the last tile is short.
func TestPackedGivesTheSame(t *testing.T) {
	eachSet(t, func(t *testing.T, p *Pool) {
		for _, enc := range encodings {
			elements, _ := enc.Block()
			cols := 2 * max(elements, 160)
			for _, shape := range [][2]int{{48, cols}, {37, cols}, {16, cols * 13}, {5, max(elements, 32)}} {
				checkPacked(t, p, enc, shape[0], shape[1])
			}
		}
	})
}

func checkPacked(t *testing.T, p *Pool, enc gguf.Type, rows, cols int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(rows*cols)))
	w, err := NewMatrix(enc, rows, cols, randomRows(r, enc, rows, cols))
	if err != nil {
		t.Fatal(err)
	}
	w = w.Rounded()
	n := p.PackedBytes(w)
	if n == 0 {
		return
	}
	packed := alignedBytes(n)
	tile := p.PackedTile(w)
	p.Pack(packed[:tile], w, 0)
	p.Pack(packed[tile:], w, tile)
	q := new(*w)
	q.data = nil // products may look at nothing else than the packed form
	p.UsePacked(q, packed)
	for _, count := range []int{1, 2, 3, 4, 5, 8, 13} {
		x := random(r, count*cols)
		want, got := make([]float32, count*rows), make([]float32, count*rows)
		p.MatMul(x, count, Product{want, w})
		p.MatMul(x, count, Product{got, q})
		if !slices.Equal(got, want) {
			t.Fatalf("%v %dx%d, %d rows: packed weights give %v, want %v", enc, rows, cols, count, got, want)
		}
	}
}

func TestPackedHasTheSizeOfTheRows(t *testing.T) {
	p := NewPool(1)
	defer p.Close()
	w, err := NewMatrix(gguf.Q4_0, 32, 64, make([]byte, 32*36))
	if err != nil {
		t.Fatal(err)
	}
	if n := p.PackedBytes(w); n != 0 && n != 32*36 {
		t.Errorf("%d bytes, the rows have %d", n, 32*36)
	}
}

// Rows that are picked one by one come from the file.
func TestPackedLeavesPickedRowsAlone(t *testing.T) {
	eachSet(t, func(t *testing.T, p *Pool) {
		r := rand.New(rand.NewPCG(seed, 5))
		w, err := NewMatrix(gguf.Q6_K, 64, 512, randomRows(r, gguf.Q6_K, 64, 512))
		if err != nil {
			t.Fatal(err)
		}
		packed := alignedBytes(p.PackedBytes(w))
		p.Pack(packed, w, 0)
		x, all, some := random(r, 512), make([]float32, 64), make([]float32, 3)
		p.UsePacked(w, packed)
		p.MatMul(x, 1, Product{all, w})
		p.MatMulRows(some, x, w, []int{63, 0, 17})
		if want := []float32{all[63], all[0], all[17]}; !slices.Equal(some, want) {
			t.Errorf("picked rows give %v, want %v", some, want)
		}
	})
}
