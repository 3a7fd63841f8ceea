// Package packed keeps the weights of a model in the form that the kernels
// multiply fastest, in a file that is made once and mapped from then on.
//
// # The file
//
// It is a cache: everything in it can be made again from the model. So it is
// used only if it is whole and was made of just this model for just this
// processor, and is else made anew. A page of 4096 bytes or more comes first:
//
//	"sensed\x00p"        8 bytes
//	version              uint32, little-endian as all numbers
//	chunks               uint32
//	identity             32 bytes, SHA-256 of what the file depends on
//	size of the weights  uint64
//	checksums            uint32 for each chunk of 16 MB of the weights: CRC-32C
//	checksum             uint32, CRC-32C of everything before
//
// Then come the packed matrices, each from a new page on. A file in the making
// has another name until all of it is on disk.
package packed

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sensed/kernels"
	"sensed/kernels/gguf"
)

const (
	magic   = "sensed\x00p"
	version = 1
	page    = 4096
	chunk   = 16 << 20
	fixed   = 8 + 4 + 4 + sha256.Size + 8 // bytes before the checksums
)

// errUnusable is wrapped by what is wrong with a file that can be made again.
var errUnusable = errors.New("the packed weights cannot be used")

// File is a mapped file of packed weights.
type File struct {
	layout
	data []byte
	made bool
}

// Made says whether the file was made anew.
func (f *File) Made() bool { return f.made }

// Size returns the size of the file in bytes.
func (f *File) Size() int { return len(f.data) }

// Forget takes the weights of some matrices, or without any named of all, out of
// this process's memory until they are used.
func (f *File) Forget(matrices ...*kernels.Matrix) {
	if len(matrices) == 0 {
		_ = unix.Madvise(f.data, unix.MADV_DONTNEED)
		return
	}
	for i, m := range f.matrices {
		if !slices.Contains(matrices, m) {
			continue
		}
		at, end := f.start()+f.offsets[i], f.start()+f.size
		if i+1 < len(f.offsets) {
			end = f.start() + f.offsets[i+1]
		}
		_ = unix.Madvise(f.data[at:end], unix.MADV_DONTNEED)
	}
}

// Close ends the mapping. The matrices may not be used afterwards.
func (f *File) Close() error {
	data := f.data
	f.data = nil
	if data == nil {
		return nil
	}
	if err := unix.Munmap(data); err != nil {
		return fmt.Errorf("unmapping packed weights: %w", err)
	}
	return nil
}

// Bytes returns the size of the packed form of the matrices on disk.
func Bytes(pool *kernels.Pool, matrices []*kernels.Matrix) int {
	l := layoutOf(pool, matrices)
	if l.size == 0 {
		return 0
	}
	return l.start() + l.size
}

// Use lets the matrices, which are of the model file source, read their packed
// form in the file at path. When there is none that can be used, it makes one,
// which takes as long as copying it.
//
// An error means that nothing changed: the matrices work as they are.
func Use(path string, source *gguf.File, pool *kernels.Pool, matrices []*kernels.Matrix) (*File, error) {
	l := layoutOf(pool, matrices)
	if l.size == 0 {
		return nil, fmt.Errorf("%s: there is nothing to pack", path)
	}
	id, err := identity(source, pool, l)
	if err != nil {
		return nil, err
	}
	f, err := open(path, l, id, pool)
	switch {
	case err == nil:
	case errors.Is(err, errUnusable) || errors.Is(err, os.ErrNotExist):
		if err := write(path, l, id, pool); err != nil {
			return nil, fmt.Errorf("packing the weights of %s: %w", source.Name(), err)
		}
		if f, err = open(path, l, id, pool); err != nil {
			return nil, err
		}
		f.made = true
	default:
		return nil, err
	}
	for i, m := range l.matrices {
		at := l.start() + l.offsets[i]
		pool.UsePacked(m, f.data[at:at+pool.PackedBytes(m)])
	}
	return f, nil
}

// layout is where the packed matrices lie.
type layout struct {
	matrices []*kernels.Matrix // that gain by packing
	offsets  []int             // of each from the first
	size     int               // of all
}

func layoutOf(pool *kernels.Pool, matrices []*kernels.Matrix) layout {
	var l layout
	for _, m := range matrices {
		n := pool.PackedBytes(m)
		if n == 0 {
			continue
		}
		l.matrices, l.offsets = append(l.matrices, m), append(l.offsets, l.size)
		l.size += (n + page - 1) / page * page
	}
	return l
}

func (l layout) chunks() int { return (l.size + chunk - 1) / chunk }

// start is where the weights begin in the file.
func (l layout) start() int { return (fixed + 4*l.chunks() + 4 + page - 1) / page * page }

// identity is the hash of what a packed file depends on: the form that the
// processor wants, the list of matrices and the model file. Of the weights it
// takes samples, because hashing a model takes longer than loading it.
func identity(source *gguf.File, pool *kernels.Pool, l layout) ([sha256.Size]byte, error) {
	info, err := os.Stat(source.Name())
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("packing the weights: %w", err)
	}
	h := sha256.New()
	fmt.Fprintln(h, pool.PackFormat(), info.Size(), info.ModTime().UnixNano(), source.Size())
	for i, m := range l.matrices {
		fmt.Fprintln(h, m.Type, m.Rows, m.Cols, l.offsets[i], pool.PackedBytes(m))
	}
	for _, t := range source.Tensors() {
		fmt.Fprintln(h, t.Name, t.Type, t.Shape)
		h.Write(t.Data[:min(len(t.Data), page)])
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// head makes the start of the file up to the checksums.
func (l layout) head(id [sha256.Size]byte) []byte {
	b := append([]byte(nil), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, uint32(l.chunks()))
	b = append(b, id[:]...)
	return binary.LittleEndian.AppendUint64(b, uint64(l.size))
}

// open maps and checks the file.
func open(path string, l layout, id [sha256.Size]byte, pool *kernels.Pool) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the mapping outlives the descriptor
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != int64(l.start()+l.size) {
		return nil, fmt.Errorf("%s: %w: it has %d bytes and should have %d", path, errUnusable, info.Size(), l.start()+l.size)
	}
	head := make([]byte, l.start())
	if _, err := io.ReadFull(file, head); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, errUnusable, err)
	}
	sums, err := l.sums(head, id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, errUnusable, err)
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: mapping %d bytes into memory: %w", path, info.Size(), err)
	}
	f := &File{layout: l, data: data}
	if i := firstDamaged(data[l.start():], sums, pool); i >= 0 {
		return nil, errors.Join(fmt.Errorf("%s: %w: chunk %d of the weights is damaged", path, errUnusable, i), f.Close())
	}
	return f, nil
}

// sums reads the checksums of the chunks out of the start of a file, after
// checking that it is of this layout and identity.
func (l layout) sums(head []byte, id [sha256.Size]byte) ([]uint32, error) {
	want := l.head(id)
	end := fixed + 4*l.chunks()
	switch {
	case len(head) < end+4:
		return nil, errors.New("it is cut short")
	case !bytes.Equal(head[:fixed], want):
		return nil, errors.New("it is of another model, processor or version")
	case binary.LittleEndian.Uint32(head[end:]) != crc32.Checksum(head[:end], castagnoli()):
		return nil, errors.New("its checksums are damaged")
	}
	sums := make([]uint32, l.chunks())
	for i := range sums {
		sums[i] = binary.LittleEndian.Uint32(head[fixed+4*i:])
	}
	return sums, nil
}

// firstDamaged returns a chunk of the weights that has another checksum, -1
// when there is none.
func firstDamaged(weights []byte, sums []uint32, pool *kernels.Pool) int {
	var damaged atomic.Int64
	damaged.Store(-1)
	pool.Run(len(sums), func(i int) {
		part := weights[i*chunk : min(len(weights), (i+1)*chunk)]
		if crc32.Checksum(part, castagnoli()) != sums[i] {
			damaged.Store(int64(i))
		}
	})
	return int(damaged.Load())
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
