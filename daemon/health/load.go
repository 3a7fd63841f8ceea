package health

import (
	"fmt"
	"time"
)

// Level says how much work is shed. Each level sheds what the ones before it
// do, too; the order is published in deploy/docs/health.md.
type Level int

// The levels.
const (
	Normal     Level = iota // everything is asked as configured
	LessDetail              // pictures are looked at with fewer tokens
	LessOften               // each task of a camera is asked at most once a minute
	NoCaptions              // no captions and no prompts about pictures
	NoPictures              // no questions about pictures
	Nothing                 // no questions about speech either
)

// String returns the level as it is published.
func (l Level) String() string {
	switch l {
	case Normal:
		return "normal"
	case LessDetail:
		return "less detail"
	case LessOften:
		return "less often"
	case NoCaptions:
		return "no captions"
	case NoPictures:
		return "no pictures"
	}
	return "nothing"
}

// Limits say when a board is short of something. There is a gap between short
// and well, in which nothing changes.
type Limits struct {
	Hot, Cool     float64 // degrees Celsius
	Short, Enough float64 // share of memory that is available, 0..1
	Stuck, Smooth float64 // percent of the time that all waits for memory
	// Rise is how long the board must be short of something for each level up,
	// Fall how long it must be well for each level down. A shortage of less than
	// Linger in between counts as one.
	Rise, Fall, Linger time.Duration
}

// DefaultLimits suit Raspberry Pis 4 and 5, which throttle from 80 degrees on
// (softly) and stop at 85.
func DefaultLimits() Limits {
	return Limits{
		Hot: 82, Cool: 77, Short: 0.05, Enough: 0.09, Stuck: 20, Smooth: 5,
		Rise: 15 * time.Second, Fall: time.Minute, Linger: 15 * time.Second,
	}
}

// Load decides how much work is shed. It takes the time as a value and must not
// be used by several goroutines at a time.
type Load struct {
	limits Limits
	level  Level
	why    string // of level; kept while it lasts

	short time.Time // when the board was last seen short
	since time.Time // when the present stretch of shortage or well-being began, or the last step in it
	state condition
}

// condition is how the board is in the eyes of the limits.
type condition int

const (
	well condition = iota
	between
	shortage
	urgent // every look is a step
)

// NewLoad returns a load at the level Normal.
func NewLoad(l Limits) *Load { return &Load{limits: l} }

// Look takes a reading and returns the level and, unless it is Normal, why.
func (l *Load) Look(now time.Time, r Reading, m Memory) (Level, string) {
	is, why := l.judge(r, m)
	really := is >= shortage
	switch {
	case really:
		l.short, l.why = now, why
	case l.state >= shortage && now.Sub(l.short) < l.limits.Linger:
		is = shortage // it may come and go
	}
	switch {
	case is == urgent:
		l.step(now, +1)
	case is != l.state && !(is == shortage && l.state == urgent):
		l.since = now
	case really && now.Sub(l.since) >= l.limits.Rise:
		l.step(now, +1)
	case is == well && now.Sub(l.since) >= l.limits.Fall:
		l.step(now, -1)
	}
	l.state = is
	if l.level == Normal {
		return Normal, ""
	}
	return l.level, l.why
}

func (l *Load) step(now time.Time, by Level) {
	l.level = min(max(l.level+by, Normal), Nothing)
	l.since = now
}

// judge says how the board is and, when it is short of something, of what.
func (l *Load) judge(r Reading, m Memory) (condition, string) {
	is := well
	if p := r.Power; p != nil {
		switch {
		case p.UnderVoltage:
			return shortage, "the supply voltage of the board is too low"
		case p.Throttled || p.Capped:
			return shortage, "the board's processor is throttled" + at(r.Temperature)
		}
	}
	if t := r.Temperature; t != nil {
		switch {
		case *t >= l.limits.Hot:
			return shortage, "the board's processor is hot" + at(t)
		case *t > l.limits.Cool:
			is = between
		}
	}
	free := 1.0
	if m.Total > 0 && m.Available > 0 {
		free = float64(m.Available) / float64(m.Total)
	}
	if m.Limit > 0 {
		free = min(free, float64(m.Left)/float64(m.Limit))
	}
	why := fmt.Sprintf("the board is short of memory (%.0f%% left)", 100*free)
	switch {
	case free < l.limits.Short/2:
		return urgent, why
	case free < l.limits.Short:
		return shortage, why
	case free < l.limits.Enough:
		is = between
	}
	if s := m.Stalled; s != nil {
		switch {
		case *s >= l.limits.Stuck:
			return shortage, fmt.Sprintf("the board is short of memory (%.0f%% of the time all waits for it)", *s)
		case *s > l.limits.Smooth:
			is = between
		}
	}
	return is, ""
}

func at(t *float64) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf(" (%.1f °C)", *t)
}
