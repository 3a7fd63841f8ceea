package app

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How often one message may be logged: so many times at once, then once in a
// while. What was left out is counted by the next one.
const (
	logBurst   = 20
	logRefill  = 30 * time.Second
	logSubject = 256 // messages that are remembered
)

// limiter keeps a log readable, and an SD card alive, when something fails again
// and again: it lets each message of a level through only so often. The
// attributes do not count, because they differ each time.
type limiter struct {
	slog.Handler
	state *limits
}

type limits struct {
	mu  sync.Mutex
	per map[subject]*allowance
}

type subject struct {
	level   slog.Level
	message string
}

type allowance struct {
	left    int
	at      time.Time // when left was right
	missing int       // left out since the last that went through
}

func limited(h slog.Handler) slog.Handler {
	return limiter{h, &limits{per: map[subject]*allowance{}}}
}

// Handle writes the record, or counts it.
func (l limiter) Handle(ctx context.Context, r slog.Record) error {
	missing, ok := l.state.allow(r)
	if !ok {
		return nil
	}
	if missing > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", missing))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that adds attributes.
func (l limiter) WithAttrs(a []slog.Attr) slog.Handler {
	return limiter{l.Handler.WithAttrs(a), l.state}
}

// WithGroup returns a handler that opens a group.
func (l limiter) WithGroup(name string) slog.Handler {
	return limiter{l.Handler.WithGroup(name), l.state}
}

// allow says whether a record may pass, and how many like it did not since the
// last one.
func (s *limits) allow(r slog.Record) (missing int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := subject{r.Level, r.Message}
	a := s.per[key]
	if a == nil {
		if len(s.per) >= logSubject {
			clear(s.per) // so many different ones: nothing is worth remembering
		}
		a = &allowance{left: logBurst, at: r.Time}
		s.per[key] = a
	}
	if more := int(r.Time.Sub(a.at) / logRefill); more > 0 {
		a.left = min(logBurst, a.left+more)
		a.at = a.at.Add(time.Duration(more) * logRefill)
	} else if r.Time.Before(a.at) {
		a.at = r.Time // the clock was set back
	}
	if a.left == 0 {
		a.missing++
		return 0, false
	}
	a.left--
	missing, a.missing = a.missing, 0
	return missing, true
}
