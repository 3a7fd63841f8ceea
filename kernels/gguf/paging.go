package gguf

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A mapped file is in memory as far as it was read, and the kernel keeps it
// there while there is room. The methods here tell it what will be read and
// what will not. They are advice: they change no result, do nothing for a file
// that was parsed from bytes, and their failure means only that the kernel
// decides alone.

// Random says that parts of data, a tensor's, will be read here and there: what
// lies around them is not worth reading with them.
func (f *File) Random(data []byte) { f.advise(data, unix.MADV_RANDOM, false) }

// Fetch says that data will be read soon. It does not wait.
func (f *File) Fetch(data []byte) { f.advise(data, unix.MADV_WILLNEED, true) }

// Forget takes data out of this process's memory. It is read again, from the
// kernel's cache or from the file, when it is used.
func (f *File) Forget(data []byte) { f.advise(data, unix.MADV_DONTNEED, false) }

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

// advise passes advice about the whole pages inside data, or with outside about
// all pages that hold any of it.
func (f *File) advise(data []byte, advice int, outside bool) {
	if f.unmap == nil || len(data) == 0 {
		return
	}
	page := os.Getpagesize()
	start := f.offset(data)
	if start < 0 {
		return // not of this file
	}
	end := start + len(data)
	if outside {
		start = start / page * page
	} else {
		start = (start + page - 1) / page * page
		if end < len(f.data) {
			end = end / page * page
		}
	}
	if start < end {
		_ = unix.Madvise(f.data[start:end], advice)
	}
}
