package gemma4

import (
	"fmt"
	"math"
	"sync"

	"sensed/kernels"
	"sensed/kernels/gguf"
)

// table is an embedding table that stays on disk: of its rows, one for each
// token, only those are read that a batch needs. The per-layer embeddings are
// half of the model.
//
// Rows are read and not mapped: around each row that is touched the kernel maps
// what it has of the file, some 64 KB, and they would add up. And a disk that
// fails is an error then, where a mapping ends the process.
type table struct {
	rows *kernels.Matrix // [vocab][width]
	f    *gguf.File
	data []byte // of the tensor
	name string
	// scale is what embeddings are multiplied with, the square root of their width.
	scale float32

	encoded []byte // the rows of a batch
}

// table finds a table of rows by tokens, each of embeddings of the given size.
func (l *tensors) table(name string, vocab, width, size int) *table {
	m := l.matrix(name, vocab, width)
	if m == nil {
		return nil
	}
	t, err := l.f.Tensor(name)
	if err != nil {
		l.note(err)
		return nil
	}
	return &table{rows: m, f: l.f, data: t.Data, name: name, scale: float32(math.Sqrt(float64(size)))}
}

// read decodes and scales the rows of the ids, row r into to(r); nil: nobody
// wants it.
func (t *table) read(pool *kernels.Pool, ids []int, to func(r int) []float32) error {
	size := len(t.data) / t.rows.Rows
	row := func(id int) []byte { return t.data[id*size : (id+1)*size] }
	if len(ids) > 1 { // a slow disk reads the later ones while the first are decoded
		for _, id := range ids {
			t.f.Fetch(row(id))
		}
	}
	if cap(t.encoded) < len(ids)*size {
		t.encoded = make([]byte, len(ids)*size)
	}
	encoded := t.encoded[:len(ids)*size]
	var failed error
	var once sync.Once
	pool.Run(len(ids), func(r int) {
		dst := to(r)
		if dst == nil {
			return
		}
		b := encoded[r*size : (r+1)*size]
		if err := t.f.Read(b, row(ids[r])); err != nil {
			once.Do(func() { failed = err })
			return
		}
		t.rows.Decode(dst, b)
		kernels.Scale(dst, t.scale)
	})
	if failed != nil {
		return fmt.Errorf("tensor %q: %w", t.name, failed)
	}
	return nil
}
