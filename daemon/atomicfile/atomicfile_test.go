package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// alone returns the content of the one file in a folder.
func alone(t *testing.T, path string) string {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("in the folder are %v (%v)", files, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, c := range []struct {
		text string
		mode fs.FileMode
	}{{"one", 0o640}, {"the second", 0o666}, {"", 0o600}} {
		if err := Write(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if got := alone(t, path); got != c.text || modeOf(t, path) != c.mode {
			t.Errorf("%q %v, want %q %v", got, modeOf(t, path), c.text, c.mode)
		}
	}
}

// A reader who has the old file open goes on reading it: nothing is written into
// a file that somebody may look at.
func TestWriteLeavesTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := Write(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	was := make([]byte, 10)
	if n, _ := f.Read(was); string(was[:n]) != "old" || alone(t, path) != "new" {
		t.Errorf("%q, and now %q", was[:n], alone(t, path))
	}
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	mask := syscall.Umask(0o027)
	defer syscall.Umask(mask)
	if err := Create(path, []byte("one"), Umask); err != nil {
		t.Fatal(err)
	}
	if got := modeOf(t, path); got != 0o640 {
		t.Errorf("with umask 027 the mode is %v", got)
	}
	if err := Create(path, []byte("two"), Umask); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that is taken: %v", err)
	}
	if got := alone(t, path); got != "one" {
		t.Errorf("%q", got)
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "none", "a"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(taken, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left over: %v", files)
	}
}

// What root writes belongs to whom the old file, or else the folder, belongs.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	owner := func(uid, gid uint32) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != uid || s.Gid != gid {
			t.Errorf("it belongs to %d:%d, want %d:%d", s.Uid, s.Gid, uid, gid)
		}
	}
	for _, step := range []func() error{
		func() error { return os.Chown(dir, 1234, 1235) },
		func() error { return Write(path, []byte("x"), 0o640) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	owner(1234, 1235)
	if err := os.Chown(path, 0, 1236); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("y"), 0o640); err != nil {
		t.Fatal(err)
	}
	owner(0, 1236)
	if modeOf(t, path) != 0o640 {
		t.Errorf("mode %v", modeOf(t, path))
	}
}
