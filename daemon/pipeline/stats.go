package pipeline

import (
	"sync/atomic"

	"sensed/daemon/schedule"
)

// counts are what the whole pipeline counts.
type counts struct {
	answered, failed atomic.Uint64
	published, lost  atomic.Uint64
	turns            atomic.Uint64 // of the model's goroutine
	working          atomic.Bool
	unpublishable    atomic.Bool // the last event was lost
}

// sourceCounts are what one source counts.
type sourceCounts struct {
	seen, asked, answered atomic.Uint64
	steps                 atomic.Uint64
	patient               atomic.Bool // waits for the model
}

// Stats is a look at a pipeline.
type Stats struct {
	Sources   []SourceStats // in the order of the options
	Waiting   int           // questions
	Working   bool          // the model answers one
	Turns     uint64        // questions begun, and ended: it grows while Working or Waiting
	Answered  uint64        // questions
	Failed    uint64        // questions that the model did not answer
	Published uint64        // events
	Lost      uint64        // events that the publisher did not take
	// Drops are the questions that were not asked, by source, task and reason.
	Drops map[schedule.Count]uint64
}

// SourceStats is a look at a source.
type SourceStats struct {
	Name     string
	State    string // as in its last status event; "" before
	Why      string // the sentence that goes with it
	Seen     uint64 // pictures or chunks of sound
	Asked    uint64 // questions
	Answered uint64 // questions
	// Steps grows whenever the device is opened, delivers or fails: not for long
	// the same but while the source waits for the model (Patient) or is not meant
	// to be open.
	Steps   uint64
	Patient bool
}

// Stats may be called at any time from any goroutine.
func (p *Pipeline) Stats() Stats {
	s := Stats{
		Working: p.counts.working.Load(), Turns: p.counts.turns.Load(),
		Answered: p.counts.answered.Load(), Failed: p.counts.failed.Load(),
		Published: p.counts.published.Load(), Lost: p.counts.lost.Load(),
	}
	for _, src := range p.sources {
		state, why := src.state.get()
		s.Sources = append(s.Sources, SourceStats{
			Name: src.Name, State: state, Why: why,
			Seen: src.counts.seen.Load(), Asked: src.counts.asked.Load(), Answered: src.counts.answered.Load(),
			Steps: src.counts.steps.Load(), Patient: src.counts.patient.Load(),
		})
	}
	p.desk.mu.Lock()
	defer p.desk.mu.Unlock()
	s.Waiting, s.Drops = p.desk.queue.Len(), p.desk.queue.Drops()
	return s
}
