package gemma4

import (
	"log/slog"
	"path/filepath"
	"time"

	"sensed/kernels"
	"sensed/kernels/gguf"
	"sensed/kernels/packed"
)

// worthPacking is the size from which on the weights of a file are packed:
// smaller ones stay in a processor's cache.
const worthPacking = 64 << 20

// pack gives the weights of a model that was just opened their packed form. The
// files as such are then hardly read any more and leave memory.
func (m *Model) pack(o Options) {
	if o.Exact || o.Packed == NoPacking {
		return
	}
	text := m.files[0]
	m.packFile(o, text, m.text.multiplied)
	if m.senses != nil {
		m.senses.packed = m.packFile(o, m.senses.file, m.senses.multiplied())
		m.senses.forget()
	}
	if m.drafter != nil {
		m.packFile(o, m.files[len(m.files)-1], m.drafter.multiplied)
	}
}

// packFile packs the matrices of one file. It returns nil when they stay as
// they are.
func (m *Model) packFile(o Options, f *gguf.File, matrices []*kernels.Matrix) *packed.File {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	size := packed.Bytes(m.pool, matrices)
	if size == 0 || size < worthPacking && !o.packSmall {
		return nil
	}
	folder := o.Packed
	if folder == "" {
		folder = filepath.Dir(f.Name())
	}
	path := filepath.Join(folder, filepath.Base(f.Name())+".packed")
	start := time.Now()
	p, err := packed.Use(path, f, m.pool, matrices)
	if err != nil {
		log.Warn("the weights cannot be packed and are used as the model has them, which is slower", "model", f.Name(), "error", err)
		return nil
	}
	if p.Made() {
		log.Info("the weights were packed for this processor", "file", path, "megabytes", size>>20, "took", time.Since(start).Round(time.Millisecond))
	}
	m.packed = append(m.packed, p)
	f.ForgetAll()
	return p
}
