package modelstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrAbsent is wrapped when there is no model of a name.
var ErrAbsent = errors.New("there is no such model")

// ErrDamaged is wrapped when a file is not what it was when it came.
var ErrDamaged = errors.New("the model is damaged")

// Store is a folder of models. Several processes may use it at once.
type Store struct{ dir string }

// NewStore returns the store in a folder, which need not be there yet.
func NewStore(dir string) *Store { return &Store{dir} }

// Dir returns the folder.
func (s *Store) Dir() string { return s.dir }

// Path returns where a file of a model lies.
func (s *Store) Path(m *Model, f File) string { return filepath.Join(s.dir, m.Name, f.Name) }

// Entry is a model, or the beginning of one, in a store.
type Entry struct {
	*Model
	Current  bool  // it is the one in use
	Complete bool  // all of it is there
	Have     int64 // bytes that are there
	Problem  string
}

// List returns everything in the store by name.
func (s *Store) List() ([]Entry, error) {
	folders, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the models cannot be listed: %w", err)
	}
	inUse, _ := s.Current() // the list says it by marking none
	var out []Entry
	for _, f := range folders {
		if !f.IsDir() || CheckName(f.Name()) != nil {
			continue
		}
		e := s.entry(f.Name())
		if e.Model == nil {
			continue
		}
		e.Current = e.Complete && f.Name() == inUse
		out = append(out, e)
	}
	return out, nil
}

// entry reads the folder of a model; Model is nil when it is none.
func (s *Store) entry(name string) Entry {
	var e Entry
	m, err := readModel(s.manifest(name))
	if e.Complete = err == nil; errors.Is(err, fs.ErrNotExist) {
		m, err = readModel(s.manifest(name) + partSuffix)
		if errors.Is(err, fs.ErrNotExist) {
			return e
		}
	}
	if err != nil {
		m, e.Problem = &Model{Name: name}, err.Error()
	}
	m.Name = name
	e.Model = m
	for _, f := range m.Files {
		e.Have += max(sizeOf(s.Path(m, f)), sizeOf(s.Path(m, f)+partSuffix))
		if n := sizeOf(s.Path(m, f)); e.Complete && n != f.Size {
			e.Problem = fmt.Sprintf("%s has %d bytes and should have %d", f.Name, n, f.Size)
		}
	}
	return e
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (s *Store) manifest(name string) string { return filepath.Join(s.dir, name, manifestName) }

// Find returns a complete model by its name; "current" is the one in use. The
// files are there with their sizes; their content is not looked at.
func (s *Store) Find(name string) (*Model, error) {
	if name == Current {
		var err error
		if name, err = s.Current(); err != nil {
			return nil, err
		}
	} else if err := CheckName(name); err != nil {
		return nil, err
	}
	e := s.entry(name)
	switch {
	case e.Model == nil:
		return nil, fmt.Errorf("%w: %s is not in %s; fetch it with sensed model pull", ErrAbsent, name, s.dir)
	case !e.Complete:
		return nil, fmt.Errorf("%w: %s is not complete yet; sensed model pull goes on where it ended", ErrAbsent, name)
	case e.Problem != "":
		return nil, fmt.Errorf("%w: %s; remove it with sensed model rm %s and pull it again", ErrDamaged, e.Problem, name)
	}
	return e.Model, nil
}

// Recorded returns the SHA-256 that a store has of a file in it; ok is false for
// files that are of no store, or have another size.
func Recorded(path string) (sha256 string, ok bool) {
	m, err := readModel(filepath.Join(filepath.Dir(path), manifestName))
	if err != nil {
		return "", false
	}
	for _, f := range m.Files {
		if f.Name == filepath.Base(path) && f.Size == sizeOf(path) && isSHA256(f.SHA256) {
			return f.SHA256, true
		}
	}
	return "", false
}

// Current returns the name of the model in use.
func (s *Store) Current() (string, error) {
	name, err := os.Readlink(filepath.Join(s.dir, Current))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: none is in use in %s; choose one with sensed model use NAME", ErrAbsent, s.dir)
	case err != nil:
		return "", fmt.Errorf("the model in use cannot be told: %w", err)
	}
	return name, CheckName(name)
}

// Use makes a complete model the one in use, in one step.
func (s *Store) Use(name string) error {
	if _, err := s.Find(name); err != nil {
		return err
	}
	if name == Current {
		return nil
	}
	link := filepath.Join(s.dir, Current)
	draft := link + ".new"
	err := os.Remove(draft) // of a process that was killed
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = os.Symlink(name, draft)
	}
	if err == nil {
		err = os.Rename(draft, link)
	}
	if err != nil {
		return fmt.Errorf("the model in use cannot be changed: %w", err)
	}
	return syncFolder(s.dir)
}

// Remove deletes a model, or the beginning of one, with the packed weights that
// the engine made of it, in its folder and in the folders caches. The model in
// use is kept unless force is set. Files that are not of the model stay, and are
// an error.
func (s *Store) Remove(name string, force bool, caches ...string) (freed int64, err error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	e := s.entry(name)
	if e.Model == nil {
		return 0, fmt.Errorf("%w: %s is not in %s", ErrAbsent, name, s.dir)
	}
	if inUse, err := s.Current(); err == nil && inUse == name {
		if !force {
			return 0, fmt.Errorf("%s is the model in use; choose another with sensed model use, or remove it all the same with --force", name)
		}
		if err := os.Remove(filepath.Join(s.dir, Current)); err != nil {
			return 0, err
		}
	}
	unlock, err := s.lock(name)
	if err != nil {
		return 0, err
	}
	defer unlock()
	// The manifest goes first: without it nothing else counts as a model.
	folder := filepath.Join(s.dir, name)
	paths := []string{s.manifest(name), s.manifest(name) + partSuffix, s.manifest(name) + ".new", s.manifest(name) + partSuffix + ".new"}
	names := []string{}
	for _, f := range e.Files {
		names = append(names, f.Name)
	}
	if len(names) == 0 { // a manifest that cannot be read
		names = ggufIn(folder)
	}
	for _, name := range names {
		path := filepath.Join(folder, name)
		paths = append(paths, path, path+partSuffix)
		for _, cache := range append(caches, folder) {
			packed := filepath.Join(cache, name+packedSuffix)
			paths = append(paths, packed, packed+".tmp")
		}
	}
	for _, path := range paths {
		n := sizeOf(path)
		switch err := os.Remove(path); {
		case err == nil:
			freed += n
		case !errors.Is(err, fs.ErrNotExist):
			return freed, fmt.Errorf("the model cannot be removed: %w", err)
		}
	}
	if err := os.Remove(folder); err != nil {
		return freed, fmt.Errorf("the files of the model are gone, but there are others in its folder: %w", err)
	}
	return freed, syncFolder(s.dir)
}

// ggufIn returns the names of the model files in a folder, complete or not.
func ggufIn(folder string) (names []string) {
	files, _ := os.ReadDir(folder) // what cannot be listed is named when the folder cannot be removed
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), partSuffix); goodFileName(name) {
			names = append(names, name)
		}
	}
	return names
}

// Verify reads every byte of a model and compares sizes and hashes.
func (s *Store) Verify(ctx context.Context, name string, w Watcher) error {
	m, err := s.Find(name)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range m.Files {
		err := s.verify(ctx, m, f, w)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *Store) verify(ctx context.Context, m *Model, f File, w Watcher) error {
	file, err := os.Open(s.Path(m, f))
	if err != nil {
		return err
	}
	defer file.Close()
	w.Start(f.Name, f.Size)
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(h, counter{ctx, w}), file); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("%w: %s has the SHA-256 %s and should have %s; remove the model with sensed model rm %s and pull it again",
			ErrDamaged, s.Path(m, f), got, f.SHA256, m.Name)
	}
	return nil
}

// lock keeps other processes from changing a model.
func (s *Store) lock(name string) (unlock func(), err error) {
	d, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("another process is at work on the model %s: %w", name, err)
	}
	return func() { _ = d.Close() }, nil // which unlocks
}

// Watcher sees how far something has come. It is called from one goroutine.
type Watcher interface {
	// Start begins a file, or begins it again; size 0 is not known.
	Start(name string, size int64)
	// Add counts bytes that are done.
	Add(n int64)
	// Say tells what its user should know.
	Say(what string)
}

// counter tells a watcher what is written to it, until its context ends.
type counter struct {
	ctx context.Context
	w   Watcher
}

func (c counter) Write(p []byte) (int, error) {
	c.w.Add(int64(len(p)))
	return len(p), c.ctx.Err()
}

// baseName is the last part of a path in an address, without its ending.
func baseName(path string) string {
	base := path[strings.LastIndexByte(path, '/')+1:]
	if len(base) > 5 && strings.EqualFold(base[len(base)-5:], ".gguf") {
		return base[:len(base)-5]
	}
	return base
}
