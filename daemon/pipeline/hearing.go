package pipeline

import (
	"context"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

// Hearing is a question about sound that goes on while the engine works on what
// was said so far. The answer comes when its turn has come, as for every other
// question; only the work before it is done already.
type Hearing interface {
	// Write adds the next samples, and must not wait. An empty write says that
	// the speaker pauses. The samples are the caller's again when it returns.
	Write(samples []float32)
	// Understand answers about the whole sound, of which what was written is the
	// beginning. It returns soon after ctx ends.
	Understand(ctx context.Context, in event.Input) (event.Result, error)
	// Close ends the work. It follows Understand, or comes in its stead when the
	// sound was noise or the question was dropped.
	Close()
}

// pausing is after how much sound without more of the segment in it the speaker
// counts as pausing.
const pausing = devices.SampleRate / 10

// live is a segment that goes on, and the question about it that hears it.
type live struct {
	utterance, part int
	hearing         Hearing // nil: none does
	task            int     // number of its task
	written         int     // samples of the segment that it has
	since           int     // samples heard since the last of these
}

// follow lets a question hear what is certain of the segment that goes on; heard
// is how much sound came since the last time.
func (e *ear) follow(heard int) {
	o, ok := e.speech.Ongoing()
	if e.live != nil && !(ok && e.live.is(o.Utterance, o.Part)) {
		e.unfollow() // it was noise
	}
	if !ok {
		return
	}
	if e.live == nil {
		e.live = e.s.begin(o)
	}
	if l := e.live; l.hearing != nil {
		l.write(o.Samples, heard)
	}
}

func (l *live) is(utterance, part int) bool { return l.utterance == utterance && l.part == part }

// write hands on what is new of the segment, or that nothing is for a while.
func (l *live) write(samples []float32, heard int) {
	if l.since += heard; len(samples) > l.written || l.since >= pausing {
		l.hearing.Write(samples[l.written:])
		l.written, l.since = len(samples), 0
	}
}

// begin begins a question about a segment: that of the first task which can
// be begun. The others would make the engine hear the same twice at a time.
func (s *source) begin(o gate.Ongoing) *live {
	l := &live{utterance: o.Utterance, part: o.Part}
	if s.p.opts.Listen == nil {
		return l
	}
	for i, t := range s.tasks() {
		h, err := s.p.opts.Listen(t.Task)
		if err == nil {
			l.hearing, l.task = h, i
			return l
		}
		s.p.log.Debug("a task is asked when its sound is complete", "source", s.Name, "task", t.Name, "reason", err)
	}
	return l
}

// take returns the live question about a segment that has come to its end, nil
// when there is none.
func (e *ear) take(g gate.Segment) *live {
	l := e.live
	if l == nil || l.hearing == nil || !l.is(g.Utterance, g.Part) {
		return nil
	}
	e.live = nil
	return l
}

// unfollow gives up the segment that goes on.
func (e *ear) unfollow() {
	if e.live != nil && e.live.hearing != nil {
		e.live.hearing.Close()
	}
	e.live = nil
}
