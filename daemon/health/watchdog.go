package health

import (
	"fmt"
	"time"
)

// Worker is a part of the daemon that must get on.
type Worker struct {
	Name string
	// Steps grows whenever the worker gets on.
	Steps uint64
	// Busy: it is expected to get on now. A source that is absent is busy, too:
	// it is tried again and again.
	Busy bool
	// Patience is how long it may stay where it is while it is busy.
	Patience time.Duration
}

// Watchdog decides whether the service manager's watchdog may be fed. It takes
// the time as a value and must not be used by several goroutines at a time.
type Watchdog struct{ seen map[string]stand }

type stand struct {
	steps uint64
	since time.Time
}

// Look takes all workers and returns a sentence for each that hangs. None:
// feed.
func (w *Watchdog) Look(now time.Time, workers []Worker) (hangs []string) {
	seen := map[string]stand{}
	for _, k := range workers {
		s, known := w.seen[k.Name]
		if !known || s.steps != k.Steps || !k.Busy {
			s = stand{k.Steps, now}
		}
		seen[k.Name] = s
		if stuck := now.Sub(s.since); stuck > k.Patience {
			hangs = append(hangs, fmt.Sprintf("%s has not moved for %v", k.Name, stuck.Round(time.Second)))
		}
	}
	w.seen = seen // who is gone is forgotten
	return hangs
}
