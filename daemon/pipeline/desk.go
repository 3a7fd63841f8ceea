package pipeline

import (
	"context"
	"sync"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/schedule"
)

// question is a task about something that was seen or heard.
type question struct {
	source *source
	task   Task
	id     string
	class  schedule.Class
	input  event.Input
	// at is the capture time as it is published; since is when the picture was
	// taken or the last of the sound was heard: there the latency begins.
	at, since time.Time
	sample    string
	duration  float64  // seconds of sound
	level     *float64 // of the sound
	// announced: an event with this id went out, so somebody waits for words.
	announced bool
	// lone: these are all the words that the announcement can lead to.
	lone bool
	// tell, when set, hears the answer, and wrote its pieces; with quiet nobody
	// else does.
	tell  func(event.Event)
	wrote func(piece string)
	quiet bool
	// hearing has heard most of the sound already; nil: nobody has.
	hearing Hearing
}

// close gives up what was done ahead for the question.
func (q *question) close() {
	if q.hearing != nil {
		q.hearing.Close()
	}
}

// dropped is a question that will not be asked.
type dropped struct {
	*question
	reason schedule.Reason
	// why says more than the reason; it may be empty.
	why string
	// successor is the id of the question that took its place, if that is why.
	successor string
}

// desk is where questions wait for the model: the queue of package schedule
// with a lock, and ways to wait for it. All methods may be called concurrently.
type desk struct {
	mu       sync.Mutex
	queue    *schedule.Queue[*question]
	finished bool          // no more will come
	stopped  bool          // no more are taken
	changed  chan struct{} // closed, and made anew, when the above changes
}

func newDesk(depth int) *desk {
	return &desk{queue: schedule.New[*question](schedule.Options{Depth: depth}), changed: make(chan struct{})}
}

// add lets a question wait, until the deadline if there is one, and returns
// those that had to go, perhaps the new one.
func (d *desk) add(q *question, deadline time.Time, latest bool) []dropped {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return []dropped{{question: q, reason: schedule.Stopping}}
	}
	defer d.change()
	now := time.Now()
	return drops(d.queue.Add(now, schedule.Job[*question]{
		Source: q.source.Name, Task: q.task.Name, Class: q.class,
		Since: now, Deadline: deadline, Latest: latest, Work: q,
	}), q.id)
}

// refuse counts a question that may not wait.
func (d *desk) refuse(q *question, r schedule.Reason, why string) []dropped {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue.Refuse(schedule.Job[*question]{Source: q.source.Name, Task: q.task.Name, Work: q}, r)
	return []dropped{{question: q, reason: r, why: why}}
}

// take waits for the question that goes first. ok is false when none will come.
func (d *desk) take() (q *question, late []dropped, ok bool) {
	for {
		d.mu.Lock()
		j, ok, l := d.queue.Next(time.Now())
		late = append(late, drops(l, "")...)
		if ok || len(late) > 0 {
			d.change()
		}
		end, changed := d.finished || d.stopped, d.changed
		d.mu.Unlock()
		if ok || len(late) > 0 || end {
			return j.Work, late, ok || !end
		}
		<-changed
	}
}

// idle waits until no question of the source waits, or ctx ends.
func (d *desk) idle(ctx context.Context, source string) error {
	for {
		d.mu.Lock()
		n, changed := d.queue.Waiting(source), d.changed
		d.mu.Unlock()
		if n == 0 {
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finish says that no more questions will come: take ends after the last.
func (d *desk) finish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finished = true
	d.change()
}

// stop takes back all questions and lets no more come.
func (d *desk) stop() []dropped {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	d.change()
	return drops(d.queue.Drain(schedule.Stopping), "")
}

// remove takes back the questions of a source that wait.
func (d *desk) remove(source string, r schedule.Reason) []dropped {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.change()
	return drops(d.queue.Remove(source, r), "")
}

// change wakes everybody who waits; the lock is held.
func (d *desk) change() {
	close(d.changed)
	d.changed = make(chan struct{})
}

func drops(ds []schedule.Dropped[*question], successor string) []dropped {
	var out []dropped
	for _, d := range ds {
		o := dropped{question: d.Job.Work, reason: d.Reason}
		if d.Reason == schedule.Newer {
			o.successor = successor
		}
		out = append(out, o)
	}
	return out
}
