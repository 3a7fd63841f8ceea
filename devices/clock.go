package devices

import (
	"context"
	"time"
)

// Clock is the time that a replayed or drawn source keeps. Tests give it one
// that jumps (devicetest.Clock).
type Clock interface {
	Now() time.Time
	// Until waits for t and returns nil, or returns ctx.Err() soon after ctx ends.
	Until(ctx context.Context, t time.Time) error
}

// Wall is the clock of this board.
type Wall struct{}

// Now is [time.Now].
func (Wall) Now() time.Time { return time.Now() }

// Until waits for t.
func (Wall) Until(ctx context.Context, t time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d := time.Until(t)
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Pace spaces the samples of a source that could deliver at any speed. A
// consumer that comes late gets its sample at once; when it is late by more than
// the spacing, the spacing starts anew: nothing is dropped, nothing comes in a burst.
type Pace struct {
	Clock Clock
	// Every is the time from one sample to the next.
	Every time.Duration

	due time.Time // of the next sample; zero before the first
}

// Wait waits until the next sample is due and returns the time that it is then.
func (p *Pace) Wait(ctx context.Context) (time.Time, error) {
	if !p.due.IsZero() {
		if err := p.Clock.Until(ctx, p.due); err != nil {
			return time.Time{}, err
		}
	} else if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	now := p.Clock.Now()
	if p.due.IsZero() {
		p.due = now
	}
	p.due = p.due.Add(p.Every)
	if !p.due.After(now) {
		p.due = now.Add(p.Every)
	}
	return now, nil
}
