package app

import (
	"errors"
	"io/fs"

	"sensed/daemon/atomicfile"
)

// writeFile puts data into a file as a whole or not at all. A file that is there
// already is replaced only when replace is true.
func writeFile(path string, data []byte, mode fs.FileMode, replace bool) error {
	if replace {
		return atomicfile.Write(path, data, mode)
	}
	err := atomicfile.Create(path, data, mode)
	if errors.Is(err, fs.ErrExist) {
		return exists(path)
	}
	return err
}
