package gemma4

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Span is a run of input positions: text tokens or soft tokens, not both.
type Span struct {
	IDs  []int
	Soft []float32 // [n][width of the model], from EncodeImage or EncodeAudio
}

// ErrContext is wrapped by errors about more tokens than the context holds.
var ErrContext = errors.New("the context is full")

// Session is a conversation: the keys and values of every position that the
// model has read, and what is needed to tell the next one. It belongs to one
// goroutine; sessions of one model may live side by side.
//
// The positions are kept in order and each depends on the ones before it only,
// so a prefix can be kept: [Session.Truncate] returns to it at no cost.
type Session struct {
	m     *Model
	cache cache
	last  position
	out   []float32 // [vocab] logits of the last position, once computed
	ready bool      // out is valid

	outputs []float32 // see advance
	one     [1]int    // the token that is being appended
	span    [1]Span
}

// position is the newest position as it stands after the trunk of the decoder,
// all that the rest of the layers need of it.
type position struct {
	known bool
	id    int       // token, or the pad token under soft tokens
	in    []float32 // [hidden] scaled input embedding
	x     []float32 // [hidden] after the trunk
}

// NewSession returns an empty session. Close gives its memory back to the model.
func (m *Model) NewSession() *Session {
	d := m.text
	return &Session{
		m:     m,
		cache: cache{pages: m.pages},
		last:  position{in: make([]float32, d.hidden), x: make([]float32, d.hidden)},
	}
}

// Fork returns a session that has read the same. The two share the memory of
// what they have in common; each adds its own from here on.
func (s *Session) Fork() *Session {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	f := &Session{m: s.m, cache: s.cache.fork(), last: s.last, ready: s.ready, out: slices.Clone(s.out)}
	f.last.in, f.last.x = slices.Clone(s.last.in), slices.Clone(s.last.x)
	return f
}

// Close gives the session's memory back to the model. The session is then empty
// and may be used again.
func (s *Session) Close() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.cache.truncate(0)
	s.last.known, s.ready = false, false
}

// Len returns the number of positions read.
func (s *Session) Len() int { return s.cache.n }

// Truncate forgets all positions from n on. Until something is appended the
// logits of the then last position are unknown.
func (s *Session) Truncate(n int) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if n < 0 || n >= s.cache.n {
		return
	}
	s.cache.truncate(n)
	s.last.known, s.ready = false, false
}

// Reserve makes room for n positions in all, so that reading up to there
// allocates nothing. It is bounded by the context.
func (s *Session) Reserve(n int) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.cache.reserve(min(n, s.m.context))
}

// Append reads the spans. It returns ctx.Err() soon after ctx ends, within the
// time of one layer; the session then holds the positions that [Session.Len]
// counts, which are whole batches. More positions than the context holds are an
// error that wraps [ErrContext], and nothing is read.
func (s *Session) Append(ctx context.Context, spans ...Span) error {
	return s.read(ctx, spans, nil)
}

// AppendLogits reads the spans and returns the logits at each of their
// positions, [T][vocab]. Errors are those of [Session.Append].
func (s *Session) AppendLogits(ctx context.Context, spans ...Span) ([]float32, error) {
	n, err := s.m.count(spans)
	if err != nil {
		return nil, err
	}
	logits := make([]float32, n*s.m.text.vocab)
	if err := s.read(ctx, spans, logits); err != nil {
		return nil, err
	}
	return logits, nil
}

// Logits returns the logits at the last position, [vocab], after the softcap.
// They are computed on the first call. The slice is valid until the next call
// of a method of s.
func (s *Session) Logits(ctx context.Context) ([]float32, error) {
	if s.ready {
		return s.out, nil
	}
	if !s.last.known {
		return nil, errors.New("gemma4: the session has no last position to tell the logits of: append something first")
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.closed {
		return nil, ErrClosed
	}
	s.out = grow(s.out, s.m.text.vocab)
	if err := s.m.text.finishLast(ctx, &s.cache, &s.last, s.out); err != nil {
		return nil, err
	}
	s.ready = true
	return s.out, nil
}

// read runs the spans through the model in batches. With logits, [T][vocab],
// every position goes to the end; without, none does.
func (s *Session) read(ctx context.Context, spans []Span, logits []float32) error {
	n, err := s.m.count(spans)
	if err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	if s.cache.n+n > s.m.context {
		return fmt.Errorf("gemma4: %w: %d tokens after %d that were read before are more than the %d it holds", ErrContext, n, s.cache.n, s.m.context)
	}
	s.ready = false
	in := input{spans: spans}
	for n > 0 {
		t := min(n, s.m.batch)
		var finish func(first int) error
		if logits != nil {
			out := logits[:t*s.m.text.vocab]
			logits = logits[t*s.m.text.vocab:]
			finish = func(first int) error { return s.m.text.finish(ctx, &s.cache, first, t, out) }
		}
		if err := s.step(ctx, &in, t, finish); err != nil {
			return err
		}
		n -= t
	}
	return nil
}

// step reads one batch of t positions and then, unless finish is nil, calls it
// with the first of them while the decoder is still ours.
func (s *Session) step(ctx context.Context, in *input, t int, finish func(first int) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.closed {
		return ErrClosed
	}
	d := s.m.text
	first := s.cache.n
	s.cache.reserve(first + t)
	if err := d.embedInput(in, t); err != nil {
		return fmt.Errorf("gemma4: %w", err)
	}
	if err := d.runTrunk(ctx, &s.cache, first, t); err != nil {
		return err
	}
	d.keep(&s.last, t-1)
	s.cache.n += t
	if finish == nil {
		return nil
	}
	return finish(first)
}

// count returns the number of positions of the spans and checks their form.
func (m *Model) count(spans []Span) (int, error) {
	n := 0
	for i, s := range spans {
		if len(s.IDs) > 0 && len(s.Soft) > 0 {
			return 0, fmt.Errorf("gemma4: span %d has both tokens and soft tokens", i)
		}
		if len(s.Soft)%m.text.hidden != 0 {
			return 0, fmt.Errorf("gemma4: span %d has %d values of soft tokens, which are %d wide", i, len(s.Soft), m.text.hidden)
		}
		for _, id := range s.IDs {
			if id < 0 || id >= m.text.vocab {
				return 0, fmt.Errorf("gemma4: token %d is not among the %d of the model", id, m.text.vocab)
			}
		}
		n += len(s.IDs) + len(s.Soft)/m.text.hidden
	}
	return n, nil
}

// input hands out the positions of spans one by one.
type input struct {
	spans []Span
	at    int // position in spans[0]
}

// next returns the next position: a token, or a soft token of the given width.
func (in *input) next(width int) (id int, soft []float32) {
	for {
		s := in.spans[0]
		if in.at < len(s.IDs) {
			in.at++
			return s.IDs[in.at-1], nil
		}
		if at := in.at * width; at < len(s.Soft) {
			in.at++
			return 0, s.Soft[at : at+width]
		}
		in.spans, in.at = in.spans[1:], 0
	}
}
