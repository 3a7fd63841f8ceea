package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"sensed/daemon/understand"
)

// Model names the files of a model. Without Text it is the bundled one.
type Model struct {
	Text, Projector string // files; Text alone may be the name of a model in the usual store
	Drafter         string // "": none
	Profile         string // "": found beside Text, or by the model's name
	Threads         int    // 0: one for each processor
	Context         int    // 0: the model's usual
	// Packed is the folder for packed weights, "off": none. "" is the cache folder
	// that the service manager gives, or else the folder of the model.
	Packed string
}

// Bundled tells whether this is the demonstration model inside the program.
func (m Model) Bundled() bool { return m.Text == "" }

// packed is where packed weights are kept. The sandbox of the service lets
// nobody write beside the model.
func (m Model) packed() string {
	if folder, _, _ := strings.Cut(os.Getenv("CACHE_DIRECTORY"), ":"); m.Packed == "" && filepath.IsAbs(folder) {
		return folder
	}
	return m.Packed
}

func (m Model) open(log *slog.Logger) (*understand.Engine, error) {
	m, err := m.named()
	if err != nil {
		return nil, err
	}
	c := understand.Config{
		Text: m.Text, Projector: m.Projector, Drafter: m.Drafter, Profile: m.Profile,
		Threads: m.Threads, Context: m.Context, Packed: m.packed(), Logger: log,
	}
	if !m.Bundled() {
		e, err := understand.Open(c)
		return e, as(BadModel, err)
	}
	if m.Projector != "" {
		return nil, Errorf(Usage, "a projector (%s) was given without its model; give both, or neither for the bundled model", m.Projector)
	}
	if m.Drafter != "" {
		return nil, Errorf(Usage, "a drafter (%s) was given without its model; give both, or neither for the bundled model", m.Drafter)
	}
	e, err := understand.OpenBundled(c)
	return e, as(BadModel, err)
}
