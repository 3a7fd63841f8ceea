package gguf

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What was forgotten is out of memory and reads the same again.
func TestForget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pages.gguf")
	content := bytes.Repeat([]byte{1, 2, 3, 5, 8}, 100000)
	w := new(bytes.Buffer)
	w.Write(content)
	if err := os.WriteFile(path, w.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	data, unmap, err := mapFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &File{name: path, data: data, unmap: unmap}
	t.Cleanup(func() { _ = f.Close() })

	part := data[10001:400003]
	f.Random(part)
	f.Fetch(part)
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
		f.Random(none)
		f.Fetch(none)
		f.Forget(none)
	}
	parsed := &File{data: content}
	parsed.ForgetAll()
	parsed.Fetch(content[5:100])
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
