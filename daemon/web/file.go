package web

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ReplaceFile puts a new file in the place of another, so that after a power cut
// one of the two is there. What root writes belongs to the owner of the folder.
func ReplaceFile(path string, data []byte, mode os.FileMode) (err error) {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	inPlace := false
	defer func() {
		if !inPlace {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil && os.Geteuid() == 0 {
		err = chownLike(f, folder)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	inPlace = true
	d, err := os.Open(folder)
	if err != nil {
		return nil // the file is in its place
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("the folder cannot be synchronised: %w", err)
	}
	return nil
}

// chownLike gives a file to the owner of a folder.
func chownLike(f *os.File, folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(s.Uid), int(s.Gid))
	}
	return nil
}
