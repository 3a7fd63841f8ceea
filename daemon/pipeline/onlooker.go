package pipeline

import (
	"context"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

// Onlooker is shown what the sources deliver while somebody looks. Its methods
// are called by several goroutines, for every picture and piece of sound, and
// must not block.
type Onlooker interface {
	// Looks tells whether somebody wants to see what a camera shows just now, or to
	// know how loud a microphone is. Who says so of a camera is shown its picture.
	Looks(source string) bool
	Saw(source string, v View)
	Heard(source string, l gate.Loudness, speech bool)
}

// View is what a camera shows, after the blackout.
type View struct {
	// Frame is for looking at; nobody writes to it any more.
	Frame devices.Frame
	// Area is the share of the picture that moves, 0..1, Moving whether a motion
	// goes on.
	Area   float64
	Moving bool
	// Heat is where it changes, see [gate.Motion.Heat]; nil: motion is not looked
	// for.
	Heat                  []byte
	HeatWidth, HeatHeight int
}

// loudnessEvery is how often an onlooker is told how loud it is.
const loudnessEvery = 100 * time.Millisecond

// show lets an onlooker see the present picture, if he wants to.
func (e *eye) show(f devices.Frame, moved gate.Moved) error {
	o := e.s.p.opts.Onlooker
	if o == nil || !o.Looks(e.s.Name) {
		return nil
	}
	whole, err := e.sight.picture()
	if err != nil {
		return err
	}
	v := View{Frame: whole, Area: moved.Area, Moving: moved.Moving}
	if e.motion != nil {
		v.Heat, v.HeatWidth, v.HeatHeight = e.motion.Heat()
	}
	o.Saw(e.s.Name, v)
	return nil
}

// sound lets an onlooker know how loud it is, if he wants to.
func (e *ear) sound(c devices.PCM) {
	o := e.s.p.opts.Onlooker
	if o == nil || !o.Looks(e.s.Name) {
		return
	}
	if e.watched == nil {
		m, err := gate.NewMeter(loudnessEvery)
		if err != nil {
			return // the time is a good one
		}
		e.watched = m
	}
	if l, ok := e.watched.Push(c.Time, c.Samples); ok {
		o.Heard(e.s.Name, l, e.speaking())
	}
}

// speaking tells whether something is being said.
func (e *ear) speaking() bool {
	if e.speech == nil {
		return false
	}
	_, ok := e.speech.Ongoing()
	return ok
}

// scribe is an [Engine] that hands on the pieces of its answer while it writes.
type scribe interface {
	Stream(ctx context.Context, t event.Task, in event.Input, wrote func(piece string)) (event.Result, error)
}

// hearingScribe is a [Hearing] that does.
type hearingScribe interface {
	Stream(ctx context.Context, in event.Input, wrote func(piece string)) (event.Result, error)
}

// reader returns what takes the pieces of the answer to a question while it is
// written, nil when nobody reads along. What the model writes as boxes is no text.
func (q *question) reader() func(piece string) {
	kind := wordsOf(q.task.Kind)
	if kind == event.Objects {
		return nil
	}
	wrote := q.wrote
	if wrote == nil && !q.quiet && q.source.p.opts.Writing != nil {
		wrote = q.source.p.opts.Writing(q.source.Name, q.id, kind)
	}
	if wrote == nil {
		return nil
	}
	return func(piece string) {
		if !q.source.latch.private() { // nobody is told any more
			wrote(piece)
		}
	}
}
