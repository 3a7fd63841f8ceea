package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"sensed/daemon/event"
	"sensed/daemon/schedule"
)

// Hold keeps a source closed on purpose. A source may be held by several at a
// time, each of whom lets go on its own.
type Hold struct {
	By string // who: "command", or the name of a switch
	// State is what the status event of the source says: [event.Off],
	// [event.Muted] or [event.Private], of which the last is the strictest. Of
	// several holds the strictest is published.
	State string
	Why   string // a sentence for the log and for [Stats]; may be empty
}

// strictness orders the states of holds.
func strictness(state string) int {
	return slices.Index([]string{event.Off, event.Muted, event.Private}, state)
}

// Hold closes a source: its device is freed, and not opened again before
// everybody who held the source has let go of it. A second hold by the same one
// takes the place of the first. What was heard until then is still asked about,
// but not when the state is [event.Private]: then questions of the source that
// wait are dropped too, and an answer in work is not published.
//
// It may be called from any goroutine, also before Run, and does not wait; the
// status event says when the device is closed.
func (p *Pipeline) Hold(source string, h Hold) error {
	s, err := p.source(source)
	if err != nil {
		return err
	}
	if h.By == "" || strictness(h.State) < 0 {
		return fmt.Errorf("pipeline: a hold by %q with the state %q is none", h.By, h.State)
	}
	s.hold(h)
	return nil
}

// Release ends a hold. Releasing what was not held changes nothing.
func (p *Pipeline) Release(source, by string) error {
	s, err := p.source(source)
	if err != nil {
		return err
	}
	s.latch.release(by)
	return nil
}

// source returns the source of that name.
func (p *Pipeline) source(name string) (*source, error) {
	for _, s := range p.sources {
		if s.Name == name {
			return s, nil
		}
	}
	var names []string
	for _, s := range p.sources {
		names = append(names, s.Name)
	}
	return nil, fmt.Errorf("pipeline: there is no source %q; there are: %s", name, strings.Join(names, ", "))
}

func (s *source) hold(h Hold) {
	s.latch.hold(h)
	if h.State == event.Private {
		s.p.refuse(s.p.desk.remove(s.Name, schedule.Private))
	}
}

// errHeld is why a session ends when somebody holds its source.
var errHeld = errors.New("the source is closed on purpose")

// latch keeps a source closed while anybody holds it. Its zero value holds
// nothing; all methods may be called concurrently.
type latch struct {
	mu      sync.Mutex
	holds   map[string]Hold
	changed chan struct{}           // closed at the next change; nil: nobody waits
	end     context.CancelCauseFunc // of the session; nil: there is none
}

func (l *latch) hold(h Hold) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holds == nil {
		l.holds = map[string]Hold{}
	}
	l.holds[h.By] = h
	if l.end != nil {
		l.end(errHeld)
	}
	l.change()
}

func (l *latch) release(by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.holds, by)
	l.change()
}

// change wakes who waits; the lock is held.
func (l *latch) change() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// held returns the strictest hold.
func (l *latch) held() (Hold, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.strictest()
}

func (l *latch) strictest() (Hold, bool) {
	if len(l.holds) == 0 {
		return Hold{}, false
	}
	return slices.MaxFunc(slices.Collect(maps.Values(l.holds)), func(a, b Hold) int {
		return cmp.Or(cmp.Compare(strictness(a.State), strictness(b.State)), strings.Compare(b.By, a.By))
	}), true
}

// private tells whether nothing of the source may get out.
func (l *latch) private() bool {
	h, held := l.held()
	return held && h.State == event.Private
}

// open waits until nobody holds, saying by tell who does, and returns a context
// for a session: it ends with ctx, and with the cause errHeld when somebody
// holds. The caller must call done. The error is that of ctx.
func (l *latch) open(ctx context.Context, tell func(Hold)) (session context.Context, done func(), err error) {
	for {
		l.mu.Lock()
		h, held := l.strictest()
		if !held {
			session, end := context.WithCancelCause(ctx)
			l.end = end
			l.mu.Unlock()
			return session, func() { end(nil) }, nil
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		tell(h)
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}
