package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"sensed/daemon/understand"
	"sensed/kernels/gemma4"
)

// Opener opens the model that is measured.
type Opener func() (*gemma4.Model, error)

// subject is the model that is measured and what happened to it so far.
type subject struct {
	open    Opener
	prompts understand.Prompts
	boxes   *gemma4.Grammar

	model  *gemma4.Model
	opened time.Duration // how long opening took
	scene  uint64        // number of the newest picture
	voice  uint64        // number of the newest sound
	seen   bool          // the newest picture was shown to this model
	before [2][]int      // the tokens of the last caption and the last boxes
	tokens int           // of the answers of the newest run
}

// unable is returned by work that this model cannot do.
type unable struct{ why string }

func (u unable) Error() string { return u.why }

func newSubject(open Opener) (*subject, error) {
	p, err := understand.OfficialProfile()
	if err != nil {
		return nil, err
	}
	boxes, err := boxGrammar()
	if err != nil {
		return nil, err
	}
	s := &subject{open: open, prompts: p.Prompts, boxes: boxes}
	return s, s.reopen()
}

// reopen closes the model and opens it again.
func (s *subject) reopen() error {
	if err := s.close(); err != nil {
		return err
	}
	debug.FreeOSMemory() // a daemon opens its model once and has no earlier one
	start := time.Now()
	m, err := s.open()
	if err != nil {
		return err
	}
	s.model, s.opened, s.seen, s.before = m, time.Since(start), false, [2][]int{}
	return nil
}

func (s *subject) close() error {
	if s.model == nil {
		return nil
	}
	m := s.model
	s.model = nil
	return m.Close()
}

// ids returns n tokens that are ordinary text.
func (s *subject) ids(n int) []int {
	words := s.model.Tokenizer()
	out := []int{words.BOS()}
	for i := 1; len(out) < n; i++ {
		if id := (i*769 + 500) % words.Len(); !words.IsControl(id) {
			out = append(out, id)
		}
	}
	return out
}

// fits refuses work on more tokens than the model can hold.
func (s *subject) fits(n int) error {
	if n >= s.model.Context() {
		return unable{fmt.Sprintf("the model holds %d tokens only", s.model.Context())}
	}
	return nil
}

// prefill reads n tokens up to the logits after the last one.
func (s *subject) prefill(ctx context.Context, n int) (time.Duration, error) {
	if err := s.fits(n); err != nil {
		return 0, err
	}
	session := s.model.NewSession()
	defer session.Close()
	ids := s.ids(n)
	start := time.Now()
	if err := session.Append(ctx, gemma4.Span{IDs: ids}); err != nil {
		return 0, err
	}
	_, err := session.Logits(ctx)
	return time.Since(start), err
}

// decode writes n tokens after a prompt of 64, each after the one before.
func (s *subject) decode(ctx context.Context, n int) (time.Duration, error) {
	const before = 64
	if err := s.fits(before + n); err != nil {
		return 0, err
	}
	session := s.model.NewSession()
	defer session.Close()
	session.Reserve(before + n)
	if err := session.Append(ctx, gemma4.Span{IDs: s.ids(before)}); err != nil {
		return 0, err
	}
	if _, err := session.Logits(ctx); err != nil {
		return 0, err
	}
	start := time.Now()
	_, err := session.Greedy(ctx, n)
	return time.Since(start), err
}

// see encodes a picture.
func (s *subject) see(ctx context.Context, budget int) (time.Duration, error) {
	if !s.model.HasVision() {
		return 0, unable{"the model has no eyes (no projector)"}
	}
	s.scene++
	im := scene(s.scene)
	start := time.Now()
	_, err := s.model.EncodeImage(ctx, im, budget)
	return time.Since(start), err
}

// hear encodes a sound.
func (s *subject) hear(ctx context.Context, seconds int) (time.Duration, error) {
	if !s.model.HasAudio() {
		return 0, unable{"the model has no ears (no projector)"}
	}
	s.voice++
	sound := speech(seconds, s.voice)
	start := time.Now()
	_, err := s.model.EncodeAudio(ctx, sound)
	return time.Since(start), err
}

// asUnable turns an error about a full context into one about the model.
func (s *subject) asUnable(err error) error {
	if errors.Is(err, gemma4.ErrContext) {
		return s.fits(s.model.Context())
	}
	return err
}
