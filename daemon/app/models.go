package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"sensed/daemon/config"
	"sensed/daemon/health"
	"sensed/daemon/modelstore"
)

// serviceModels is where the service keeps its models.
const serviceModels = "/var/lib/sensed/models"

// ModelFolder is where models are kept when nothing else is said: in the
// service's state folder, and for who runs sensed by hand in their own.
func ModelFolder() string {
	if path := stateFile("models"); path != "" {
		return path
	}
	if os.Geteuid() != 0 {
		data := os.Getenv("XDG_DATA_HOME")
		if home, err := os.UserHomeDir(); err == nil && !filepath.IsAbs(data) {
			data = filepath.Join(home, ".local", "share")
		}
		if filepath.IsAbs(data) {
			return filepath.Join(data, "sensed", "models")
		}
	}
	return serviceModels
}

// modelError gives an error of the store its class.
func modelError(err error) error {
	if errors.Is(err, modelstore.ErrAbsent) || errors.Is(err, modelstore.ErrDamaged) {
		return as(BadModel, err)
	}
	return err
}

// fromStore fills in the files of a model that a configuration names. A board on
// which none was pulled yet keeps the demonstration model; a folder of the
// owner's own must have one: it may be a disk that is not mounted.
func fromStore(c *config.Config) error {
	if c.Model.Name == "" {
		return nil
	}
	store := modelstore.NewStore(c.Model.Folder)
	if c.Model.Folder == "" {
		store = modelstore.NewStore(ModelFolder())
		if _, err := store.Current(); c.Model.Name == modelstore.Current && errors.Is(err, modelstore.ErrAbsent) {
			return nil
		}
	}
	m, err := store.Find(c.Model.Name)
	if err != nil {
		class := ClassOf(modelError(err))
		if class != BadModel {
			class = BadConfig
		}
		return Errorf(class, "%w", c.Fault("model.name", err))
	}
	files := modelOf(store, m)
	c.Model.Text, c.Model.Projector, c.Model.Drafter = files.Text, files.Projector, files.Drafter
	return nil
}

// named finds the files of a model that is called by its name in the usual store;
// what looks like a file is one.
func (m Model) named() (Model, error) {
	if m.Text == "" || m.Projector+m.Drafter != "" || strings.ContainsRune(m.Text, filepath.Separator) || strings.HasSuffix(m.Text, ".gguf") {
		return m, nil
	}
	if _, err := os.Stat(m.Text); err == nil {
		return m, nil
	}
	store := modelstore.NewStore(ModelFolder())
	found, err := store.Find(m.Text)
	if err != nil {
		return m, as(BadModel, err)
	}
	files := modelOf(store, found)
	m.Text, m.Projector, m.Drafter = files.Text, files.Projector, files.Drafter
	return m, nil
}

// modelOf names the files of a model in a store.
func modelOf(s *modelstore.Store, m *modelstore.Model) Model {
	var out Model
	for _, f := range m.Files {
		switch path := s.Path(m, f); f.Role {
		case modelstore.Text:
			out.Text = path
		case modelstore.Projector:
			out.Projector = path
		case modelstore.Drafter:
			out.Drafter = path
		}
	}
	return out
}

// opens tells whether the files of a model work together, without packing them.
func opens(_ context.Context, s *modelstore.Store, m *modelstore.Model) error {
	model := modelOf(s, m)
	model.Packed = config.PackedOff
	engine, err := model.open(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return engine.Close()
}

// ListedModel is a model in what `sensed model list --json` prints.
type ListedModel struct {
	Name     string `json:"name"`
	Source   string `json:"source"`
	Revision string `json:"revision,omitempty"`
	Bytes    int64  `json:"bytes"` // of all files
	Have     int64  `json:"have"`  // bytes that are there
	Complete bool   `json:"complete"`
	Current  bool   `json:"current"`
	Problem  string `json:"problem,omitempty"`
}

// ModelListing is what `sensed model list --json` prints.
type ModelListing struct {
	Folder string        `json:"folder"`
	Models []ListedModel `json:"models"`
	Known  []KnownModel  `json:"known"` // names that can be pulled
}

// KnownModel is a model with a short name.
type KnownModel struct {
	Name       string `json:"name"`
	Repository string `json:"repository"`
	About      string `json:"about"`
	Download   int64  `json:"download"` // bytes, about
	Board      int64  `json:"board"`    // bytes of memory
}

// ListModels writes what is in the store, and what could be.
func ListModels(dir string, asJSON bool, out io.Writer) error {
	entries, err := modelstore.NewStore(dir).List()
	if err != nil {
		return err
	}
	l := ModelListing{Folder: dir, Models: []ListedModel{}}
	for _, e := range entries {
		l.Models = append(l.Models, ListedModel{e.Name, e.Source, e.Revision, e.Size(), e.Have, e.Complete, e.Current, e.Problem})
	}
	for _, k := range modelstore.Catalogue() {
		l.Known = append(l.Known, KnownModel{k.Name, k.Repository, k.About, k.Download, k.Board})
	}
	if asJSON {
		return writeJSON(out, l)
	}
	_, err = io.WriteString(out, l.text())
	return err
}

func (l *ModelListing) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "In %s (* is the one in use):\n", l.Folder)
	for _, m := range l.Models {
		mark, state := " ", modelstore.Size(m.Bytes)
		if m.Current {
			mark = "*"
		}
		switch {
		case m.Problem != "":
			state = "damaged: " + m.Problem
		case !m.Complete:
			state = fmt.Sprintf("not complete: %s of %s; sensed model pull goes on", modelstore.Size(m.Have), state)
		}
		source := m.Source
		if m.Revision != "" {
			source += "@" + m.Revision[:7]
		}
		fmt.Fprintf(&b, "%s %-16s %s  %s\n", mark, m.Name, state, source)
	}
	if len(l.Models) == 0 {
		b.WriteString("  none yet\n")
	}
	b.WriteString("\nTo be had with sensed model pull:\n")
	for _, k := range l.Known {
		fmt.Fprintf(&b, "  %-16s %s, for %d GB of memory and more: %s\n", k.Name, modelstore.Size(k.Download), k.Board>>30, k.About)
	}
	b.WriteString("  or OWNER/REPOSITORY of Hugging Face, or an address\n")
	return b.String()
}

// ModelPull is what `sensed model pull` is asked for.
type ModelPull struct {
	modelstore.Options
	modelstore.Pull
	Dir       string
	Source    string // what to pull
	TokenFile string // "": none
	Root      string // holds /proc of the board; "": /
}

// Run fetches a model. The first one of a store becomes the one in use.
func (p ModelPull) Run(ctx context.Context, out io.Writer, w modelstore.Watcher) (err error) {
	if p.Reference, err = modelstore.ParseReference(p.Source); err != nil {
		return as(Usage, err)
	}
	if p.TokenFile != "" {
		if p.Token, err = config.Secret(p.TokenFile); err != nil {
			return as(Usage, err)
		}
	}
	client, err := modelstore.NewClient(p.Options)
	if err != nil {
		return as(Usage, err)
	}
	defer client.Close()
	root := p.Root
	if root == "" {
		root = "/"
	}
	p.Memory = int64(health.NewBoard(os.DirFS(root)).Memory().Total)
	p.Check = opens
	store := modelstore.NewStore(p.Dir)
	m, err := store.Pull(ctx, client, p.Pull, w)
	if err != nil {
		return modelError(err)
	}
	fmt.Fprintf(out, "%s is in %s: %s\n", m.Name, filepath.Join(p.Dir, m.Name), modelstore.Size(m.Size()))
	if inUse, err := store.Current(); err == nil && inUse != m.Name {
		_, err = fmt.Fprintf(out, "In use is %s still; sensed model use %s changes that.\n", inUse, m.Name)
		return err
	}
	return UseModel(p.Dir, m.Name, out)
}

// VerifyModels reads every byte of the models, of all when none is named.
func VerifyModels(ctx context.Context, dir string, names []string, out io.Writer, w modelstore.Watcher) error {
	store := modelstore.NewStore(dir)
	if len(names) == 0 {
		entries, err := store.List()
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Complete || e.Problem != "" {
				names = append(names, e.Name)
			}
		}
	}
	if len(names) == 0 {
		return Errorf(BadModel, "there is no model in %s; fetch one with sensed model pull", dir)
	}
	var errs []error
	for _, name := range names {
		err := store.Verify(ctx, name, w)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			_, err = fmt.Fprintf(out, "%s is as it came\n", name)
		}
		errs = append(errs, modelError(err))
	}
	return errors.Join(errs...)
}

// UseModel makes a model the one in use.
func UseModel(dir, name string, out io.Writer) error {
	if err := modelstore.NewStore(dir).Use(name); err != nil {
		return modelError(err)
	}
	_, err := fmt.Fprintf(out, "%s is the model in use: a configuration names it with \"model: current\", and a running daemon takes it when it is started anew (systemctl restart sensed)\n", name)
	return err
}

// RemoveModel deletes a model and the packed weights that were made of it.
func RemoveModel(dir, name string, force bool, out io.Writer) error {
	var caches []string
	for _, folder := range []string{os.Getenv("CACHE_DIRECTORY"), "/var/cache/sensed"} {
		if folder, _, _ = strings.Cut(folder, ":"); filepath.IsAbs(folder) {
			caches = append(caches, folder)
		}
	}
	freed, err := modelstore.NewStore(dir).Remove(name, force, caches...)
	if err != nil {
		return modelError(err)
	}
	_, err = fmt.Fprintf(out, "%s is removed, %s are free again\n", name, modelstore.Size(freed))
	return err
}
