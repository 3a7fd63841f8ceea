package pipeline

import (
	"errors"
	"sync"
	"time"

	"sensed/daemon/event"
	"sensed/devices"
)

// state is how a source or a pin is doing, as it was published last. It may be
// read from any goroutine; one supervises it.
type state struct {
	p    *Pipeline
	name string

	mu  sync.Mutex
	is  string // "" before anything is known
	why string // the sentence published with it
}

// become publishes a state when it is another one than before.
func (s *state) become(is, why string) {
	s.mu.Lock()
	same := s.is == is && s.why == why
	s.is, s.why = is, why
	s.mu.Unlock()
	if same {
		return
	}
	log := s.p.log.Info
	e := event.Event{ID: s.p.opts.NewID(), Kind: event.Status, Source: s.name, Time: time.Now(), State: is, Error: why}
	switch {
	case strictness(is) >= 0:
		e.Error = "" // closed on purpose is no error
	case why != "" && is != event.Absent:
		log = s.p.log.Warn
	}
	log("source is "+is, "source", s.name, "why", why)
	s.p.publish(e)
}

func (s *state) get() (is, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is, s.why
}

// well tells whether the source delivers.
func (s *state) well() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is == event.OK
}

// stateOf names the state that an error of a device means.
func stateOf(err error) string {
	switch {
	case errors.Is(err, devices.ErrAbsent):
		return event.Absent
	case errors.Is(err, devices.ErrLost):
		return event.Lost
	}
	return event.Failed
}
