package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sensed/daemon/atomicfile"
	"sensed/daemon/config"
	"sensed/daemon/web"
)

const (
	maxConfig  = 64 << 10 // bytes, as package config has it
	keptConfig = 10       // backups
	backupTime = "20060102T150405.000Z"
)

// editor reads and changes the configuration file for the page.
type editor struct {
	d    *daemon
	path string

	mu sync.Mutex // one change at a time
}

// secret matches a password in an address. The configuration refuses it, but the
// file may hold one before sensed has read it.
var secret = regexp.MustCompile(`://[^/\s:@"']*:[^/\s@"']+@`)

// hides returns the line in which a text holds a password, or 0.
func hides(text []byte) (line int) {
	at := secret.FindIndex(text)
	if at == nil {
		return 0
	}
	return 1 + bytes.Count(text[:at[0]], []byte{'\n'})
}

// read returns the text of a configuration, unless it holds a password.
func (e *editor) read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	case len(data) > maxConfig:
		return nil, &web.Refusal{Code: http.StatusConflict, Why: fmt.Sprintf("%s is larger than %d bytes", path, maxConfig)}
	}
	if line := hides(data); line > 0 {
		return nil, &web.Refusal{Code: http.StatusConflict, Why: fmt.Sprintf("line %d of %s holds a password, which is not shown: put it into a password_file", line, path)}
	}
	return data, nil
}

// revision names a text.
func revision(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Read returns the configuration.
func (e *editor) Read() (web.Configuration, error) {
	text, err := e.read(e.path)
	if err != nil {
		return web.Configuration{}, err
	}
	out := web.Configuration{Path: e.path, Text: string(text), Revision: revision(text), Writable: true, Backups: []web.Backup{}, Pending: []string{}}
	if err := unix.Access(filepath.Dir(e.path), unix.W_OK); err != nil {
		out.Writable, out.Why = false, fmt.Sprintf("sensed may not write to %s (%v); deploy/docs/web.md says how to let it, or edit the file on the machine and run sensed reload", filepath.Dir(e.path), err)
	}
	for _, name := range e.backups() {
		if at, err := time.Parse(backupTime, strings.TrimPrefix(name, e.prefix())); err == nil {
			out.Backups = append(out.Backups, web.Backup{Name: name, Time: at})
		}
	}
	if c, err := Read(e.path, text); err == nil {
		out.Pending = restarts(e.d.first, c)
	}
	return out, nil
}

// Check says what is wrong with a text and what it would change.
func (e *editor) Check(text string) (web.Check, error) {
	old, err := e.read(e.path)
	if err != nil {
		return web.Check{}, err
	}
	out := web.Check{Problems: []web.Problem{}, Applied: []string{}, Restart: []string{}, Diff: web.Diff(string(old), text)}
	c, err := Read(e.path, []byte(text))
	if err != nil {
		out.Problems = problemsOf(err)
		return out, nil
	}
	before := e.d.first
	if now := e.d.now.Load(); now != nil {
		before = now.config
	}
	out.Applied = changes(before, c, fixed()...)
	out.Restart = restarts(e.d.first, c)
	return out, nil
}

// problemsOf are what an error says is wrong with a configuration.
func problemsOf(err error) []web.Problem {
	var wrong *config.Error
	if !errors.As(err, &wrong) {
		return []web.Problem{{What: err.Error()}}
	}
	out := []web.Problem{}
	for _, p := range wrong.Problems {
		out = append(out, web.Problem{Line: p.Line, Column: p.Column, Field: p.Field, What: p.What, Hint: p.Hint})
	}
	return out
}

// Save puts a draft in the place of the configuration and lets it be used. When
// that does not go well, the old one is put back.
func (e *editor) Save(ctx context.Context, draft web.Draft) (web.Saved, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old, err := e.read(e.path)
	if err != nil {
		return web.Saved{}, err
	}
	text := []byte(draft.Text)
	if revision(old) != draft.Revision {
		return web.Saved{}, &web.Refusal{Code: http.StatusConflict, Why: "the file has changed meanwhile; look at it again"}
	}
	if line := hides(text); line > 0 {
		return web.Saved{}, &web.Refusal{Code: http.StatusUnprocessableEntity, Why: fmt.Sprintf("line %d holds a password: put it into a password_file", line)}
	}
	if _, err := Read(e.path, text); err != nil {
		return web.Saved{}, &web.Refusal{Code: http.StatusUnprocessableEntity, Why: "the configuration is wrong; nothing was saved", Problems: problemsOf(err)}
	}
	backup := e.prefix() + time.Now().UTC().Format(backupTime)
	if err := writeLike(filepath.Join(filepath.Dir(e.path), backup), old, e.path); err != nil {
		return web.Saved{}, fmt.Errorf("the old configuration cannot be kept, so nothing was saved: %w", err)
	}
	if err := writeLike(e.path, text, e.path); err != nil {
		return web.Saved{}, fmt.Errorf("the configuration cannot be saved: %w", err)
	}
	// Who closes his page now must not leave half of it done.
	done, err := e.d.Reload(context.WithoutCancel(ctx))
	if err != nil {
		if back := writeLike(e.path, old, e.path); back != nil {
			err = errors.Join(err, fmt.Errorf("and the old file cannot be put back; it is %s: %w", backup, back))
		}
		return web.Saved{}, &web.Refusal{Code: http.StatusUnprocessableEntity, Why: err.Error(), Problems: problemsOf(err)}
	}
	e.tidy()
	e.d.log.Info("the configuration was saved on the page", "file", e.path, "backup", backup)
	return web.Saved{Revision: revision(text), Applied: done.Applied, Restart: done.Restart, Backup: backup}, nil
}

// Backup returns an earlier configuration.
func (e *editor) Backup(name string) (string, error) {
	if !slices.Contains(e.backups(), name) {
		return "", &web.Refusal{Code: http.StatusNotFound, Why: "there is no such backup"}
	}
	text, err := e.read(filepath.Join(filepath.Dir(e.path), name))
	return string(text), err
}

// prefix begins the names of the backups.
func (e *editor) prefix() string { return filepath.Base(e.path) + "." }

// backups are the names of the earlier configurations, newest first.
func (e *editor) backups() []string {
	entries, err := os.ReadDir(filepath.Dir(e.path))
	if err != nil {
		return nil
	}
	var out []string
	for _, x := range entries {
		at, ours := strings.CutPrefix(x.Name(), e.prefix())
		if _, err := time.Parse(backupTime, at); ours && err == nil && x.Type().IsRegular() {
			out = append(out, x.Name())
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

// tidy removes the oldest backups.
func (e *editor) tidy() {
	all := e.backups()
	for _, name := range all[min(len(all), keptConfig):] {
		if err := os.Remove(filepath.Join(filepath.Dir(e.path), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			e.d.log.Warn("an old backup of the configuration cannot be removed", "file", name, "err", err)
		}
	}
}

// writeLike replaces a file as a whole; the new one may be read by those who may
// read another.
func writeLike(path string, data []byte, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, data, info.Mode().Perm())
}
