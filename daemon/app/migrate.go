package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sensed/daemon/atomicfile"
	"sensed/daemon/config"
)

// MigrateConfig rewrites a configuration of an earlier version in the words of
// this one, and keeps the old file beside it. A file that would not be right
// afterwards stays as it is.
func MigrateConfig(path string, out io.Writer) error {
	// A link to the file stays one.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("the configuration cannot be read: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return fmt.Errorf("the configuration cannot be read: %w", err)
	}
	data, err := os.ReadFile(real)
	if err != nil {
		return fmt.Errorf("the configuration cannot be read: %w", err)
	}
	text, from, changes := config.Migrate(data)
	if _, err := config.Parse(path, text); err != nil {
		return as(BadConfig, err)
	}
	if bytes.Equal(text, data) {
		_, err := fmt.Fprintf(out, "%s needs nothing: all of it is in the words of version %d\n", path, config.Version)
		return err
	}
	old := fmt.Sprintf("%s.v%d", real, from)
	if err := keepAs(old, data, info.Mode().Perm()); err != nil {
		return err
	}
	if err := atomicfile.Write(real, text, info.Mode().Perm()); err != nil {
		return err
	}
	for _, c := range changes {
		if _, err := fmt.Fprintf(out, "%s:%d:%d: %s: %s\n", path, c.Line, c.Column, c.Field, c.What); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "%s is of version %d now; the old file is %s\n", path, config.Version, old)
	return err
}

// keepAs keeps a text under a name that is free, or that has it already.
func keepAs(path string, data []byte, mode fs.FileMode) error {
	err := atomicfile.Create(path, data, mode)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, data) {
		return nil
	}
	return fmt.Errorf("the old file cannot be kept, so nothing was changed: %s is there, with something else in it: move it away", path)
}

// tellOutdated says in the log which words of a configuration are those of an
// earlier version.
func tellOutdated(log *Log, c *config.Config) {
	for _, p := range c.Outdated() {
		log.Warn("the configuration is of an earlier version; it works", "line", p.Line, "key", p.Field, "what", p.What, "do", p.Hint)
	}
}
