package pipeline

import (
	"sync"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/schedule"
)

// Relief is how much less is asked while the board is short of something. What
// a person asked for by a pin is treated as speech is. The zero value asks for
// everything as configured.
type Relief struct {
	// Why is a sentence for the events of questions that are not asked.
	Why string
	// ImageTokens is the most detail of a picture; 0 is as configured.
	ImageTokens int
	// Rest is the least time between two questions of one camera and one task.
	Rest       time.Duration
	NoCaptions bool // no words about pictures (caption, prompt)
	NoPictures bool // no questions about pictures at all
	NoSpeech   bool // nor about sound: nothing is asked
}

// relief applies one to questions; it remembers when what was asked.
type relief struct {
	now func() Relief // nil: there is never any

	mu    sync.Mutex
	asked map[[2]string]time.Time // by source and task
}

// shape makes a question smaller where it must, and says why it is not asked at
// all; "" is asked.
func (r *relief) shape(q *question, now time.Time) (why string) {
	if r.now == nil {
		return ""
	}
	l := r.now()
	seen := len(q.input.Images) > 0
	wanted := q.class == schedule.Trigger
	switch {
	case l.NoSpeech,
		l.NoPictures && seen && !wanted,
		l.NoCaptions && seen && !wanted && (q.task.Kind == event.TaskCaption || q.task.Kind == event.TaskPrompt):
		return l.Why
	}
	if !seen {
		return ""
	}
	if t := q.task.ImageTokens; l.ImageTokens > 0 && (t == 0 || t > l.ImageTokens) {
		q.task.ImageTokens = l.ImageTokens
	}
	if wanted {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{q.source.Name, q.task.Name}
	if last, ok := r.asked[key]; ok && now.Sub(last) < l.Rest {
		return l.Why
	}
	if r.asked == nil {
		r.asked = map[[2]string]time.Time{}
	}
	r.asked[key] = now
	return ""
}
