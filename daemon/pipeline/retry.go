package pipeline

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"sensed/daemon/event"
)

// supervised is a source or a pin in the eyes of supervise.
type supervised interface {
	become(is, why string)
	// door returns what may keep it closed.
	door() *latch
}

// supervise calls session, which opens a device, works with it until an error
// and closes it, until ctx ends or the device has nothing more. In between it
// publishes how the device is doing and waits; while somebody holds its door the
// device stays closed. With Once it does not try again and returns the error.
func (p *Pipeline) supervise(ctx context.Context, s supervised, session func(context.Context) error) error {
	wait := backoff{first: p.opts.RetryFirst, max: p.opts.RetryMax}
	for {
		open, done, err := s.door().open(ctx, func(h Hold) { s.become(h.State, h.Why) })
		if err != nil {
			s.become(event.Stopped, "")
			return nil
		}
		again, err := p.attempt(open, s, &wait, session)
		held := errors.Is(context.Cause(open), errHeld)
		done()
		switch {
		case ctx.Err() != nil: // whatever a device says about that
			s.become(event.Stopped, "")
			return nil
		case !again:
			return err
		case held:
			wait.reset()
		}
	}
}

// attempt is one session and, when it failed, the wait after it. It says whether
// to try again; when ctx has ended that does not count.
func (p *Pipeline) attempt(ctx context.Context, s supervised, wait *backoff, session func(context.Context) error) (again bool, err error) {
	began := time.Now()
	err = session(ctx)
	switch {
	case ctx.Err() != nil:
		return true, nil
	case errors.Is(err, io.EOF):
		s.become(event.Ended, "")
		return false, nil
	}
	s.become(stateOf(err), err.Error())
	if p.opts.Once {
		return false, err
	}
	if time.Since(began) > p.opts.RetryMax {
		wait.reset() // it was well for a while
	}
	_ = sleep(ctx, wait.next())
	return true, nil
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
	return d/2 + rand.N(d/2+1)
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
