package understand

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"sensed/kernels/gemma4"
)

// Why a task cannot be begun before its sound is complete.
var (
	ErrNotLive = errors.New("the task needs its sound as a whole")
	ErrTooMany = fmt.Errorf("the model hears %d sounds already", maxListening)
)

// maxListening is how many sounds are heard or wait for their answer at a time:
// each holds the keys and values of up to 30 s.
const maxListening = 4

// hearer is what the engine needs of a model to hear sound while it is spoken.
type hearer interface {
	Listen(ctx context.Context, r gemma4.Request, sound int) (listener, error)
}

// listener is a question of a model about sound that goes on; see
// [gemma4.Listener].
type listener interface {
	Write(ctx context.Context, pcm []float32) error
	Finish(ctx context.Context) (gemma4.Reply, error)
	Close()
}

// ears makes a [gemma4.Model] a hearer.
type ears struct{ model *gemma4.Model }

func (e ears) Listen(ctx context.Context, r gemma4.Request, sound int) (listener, error) {
	return e.model.Listen(ctx, r, sound)
}

// Listening is a task about sound that goes on while the model works on what
// was said so far, between the answers that it gives meanwhile. The answer is
// that of [Engine.Understand] about the whole sound; where something comes in
// between, it is given by it.
//
// Write and Understand belong to one goroutine at a time. Close it in the end.
type Listening struct {
	e    *Engine
	task Task
	q    question

	mu    sync.Mutex
	heard []float32 // all that was written
	taken int       // of this the model has
	pause bool      // the speaker makes one

	// wrote takes the pieces of the answer; set before it is written, if at all.
	wrote func(piece string)

	news   chan struct{} // holds a token when there is something to take
	whole  chan struct{} // closed: the sound is complete
	cancel context.CancelFunc
	done   chan struct{} // closed: nobody works on it any more

	// What the work left: one of the two, once it is done.
	ear listener
	err error
}

// Listen begins a task about sound that is about to be written to the result,
// 16 kHz mono. It does not wait for the model. A task that needs its sound as a
// whole is an error that wraps [ErrNotLive], one too many [ErrTooMany].
func (e *Engine) Listen(t Task) (*Listening, error) {
	switch {
	case t.Kind != Transcribe && t.Kind != Translate:
		return nil, fmt.Errorf("task %s: %w", t.Kind, ErrNotLive)
	case e.hearing == nil || !e.hears:
		return nil, fmt.Errorf("task %s: the model %s cannot hear", t.Kind, e.name)
	}
	q, err := e.profile.ask(t, Input{Audio: make([]float32, 1)}) // its place is what counts
	if err != nil {
		return nil, err
	}
	if e.listening.Add(1) > maxListening {
		e.listening.Add(-1)
		return nil, fmt.Errorf("task %s: %w", t.Kind, ErrTooMany)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Listening{e: e, task: t, cancel: cancel, news: make(chan struct{}, 1), whole: make(chan struct{}), done: make(chan struct{})}
	q.request.OnText = func(piece string) {
		if l.wrote != nil {
			l.wrote(piece)
		}
	}
	l.q = q
	go l.work(ctx)
	return l, nil
}

// Write adds the next samples, which are copied. An empty write says that the
// speaker makes a pause, in which there is time to catch up. It never waits.
func (l *Listening) Write(samples []float32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.heard)+len(samples) > int(l.e.profile.longest()*sampleRate) {
		l.cancel() // it will be split
		return
	}
	l.heard = append(l.heard, samples...)
	l.pause = len(samples) == 0
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// take returns what was written since the last time; nothing, when there is a
// pause and all of it was taken.
func (l *Listening) take() (samples []float32, pause bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	samples = l.heard[l.taken:len(l.heard):len(l.heard)]
	l.taken = len(l.heard)
	return samples, l.pause
}

// work lets the model hear what is written until the sound is complete or ctx
// ends.
func (l *Listening) work(ctx context.Context) {
	defer close(l.done)
	defer l.cancel()
	ear, err := l.e.hearing.Listen(ctx, l.q.request, l.q.audioAt)
	if err != nil {
		l.err = err
		l.e.listening.Add(-1)
		return
	}
	for {
		select {
		case <-l.news:
			samples, pause := l.take()
			err = ear.Write(ctx, samples)
			if err == nil && pause && len(samples) > 0 {
				err = ear.Write(ctx, nil)
			}
		case <-l.whole:
			l.ear = ear
			return
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			l.err = err
			l.end(ear)
			return
		}
	}
}

// end gives back what the model keeps of the sound.
func (l *Listening) end(ear listener) {
	ear.Close()
	l.e.listening.Add(-1)
}

// Understand answers the task. In is the whole sound, of which what was written
// is the beginning. It returns ctx.Err() soon after ctx ends.
func (l *Listening) Understand(ctx context.Context, in Input) (Result, error) {
	return l.Stream(ctx, in, nil)
}

// Stream is [Listening.Understand], and hands on the answer as [Engine.Stream]
// does.
func (l *Listening) Stream(ctx context.Context, in Input, onText func(string)) (Result, error) {
	l.wrote = onText
	if l.covers(in) {
		res, err := l.answer(ctx, in.Audio)
		switch {
		case err == nil:
			return res, nil
		case ctx.Err() != nil:
			return Result{}, ctx.Err()
		}
		l.e.log.Debug("sound is heard as a whole", "task", l.task.Name, "reason", err)
	}
	l.cancel()
	return l.e.Stream(ctx, l.task, in, onText)
}

// answer lets the model hear the rest of the sound and answer.
func (l *Listening) answer(ctx context.Context, sound []float32) (Result, error) {
	close(l.whole)
	stop := context.AfterFunc(ctx, l.cancel)
	<-l.done
	stop()
	if l.ear == nil {
		return Result{}, l.err
	}
	defer l.end(l.ear)
	return l.e.inTurn(ctx, l.task, l.q, func() (Result, error) {
		if err := l.ear.Write(ctx, sound[l.taken:]); err != nil {
			return Result{}, err
		}
		reply, err := l.ear.Finish(ctx)
		if err != nil {
			return Result{}, err
		}
		return l.q.read(reply), nil
	})
}

// covers says whether what was written is the beginning of the sound, and the
// sound one that is not split.
func (l *Listening) covers(in Input) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(in.Audio) > 0 && len(l.heard) <= len(in.Audio) && slices.Equal(l.heard, in.Audio[:len(l.heard)]) && len(l.e.stretches(in.Audio)) == 1
}

// Close ends the work on a task that will not be answered. It does not wait.
func (l *Listening) Close() { l.cancel() }
