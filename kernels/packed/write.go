package packed

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"sensed/kernels"
)

// slice is how much is packed between two writes.
const slice = 4 << 20

// write makes the file: under another name, which only one process at a time
// holds, and under its own when all of it is on disk. A process that is killed
// leaves one such file, which the next takes over.
func write(path string, l layout, id [sha256.Size]byte, pool *kernels.Pool) (err error) {
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%s: another process writes it: %w", temporary, err)
	}
	if err := fill(f, l, id, pool); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncFolder(filepath.Dir(path))
}

// fill writes everything and waits until it is on disk. The room is taken
// first, so that a full disk is seen before the work.
func fill(f *os.File, l layout, id [sha256.Size]byte, pool *kernels.Pool) error {
	total := int64(l.start() + l.size)
	if err := errors.Join(f.Truncate(0), roomFor(f, total), f.Truncate(total)); err != nil {
		return err
	}
	w := &summer{out: io.NewOffsetWriter(f, int64(l.start()))}
	buffer := alignedBytes(slice)
	for i, m := range l.matrices {
		if err := w.skip(l.offsets[i]); err != nil {
			return err
		}
		size, step := pool.PackedBytes(m), max(1, slice/pool.PackedTile(m))*pool.PackedTile(m)
		if step > len(buffer) {
			buffer = alignedBytes(step)
		}
		for at := 0; at < size; at += step {
			part := buffer[:min(step, size-at)]
			pool.Pack(part, m, at)
			if err := w.write(part); err != nil {
				return err
			}
		}
	}
	if err := w.skip(l.size); err != nil {
		return err
	}
	w.end()
	head := l.head(id)
	for _, sum := range w.sums {
		head = binary.LittleEndian.AppendUint32(head, sum)
	}
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli()))
	if _, err := f.WriteAt(head, 0); err != nil {
		return err
	}
	return f.Sync()
}

// roomFor reserves the space of a file. File systems that cannot (FAT, some
// network ones) are asked how much is free.
func roomFor(f *os.File, n int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, n)
	if err == nil || !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return err
	}
	if free := int64(s.Bavail) * s.Bsize; free < n {
		return fmt.Errorf("%d MB are free and %d MB are needed: %w", free>>20, n>>20, unix.ENOSPC)
	}
	return nil
}

// summer writes weights and sums up their chunks.
type summer struct {
	out  io.Writer
	n    int // bytes so far
	sum  uint32
	sums []uint32
}

func (w *summer) write(b []byte) error {
	if _, err := w.out.Write(b); err != nil {
		return err
	}
	for len(b) > 0 {
		part := b[:min(len(b), chunk-w.n%chunk)]
		w.sum = crc32.Update(w.sum, castagnoli(), part)
		w.n += len(part)
		b = b[len(part):]
		if w.n%chunk == 0 {
			w.end()
		}
	}
	return nil
}

// skip writes zeros up to the given place.
func (w *summer) skip(to int) error { return w.write(make([]byte, to-w.n)) }

// end ends a chunk, unless it is empty.
func (w *summer) end() {
	if len(w.sums)*chunk < w.n {
		w.sums = append(w.sums, w.sum)
		w.sum = 0
	}
}

func alignedBytes(n int) []byte {
	b := make([]byte, n+kernels.PackAlignment)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (kernels.PackAlignment - 1)
	return b[skip : skip+n : skip+n]
}

// syncFolder makes a renamed file survive a power cut.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
