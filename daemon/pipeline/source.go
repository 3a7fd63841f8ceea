package pipeline

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/schedule"
	"sensed/devices"
)

// source is a configured source at work.
type source struct {
	Source
	p      *Pipeline
	counts sourceCounts

	mu    sync.Mutex
	state string // as published last; "" before
	why   string // the sentence published with it
	kicks []kick // triggers that wait for a picture or sound
	err   error  // why it was given up
}

// kick is a trigger's wish that a source looks.
type kick struct {
	id string
	at time.Time
}

func newSource(p *Pipeline, s Source) *source { return &source{Source: s, p: p} }

// supervise opens the source and works with it, again and again.
func (s *source) supervise(ctx context.Context) {
	retry := backoff{first: s.p.opts.RetryFirst, max: s.p.opts.RetryMax}
	for {
		began := time.Now()
		err := s.session(ctx)
		switch {
		case isStop(ctx, err):
			s.become(event.Stopped, "")
			return
		case errors.Is(err, io.EOF):
			s.become(event.Ended, "")
			return
		}
		s.become(stateOf(err), err.Error())
		if s.p.opts.Once {
			s.giveUp(err)
			return
		}
		if time.Since(began) > s.p.opts.RetryMax {
			retry.reset() // it was well for a while
		}
		if sleep(ctx, retry.next()) != nil {
			s.become(event.Stopped, "")
			return
		}
	}
}

// session opens the device, works until an error and closes it. A panic is an
// error of this source.
func (s *source) session(ctx context.Context) (err error) {
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

// closeDevice closes a device at the end of a session.
func (s *source) closeDevice(c io.Closer) {
	if err := c.Close(); err != nil {
		s.p.log.Warn("a source could not be closed", "source", s.Name, "error", err)
	}
}

// become publishes the state of the source when it has changed, and answers the
// triggers that still wait for it when it is not well.
func (s *source) become(state, why string) {
	s.mu.Lock()
	same := s.state == state && s.why == why
	s.state, s.why = state, why
	var kicks []kick
	if state != event.OK {
		kicks, s.kicks = s.kicks, nil
	}
	s.mu.Unlock()
	for _, k := range kicks {
		s.refuseKick(k)
	}
	if same {
		return
	}
	log := s.p.log.Info
	if why != "" && state != event.Absent {
		log = s.p.log.Warn
	}
	log("source is "+state, "source", s.Name, "why", why)
	s.p.publish(event.Event{ID: s.p.opts.NewID(), Kind: event.Status, Source: s.Name, Time: time.Now(), Text: state, Error: why})
}

// well tells whether the source was last said to be so.
func (s *source) well() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == event.OK
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

func (s *source) giveUp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// kick makes the source look at once, or says that it cannot.
func (s *source) kick(k kick) {
	s.mu.Lock()
	well := s.state == event.OK
	if well {
		s.kicks = append(s.kicks, k)
	}
	s.mu.Unlock()
	if !well {
		s.refuseKick(k)
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

// refuseKick says for each task that the words a trigger asked for will not come.
func (s *source) refuseKick(k kick) {
	s.mu.Lock()
	state := s.state
	s.mu.Unlock()
	if state == "" {
		state = event.Absent
	}
	for _, t := range s.Tasks {
		q := question{source: s, task: t, id: k.id, at: k.at}
		e := q.words()
		e.Error = fmt.Sprintf("source %s is %s", s.Name, state)
		if state == event.Stopped {
			e.Error = string(schedule.Stopping)
		}
		s.p.publish(e)
	}
}

// backoff is the wait between two attempts: it doubles, and a random part of
// it keeps sources that failed together from coming back together.
type backoff struct {
	first, max time.Duration
	now        time.Duration
}

// next returns a time between half of and the whole present wait, and doubles it.
func (b *backoff) next() time.Duration {
	if b.now == 0 {
		b.now = b.first
	}
	d := min(b.now, b.max)
	b.now = min(2*d, b.max)
	return d/2 + mathrand.N(d/2+1)
}

func (b *backoff) reset() { b.now = 0 }

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newID returns a text that sorts by time: milliseconds, then chance.
func newID() string {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(b[6:]) // never fails
	return hex.EncodeToString(b[:])
}
