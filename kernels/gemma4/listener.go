package gemma4

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Listener is a question about a sound that goes on while it is asked. What was
// heard is encoded and read as it comes, so that at the end of the sound little
// is left to do before the answer.
//
// The answer is that of [Model.Generate] about the whole sound: the soft tokens
// are bit for bit the same, however the sound was cut into pieces.
//
// A listener holds as little memory as a session with its tokens. It belongs to
// one goroutine at a time; between its calls the model answers others. Close it
// in the end.
type Listener struct {
	m       *Model
	request Request
	prompt  Prompt // with an empty span where the soft tokens of the sound go
	open    int    // the number of this span
	s       *Session
	hearing *hearing
	read    int   // soft tokens that s has read
	batch   int   // soft tokens that are worth encoding and reading
	err     error // why it cannot go on
}

// A batch of soft tokens that are encoded and read before the end costs a pass
// over the weights, and what the last one costs the speaker waits for. So
// batches are small where passes are fast: as small as leaves two thirds of the
// time of the sound free, within these limits.
const (
	leastTokens = 8
	mostTokens  = 24 // about 1 s
)

// listenTokens is how large the next batch should be after one that took so
// long.
func listenTokens(took time.Duration) int {
	const sound = time.Second / 25 // of a soft token
	return min(max(int(3*took/sound), leastTokens), mostTokens)
}

var errListenerClosed = errors.New("gemma4: the listener was closed")

// Listen begins a question about a sound that is to come: it takes the place of
// part number sound of the request, whatever that part holds. What stands before
// it is read at once.
func (m *Model) Listen(ctx context.Context, r Request, sound int) (*Listener, error) {
	if sound < 0 || sound >= len(r.Parts) {
		return nil, fmt.Errorf("gemma4: part %d of a request of %d is to be a sound", sound+1, len(r.Parts))
	}
	if !m.hasAudio {
		return nil, m.lacks("sound", "audio")
	}
	if err := m.hears(); err != nil {
		return nil, fmt.Errorf("gemma4: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	l := &Listener{m: m, request: r}
	var err error
	if l.prompt, err = m.prompt(ctx, r, sound); err != nil {
		return nil, err
	}
	l.open = slices.IndexFunc(l.prompt.Spans, func(s Span) bool { return s.Soft != nil && len(s.Soft) == 0 })
	if l.s, err = m.beginSound(ctx, l.prompt.Spans[:l.open+1]); err != nil {
		return nil, fmt.Errorf("gemma4: reading the prompt: %w", err)
	}
	l.hearing = m.senses.audio.listen()
	return l, nil
}

// beginSound returns a session that has read the spans, of which the last is
// for a sound and still empty.
func (m *Model) beginSound(ctx context.Context, spans []Span) (s *Session, err error) {
	list, head, tail := m.stems.split(spans)
	if len(tail) == 0 { // a sound after the turn's opening, which is a stem of its own once it is known
		s, tail = m.NewSession(), spans
	} else if s, err = m.stem(ctx, list, head); err != nil {
		return nil, err
	}
	if err := s.Append(ctx, tail...); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Write hears the next samples, 16 kHz mono in [-1, 1], any number of them. They
// are encoded once there are enough for a batch; an empty write says that the
// speaker pauses, so that there is time for less. More than 30 s in all, and
// samples that are no numbers, are an error and nothing of them is taken.
//
// It returns ctx.Err() soon after ctx ends. After any other error too the
// listener is of no more use.
func (l *Listener) Write(ctx context.Context, pcm []float32) error {
	if l.err != nil {
		return l.err
	}
	if err := checkSamples(pcm, l.hearing.samples); err != nil {
		return fmt.Errorf("gemma4: %w", err)
	}
	l.hearing.take(pcm)
	for n := l.hearing.ready(false); n >= max(l.batch, leastTokens) || n > 0 && len(pcm) == 0; n = l.hearing.ready(false) {
		start := time.Now()
		soft, err := l.encode(ctx, false)
		if err == nil {
			err = l.s.Append(ctx, Span{Soft: soft})
		}
		if err != nil {
			l.err = err
			return err
		}
		l.read += len(soft) / l.m.text.hidden
		l.batch = listenTokens(time.Since(start))
	}
	return nil
}

// encode computes the next soft tokens.
func (l *Listener) encode(ctx context.Context, end bool) ([]float32, error) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.m.closed {
		return nil, ErrClosed
	}
	return l.hearing.encode(ctx, end)
}

// Finish answers, the sound being at its end, and closes the listener. Errors
// and what comes with them are those of [Model.Generate]; the times of the reply
// begin with this call.
func (l *Listener) Finish(ctx context.Context) (reply Reply, err error) {
	defer l.Close()
	if l.err != nil {
		return Reply{}, l.err
	}
	if l.hearing.tokens(true) == 0 {
		return Reply{}, fmt.Errorf("gemma4: %w", tooShort(l.hearing.samples))
	}
	start := time.Now()
	var rest []float32
	for l.hearing.ready(true) > 0 {
		soft, err := l.encode(ctx, true)
		if err != nil {
			return Reply{}, err
		}
		rest = append(rest, soft...)
	}
	reply.Timing.Encode = time.Since(start)
	prompt := l.whole(rest)
	if err := l.m.fits(len(prompt.IDs)); err != nil {
		return Reply{}, fmt.Errorf("gemma4: %w", err)
	}
	err = l.m.reply(ctx, l.request, prompt, l.resume, &reply)
	return reply, err
}

// whole is the prompt with the sound in it, of which the soft tokens in rest
// were not read yet and only they are there.
func (l *Listener) whole(rest []float32) Prompt {
	before := 0
	for _, s := range l.prompt.Spans[:l.open] {
		before += len(s.IDs) + len(s.Soft)/l.m.text.hidden
	}
	n := l.read + len(rest)/l.m.text.hidden
	p := Prompt{Spans: slices.Clone(l.prompt.Spans)}
	p.Spans[l.open].Soft = rest
	p.IDs = slices.Insert(slices.Clone(l.prompt.IDs), before, slices.Repeat([]int{l.m.control.audioSoft}, n)...)
	return p
}

// resume is [Model.begin] for the prompt of which most was read.
func (l *Listener) resume(ctx context.Context, p Prompt, more int) (*Session, error) {
	l.s.Reserve(len(p.IDs) + more)
	if err := l.s.Append(ctx, p.Spans[l.open:]...); err != nil {
		return nil, err
	}
	s := l.s
	l.s = nil // it is the caller's now
	return s, nil
}

// Close gives the memory back. It may be called again, and after Finish.
func (l *Listener) Close() {
	if l.s != nil {
		l.s.Close()
		l.s = nil
	}
	if l.err == nil {
		l.err = errListenerClosed
	}
}
