// Package atomicfile writes small files as a whole or not at all, also when the
// power goes: the content is on the disk before its name is.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Umask in place of a mode is what the user's umask leaves of 0666.
const Umask fs.FileMode = 0

// Write puts a file with exactly that mode at path, in the place of the one that
// is there. What root writes belongs to whom the old file belonged, or else the
// folder, so that a service can read what its owner sets up.
func Write(path string, data []byte, mode fs.FileMode) error {
	return write(path, data, mode, os.Rename)
}

// Create is [Write] for a name that must be free; the error wraps
// [fs.ErrExist] when it is not.
func Create(path string, data []byte, mode fs.FileMode) error {
	return write(path, data, mode, renameNew)
}

func write(path string, data []byte, mode fs.FileMode, rename func(from, to string) error) (err error) {
	folder := filepath.Dir(path)
	draft := filepath.Join(folder, fmt.Sprintf(".%s-%x", filepath.Base(path), rand.Uint64()))
	first := fs.FileMode(0o600)
	if mode == Umask {
		first = 0o666
	}
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, first)
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	if err = errors.Join(fill(f, path, data, mode), f.Close()); err == nil {
		err = rename(draft, path)
	}
	if err != nil {
		_ = os.Remove(draft) // the first error counts
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	if err := syncFolder(folder); err != nil {
		return fmt.Errorf("%s is written, but a power cut may undo it: %w", path, err)
	}
	return nil
}

// fill makes a new file what it shall be.
func fill(f *os.File, path string, data []byte, mode fs.FileMode) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := chownLike(f, path); err != nil {
			return err
		}
	}
	if mode != Umask {
		if err := f.Chmod(mode); err != nil {
			return err
		}
	}
	return f.Sync()
}

// chownLike gives a file to the owner of another one, or of its folder.
func chownLike(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(s.Uid), int(s.Gid))
	}
	return nil
}

// renameNew renames a file only if the new name is free.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	// The file system cannot do it in one step.
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// syncFolder makes a new name in a folder last.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil // who may write a folder may not always read it
	}
	if err != nil {
		return err
	}
	defer d.Close() // nothing was written
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
