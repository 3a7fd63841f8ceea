package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/schedule"
)

// wordsOf returns the kind of event that the answer to a task is, or "".
func wordsOf(k event.TaskKind) event.Kind {
	switch k {
	case event.TaskCaption:
		return event.Caption
	case event.TaskDetect, event.TaskPoint:
		return event.Objects
	case event.TaskTranscribe, event.TaskTranslate:
		return event.Transcript
	case event.TaskPrompt:
		return event.Answer
	}
	return ""
}

// answerAll is the model's goroutine: one question after the other until no
// more come.
func (p *Pipeline) answerAll(ctx context.Context) {
	for {
		p.counts.turns.Add(1)
		q, late, ok := p.desk.take()
		p.refuse(late)
		if !ok {
			return
		}
		if q != nil {
			p.answer(ctx, q)
		}
	}
}

// answer asks the model and publishes what it says.
func (p *Pipeline) answer(ctx context.Context, q *question) {
	began := time.Now()
	asking, cancel := context.WithTimeout(ctx, p.opts.Answer)
	defer cancel()
	p.counts.turns.Add(1)
	p.counts.working.Store(true)
	r, err := p.understand(asking, q)
	q.close()
	p.counts.working.Store(false)

	e := q.words()
	e.Status = event.Done
	e.Model = p.provenance(r.Model)
	e.Latency = &event.Latency{
		Wait:    millis(began.Sub(q.since)),
		Encode:  millis(r.Timing.Encode),
		Prefill: millis(r.Timing.Prefill),
		Decode:  millis(r.Timing.Decode),
		Total:   millis(time.Since(q.since)),
	}
	if err == nil {
		p.opts.Measured(r, *e.Latency)
	}
	switch {
	case q.source.latch.private():
		wordless(&e, event.Skipped, string(schedule.Private))
	case ctx.Err() != nil && err != nil:
		wordless(&e, event.Skipped, string(schedule.Stopping))
	case asking.Err() != nil && err != nil:
		wordless(&e, event.TimedOut, fmt.Sprintf("the model did not answer within %v", p.opts.Answer))
	case err != nil:
		wordless(&e, event.Faulty, strings.ToValidUTF8(err.Error(), "\uFFFD"))
	default:
		q.answered(&e, r)
	}
	if err := e.Validate(); err != nil {
		wordless(&e, event.Faulty, "the answer cannot be published: "+err.Error())
	}
	if e.Error != "" {
		p.counts.failed.Add(1)
		p.log.Warn("a question was not answered", "source", q.source.Name, "task", q.task.Name, "id", q.id, "error", e.Error)
		p.deliver(q, e)
		return
	}
	p.counts.answered.Add(1)
	q.source.counts.answered.Add(1)
	switch {
	case e.Text != "" || e.Kind == event.Objects:
	case e.Kind == event.Transcript && q.announced && q.lone:
		// The sound was announced: say that nothing follows.
		e.Kind = event.Sound
		over := false
		e.Active = &over
		wordless(&e, event.Skipped, event.NoWords)
	case e.Kind == event.Transcript:
		return // silence
	default:
		wordless(&e, event.Faulty, "the model gave an empty answer")
	}
	p.deliver(q, e)
}

// understand calls the engine; its panic is an error of this question.
func (p *Pipeline) understand(ctx context.Context, q *question) (r event.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("the engine panicked", "panic", v, "stack", string(debug.Stack()))
			r, err = event.Result{}, fmt.Errorf("the engine failed: %v", v)
		}
	}()
	p.opts.Busy(true)
	defer p.opts.Busy(false)
	wrote := q.reader()
	if q.hearing != nil {
		if h, ok := q.hearing.(hearingScribe); ok && wrote != nil {
			return h.Stream(ctx, q.input, wrote)
		}
		return q.hearing.Understand(ctx, q.input)
	}
	if e, ok := p.opts.Engine.(scribe); ok && wrote != nil {
		return e.Stream(ctx, q.task.Task, q.input, wrote)
	}
	return p.opts.Engine.Understand(ctx, q.task.Task, q.input)
}

// ask puts a question to the desk and answers those that had to go for it.
func (p *Pipeline) ask(q *question, latest bool) {
	if q.source.latch.private() {
		p.refuse([]dropped{{question: q, reason: schedule.Private}})
		return
	}
	if why := p.relief.shape(q, time.Now()); why != "" {
		p.refuse(p.desk.refuse(q, schedule.Throttled, why))
		return
	}
	q.source.counts.asked.Add(1)
	var deadline time.Time
	if !q.source.Lossless {
		deadline = time.Now().Add(p.opts.Patience)
	}
	p.refuse(p.desk.add(q, deadline, latest && !q.source.Lossless))
}

// refuse says about dropped questions that their words will not come, where
// somebody could wait for them: for what was announced, unless a newer question
// about the same thing took the place. Pictures that nobody heard of pass away
// quietly while newer ones come; they are counted.
func (p *Pipeline) refuse(ds []dropped) {
	for _, d := range ds {
		d.close()
		p.log.Debug("a question was dropped", "source", d.source.Name, "task", d.task.Name, "id", d.id, "reason", d.reason)
		switch {
		case d.reason == schedule.Newer && (!d.announced || d.successor == d.id),
			(d.reason == schedule.Full || d.reason == schedule.Throttled) && !d.announced:
			continue
		}
		e := d.words()
		wordless(&e, outcomeOf(d.reason), cmp.Or(d.why, string(d.reason)))
		p.deliver(d.question, e)
	}
}

// words returns the event of the answer, without the answer.
func (q *question) words() event.Event {
	return event.Event{
		Version: event.Version, ID: q.id, Kind: wordsOf(q.task.Kind), Node: q.source.p.opts.Node, Source: q.source.Name, Time: q.at,
		Task: q.task.Name, Sample: q.sample, Duration: q.duration, Level: q.level,
	}
}

// millis returns a duration in milliseconds. A clock that was set back between
// its ends must not make it negative. Nobody needs more than microseconds.
func millis(d time.Duration) float64 {
	return max(0, float64(d.Round(time.Microsecond))/float64(time.Millisecond))
}
