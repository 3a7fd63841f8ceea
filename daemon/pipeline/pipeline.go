// Package pipeline is the main job: capture, gate, schedule, understand,
// publish. It owns the goroutines between a device and the outside, and the
// back-pressure between a fast camera and a slow model.
//
// One goroutine belongs to each source and each pin, one to the model. A source
// that fails is closed, reported and opened again for ever, and takes nothing
// else down. What was seen or heard is announced at once; the words follow
// under the same id, and when they will not come an event of their kind says
// why.
//
// # Back-pressure
//
// A live source never waits for the model: its pictures queue in package
// schedule, where a newer one takes the place of an older one, and what is too
// old or too much is dropped with a reason. A source marked Lossless waits
// instead.
//
// The package uses the time of package time; its tests run in the bubbles of
// testing/synctest, where that time is a manual clock.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

// Engine answers one question at a time. It returns soon after ctx ends.
type Engine interface {
	Understand(ctx context.Context, t event.Task, in event.Input) (event.Result, error)
}

// Publisher takes events. It must accept calls from several goroutines and
// must not block for long: an outbox, not a network.
type Publisher interface {
	Publish(ctx context.Context, e event.Event) error
}

// Pin is an open pin that is read, used by one goroutine.
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
	// Every asks a camera's question at this pace, whatever its gate says. Zero
	// asks when the gate opens.
	Every time.Duration
}

// Source is one camera or one microphone and what is asked about it. Exactly
// one of OpenCamera and OpenMicrophone is set.
type Source struct {
	Name           string
	OpenCamera     func(ctx context.Context) (devices.Camera, error)
	OpenMicrophone func(ctx context.Context) (devices.Microphone, error)
	Tasks          []Task
	// Blackout are the places of a camera's pictures that are painted black
	// before anything else sees them.
	Blackout []gate.Polygon
	// Motion is the gate of a camera, Speech that of a microphone. They announce
	// what they let pass. Nil: nothing is announced, and the tasks are asked
	// only at their pace, at a trigger, or always.
	Motion *gate.MotionOpts
	Speech *gate.SpeechOpts
	// Levels says how often the loudness of a microphone is published; zero never.
	Levels time.Duration
	// Again asks again and again while a motion lasts, at most this often; zero
	// asks once for each motion.
	Again time.Duration
	// Always asks about every picture, or about all sound in pieces of
	// [Window].
	Always bool
	// Image hands the pictures to [Options.Picture].
	Image bool
	// Lossless makes the source wait for the model instead of dropping: the
	// next picture is taken only when no question about the last one waits any
	// more, and its questions never get too old. With Always, every picture is
	// answered. It is for replayed samples, of which each must be seen once even
	// if the machine is slow; a live device would lose what it cannot hold.
	Lossless bool
}

// Window is how much sound a microphone collects for a trigger, or at a time
// with Always.
const Window = 10 * time.Second

// Trigger is a pin that makes sources look and listen, whatever their gates say.
type Trigger struct {
	Name   string
	Open   func(ctx context.Context) (Pin, error)
	Starts []string // names of sources
}

// Options says what a pipeline is made of. Zero limits mean their defaults.
type Options struct {
	Node   string
	Engine Engine
	// Listen, when set, begins a question about speech that goes on; an error
	// means that this task cannot be begun before its sound is complete. It must
	// not wait for the engine. Without it all speech is asked about at its end.
	Listen    func(t event.Task) (Hearing, error)
	Publisher Publisher
	Sources   []Source
	Triggers  []Trigger
	Switches  []Switch
	Log       *slog.Logger
	// Once makes Run return when every source has ended and every question is
	// answered. A source that fails is then not tried again but makes Run fail.
	Once bool
	// Busy, when set, is told when the model begins (true) and ends (false) to
	// work; it must not block.
	Busy func(bool)
	// Measured, when set, is told of each question that the model answered; it
	// must not block.
	Measured func(event.Result, event.Latency)
	// Relief, when set, says how much less is to be asked at present; it may be
	// called from several goroutines and must not block.
	Relief func() Relief
	// Terse keeps words that say nothing new from being published.
	Terse bool
	// Picture, when set, gets the pictures that answers are about of sources
	// marked Image. It must not block for long.
	Picture func(source string, f devices.Frame)
	// Onlooker, when set, is shown what the sources deliver while somebody looks.
	Onlooker Onlooker
	// Illustrate, when set, gets the picture that the events of an id are about,
	// published or not. It must not block.
	Illustrate func(id string, f devices.Frame)
	// Writing, when set, returns what takes the pieces of an answer while an engine
	// that can do so writes it; nil: nobody reads along. Neither may block.
	Writing func(source, id string, kind event.Kind) func(piece string)
	// Model, when set, tells what is known of the model besides its name. It must
	// not block.
	Model func() event.Model
	// Opened, when set, is told when the device of a source was opened, before
	// anything is taken from it, and when it has been closed. It is called by
	// several goroutines and must not block for long.
	Opened func(source string, open bool)
	// NewID names what happens; by default a time-ordered unique text.
	NewID func() string

	QueueDepth int           // waiting questions of one source; 8
	Patience   time.Duration // how long a live question may wait; 2 min
	Answer     time.Duration // how long an answer may take; 5 min
	Publish    time.Duration // how long the publisher may take for an event; 1 s
	Grace      time.Duration // how long the answer in work may go on at the end; 2 s
	Stop       time.Duration // how long everything may take to stop; 4.5 s
	RetryFirst time.Duration // first wait before a failed source is opened again; 1 s
	RetryMax   time.Duration // longest such wait; 30 s
}

// Pipeline is the running job. Make it with [New], run it once.
type Pipeline struct {
	opts    Options
	log     *slog.Logger
	desk    *desk
	sources []*source
	pins    []*wire // of triggers and switches
	counts  counts
	relief  relief
	started atomic.Bool
	tracks  int // numbers given to things; belongs to the model's goroutine
	// publishing ends when Run does: events still go out while all else stops.
	// Who asks from outside may publish before Run has begun.
	publishing     context.Context
	stopPublishing context.CancelFunc
}

// New checks the options. It starts nothing and opens nothing.
func New(o Options) (*Pipeline, error) {
	if o.Engine == nil || o.Publisher == nil || o.Log == nil {
		return nil, errors.New("pipeline: an engine, a publisher and a log are required")
	}
	o = o.withDefaults()
	p := &Pipeline{opts: o, log: o.Log, relief: relief{now: o.Relief}}
	p.publishing, p.stopPublishing = context.WithCancel(context.Background())
	byName := map[string]*source{}
	depth := o.QueueDepth
	for _, s := range o.Sources {
		if byName[s.Name] != nil {
			return nil, fmt.Errorf("pipeline: two sources are named %q", s.Name)
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("pipeline: source %q: %w", s.Name, err)
		}
		src := newSource(p, s)
		byName[s.Name] = src
		p.sources = append(p.sources, src)
		depth = max(depth, 2*len(s.Tasks)) // one of a motion and one of a trigger each
	}
	p.desk = newDesk(depth)
	for _, t := range o.Triggers {
		if t.Open == nil {
			return nil, fmt.Errorf("pipeline: trigger %q cannot be opened", t.Name)
		}
		if byName[t.Name] != nil {
			return nil, fmt.Errorf("pipeline: a trigger and a source are named %q", t.Name)
		}
		tr := newTrigger(p, t)
		for _, name := range t.Starts {
			src := byName[name]
			if src == nil {
				return nil, fmt.Errorf("pipeline: trigger %q starts %q, which is no source", t.Name, name)
			}
			tr.starts = append(tr.starts, src)
		}
		p.pins = append(p.pins, &tr.wire)
	}
	for _, o := range o.Switches {
		if byName[o.Name] != nil {
			return nil, fmt.Errorf("pipeline: a switch and a source are named %q", o.Name)
		}
		t, err := newToggle(p, o)
		if err != nil {
			return nil, fmt.Errorf("pipeline: switch %q: %w", o.Name, err)
		}
		p.pins = append(p.pins, &t.wire)
	}
	return p, nil
}

func (o Options) withDefaults() Options {
	if o.NewID == nil {
		o.NewID = newID
	}
	if o.Busy == nil {
		o.Busy = func(bool) {}
	}
	if o.Measured == nil {
		o.Measured = func(event.Result, event.Latency) {}
	}
	if o.Opened == nil {
		o.Opened = func(string, bool) {}
	}
	if o.QueueDepth <= 0 {
		o.QueueDepth = 8
	}
	for _, d := range []struct {
		to       *time.Duration
		standard time.Duration
	}{
		{&o.Patience, 2 * time.Minute}, {&o.Answer, 5 * time.Minute}, {&o.Publish, time.Second},
		{&o.Grace, 2 * time.Second}, {&o.Stop, 4500 * time.Millisecond},
		{&o.RetryFirst, time.Second}, {&o.RetryMax, 30 * time.Second},
	} {
		if *d.to <= 0 {
			*d.to = d.standard
		}
	}
	return o
}

// check looks for what cannot work.
func (s Source) check() error {
	if (s.OpenCamera == nil) == (s.OpenMicrophone == nil) {
		return errors.New("it must have exactly one of a camera and a microphone")
	}
	names := map[string]bool{}
	for _, t := range s.Tasks {
		if names[t.Name] {
			return fmt.Errorf("two tasks are named %q", t.Name)
		}
		names[t.Name] = true
		if wordsOf(t.Kind) == "" {
			return fmt.Errorf("%q is no kind of task", t.Kind)
		}
	}
	if _, err := gate.NewBlackout(s.Blackout); err != nil {
		return err
	}
	if s.Motion != nil {
		if _, err := gate.NewMotion(*s.Motion); err != nil {
			return err
		}
	}
	if s.Levels != 0 {
		if _, err := gate.NewMeter(s.Levels); err != nil {
			return err
		}
	}
	if s.Speech != nil {
		if _, err := gate.NewSpeech(*s.Speech); err != nil {
			return err
		}
	}
	return nil
}

// Run works until ctx ends, or with Once until everything was seen and
// answered. It returns nil then; with Once, the errors of the sources that
// failed; and when something does not stop within the limit, an error that
// names it.
func (p *Pipeline) Run(ctx context.Context) error {
	if !p.started.CompareAndSwap(false, true) {
		return errors.New("pipeline: it can run only once")
	}
	defer p.stopPublishing()
	answering, stopAnswering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAnswering()
	sensing, stopSensing := context.WithCancel(ctx)
	defer stopSensing()

	all, senses, model := newGroup(nil), newGroup(nil), newGroup(nil)
	senses.all, model.all = all, all
	for _, s := range p.sources {
		senses.start("source "+s.Name, func() { s.run(sensing) })
	}
	for _, w := range p.pins {
		all.start("pin "+w.name, func() { w.run(sensing) })
	}
	model.start("the model", func() { p.answerAll(answering) })

	if p.opts.Once {
		await(ctx, senses)
		p.desk.finish()
		await(ctx, model)
	} else {
		<-ctx.Done()
	}
	stopSensing()
	limit := time.NewTimer(p.opts.Stop)
	defer limit.Stop()
	all.start("the publisher", func() { p.refuse(p.desk.stop()) })
	grace := time.AfterFunc(p.opts.Grace, stopAnswering)
	defer grace.Stop()
	select {
	case <-all.wait():
	case <-limit.C:
		return fmt.Errorf("pipeline: after %v still at work: %s", p.opts.Stop, all.names())
	}
	return p.failures()
}

// failures joins the errors of sources that failed and were not tried again.
func (p *Pipeline) failures() error {
	var errs []error
	for _, s := range p.sources {
		if s.err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", s.Name, s.err))
		}
	}
	return errors.Join(errs...)
}

// publish sends an event on its way. An event that is not taken is lost and
// counted; the log hears of it once until it goes well again.
//
// What says nothing about its outcome is done.
func (p *Pipeline) publish(e event.Event) {
	e.Version, e.Node = event.Version, p.opts.Node
	if e.Status == "" && e.Kind != event.Status {
		e.Status = event.Done
	}
	ctx, cancel := context.WithTimeout(p.publishing, p.opts.Publish)
	defer cancel()
	err := p.opts.Publisher.Publish(ctx, e)
	if err == nil {
		p.counts.published.Add(1)
		if p.counts.unpublishable.Swap(false) {
			p.log.Info("events are published again", "lost", p.counts.lost.Load())
		}
		return
	}
	p.counts.lost.Add(1)
	if !p.counts.unpublishable.Swap(true) {
		p.log.Error("an event could not be published and is lost", "kind", e.Kind, "source", e.Source, "id", e.ID, "error", err)
	}
}
