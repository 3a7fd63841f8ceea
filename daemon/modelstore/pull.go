package modelstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sensed/kernels/gguf"
)

// None in place of an address wants no such file.
const None = "none"

// Pull is what is wanted.
type Pull struct {
	Reference Reference
	Name      string // in the store; "": as the reference says
	Projector string // address; "": the repository's; None: none
	Drafter   string // likewise
	SHA256    string // of the text file, when that is an address; "": what the server says
	Force     bool   // also when memory or disk look too small
	// Memory of the board in bytes; 0: unknown.
	Memory int64
	// Check tells whether the files work together, before they become a model. A
	// drafter without which they would is left out.
	Check func(ctx context.Context, s *Store, m *Model) error
}

// reserve is what is left free on the disk.
const reserve = 512 << 20

// ErrNoRoom is wrapped when disk or memory are too small.
var ErrNoRoom = errors.New("there is not enough room")

// Pull fetches a model into the store and returns it. One that is there already
// with the same content is returned as it is; one with another content is an
// error, and stays.
func (s *Store) Pull(ctx context.Context, c *Client, o Pull, w Watcher) (*Model, error) {
	m, err := c.resolve(ctx, o)
	if err != nil {
		return nil, err
	}
	if have := s.entry(m.Name); have.Complete || have.Model != nil && have.Problem != "" {
		return s.compare(have, m, w)
	}
	if err := room(s.dir, 0, o); err != nil {
		return nil, err
	}
	folder := filepath.Join(s.dir, m.Name)
	if err := makeFolders(s.dir, folder); err != nil {
		return nil, fmt.Errorf("the model cannot be kept: %w", err)
	}
	unlock, err := s.lock(m.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.adopt(m); err != nil {
		return nil, err
	}
	for i := range m.Files {
		if err := s.pullFile(ctx, c, o, m, i, w); err != nil {
			return nil, err
		}
	}
	if err := s.settle(ctx, o, m, w); err != nil {
		return nil, err
	}
	m.Pulled = pulledNow()
	if err := s.plan(m); err != nil {
		return nil, err
	}
	if err := os.Rename(s.manifest(m.Name)+partSuffix, s.manifest(m.Name)); err != nil {
		return nil, err
	}
	return m, syncFolder(folder)
}

// makeFolders makes folders that everybody may look into, whatever the umask of
// who makes them: the service that reads a model is seldom who fetched it.
func makeFolders(folders ...string) error {
	for _, f := range folders {
		if exists(f) {
			continue
		}
		if err := os.MkdirAll(f, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(f, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// compare tells whether what is wanted is what is there.
func (s *Store) compare(have Entry, want *Model, w Watcher) (*Model, error) {
	if have.Problem != "" {
		return nil, fmt.Errorf("%w: %s; remove it with sensed model rm %s and pull it again", ErrDamaged, have.Problem, have.Name)
	}
	for _, f := range want.Files {
		old, ok := have.File(f.Role)
		if !ok && f.Role == Drafter {
			continue // it was left out
		}
		if same := f.SHA256 != "" && old.SHA256 == f.SHA256 || f.SHA256 == "" && old.URL == f.URL; !ok || !same {
			return nil, fmt.Errorf("%s is there already with other files (from %s, pulled %s), and a working model is never written over: pull this one beside it with --as NAME, try it with sensed model use NAME, and remove the other with sensed model rm %s",
				have.Name, have.Source, have.Pulled.Format("2006-01-02"), have.Name)
		}
	}
	w.Say(have.Name + " is there already and complete")
	return have.Model, nil
}

// adopt goes on with the plan that an earlier process left, and throws away what
// is not of the same files.
func (s *Store) adopt(m *Model) error {
	old, err := readModel(s.manifest(m.Name) + partSuffix)
	if err != nil {
		old = &Model{} // there is none, or none that can be used
	}
	for i, f := range m.Files {
		was, ok := old.File(f.Role)
		path := s.Path(m, f)
		switch {
		case ok && was.Name == f.Name && f.SHA256 != "" && was.SHA256 == f.SHA256:
			continue
		case ok && was.Name == f.Name && was.URL == f.URL && f.SHA256 == "":
			m.Files[i] = was // with what was learnt of it
			continue
		}
		for _, p := range []string{path, path + partSuffix} {
			if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return s.plan(m)
}

// plan writes down what will be a model.
func (s *Store) plan(m *Model) error { return writeModel(s.manifest(m.Name)+partSuffix, m) }

// pullFile brings one file, unless it is there.
func (s *Store) pullFile(ctx context.Context, c *Client, o Pull, m *Model, i int, w Watcher) error {
	f := &m.Files[i]
	path := s.Path(m, *f)
	if f.SHA256 != "" && f.Size > 0 && sizeOf(path) == f.Size {
		return nil // it got its name when its hash was right
	}
	check := func() error {
		if err := s.enough(o, m); err != nil {
			return err
		}
		return s.plan(m)
	}
	if err := s.enough(o, m); err != nil {
		return err
	}
	if err := c.fetch(ctx, f, path, w, check); err != nil {
		return err
	}
	if err := checkGGUF(path, f.Role); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return s.plan(m)
}

// enough tells whether disk and memory have room for what is known to come.
func (s *Store) enough(o Pull, m *Model) error {
	missing := int64(0)
	for _, f := range m.Files {
		if n := f.Size - sizeOf(s.Path(m, f)) - sizeOf(s.Path(m, f)+partSuffix); n > 0 {
			missing += n
		}
	}
	if err := room(s.dir, missing, o); err != nil {
		return err
	}
	if need := m.Memory(); o.Memory > 0 && need > o.Memory && !o.Force {
		return fmt.Errorf("%w: this model needs about %s of memory, and the board has %s; choose a smaller one, or --force to have it all the same", ErrNoRoom, Size(need), Size(o.Memory))
	}
	return nil
}

// room tells whether the disk has room for so many bytes.
func room(dir string, bytes int64, o Pull) error {
	for dir != filepath.Dir(dir) && !exists(dir) {
		dir = filepath.Dir(dir)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("the disk of %s does not say how much is free: %w", dir, err)
	}
	if free := int64(st.Bavail) * st.Bsize; bytes > free-reserve && !o.Force {
		return fmt.Errorf("%w: %s have to come, and the disk of %s has %s free, of which %s stay free; make room (sensed model rm), or name another folder with --dir",
			ErrNoRoom, Size(bytes), dir, Size(free), Size(reserve))
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// settle lets the caller look whether the files work together. A drafter that
// does not fit is no reason to go without the model.
func (s *Store) settle(ctx context.Context, o Pull, m *Model, w Watcher) error {
	if o.Check == nil {
		return nil
	}
	err := o.Check(ctx, s, m)
	drafter, has := m.File(Drafter)
	if err == nil || !has {
		return err
	}
	less := *m
	less.Files = nil
	for _, f := range m.Files {
		if f.Role != Drafter {
			less.Files = append(less.Files, f)
		}
	}
	if o.Check(ctx, s, &less) != nil {
		return err
	}
	w.Say(fmt.Sprintf("%s does not fit and is left out: %v", drafter.Name, err))
	*m = less
	return os.Remove(s.Path(m, drafter))
}

// architectures of the files of Gemma 4.
var architectures = map[Role]string{Text: "gemma4", Projector: "clip", Drafter: "gemma4-assistant"}

// checkGGUF looks at the head of a file.
func checkGGUF(path string, r Role) (err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return fmt.Errorf("what came is no model file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	got, err := f.String("general.architecture")
	if err != nil {
		return err
	}
	if got != architectures[r] {
		return fmt.Errorf("%s: its architecture is %q, and sensed needs %q for the %s file: it is another kind of model", filepath.Base(path), got, architectures[r], r)
	}
	return nil
}
