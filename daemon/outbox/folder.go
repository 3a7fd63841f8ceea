package outbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// maxSegmentFile bounds what is read as a segment, whoever wrote it.
	maxSegmentFile = 16 << 20
	// maxBad bounds the files in quarantine, and maxBadSize the bytes of each;
	// the next ones are only counted.
	maxBad     = 16
	maxBadSize = 64 << 10
)

var errTaken = errors.New("another process uses it")

// folder is the place on disk. Every call that changes the disk goes through it
// and is counted.
type folder struct {
	path   string
	dir    *os.File // holds the lock and is what is synced; nil until opened
	writes atomic.Uint64
	syncs  atomic.Uint64
}

// open makes the folder and takes it for this process. It changes nothing when
// the folder is there.
func (f *folder) open() error {
	if err := os.MkdirAll(f.path, 0o750); err != nil {
		return err
	}
	dir, err := os.Open(f.path)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return errTaken
		}
		return fmt.Errorf("locking %s: %w", f.path, err)
	}
	f.dir = dir
	return nil
}

func (f *folder) close() {
	if f.dir != nil {
		f.dir.Close()
		f.dir = nil
	}
}

// writable tells what would keep a file from being made, as far as can be seen
// without making one.
func (f *folder) writable() error {
	if err := unix.Access(f.path, unix.W_OK|unix.X_OK); err != nil {
		return &os.PathError{Op: "write", Path: f.path, Err: err}
	}
	return nil
}

// free tells what would keep that many bytes from being written, with a little
// to spare. It costs no write, unlike trying.
func (f *folder) free(bytes int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(f.path, &st); err != nil {
		return &os.PathError{Op: "statfs", Path: f.path, Err: err}
	}
	const spare = 64 << 10
	if int64(min(st.Bavail, 1<<40))*st.Bsize < bytes+spare {
		return unix.ENOSPC
	}
	return nil
}

func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

// bases returns the bases of all segment files in their order and removes what
// an interrupted rewrite left behind.
func (f *folder) bases() ([]uint64, error) {
	names, err := os.ReadDir(f.path)
	if err != nil {
		return nil, err
	}
	var bases []uint64
	for _, e := range names {
		if !e.Type().IsRegular() {
			continue
		}
		stem, ok := strings.CutSuffix(e.Name(), ".seg")
		if base, err := strconv.ParseUint(stem, 16, 64); ok && err == nil && base <= maxNumber && (&segment{base: base}).name() == e.Name() {
			bases = append(bases, base)
		} else if strings.HasSuffix(e.Name(), ".seg.new") {
			_ = f.remove(e.Name()) // read-only: it does no harm
		}
	}
	slices.Sort(bases)
	return bases, nil
}

func (f *folder) read(name string) ([]byte, error) {
	file, err := os.Open(f.join(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxSegmentFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxSegmentFile {
		return nil, fmt.Errorf("%s is larger than any segment, %d bytes", f.join(name), maxSegmentFile)
	}
	return b, nil
}

// create makes a file with that content. The name must be new.
func (f *folder) create(name string, content []byte) (*os.File, error) {
	file, err := os.OpenFile(f.join(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	if err := f.write(file, content, 0); err != nil {
		file.Close()
		_ = f.remove(name) // it was new and holds nothing that is not elsewhere
		return nil, err
	}
	return file, nil
}

// replace puts content in the place of the file with that name, or makes it, so
// that a power cut at any point leaves either the old content or the new.
func (f *folder) replace(name string, content []byte) (*os.File, error) {
	draft := name + ".new"
	if err := os.Remove(f.join(draft)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	file, err := f.create(draft, content)
	if err != nil {
		return nil, err
	}
	if err = f.sync(file); err == nil {
		err = os.Rename(f.join(draft), f.join(name))
	}
	if err != nil {
		file.Close()
		_ = f.remove(draft)
		return nil, err
	}
	return file, nil
}

// reopen opens a segment for appending after its first size bytes; what
// followed is cut.
func (f *folder) reopen(name string, size int64) (*os.File, error) {
	file, err := os.OpenFile(f.join(name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if st, err := file.Stat(); err != nil {
		file.Close()
		return nil, err
	} else if st.Size() == size {
		return file, nil
	}
	f.writes.Add(1)
	if err := file.Truncate(size); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (f *folder) write(file *os.File, b []byte, at int64) error {
	f.writes.Add(1)
	_, err := file.WriteAt(b, at)
	return err
}

func (f *folder) sync(file *os.File) error {
	f.syncs.Add(1)
	return file.Sync()
}

func (f *folder) remove(name string) error { return os.Remove(f.join(name)) }

// keepBad puts bytes into quarantine, where somebody may look at them. There is
// room for a few; it is no error when there is none, or no writable disk.
func (f *folder) keepBad(name string, b []byte) (path string) {
	dir := f.join("bad")
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return ""
	}
	path = filepath.Join(dir, name)
	if held, err := os.ReadDir(dir); err != nil || len(held) >= maxBad && !slices.ContainsFunc(held, func(e os.DirEntry) bool { return e.Name() == name }) {
		return ""
	}
	f.writes.Add(1)
	if err := os.WriteFile(path, b[:min(len(b), maxBadSize)], 0o640); err != nil {
		return ""
	}
	return path
}
