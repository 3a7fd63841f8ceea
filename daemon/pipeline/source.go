package pipeline

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/schedule"
	"sensed/devices"
)

// maxKicks is how many triggers may wait for one source.
const maxKicks = 4

// source is a configured source at work.
type source struct {
	Source
	p      *Pipeline
	counts sourceCounts
	state  state
	latch  latch
	// settings are those of the Source until they are changed; never nil.
	settings atomic.Pointer[Settings]
	memory   memory // belongs to the model's goroutine
	err      error  // why it was given up; read when its goroutine has ended

	// pushToTalk: a switch says when the microphone listens, not a gate.
	pushToTalk bool

	mu      sync.Mutex
	talking *talk  // the press that goes on; nil: there is none
	kicks   []kick // triggers that wait for a picture or sound
	down    bool   // triggers are refused
}

// kick is a trigger's wish that a source looks.
//
// Or it is a wish from outside, which has some of what follows.
type kick struct {
	id string
	at time.Time

	tasks  []Task            // nil: those of the source
	window time.Duration     // of sound; 0: [Window]
	tell   func(event.Event) // hears the answers too
	wrote  func(string)      // takes their pieces; may be nil
	quiet  bool              // nobody else does
	// Instead of questions: who wants the picture itself, or why there is none.
	frame   func(devices.Frame)
	refused func(event.Outcome, string)
}

func newSource(p *Pipeline, s Source) *source {
	n := &source{Source: s, p: p, state: state{p: p, name: s.Name}, down: true}
	n.settings.Store(&Settings{Tasks: s.Tasks, Motion: s.Motion, Speech: s.Speech})
	return n
}

// run opens the source and works with it, again and again.
func (s *source) run(ctx context.Context) {
	s.err = s.p.supervise(ctx, s, s.session)
}

func (s *source) door() *latch { return &s.latch }

// session opens the device, works until an error and closes it. A panic is an
// error of this source.
func (s *source) session(ctx context.Context) (err error) {
	s.counts.steps.Add(1)
	defer s.counts.steps.Add(1)
	defer func() {
		if v := recover(); v != nil {
			s.p.log.Error("a source panicked", "source", s.Name, "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: %v", v)
		}
	}()
	if s.OpenCamera != nil {
		return s.watch(ctx)
	}
	return s.listen(ctx)
}

// opened notes that a device is open, and returns what closes it.
func (s *source) opened(c io.Closer) (close func()) {
	s.p.opts.Opened(s.Name, true)
	return func() {
		if err := c.Close(); err != nil {
			s.p.log.Warn("a source could not be closed", "source", s.Name, "error", err)
		}
		s.p.opts.Opened(s.Name, false)
	}
}

// idle waits until no question of the source waits, or ctx ends.
func (s *source) idle(ctx context.Context) error {
	s.counts.patient.Store(true)
	defer func() {
		s.counts.steps.Add(1)
		s.counts.patient.Store(false)
	}()
	return s.p.desk.idle(ctx, s.Name)
}

// delivered notes that the device gave something.
func (s *source) delivered() {
	s.counts.steps.Add(1)
	if s.counts.seen.Add(1); !s.state.well() {
		s.become(event.OK, "")
	}
}

// become publishes the state of the source when it has changed, and answers the
// triggers that still wait for it when it is not well.
func (s *source) become(is, why string) {
	s.mu.Lock()
	s.down = is != event.OK
	var kicks []kick
	if s.down {
		kicks, s.kicks = s.kicks, nil
	}
	s.mu.Unlock()
	s.state.become(is, why)
	for _, k := range kicks {
		s.refuseKick(k, event.Skipped, notWell(s.Name, is))
	}
}

// kick makes the source look at once, or says that it cannot.
func (s *source) kick(k kick) {
	s.mu.Lock()
	outcome, reason := event.Skipped, ""
	switch {
	case s.down:
		is, _ := s.state.get()
		reason = notWell(s.Name, is)
	case len(s.kicks) == maxKicks:
		outcome, reason = event.Throttled, string(schedule.Full)
	default:
		s.kicks = append(s.kicks, k)
	}
	s.mu.Unlock()
	if reason != "" {
		s.refuseKick(k, outcome, reason)
	}
}

// kicked takes the triggers that wait.
func (s *source) kicked() []kick {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kicks
	s.kicks = nil
	return k
}

// notWell says why a source in this state cannot look.
func notWell(name, is string) string {
	switch is {
	case event.Stopped:
		return string(schedule.Stopping)
	case "":
		is = "not open yet"
	}
	return fmt.Sprintf("source %s is %s", name, is)
}

// refuseKick says for each task that the words a trigger asked for will not come.
func (s *source) refuseKick(k kick, outcome event.Outcome, reason string) {
	if k.refused != nil {
		k.refused(outcome, reason)
		return
	}
	for _, t := range s.asks(k) {
		q := question{source: s, task: t, id: k.id, at: k.at, tell: k.tell, quiet: k.quiet}
		e := q.words()
		wordless(&e, outcome, reason)
		s.p.deliver(&q, e)
	}
}

// asks are the tasks of a kick.
func (s *source) asks(k kick) []Task {
	if k.tasks != nil {
		return k.tasks
	}
	return s.tasks()
}

// newID returns a text that sorts by time: milliseconds, then chance.
func newID() string {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(b[6:]) // never fails
	return hex.EncodeToString(b[:])
}
