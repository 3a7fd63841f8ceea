package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sensed/daemon/broker"
	"sensed/daemon/command"
	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/health"
	"sensed/daemon/mqtt"
	"sensed/daemon/outbox"
	"sensed/daemon/pipeline"
	"sensed/daemon/understand"
	"sensed/daemon/web"
)

// How long each part may take to stop; together less than the five seconds
// after which a service manager's patience should not be needed.
const (
	answerGrace   = 1500 * time.Millisecond // for the answer in work
	pipelineStop  = 2800 * time.Millisecond
	outboxDrain   = 800 * time.Millisecond
	engineRelease = 500 * time.Millisecond // for a model that does not notice the end
)

// Load reads and checks a configuration, the options of its devices included.
func Load(path string) (*config.Config, error) {
	c, err := config.Load(path)
	return checked(c, as(BadConfig, err))
}

// Read is [Load] with a text that is not in the file, or not yet.
func Read(path string, text []byte) (*config.Config, error) {
	c, err := config.Read(path, text)
	return checked(c, as(BadConfig, err))
}

// checked checks what package config does not know.
func checked(c *config.Config, err error) (*config.Config, error) {
	if err != nil {
		return nil, err
	}
	if err := fromStore(c); err != nil {
		return nil, err
	}
	discard := slog.New(slog.DiscardHandler)
	if _, err := sources(c, discard); err != nil {
		return nil, err
	}
	if _, err := triggers(c); err != nil {
		return nil, err
	}
	if _, err := switches(c); err != nil {
		return nil, err
	}
	if c.Broker.URL != "" {
		if err := publishing(c, c.Broker.URL, discard).Validate(); err != nil {
			return nil, as(BadConfig, err)
		}
	}
	return c, nil
}

// RunOptions say how the daemon runs.
type RunOptions struct {
	Path   string         // of the configuration, to be read again at a reload
	Config *config.Config // what Load made of it
	Log    *Log
	// Hangup asks for a reload; nil: nobody does.
	Hangup  <-chan os.Signal
	Program string // version of sensed
	// Terminal shows somebody the first password of the page; nil: nobody looks.
	Terminal func(text string)
	// Root holds the /sys and /proc of the board; "": /.
	Root string
}

// daemon is what lives as long as the process: the loaded model. Around it
// lives a line to the outside (broker and publisher), around that a pipeline. A
// reload ends the pipeline, and the line if it must, and makes new ones.
type daemon struct {
	path     string
	log      *Log
	tell     *notifier
	engine   atomic.Pointer[understand.Engine] // nil until the model is loaded
	first    *config.Config                    // what the model is loaded with
	monitor  *health.Monitor
	requests chan *reload // taken while a pipeline runs
	now      atomic.Pointer[running]
	up       chan struct{} // closed when the first pipeline runs
	cameUp   sync.Once

	hub       *web.Hub // what the page is told; nil: there is none
	boot      string   // another text after each start
	began     time.Time
	origin    provenance
	program   string // version of sensed
	keeper    *keeper
	births    births
	described atomic.Pointer[description] // what Home Assistant is told; nil: nothing
	store     *command.Store
	center    *command.Center
	serving   context.Context // ends with the daemon
	restart   context.CancelCauseFunc
	commands  sync.WaitGroup // that are being worked on
}

// running is what works at present. Its fields do not change.
type running struct {
	config    *config.Config
	pipeline  *pipeline.Pipeline
	publisher *mqtt.Publisher
	words     *memory
	mirror    *mirror
	switches  *switchboard
}

// Run is the daemon: it works until ctx ends and then stops within five
// seconds. Parts start in the order page, model, broker, publisher, pipeline and
// stop in the reverse; what one part cannot do never stops another.
func Run(ctx context.Context, o RunOptions) error {
	c, log := o.Config, o.Log
	tellOutdated(log, c)
	tell := newNotifier(log.Logger)
	d := &daemon{path: o.Path, log: log, tell: tell, first: c, program: o.Program, requests: make(chan *reload), up: make(chan struct{})}
	defer d.release()
	d.keeper = openKeeper(stateFile("retained.json"), log.Logger)
	d.store = command.OpenStore(stateFile("switches.json"), log.Logger)
	defer inBackground(d.store.Run)()
	d.center = command.NewCenter(d)
	var closeHub func()
	d.hub, closeHub = newHub(c, log)
	defer closeHub()
	d.boot, d.began = newBoot(), time.Now()
	d.serving, d.restart = context.WithCancelCause(ctx)
	defer d.commands.Wait()
	defer d.restart(nil)
	context.AfterFunc(d.serving, tell.stopping)
	stopWatching, err := d.watch(o)
	if err != nil {
		return err
	}
	defer stopWatching()
	_, stopPage := d.servePage(c.Web, o.Terminal)
	defer stopPage()
	if err := d.load(d.serving); err != nil {
		return err
	}
	defer inBackground(func(ctx context.Context) { d.origin.look(ctx, c.Model.Text, stateFile("model.json"), log.Logger) })()
	defer inBackground(func(ctx context.Context) { d.hangups(ctx, o.Hangup) })()
	if err := d.serve(d.serving, c); err != nil {
		return err
	}
	if errors.Is(context.Cause(d.serving), ErrRestart) {
		return ErrRestart
	}
	log.Info("sensed stops")
	return nil
}

// serve works until ctx ends, from one reload to the next.
func (d *daemon) serve(ctx context.Context, c *config.Config) (err error) {
	var (
		out    *line
		before *config.Config // what to go back to
		asked  *reload        // whoever waits for c to work
	)
	defer func() { err = errors.Join(err, d.closeLine(out)) }()
	for {
		if !out.fits(c) {
			err = d.closeLine(out)
			out = nil
			if err == nil {
				out, err = d.openLine(c)
			}
		}
		var next *reload
		if err == nil {
			next, err = d.work(ctx, c, out, func() { asked.applied(d.log, d.monitor, before, c, d.first) })
		}
		switch {
		case err != nil && !asked.done():
			c = before
			asked.refuse(d.log, fmt.Errorf("the new configuration does not work, going on with the old one: %w", err))
			err, asked = nil, nil
		case err != nil || next == nil:
			return err
		default:
			before, c, asked = c, next.config, next
		}
	}
}

// work runs a pipeline until ctx ends or a reload with a good configuration,
// which it returns. It calls begun when everything is made.
func (d *daemon) work(ctx context.Context, c *config.Config, out *line, begun func()) (*reload, error) {
	led := newLight(c.LED.Model, openLamp, d.log.Logger)
	defer led.close()
	shown := newIndicators(c, openLamp, d.log.Logger)
	defer shown.close()
	shows := newMirror(c, out.publisher, out.publisher, d.log.Logger)
	defer shows.end()
	d.announce(c, shows, out.publisher)
	shows.begin()
	words := newMemory(shows)
	pictures := &gallery{node: c.Node, publisher: out.publisher, log: d.log.Logger, closed: map[string]bool{}}
	p, err := d.newPipeline(c, words, led, shown, pictures)
	if err != nil {
		return nil, err
	}
	switches, err := d.newSwitchboard(c, p, out.publisher, pictures)
	if err != nil {
		return nil, err
	}
	d.now.Store(&running{c, p, out.publisher, words, shows, switches})
	if d.hub != nil {
		d.hub.Begin(pageSources(c))
	}
	d.cameUp.Do(func() { close(d.up) })
	begun()
	d.tell.ready()
	d.log.Info("sensed runs", "node", c.Node, "sources", len(c.Sources), "model", d.model().Name)

	working, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- p.Run(working) }()
	for {
		select {
		case err := <-ran:
			return nil, err
		case r := <-d.requests:
			if !r.read(d) {
				continue
			}
			d.tell.reloading()
			stop()
			if err := <-ran; err != nil {
				r.refuse(d.log, fmt.Errorf("sensed ends, because what worked with the old configuration does not stop: %w", err))
				return nil, err
			}
			return r, nil
		}
	}
}

// line is what carries events outside: a publisher at work with its outbox, and
// the broker inside sensed if there is no other.
type line struct {
	config    *config.Config
	outbox    *outbox.Outbox
	broker    *broker.Broker // nil: another one
	publisher *mqtt.Publisher
	stop      func() // the publisher
}

func (d *daemon) openLine(c *config.Config) (_ *line, err error) {
	l := &line{config: c}
	log := d.log.Logger
	url := c.Broker.URL
	if url == "" {
		if l.broker, err = broker.Start(broker.Options{Addr: c.Broker.Listen, Log: log}); err != nil {
			return nil, fmt.Errorf("%w (broker.listen), or set broker.url to use a broker that runs already", err)
		}
		url = l.broker.URL()
	}
	if l.outbox, err = openOutbox(c, log); err == nil {
		o := publishing(c, url, log)
		o.Outbox = l.outbox
		o.Subscribe = filters(c.Node)
		o.Hear = func(m mqtt.Received) {
			if m.Topic == c.HomeAssistant.Birth {
				d.births.heard(d.serving, m, func(ctx context.Context) { d.tellAgain(ctx, l.publisher) })
				return
			}
			d.heard(c.Node, m, d.replies(c.Node, l.publisher))
		}
		if c.HomeAssistant.Discovery {
			o.Subscribe = append(o.Subscribe, c.HomeAssistant.Birth)
		}
		l.publisher, err = mqtt.New(o)
	}
	if err != nil {
		return nil, errors.Join(as(BadConfig, err), l.end())
	}
	l.stop = inBackground(func(ctx context.Context) { _ = l.publisher.Run(ctx) }) // it never fails
	return l, nil
}

// fits tells whether the line serves that configuration, too.
func (l *line) fits(c *config.Config) bool {
	return l != nil && len(changes(l.config, c, "Sources", "Triggers", "Switches", "LED", "Web", "Health", "Unchanged", "Log")) == 0
}

// closeLine delivers the rest and says offline. A line that is not there is
// closed.
func (d *daemon) closeLine(l *line) error {
	if l == nil {
		return nil
	}
	l.stop()
	d.keeper.settle(l.publisher.Said)
	return l.end()
}

// end closes what a publisher needs.
func (l *line) end() error {
	var errs []error
	if l.outbox != nil {
		_ = l.outbox.Close() // what is lost with it was logged; a disk that fails is a state, and no failure of sensed
	}
	if l.broker != nil {
		errs = append(errs, l.broker.Close())
	}
	return errors.Join(errs...)
}

func (d *daemon) newPipeline(c *config.Config, publisher pipeline.Publisher, led *light, shown *indicators, pictures *gallery) (*pipeline.Pipeline, error) {
	s, err := sources(c, d.log.Logger)
	if err != nil {
		return nil, err
	}
	t, err := triggers(c)
	if err != nil {
		return nil, err
	}
	w, err := switches(c)
	if err != nil {
		return nil, err
	}
	engine := d.engine.Load()
	o := pipeline.Options{
		Node: c.Node, Engine: engine, Listen: listen(engine), Publisher: echo{publisher}, Sources: s, Triggers: t, Switches: w,
		Busy: led.set, Opened: shown.opened, Measured: d.measured, Relief: d.relief,
		Terse: c.Unchanged == "skip", Picture: pictures.show, Model: d.origin.model,
		Log: d.log.Logger, Grace: answerGrace, Stop: pipelineStop,
	}
	d.show(&o)
	p, err := pipeline.New(o)
	return p, as(BadConfig, err)
}

// listen lets a pipeline begin questions about speech that goes on.
func listen(engine *understand.Engine) func(event.Task) (pipeline.Hearing, error) {
	return func(t event.Task) (pipeline.Hearing, error) { return engine.Listen(t) }
}

// inBackground starts f and returns what ends it and waits for it.
func inBackground(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// release closes a model, but does not wait for long: the process ends anyway.
func release(e *understand.Engine, log *slog.Logger) {
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			log.Warn("the model could not be closed", "err", err)
		}
	case <-time.After(engineRelease):
		log.Warn("the model is still at work at the end")
	}
}
