package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Writer writes a GGUF file (version 3) front to back, holding no tensor data:
// first Put all metadata and Declare all tensors, then Write their bytes in the
// order of declaration, at last Close. The padding between tensors is the
// Writer's business. After an error every later call does nothing, and Close
// returns the error.
type Writer struct {
	w       io.Writer
	err     error
	meta    []byte
	infos   []byte
	keys    map[string]bool
	names   map[string]bool
	sizes   []int // bytes of each declared tensor
	offset  int   // of the next declared tensor in the data section
	started bool
	current int // tensor that is being written
	written int // bytes of it so far
}

// NewWriter returns a Writer to w, which is written in pieces of any size.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, keys: map[string]bool{}, names: map[string]bool{}}
}

// Put adds a key. The value is a string, bool, float32, float64, int (stored
// as int64), an integer of fixed width, or a slice of one of these.
func (w *Writer) Put(key string, value any) {
	switch {
	case w.err != nil:
		return
	case w.started:
		w.err = fmt.Errorf("key %q comes after tensor data", key)
		return
	case w.keys[key]:
		w.err = fmt.Errorf("key %q is written twice", key)
		return
	case key == alignmentKey:
		w.err = fmt.Errorf("key %q: the writer always aligns to %d", key, defaultAlignment)
		return
	}
	w.keys[key] = true
	w.meta = appendString(w.meta, key)
	if w.meta, w.err = appendValue(w.meta, value); w.err != nil {
		w.err = fmt.Errorf("key %q: %w", key, w.err)
	}
}

// Declare announces a tensor; the shape has the outermost dimension first.
func (w *Writer) Declare(name string, typ Type, shape ...int) {
	if w.err != nil {
		return
	}
	n, err := declaredSize(typ, shape)
	switch {
	case w.started:
		err = errors.New("is declared after tensor data")
	case w.names[name]:
		err = errors.New("is declared twice")
	case err == nil && n > math.MaxInt-w.offset-defaultAlignment:
		err = errors.New("is too large")
	}
	if err != nil {
		w.err = fmt.Errorf("tensor %q: %w", name, err)
		return
	}
	w.names[name] = true
	w.infos = appendString(w.infos, name)
	w.infos = binary.LittleEndian.AppendUint32(w.infos, uint32(len(shape)))
	for i := len(shape) - 1; i >= 0; i-- {
		w.infos = binary.LittleEndian.AppendUint64(w.infos, uint64(shape[i]))
	}
	w.infos = binary.LittleEndian.AppendUint32(w.infos, uint32(typ))
	w.infos = binary.LittleEndian.AppendUint64(w.infos, uint64(w.offset))
	w.sizes = append(w.sizes, n)
	w.offset += n + padding(n)
}

// Write takes the next bytes of the declared tensors, which may end anywhere:
// inside a tensor or in a later one.
func (w *Writer) Write(p []byte) (int, error) {
	w.start()
	done := 0
	for w.err == nil && done < len(p) {
		if w.current == len(w.sizes) {
			w.err = fmt.Errorf("%d bytes were written after the last tensor", len(p)-done)
			break
		}
		n := min(len(p)-done, w.sizes[w.current]-w.written)
		w.send(p[done : done+n])
		done += n
		w.written += n
		w.finish()
	}
	if w.err != nil {
		return done, w.err
	}
	return done, nil
}

// Close writes what is outstanding and checks that every tensor is complete.
// It does not close the underlying writer.
func (w *Writer) Close() error {
	w.start()
	if w.err == nil && w.current < len(w.sizes) {
		w.err = fmt.Errorf("the data of the tensors ends early: tensor %d of %d has %d of %d bytes",
			w.current+1, len(w.sizes), w.written, w.sizes[w.current])
	}
	return w.err
}

// start writes the head when that was not done yet.
func (w *Writer) start() {
	if w.started || w.err != nil {
		return
	}
	w.started = true
	head := append([]byte(magic), 3, 0, 0, 0)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(w.sizes)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(w.keys)))
	w.send(head)
	w.send(w.meta)
	w.send(w.infos)
	w.send(make([]byte, padding(len(head)+len(w.meta)+len(w.infos))))
	w.meta, w.infos = nil, nil
}

// finish ends the current tensor when all of it is written.
func (w *Writer) finish() {
	if w.written < w.sizes[w.current] {
		return
	}
	w.send(make([]byte, padding(w.written)))
	w.current, w.written = w.current+1, 0
}

func (w *Writer) send(p []byte) {
	if w.err == nil && len(p) > 0 {
		_, w.err = w.w.Write(p)
	}
}

// padding is how many bytes bring n up to the alignment.
func padding(n int) int { return -n & (defaultAlignment - 1) }

func declaredSize(typ Type, shape []int) (int, error) {
	if len(shape) == 0 || len(shape) > maxDims {
		return 0, fmt.Errorf("has %d dimensions, 1 to %d are allowed", len(shape), maxDims)
	}
	for _, d := range shape {
		if d <= 0 {
			return 0, fmt.Errorf("has shape %v", shape)
		}
	}
	return size(typ, shape)
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue adds the kind and the bytes of a value.
func appendValue(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case []string:
		return appendArray(b, v)
	case []bool:
		return appendArray(b, v)
	case []float32:
		return appendArray(b, v)
	case []float64:
		return appendArray(b, v)
	case []int:
		return appendArray(b, v)
	case []int8:
		return appendArray(b, v)
	case []int16:
		return appendArray(b, v)
	case []int32:
		return appendArray(b, v)
	case []int64:
		return appendArray(b, v)
	case []uint8:
		return appendArray(b, v)
	case []uint16:
		return appendArray(b, v)
	case []uint32:
		return appendArray(b, v)
	case []uint64:
		return appendArray(b, v)
	}
	kind, err := kindOf(value)
	if err != nil {
		return b, err
	}
	return appendScalar(binary.LittleEndian.AppendUint32(b, kind), value), nil
}

func appendArray[T any](b []byte, values []T) ([]byte, error) {
	var zero T
	kind, err := kindOf(zero)
	if err != nil {
		return b, err
	}
	b = binary.LittleEndian.AppendUint32(b, kindArray)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(values)))
	for _, v := range values {
		b = appendScalar(b, v)
	}
	return b, nil
}

func kindOf(value any) (uint32, error) {
	switch value.(type) {
	case uint8:
		return kindUint8, nil
	case int8:
		return kindInt8, nil
	case uint16:
		return kindUint16, nil
	case int16:
		return kindInt16, nil
	case uint32:
		return kindUint32, nil
	case int32:
		return kindInt32, nil
	case float32:
		return kindFloat32, nil
	case bool:
		return kindBool, nil
	case string:
		return kindString, nil
	case uint64:
		return kindUint64, nil
	case int64, int:
		return kindInt64, nil
	case float64:
		return kindFloat64, nil
	}
	return 0, fmt.Errorf("a %T cannot be stored", value)
}

// appendScalar adds a value for which kindOf knows a kind.
func appendScalar(b []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return appendString(b, v)
	case int:
		return binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	// All others have a fixed size, for which Append cannot fail.
	b, _ = binary.Append(b, binary.LittleEndian, value)
	return b
}
