package gate

import (
	"fmt"
	"time"
)

// RateOpts tunes a [Rate] gate.
type RateOpts struct {
	// Min is the shortest time between two passes of one key; zero lets all
	// pass.
	Min time.Duration
	// OnlyChanged lets pass only what changed since the last pass.
	OnlyChanged bool
}

// Rate lets something pass at most once in a while, for each key (a task and a
// source) on its own. The first may pass at once; what was missed is not made
// up for, but with OnlyChanged a change that came too early is remembered and
// passes when its time has come. Use it from one goroutine.
type Rate struct {
	opts RateOpts
	keys map[string]*rateState
}

type rateState struct {
	passed  bool
	at      time.Time // of the last pass
	changed bool      // since then
}

// NewRate returns a gate through which nothing has passed yet.
func NewRate(o RateOpts) (*Rate, error) {
	if o.Min < 0 {
		return nil, fmt.Errorf("rate gate: the interval cannot be negative: %v", o.Min)
	}
	return &Rate{opts: o, keys: map[string]*rateState{}}, nil
}

// Allow says whether what was captured at t may pass; changed says whether it
// differs from what came before it. When the clock is set back, the interval
// begins anew instead of lasting until the clock has caught up.
func (r *Rate) Allow(key string, t time.Time, changed bool) bool {
	s := r.keys[key]
	if s == nil {
		s = &rateState{}
		r.keys[key] = s
	}
	s.changed = s.changed || changed
	since := t.Sub(s.at)
	if s.passed && since < 0 {
		s.at, since = t, 0
	}
	if s.passed && since < r.opts.Min || r.opts.OnlyChanged && !s.changed {
		return false
	}
	s.passed, s.at, s.changed = true, t, false
	return true
}

// Next returns when something with this key may pass again; the zero time is
// at once.
func (r *Rate) Next(key string) time.Time {
	if s := r.keys[key]; s != nil && s.passed {
		return s.at.Add(r.opts.Min)
	}
	return time.Time{}
}
