package understand

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"

	"sensed/deploy/models/tiny"
	"sensed/kernels/gemma4"
	"sensed/kernels/gguf"
)

// Config says which model an engine runs and how.
type Config struct {
	// Text and Projector are the two GGUF files of a Gemma 4 model. Without a
	// projector the engine answers prompts in words only.
	Text, Projector string
	// Drafter is the GGUF file of the model's drafter, which guesses ahead and
	// changes no greedy answer; "": none.
	Drafter string
	// Profile is a profile file; "" lets the engine find one: profile.json beside
	// Text, else by the model's name, else the official prompts of Gemma 4.
	Profile string
	// Threads that compute; 0 takes one for each processor.
	Threads int
	// Context is the most tokens of a question with its answer; 0 is the model's usual.
	Context int
	// Packed is the folder for the model's packed weights, see [gemma4.Options].
	Packed string
	Logger *slog.Logger // required
}

// generator is what the engine needs of a model.
type generator interface {
	Generate(ctx context.Context, r gemma4.Request) (gemma4.Reply, error)
}

// Engine answers tasks with a local model. Its methods may be called from any
// goroutine; one question is answered at a time, the others wait.
type Engine struct {
	model       generator
	hearing     hearer // nil: sound is heard as a whole
	sees, hears bool
	name        string
	profile     Profile
	log         *slog.Logger
	turn        chan struct{} // holds a token while a question is being answered
	closeModel  func() error
	listening   atomic.Int32 // sounds that are heard

	// Both belong to whoever answers a question.
	grammars grammars
	earlier  earlier
}

var _ Understander = (*Engine)(nil)

// Open loads a model from files. The error names the file that is wrong.
func Open(c Config) (*Engine, error) {
	model, err := gemma4.Open(c.Text, c.Projector, gemma4.Options{
		Threads: c.Threads, Context: c.Context, Drafter: c.Drafter, Packed: c.Packed, Log: c.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	profile, from, err := chooseProfile(c.Profile, c.Text, model.Name())
	if err != nil {
		return nil, errors.Join(err, model.Close())
	}
	name := model.Name()
	if isTiny(profile) {
		name = tiny.Name // its files were made by a converter that names them after a folder
	} else if strings.TrimSpace(name) == "" {
		name = strings.TrimSuffix(filepath.Base(c.Text), ".gguf")
	}
	c.Logger.Info("model loaded", "model", name, "file", c.Text, "pictures", model.HasVision(), "sound", model.HasAudio(), "drafter", model.HasDrafter(), "profile", profile.Name, "profile_from", from)
	return newEngine(model, name, profile, c.Logger, model.Close), nil
}

// OpenBundled loads the demonstration model that the program carries. Of c,
// only Threads, Context and Logger count.
func OpenBundled(c Config) (*Engine, error) {
	profile, err := TinyProfile()
	if err != nil {
		return nil, err
	}
	text, err := BundledFile(tiny.Text)
	if err != nil {
		return nil, err
	}
	projector, err := BundledFile(tiny.Projector)
	if err != nil {
		return nil, errors.Join(err, text.Close())
	}
	closeFiles := func() error { return errors.Join(text.Close(), projector.Close()) }
	model, err := gemma4.New(text, projector, gemma4.Options{Threads: c.Threads, Context: c.Context})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bundled model: %w", err), closeFiles())
	}
	return newEngine(model, tiny.Name, profile, c.Logger, func() error { return errors.Join(model.Close(), closeFiles()) }), nil
}

// BundledFile reads a file of the demonstration model from the program itself.
// Closing it frees nothing.
func BundledFile(name string) (*gguf.File, error) {
	data, err := fs.ReadFile(tiny.Files(), name)
	if err != nil {
		return nil, fmt.Errorf("bundled model: %w", err)
	}
	f, err := gguf.Parse(name, data)
	if err != nil {
		return nil, fmt.Errorf("bundled model: %w", err)
	}
	return f, nil
}

func newEngine(model *gemma4.Model, name string, p Profile, log *slog.Logger, closeModel func() error) *Engine {
	return &Engine{
		model: model, hearing: ears{model}, sees: model.HasVision(), hears: model.HasAudio(),
		name: name, profile: p, log: log, turn: make(chan struct{}, 1), closeModel: closeModel,
	}
}

// Model is the name of the model, as it stands in events.
func (e *Engine) Model() string { return e.name }

// Profile says how the model is asked.
func (e *Engine) Profile() Profile { return e.profile }

// Close waits for the answer in progress and frees the model.
func (e *Engine) Close() error {
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	return e.closeModel()
}

// Understand answers one task. It returns ctx.Err() soon after ctx ends.
func (e *Engine) Understand(ctx context.Context, t Task, in Input) (Result, error) {
	return e.Stream(ctx, t, in, nil)
}

// Stream is [Engine.Understand], and hands each piece of the answer to onText as
// it is written (nil: to nobody). The pieces are the model's own words; the
// result is what was read from them.
func (e *Engine) Stream(ctx context.Context, t Task, in Input, onText func(string)) (Result, error) {
	q, err := e.profile.ask(t, in)
	if err != nil {
		return Result{}, err
	}
	if err := e.canSense(in); err != nil {
		return Result{}, fmt.Errorf("task %s: %w", t.Kind, err)
	}
	return e.inTurn(ctx, t, q, func() (Result, error) {
		q.request.OnText = onText
		if q.request.Grammar, err = e.grammars.of(q.rule); err != nil {
			return Result{}, err
		}
		q.request.Hint = e.earlier.tokens(t, in)
		return e.answer(ctx, t, q, in)
	})
}

// inTurn lets answer ask the model once no other question is being answered,
// and completes the result.
func (e *Engine) inTurn(ctx context.Context, t Task, q question, answer func() (Result, error)) (Result, error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	res, err := answer()
	if err != nil {
		return Result{}, fmt.Errorf("task %s: %w", t.Kind, err)
	}
	res.Model, res.PromptID = e.name, q.promptID()
	res.Notes = append(e.unknownLabels(q.labels), res.Notes...)
	for _, note := range res.Notes {
		e.log.Debug("model answer", "task", t.Name, "kind", t.Kind, "note", note)
	}
	return res, nil
}

// canSense refuses media for which the model has no tower, and sound that is
// no sound.
func (e *Engine) canSense(in Input) error {
	switch {
	case !e.sees && (len(in.Images) > 0 || len(in.Video) > 0):
		return fmt.Errorf("the model %s cannot see: give it a projector file (mmproj) with a vision tower", e.name)
	case !e.hears && len(in.Audio) > 0:
		return fmt.Errorf("the model %s cannot hear: give it a projector file (mmproj) with an audio tower", e.name)
	}
	for i, v := range in.Audio {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("sample %d of the sound is not a number", i)
		}
	}
	return nil
}

// answer asks the model, once for each stretch of a long sound.
func (e *Engine) answer(ctx context.Context, t Task, q question, in Input) (Result, error) {
	if q.kind != Transcribe && q.kind != Translate {
		if seconds := float64(len(in.Audio)) / sampleRate; seconds > maxAudioSeconds {
			return Result{}, fmt.Errorf("%.1f s of sound are more than the %d s that fit one question; only transcribe and translate take more", seconds, maxAudioSeconds)
		}
		reply, err := e.model.Generate(ctx, q.withAudio(in.Audio))
		if err != nil {
			return Result{}, err
		}
		e.earlier.add(t, in, reply.Tokens)
		return q.read(reply), nil
	}
	var all Result
	for i, s := range e.stretches(in.Audio) {
		part, err := e.generate(ctx, q, in.Audio[s.from:s.to])
		if err != nil {
			return Result{}, err
		}
		if i == 0 {
			all = part
			continue
		}
		all = joinResults(all, part, s.again)
	}
	return all, nil
}

// stretches are the pieces in which speech is put to the model.
func (e *Engine) stretches(sound []float32) []stretch {
	return split(sound, e.profile.longest(), e.profile.AudioPause)
}

// generate asks the model one question and reads its answer.
func (e *Engine) generate(ctx context.Context, q question, sound []float32) (Result, error) {
	reply, err := e.model.Generate(ctx, q.withAudio(sound))
	if err != nil {
		return Result{}, err
	}
	return q.read(reply), nil
}

// joinResults puts the answers about two stretches of one sound together. The
// score is weighted by the tokens written.
func joinResults(a, b Result, again bool) Result {
	a.Text = joinWords(a.Text, b.Text, again)
	a.Transcript = joinWords(a.Transcript, b.Transcript, again)
	if n := a.Answer + b.Answer; n > 0 {
		a.Score = (a.Score*float64(a.Answer) + b.Score*float64(b.Answer)) / float64(n)
	}
	a.Notes = append(a.Notes, b.Notes...)
	a.Prompt += b.Prompt
	a.Answer += b.Answer
	a.Timing.Encode += b.Timing.Encode
	a.Timing.Prefill += b.Timing.Prefill
	a.Timing.Decode += b.Timing.Decode
	return a
}

// unknownLabels notes labels that the model was never taught.
func (e *Engine) unknownLabels(asked []string) []string {
	var notes []string
	for _, l := range asked {
		if len(e.profile.Labels) > 0 && matchLabel(l, e.profile.Labels) == "" {
			notes = append(notes, fmt.Sprintf("the model %s does not know %q; it knows %s", e.name, l, joinLabels(e.profile.Labels)))
		}
	}
	return notes
}

func isTiny(p Profile) bool { return p.Name == tiny.Name }
