package gguf

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile opens a file and maps all of it, read-only.
func mapFile(path string) (*os.File, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	data, err := mapWhole(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return f, data, nil
}

func mapWhole(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is not a regular file", ErrFormat)
	}
	if info.Size() == 0 || info.Size() > math.MaxInt {
		return nil, fmt.Errorf("%w: its size is %d bytes", ErrFormat, info.Size())
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %d bytes into memory: %w", info.Size(), err)
	}
	return data, nil
}

// unmapFile is the end of mapFile.
func unmapFile(f *os.File, data []byte) error {
	err := f.Close()
	if failed := unix.Munmap(data); failed != nil {
		err = errors.Join(err, fmt.Errorf("%s: unmapping: %w", f.Name(), failed))
	}
	return err
}
