package modelstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Role is what a file is in its model.
type Role string

// The roles. A model has one text file and at most one of each other.
const (
	Text      Role = "text"      // the decoder
	Projector Role = "projector" // the encoders of pictures and sound (mmproj)
	Drafter   Role = "drafter"   // guesses ahead of the decoder
)

// Model is a model that is, or will be, in a store: the content of model.json.
type Model struct {
	Version  int       `json:"version"` // of this format: 1
	Name     string    `json:"name"`
	Source   string    `json:"source"`             // a repository or an address
	Revision string    `json:"revision,omitempty"` // commit of the repository
	Pulled   time.Time `json:"pulled"`
	Files    []File    `json:"files"` // the text file first
}

// File is one file of a model.
type File struct {
	Role   Role   `json:"role"`
	Name   string `json:"name"` // in the folder of the model
	URL    string `json:"url"`
	Size   int64  `json:"size"`           // bytes; 0: not known yet
	SHA256 string `json:"sha256"`         // hexadecimal; "": not known yet
	ETag   string `json:"etag,omitempty"` // the server's name for the content, while no hash is known
}

// Current stands for the model in use, and is the name of the link to it.
const Current = "current"

const (
	manifestName = "model.json"
	partSuffix   = ".part"
	packedSuffix = ".packed" // the engine's copy of the weights
	maxManifest  = 64 << 10  // bytes
	maxFileSize  = 1 << 40   // bytes
)

// nameForm is what a model may be called: the name of a folder, and short
// enough to be typed.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// CheckName tells what is wrong with the name of a model.
func CheckName(name string) error {
	switch {
	case name == Current:
		return fmt.Errorf("%q stands for the model in use and cannot be the name of one", name)
	case !nameForm.MatchString(name):
		return fmt.Errorf("%q cannot be the name of a model: write letters, digits, dots and dashes, 64 at most", name)
	}
	return nil
}

// File returns the file of a role; ok is false when there is none.
func (m *Model) File(r Role) (f File, ok bool) {
	i := slices.IndexFunc(m.Files, func(f File) bool { return f.Role == r })
	if i < 0 {
		return File{}, false
	}
	return m.Files[i], true
}

// Size returns the bytes of all files.
func (m *Model) Size() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// Memory estimates the bytes that a board needs for the model: the tables of
// embeddings, 40 % and more of the text file in models of this family, stay on
// disk; half a gigabyte is for the cache, the sound and the pictures.
func (m *Model) Memory() int64 {
	text, _ := m.File(Text)
	return text.Size*6/10 + (m.Size() - text.Size) + 512<<20
}

// readModel reads a manifest and believes nothing in it.
func readModel(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, err
	}
	m, err := parseModel(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func parseModel(data []byte) (*Model, error) {
	if len(data) > maxManifest {
		return nil, fmt.Errorf("it is longer than %d bytes", maxManifest)
	}
	var m Model
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("it is not what sensed wrote: %w", err)
	}
	if m.Version != 1 {
		return nil, fmt.Errorf("it has version %d, and this sensed knows version 1", m.Version)
	}
	if err := CheckName(m.Name); err != nil {
		return nil, err
	}
	return &m, m.check()
}

// check tells whether the files of a model can lie in one folder.
func (m *Model) check() error {
	if len(m.Files) == 0 || m.Files[0].Role != Text {
		return errors.New("it names no text file")
	}
	var roles []Role
	var names []string
	for _, f := range m.Files {
		switch {
		case f.Role != Text && f.Role != Projector && f.Role != Drafter, slices.Contains(roles, f.Role):
			return fmt.Errorf("it has a file of role %q too many", f.Role)
		case !goodFileName(f.Name):
			return fmt.Errorf("%q cannot be the name of a model's file", f.Name)
		case slices.Contains(names, f.Name):
			return fmt.Errorf("two of its files are named %s", f.Name)
		case f.Size < 0 || f.Size > maxFileSize:
			return fmt.Errorf("%s cannot have %d bytes", f.Name, f.Size)
		case f.SHA256 != "" && !isSHA256(f.SHA256):
			return fmt.Errorf("%q is no SHA-256", f.SHA256)
		}
		roles, names = append(roles, f.Role), append(names, f.Name)
	}
	return nil
}

var fileForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$`)

func goodFileName(name string) bool {
	return fileForm.MatchString(name) && strings.HasSuffix(strings.ToLower(name), ".gguf")
}

var hashForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

func isSHA256(s string) bool { return hashForm.MatchString(s) }

// writeModel puts a manifest into a file as a whole or not at all.
func writeModel(path string, m *Model) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	draft := path + ".new"
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(draft, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes new names in a folder last.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
