package gemma4

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"sync"

	"sensed/kernels"
	"sensed/kernels/gguf"
	"sensed/kernels/packed"
	"sensed/kernels/tokenizer"
)

// Options say how to run a model. The zero value suits most boards.
type Options struct {
	// Threads is the number of processor threads, 0: one for each processor.
	Threads int
	// Context is the most tokens that prompt and answer may have together.
	// 0 means 8192, or what the model was trained for when that is less; more
	// than that is an error. Memory is taken as it is filled.
	Context int
	// Batch is how many positions of a prompt are computed at once, 0: 128. It
	// trades memory and the time until a cancellation is seen for speed, and
	// changes no answer beyond rounding.
	Batch int
	// Drafter is the path of the drafter of this model, for [Open]; "": none.
	Drafter string
	// Packed is the folder where [Open] keeps weights in the form that this
	// processor multiplies fastest, as large again as the part of the model that
	// is computed with; "": beside the model, [NoPacking]: none. A folder that
	// cannot be written is no error: the weights are then used as the model has
	// them.
	Packed string
	// Log hears of what takes long or goes slower than it could; nil: nobody.
	Log *slog.Logger
	// Exact keeps keys and values in float32 and float weights as they are, to
	// compare with a reference. Otherwise the cache is in half precision, and
	// large float weights of the encoders are rounded on the way.
	Exact bool

	packSmall bool // also pack what is too small to gain: for tests
}

// NoPacking as Options.Packed uses the weights as the model has them.
const NoPacking = "off"

const (
	defaultContext = 8192
	defaultBatch   = 128
)

// ErrClosed is returned by the methods of a model that was closed.
var ErrClosed = errors.New("gemma4: the model is closed")

// Model is a loaded model: a text decoder and, with a projector, eyes or ears
// or both.
//
// Its methods and those of its sessions may be called from any goroutine. A
// mutex lets one batch of positions, one token or one picture through at a
// time; every call uses all threads, so answers asked for at the same time
// take turns.
type Model struct {
	files   []*gguf.File
	packed  []*packed.File
	ours    bool // the files were opened here and are closed here
	name    string
	context int
	batch   int
	words   *tokenizer.Tokenizer
	control controlTokens

	hasVision, hasAudio bool

	mu      sync.Mutex // guards everything below, and the work of pool
	closed  bool
	pool    *kernels.Pool
	text    *decoder
	pages   *pages
	senses  *projector // nil without one
	drafter *drafter   // nil without one

	stems stems

	listOnce sync.Once
	list     *wordList // see [Model.wordList]
	pace     pace      // guards itself
}

// Open maps the files of a model into memory and checks all of their tensors.
// An empty projectorPath leaves the model without eyes and ears.
func Open(textPath, projectorPath string, o Options) (*Model, error) {
	text, err := gguf.Open(textPath)
	if err != nil {
		return nil, err
	}
	var projector *gguf.File
	if projectorPath != "" {
		if projector, err = gguf.Open(projectorPath); err != nil {
			return nil, errors.Join(err, text.Close())
		}
	}
	m, err := New(text, projector, o)
	if err != nil {
		err = errors.Join(err, text.Close())
		if projector != nil {
			err = errors.Join(err, projector.Close())
		}
		return nil, err
	}
	m.ours = true
	if o.Drafter != "" {
		if err := m.openDrafter(o.Drafter); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	m.pack(o)
	return m, nil
}

// openDrafter gives the model the drafter at path, and closes it with the model.
func (m *Model) openDrafter(path string) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	m.files = append(m.files, f)
	return m.AddDrafter(f)
}

// New makes a model of files that are open already; projector may be nil. The
// caller closes the files, after the model.
func New(text, projector *gguf.File, o Options) (*Model, error) {
	config, err := readTextConfig(text)
	if err != nil {
		return nil, err
	}
	words, err := tokenizer.New(text)
	if err != nil {
		return nil, err
	}
	weights, err := readTextWeights(text, &config, words.Len())
	if err != nil {
		return nil, err
	}
	m := &Model{files: []*gguf.File{text}, batch: o.Batch, words: words, control: findControlTokens(words)}
	if m.name, err = text.StringOr("general.name", text.Name()); err != nil {
		return nil, err
	}
	if m.context, err = contextSize(o.Context, config.context, text.Name()); err != nil {
		return nil, err
	}
	if m.batch <= 0 {
		m.batch = defaultBatch
	}
	m.pool = kernels.NewPool(o.Threads)
	m.text = &decoder{textConfig: config, textWeights: weights, pool: m.pool, pad: words.PAD(), holders: m.control.soft()}
	text.ForgetMetadata()
	m.pages = newPages(&config, o.Exact)
	if projector != nil {
		if err := m.addProjector(projector); err != nil {
			m.pool.Close()
			return nil, err
		}
	}
	return m, nil
}

// contextSize chooses the context from what is asked for and what the model
// was trained for.
func contextSize(asked, trained int, file string) (int, error) {
	switch {
	case asked > trained:
		return 0, fmt.Errorf("%s: the model knows a context of %d tokens, %d are asked for", file, trained, asked)
	case asked < 0:
		return 0, fmt.Errorf("a context of %d tokens is asked for", asked)
	case asked > 0:
		return asked, nil
	}
	return min(trained, defaultContext), nil
}

// addProjector gives the model its senses.
func (m *Model) addProjector(f *gguf.File) error {
	p, err := openProjector(f, m.pool, m.pages.exact)
	if err != nil {
		return err
	}
	if p.Width() != m.text.hidden {
		return fmt.Errorf("%s belongs to another model: its soft tokens are %d wide, those of %s %d", f.Name(), p.Width(), m.files[0].Name(), m.text.hidden)
	}
	m.hasVision, m.hasAudio = p.hasVision(), p.hasAudio()
	m.files, m.senses = append(m.files, f), p
	return nil
}

// Close waits for the call in progress and frees the memory. Later calls
// return [ErrClosed].
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	m.pool.Close()
	var err error
	for _, f := range m.packed {
		err = errors.Join(err, f.Close())
	}
	if m.ours {
		for _, f := range m.files {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// Name returns the name that the text file gives itself.
func (m *Model) Name() string { return m.name }

// Tokenizer returns the model's tokenizer.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.words }

// HasVision says whether the model can look at pictures.
func (m *Model) HasVision() bool { return m.hasVision }

// HasAudio says whether the model can listen.
func (m *Model) HasAudio() bool { return m.hasAudio }

// Context returns the most tokens that a session may have.
func (m *Model) Context() int { return m.context }

// Width returns the width of a soft token.
func (m *Model) Width() int { return m.text.hidden }

// Logits returns the logits at every position of the ids, [T][vocab], after
// the softcap.
func (m *Model) Logits(ctx context.Context, ids []int) ([]float32, error) {
	s := m.NewSession()
	defer s.Close()
	return s.AppendLogits(ctx, Span{IDs: ids})
}

// EncodeImage turns a picture into at most budget soft tokens, [n][Width].
func (m *Model) EncodeImage(ctx context.Context, img image.Image, budget int) ([]float32, error) {
	if !m.hasVision {
		return nil, m.lacks("pictures", "vision")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	return m.senses.EncodeImage(ctx, img, budget)
}

// EncodeAudio turns 16 kHz mono sound in [-1, 1] into soft tokens, [n][Width].
func (m *Model) EncodeAudio(ctx context.Context, samples []float32) ([]float32, error) {
	if !m.hasAudio {
		return nil, m.lacks("sound", "audio")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	return m.senses.EncodeAudio(ctx, samples)
}

// lacks says why the model cannot take an input.
func (m *Model) lacks(what, encoder string) error {
	if m.senses == nil {
		return fmt.Errorf("gemma4: %s was loaded without a projector and cannot take %s: give it the mmproj file of the same model", m.files[0].Name(), what)
	}
	return fmt.Errorf("gemma4: %s has no %s encoder, so the model cannot take %s", m.files[1].Name(), encoder, what)
}
