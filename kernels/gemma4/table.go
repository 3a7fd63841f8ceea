package gemma4

import (
	"sensed/kernels"
	"sensed/kernels/gguf"
)

// table is an embedding table that stays on disk: of its rows, one for each
// token, only those are read that a batch needs, and from time to time they are
// forgotten. The per-layer embeddings are half of the model.
type table struct {
	rows *kernels.Matrix // [vocab][layers*perLayer]
	f    *gguf.File
	data []byte
	read int // rows since the table was last forgotten
}

// tableMemory is how many rows are read before the table is forgotten. The
// kernel maps some 64 KB around each: a few megabytes in all.
const tableMemory = 128

// layerTable finds the table and says how it is read.
func (l *tensors) layerTable(name string, vocab, width int) *table {
	m := l.matrix(name, vocab, width)
	if m == nil {
		return nil
	}
	t, err := l.f.Tensor(name)
	if err != nil {
		l.note(err)
		return nil
	}
	l.f.Random(t.Data)
	return &table{rows: m, f: l.f, data: t.Data}
}

// fetch announces the rows of a batch, so that a slow disk reads the later ones
// while the first are computed.
func (t *table) fetch(ids []int) {
	if t.read += len(ids); t.read > tableMemory {
		t.f.Forget(t.data)
		t.read = len(ids)
	}
	if len(ids) == 1 {
		return // it is read at once
	}
	size := len(t.data) / t.rows.Rows
	for _, id := range ids {
		t.f.Fetch(t.data[id*size : (id+1)*size])
	}
}
