// Package schedule decides which question the one model answers next, and
// which question is not worth asking any more.
//
// It is pure: it starts nothing, locks nothing and takes the time as a value.
// Its owner serialises the calls.
//
// # Order
//
// The job with the smallest Since - Class*Age goes first. A trigger therefore
// overtakes a timed job, but only one that is younger than it by less than
// three Ages: this key never changes while a job waits, every later job gets
// a later key, and so nothing starves.
//
// # Bounds
//
// A picture is worth asking about only while no newer one is there: a job
// marked Latest gives its place, and the time it has waited, to the next one of
// its source and task. Beyond that a source has at most Depth waiting jobs;
// the least urgent and among them the oldest makes room. A job whose deadline
// has passed is dropped. Every drop has a [Reason] and is counted.
package schedule

import (
	"maps"
	"slices"
	"time"
)

// Class is how urgent a job is.
type Class int

// The classes, least urgent first.
const (
	Timed   Class = iota // its time came round
	Motion               // something moved
	Speech               // somebody spoke
	Trigger              // somebody pressed a button
)

// String returns the name of the class.
func (c Class) String() string {
	switch c {
	case Timed:
		return "timed"
	case Motion:
		return "motion"
	case Speech:
		return "speech"
	case Trigger:
		return "trigger"
	}
	return "unknown"
}

// Reason says in words why a job was dropped.
type Reason string

// The reasons.
const (
	Newer    Reason = "a newer picture took its place"
	Full     Reason = "too many questions of this source were waiting"
	Late     Reason = "it waited too long for the model"
	Stopping Reason = "sensed is stopping"
	// Throttled is counted by [Queue.Refuse]; what the board is short of is told
	// beside it.
	Throttled Reason = "the board is short of something"
	Private   Reason = "the source was closed for privacy"
)

// Defaults of [Options].
const (
	DefaultDepth = 8
	DefaultAge   = 15 * time.Second
)

// Options bounds a queue. Zero fields mean the defaults.
type Options struct {
	Depth int           // waiting jobs of one source
	Age   time.Duration // waiting this long is worth one class
}

// Job is one question that waits for the model.
type Job[T any] struct {
	Source, Task string
	Class        Class
	Since        time.Time // when it was asked
	Deadline     time.Time // when the answer is of no use any more; zero: never
	// Latest lets the next job of the same source and task, if it is at least
	// as urgent, take this one's place.
	Latest bool
	Work   T
}

// Dropped is a job that will not be answered.
type Dropped[T any] struct {
	Job    Job[T]
	Reason Reason
}

// Count names what is counted by [Queue.Drops].
type Count struct {
	Source, Task string
	Reason       Reason
}

// Queue holds the waiting jobs. Its methods must not be called concurrently.
type Queue[T any] struct {
	depth   int
	age     time.Duration
	waiting []entry[T] // oldest arrival first
	drops   map[Count]uint64
}

// entry is a waiting job and its place in the order.
type entry[T any] struct {
	job Job[T]
	key time.Time // smallest first
}

// New returns an empty queue.
func New[T any](o Options) *Queue[T] {
	if o.Depth <= 0 {
		o.Depth = DefaultDepth
	}
	if o.Age <= 0 {
		o.Age = DefaultAge
	}
	return &Queue[T]{depth: o.Depth, age: o.Age, drops: map[Count]uint64{}}
}

// Add lets j wait and returns what had to go for it: the jobs whose place it
// takes, those that are too late, and what exceeds the depth, which may be j
// itself.
func (q *Queue[T]) Add(now time.Time, j Job[T]) []Dropped[T] {
	out := q.Expire(now)
	if j.late(now) {
		return append(out, q.count(j, Late))
	}
	e := entry[T]{job: j, key: j.Since.Add(-time.Duration(j.Class) * q.age)}
	if j.Latest {
		q.waiting = slices.DeleteFunc(q.waiting, func(w entry[T]) bool {
			if !w.job.Latest || w.job.Source != j.Source || w.job.Task != j.Task || w.job.Class > j.Class {
				return false
			}
			if w.key.Before(e.key) {
				e.key = w.key // the wait is inherited, or a fast camera would starve itself
			}
			out = append(out, q.count(w.job, Newer))
			return true
		})
	}
	q.waiting = append(q.waiting, e)
	if q.Waiting(j.Source) > q.depth {
		v := q.victim(j.Source)
		out = append(out, q.count(q.waiting[v].job, Full))
		q.waiting = slices.Delete(q.waiting, v, v+1)
	}
	return out
}

// victim returns the index of the source's least urgent job, the oldest of
// several.
func (q *Queue[T]) victim(source string) int {
	v := -1
	for i, w := range q.waiting {
		if w.job.Source == source && (v < 0 || w.job.Class < q.waiting[v].job.Class) {
			v = i
		}
	}
	return v
}

// Next takes the job that goes first, and returns what got too late before it.
func (q *Queue[T]) Next(now time.Time) (j Job[T], ok bool, late []Dropped[T]) {
	late = q.Expire(now)
	if len(q.waiting) == 0 {
		return j, false, late
	}
	first := 0
	for i, w := range q.waiting {
		if w.key.Before(q.waiting[first].key) {
			first = i
		}
	}
	j = q.waiting[first].job
	q.waiting = slices.Delete(q.waiting, first, first+1)
	return j, true, late
}

// Expire drops the jobs whose deadline has passed.
func (q *Queue[T]) Expire(now time.Time) []Dropped[T] {
	var out []Dropped[T]
	q.waiting = slices.DeleteFunc(q.waiting, func(w entry[T]) bool {
		if !w.job.late(now) {
			return false
		}
		out = append(out, q.count(w.job, Late))
		return true
	})
	return out
}

// Drain drops everything for the given reason.
func (q *Queue[T]) Drain(r Reason) []Dropped[T] {
	var out []Dropped[T]
	for _, w := range q.waiting {
		out = append(out, q.count(w.job, r))
	}
	clear(q.waiting) // the pixels must not live on behind the slice
	q.waiting = q.waiting[:0]
	return out
}

// Remove drops everything of a source for the given reason.
func (q *Queue[T]) Remove(source string, r Reason) []Dropped[T] {
	var out []Dropped[T]
	q.waiting = slices.DeleteFunc(q.waiting, func(w entry[T]) bool {
		if w.job.Source != source {
			return false
		}
		out = append(out, q.count(w.job, r))
		return true
	})
	return out
}

// Refuse counts a job that may not wait at all.
func (q *Queue[T]) Refuse(j Job[T], r Reason) Dropped[T] { return q.count(j, r) }

// Len returns how many jobs wait.
func (q *Queue[T]) Len() int { return len(q.waiting) }

// Waiting returns how many jobs of a source wait.
func (q *Queue[T]) Waiting(source string) int {
	n := 0
	for _, w := range q.waiting {
		if w.job.Source == source {
			n++
		}
	}
	return n
}

// Drops returns how many jobs were dropped so far, by source, task and reason.
func (q *Queue[T]) Drops() map[Count]uint64 { return maps.Clone(q.drops) }

func (q *Queue[T]) count(j Job[T], r Reason) Dropped[T] {
	q.drops[Count{j.Source, j.Task, r}]++
	return Dropped[T]{Job: j, Reason: r}
}

func (j *Job[T]) late(now time.Time) bool {
	return !j.Deadline.IsZero() && now.After(j.Deadline)
}
