// Package gguf reads and writes GGUF files, the container in which models are
// shipped: typed metadata followed by named tensors.
//
// A file comes from outside, so nothing in it is believed: every count,
// length, offset and product is compared with the size of the file before it
// is used, and what does not fit is an error that names the file and the
// tensor or key.
//
// The format is described in the file docs/gguf.md of the project ggml.
package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

const (
	magic            = "GGUF"
	alignmentKey     = "general.alignment"
	defaultAlignment = 32
	maxDims          = 4
)

// ErrFormat is wrapped by every error about the contents of a file, and tells
// a damaged or foreign file from one that could not be read.
var ErrFormat = errors.New("not a usable GGUF file")

// File is an open model file. Its methods may be called from any goroutine;
// Close may not run beside them.
type File struct {
	name    string
	data    []byte
	file    *os.File // what data maps; nil when the bytes belong to the caller
	version uint32
	keys    []string
	meta    map[string]value
	tensors []Tensor
	index   map[string]int
}

// Open maps the file at path into memory, read-only, and reads its head.
// Tensor data is read from disk when it is first touched. The file must not be
// shortened while it is open.
func Open(path string) (*File, error) {
	file, data, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(path, data)
	if err != nil {
		return nil, errors.Join(err, unmapFile(file, data))
	}
	f.file = file
	return f, nil
}

// Parse reads a file that is already in memory, at any alignment. The tensors
// refer to data, which must not change. The name is used in errors.
func Parse(name string, data []byte) (*File, error) {
	f := &File{name: name, data: data, meta: map[string]value{}, index: map[string]int{}}
	if err := f.parse(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrFormat, err)
	}
	return f, nil
}

// Close unmaps the file. Tensor data may not be touched afterwards; strings
// and numbers that were handed out stay valid.
func (f *File) Close() error {
	file, data := f.file, f.data
	f.file, f.data, f.tensors, f.index, f.meta = nil, nil, nil, nil, nil
	if file == nil {
		return nil
	}
	return unmapFile(file, data)
}

// Name returns the path or name that the file was opened with.
func (f *File) Name() string { return f.name }

// Version returns the version of the container: 2 or 3.
func (f *File) Version() int { return int(f.version) }

// Size returns the size of the whole file in bytes.
func (f *File) Size() int { return len(f.data) }

// Tensors returns every tensor in file order. The caller may keep the slice.
func (f *File) Tensors() []Tensor { return append([]Tensor(nil), f.tensors...) }

// HasTensor says whether there is a tensor of that name.
func (f *File) HasTensor(name string) bool { _, ok := f.index[name]; return ok }

// Tensor returns the tensor of that name.
func (f *File) Tensor(name string) (Tensor, error) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, fmt.Errorf("%s: tensor %q %w", f.name, name, ErrMissing)
	}
	return f.tensors[i], nil
}

// parse reads head, metadata, the list of tensors, and checks that the data of
// every tensor lies inside the file.
func (f *File) parse() error {
	r := &reader{data: f.data}
	tensors, keys, err := f.head(r)
	if err != nil {
		return err
	}
	if err := f.readMeta(r, keys); err != nil {
		return err
	}
	offsets, err := f.readTensors(r, tensors)
	if err != nil {
		return err
	}
	return f.place(r.pos, offsets)
}

// head reads the fixed part and returns how many tensors and keys follow.
func (f *File) head(r *reader) (tensors, keys uint64, err error) {
	b, err := r.take(4)
	if err != nil {
		return 0, 0, err
	}
	if string(b) != magic {
		return 0, 0, fmt.Errorf("the first four bytes are %q and should be %q", b, magic)
	}
	b, err = r.take(4)
	if err != nil {
		return 0, 0, err
	}
	f.version = binary.LittleEndian.Uint32(b)
	switch {
	case f.version == 2 || f.version == 3:
	case binary.BigEndian.Uint32(b) <= 3 && f.version != 0:
		return 0, 0, errors.New("it is stored big-endian; only little-endian files are supported")
	default:
		return 0, 0, fmt.Errorf("version %d is not supported (2 and 3 are)", f.version)
	}
	if tensors, err = r.uint64(); err != nil {
		return 0, 0, err
	}
	keys, err = r.uint64()
	return tensors, keys, err
}

// readMeta reads n keys and their values.
func (f *File) readMeta(r *reader, n uint64) error {
	const least = 8 + 4 + 1 // bytes of an empty key with a value of one byte
	if n > uint64(r.left())/least {
		return fmt.Errorf("the file is cut short: %d keys do not fit into the %d bytes that are left", n, r.left())
	}
	for i := range n {
		b, err := r.text()
		if err != nil {
			return fmt.Errorf("key %d of %d: %w", i, n, err)
		}
		key := string(b)
		if _, twice := f.meta[key]; twice {
			return fmt.Errorf("key %q occurs twice", key)
		}
		v, err := r.value()
		if err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		f.meta[key] = v
		f.keys = append(f.keys, key)
	}
	return nil
}

// readTensors reads the descriptions of n tensors and returns the offset of
// each from the start of the data section.
func (f *File) readTensors(r *reader, n uint64) ([]uint64, error) {
	const least = 8 + 4 + 4 + 8 // bytes of a description without name and dimensions
	if n > uint64(r.left())/least {
		return nil, fmt.Errorf("the file is cut short: %d tensors do not fit into the %d bytes that are left", n, r.left())
	}
	var offsets []uint64
	for i := range n {
		b, err := r.text()
		if err != nil {
			return nil, fmt.Errorf("tensor %d of %d: %w", i, n, err)
		}
		t := Tensor{Name: string(b), file: f.name}
		if _, twice := f.index[t.Name]; twice {
			return nil, fmt.Errorf("tensor %q occurs twice", t.Name)
		}
		offset, err := t.describe(r)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		f.index[t.Name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
		offsets = append(offsets, offset)
	}
	return offsets, nil
}

// place finds the data of each tensor; end is where the head ends.
func (f *File) place(end int, offsets []uint64) error {
	alignment, err := f.IntOr(alignmentKey, defaultAlignment)
	if err != nil {
		return err
	}
	if alignment <= 0 || alignment&(alignment-1) != 0 {
		return fmt.Errorf("key %q: %d is not a power of two", alignmentKey, alignment)
	}
	if len(f.tensors) == 0 {
		return nil
	}
	pad := -end & (alignment - 1)
	if pad > len(f.data)-end {
		return fmt.Errorf("the file is cut short: it ends before the data of its %d tensors", len(f.tensors))
	}
	section := f.data[end+pad:]
	for i := range f.tensors {
		t := &f.tensors[i]
		at := offsets[i]
		if at%uint64(alignment) != 0 {
			return fmt.Errorf("tensor %q: offset %d is not a multiple of %d", t.Name, at, alignment)
		}
		if at > uint64(len(section)) || t.size > len(section)-int(at) {
			return fmt.Errorf("tensor %q: the file is cut short: the tensor needs %d bytes at offset %d of the %d bytes of data",
				t.Name, t.size, at, len(section))
		}
		t.Data = section[at : int(at)+t.size : int(at)+t.size]
	}
	return nil
}
