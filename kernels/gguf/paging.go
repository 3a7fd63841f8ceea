package gguf

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A mapped file is in memory as far as it was read, and the kernel keeps it
// there while there is room. Fetch and Forget tell it what will be read and what
// will not. They are advice: they change no result, do nothing for a file that was
// parsed from bytes, and their failure means only that the kernel decides alone.

// Read copies part of a tensor's data to dst, which has its length. It reads
// the file: pages that are not mapped yet stay so.
func (f *File) Read(dst, part []byte) error {
	at := f.offset(part)
	if f.file == nil || at < 0 {
		copy(dst, part)
		return nil
	}
	if _, err := f.file.ReadAt(dst[:len(part)], int64(at)); err != nil {
		return fmt.Errorf("%s: reading %d bytes at %d: %w", f.name, len(part), at, err)
	}
	return nil
}

// Fetch says that part of a tensor's data will be read soon. It does not wait.
func (f *File) Fetch(part []byte) {
	if at := f.offset(part); f.file != nil && at >= 0 && len(part) > 0 {
		_ = unix.Fadvise(int(f.file.Fd()), int64(at), int64(len(part)), unix.FADV_WILLNEED)
	}
}

// Forget takes the whole pages of data out of this process's memory. It is read
// again, from the kernel's cache or from the file, when it is used.
func (f *File) Forget(data []byte) {
	start := f.offset(data)
	if f.file == nil || start < 0 {
		return // not of this file
	}
	page, end := os.Getpagesize(), start+len(data)
	start = (start + page - 1) / page * page
	if end < len(f.data) {
		end = end / page * page
	}
	if start < end {
		_ = unix.Madvise(f.data[start:end], unix.MADV_DONTNEED)
	}
}

// ForgetAll is [File.Forget] for the whole file.
func (f *File) ForgetAll() { f.Forget(f.data) }

// ForgetMetadata is [File.Forget] for everything before the tensors: once a
// vocabulary was read, nobody needs it again.
func (f *File) ForgetMetadata() {
	first := len(f.data)
	for _, t := range f.tensors {
		first = min(first, f.offset(t.Data))
	}
	f.Forget(f.data[:max(0, first)])
}

// offset returns where part of the file lies in it, -1 for other memory.
func (f *File) offset(part []byte) int {
	at := int(uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(f.data))))
	if at < 0 || at+len(part) > len(f.data) {
		return -1
	}
	return at
}
