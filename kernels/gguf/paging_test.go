package gguf

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mappedBytes is a file of this content, which need not be that of a model.
func mappedBytes(t *testing.T, content []byte) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pages.gguf")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, data, err := mapFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &File{name: path, data: data, file: file}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// What was forgotten is out of memory and reads the same again.
func TestForget(t *testing.T) {
	content := bytes.Repeat([]byte{1, 2, 3, 5, 8}, 100000)
	f := mappedBytes(t, content)
	data := f.data

	part := data[10001:400003]
	f.Fetch(part)
	read := make([]byte, len(part))
	if err := f.Read(read, part); err != nil || !bytes.Equal(read, part) {
		t.Fatalf("what is read differs from what is mapped (%v)", err)
	}
	if !bytes.Equal(data, content) {
		t.Fatal("advice changed the content")
	}
	before := resident(t)
	f.ForgetAll()
	if after := resident(t); after >= before {
		t.Errorf("%d pages of files are in memory after ForgetAll, %d before", after, before)
	}
	if !bytes.Equal(data, content) {
		t.Fatal("what was forgotten reads differently")
	}
	for _, none := range [][]byte{nil, {}, make([]byte, 10), data[:0], data[5:6]} {
		f.Fetch(none)
		f.Forget(none)
	}
	parsed := &File{data: content}
	parsed.ForgetAll()
	parsed.Fetch(content[5:100])
	if err := parsed.Read(read[:95], content[5:100]); err != nil || !bytes.Equal(read[:95], content[5:100]) {
		t.Errorf("bytes in memory are read as others (%v)", err)
	}
}

// A file that was cut short while it was open is an error of the read, which
// names it.
func TestReadCutShort(t *testing.T) {
	f := mappedBytes(t, make([]byte, 9000))
	if err := os.Truncate(f.name, 5000); err != nil {
		t.Fatal(err)
	}
	err := f.Read(make([]byte, 100), f.data[8000:8100])
	if !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), f.name) {
		t.Errorf("the error is %v", err)
	}
}

// resident returns how many pages of files this process has in memory.
func resident(t *testing.T) (pages int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	field := bytes.Fields(b)[2] // shared
	for _, c := range field {
		pages = pages*10 + int(c-'0')
	}
	return pages
}
