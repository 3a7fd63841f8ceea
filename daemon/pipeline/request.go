package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sensed/daemon/event"
	"sensed/devices"
)

// Request is a question from outside about what a source sees or hears next.
type Request struct {
	ID     string // of the events; "": a new one
	Source string
	Task   event.Task
	// Window is how much sound is listened to; 0: [Window].
	Window time.Duration
	// Quiet keeps the answer from being published: only who asks hears it.
	Quiet bool
	// Wrote, when set, takes the pieces of the answer while an engine that can do
	// so writes it; it must not block.
	Wrote func(piece string)
}

// Refusal is the error of something that was asked for and will not come.
type Refusal struct {
	Outcome event.Outcome
	Why     string
}

func (r *Refusal) Error() string { return r.Why }

// Ask puts a question about the next picture of a camera, or the sound from now
// on of a microphone, and waits for its event: the words, or why they will not
// come. It is an error only when nothing was asked, or ctx has ended.
func (p *Pipeline) Ask(ctx context.Context, r Request) (event.Event, error) {
	s, err := p.source(r.Source)
	if err != nil {
		return event.Event{}, err
	}
	if wordsOf(r.Task.Kind) == "" {
		return event.Event{}, fmt.Errorf("pipeline: %q is no kind of task", r.Task.Kind)
	}
	if r.ID == "" {
		r.ID = p.opts.NewID()
	}
	told := make(chan event.Event, 1)
	s.kick(kick{
		id: r.ID, at: time.Now(), tasks: []Task{{Task: r.Task}}, window: r.Window, quiet: r.Quiet, wrote: r.Wrote,
		tell: func(e event.Event) {
			select {
			case told <- e:
			default: // speech may come in parts; the first one counts
			}
		},
	})
	select {
	case e := <-told:
		return e, nil
	case <-ctx.Done():
		return event.Event{}, ctx.Err()
	}
}

// Snapshot returns the next picture of a camera. The error is a [*Refusal] when
// the camera is not well or kept closed.
func (p *Pipeline) Snapshot(ctx context.Context, source string) (devices.Frame, error) {
	s, err := p.source(source)
	if err != nil {
		return devices.Frame{}, err
	}
	if s.OpenCamera == nil {
		return devices.Frame{}, errors.New("pipeline: a microphone takes no pictures")
	}
	type answer struct {
		frame devices.Frame
		err   error
	}
	given := make(chan answer, 1)
	s.kick(kick{
		at:    time.Now(),
		frame: func(f devices.Frame) { given <- answer{frame: f} },
		refused: func(o event.Outcome, why string) {
			given <- answer{err: &Refusal{o, why}}
		},
	})
	select {
	case a := <-given:
		return a.frame, a.err
	case <-ctx.Done():
		return devices.Frame{}, ctx.Err()
	}
}

// deliver sends an answer on its way: to who asked for it, and outside.
func (p *Pipeline) deliver(q *question, e event.Event) {
	if e.Status == event.Done && len(q.input.Images) > 0 {
		p.illustrate(q.id, devices.Frame{Time: q.at, Image: q.input.Images[0], Name: q.sample})
	}
	if q.tell != nil {
		q.tell(e)
	}
	if q.quiet {
		return
	}
	if stale := e.Changed != nil && !*e.Changed; stale && p.opts.Terse && q.tell == nil {
		if !q.announced {
			return
		}
		wordless(&e, event.Skipped, nothingNew) // somebody waits for words
	}
	p.publish(e)
	p.picture(q, e)
}

// illustrate hands on the picture that events are about.
func (p *Pipeline) illustrate(id string, f devices.Frame) {
	if p.opts.Illustrate != nil {
		p.opts.Illustrate(id, f)
	}
}

// nothingNew is the reason why words that were announced are not sent.
const nothingNew = "it says nothing new"

// picture hands on the picture that the last words are about.
func (p *Pipeline) picture(q *question, e event.Event) {
	if p.opts.Picture == nil || !q.source.Image || e.Status != event.Done || len(q.input.Images) == 0 || q.at.Equal(q.source.memory.pictured) {
		return
	}
	q.source.memory.pictured = q.at
	p.opts.Picture(q.source.Name, devices.Frame{Time: q.at, Image: q.input.Images[0], Name: q.sample})
}
