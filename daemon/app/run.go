package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"sensed/daemon/broker"
	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/daemon/pipeline"
	"sensed/daemon/understand"
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
	if err != nil {
		return nil, as(BadConfig, err)
	}
	discard := slog.New(slog.DiscardHandler)
	if _, err := sources(c, discard); err != nil {
		return nil, err
	}
	if _, err := triggers(c); err != nil {
		return nil, err
	}
	if c.Broker.URL != "" {
		if _, err := newPublisher(c, c.Broker.URL, discard); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// NewLog makes the log that a configuration asks for.
func NewLog(l config.Log, w io.Writer) *slog.Logger {
	var level slog.Level // info
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // the configuration was checked
	}
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// Run is the daemon: it works until ctx ends and then stops within five
// seconds. Parts start in the order model, broker, publisher, pipeline and stop
// in the reverse; what one part cannot do never stops another.
func Run(ctx context.Context, c *config.Config, log *slog.Logger) (err error) {
	tell := newNotifier(log)
	tell.status("loading the model")
	model := Model{Text: c.Model.Text, Projector: c.Model.Projector, Drafter: c.Model.Drafter, Profile: c.Model.Profile, Threads: c.Model.Threads, Context: c.Model.Context}
	engine, err := model.open(log)
	if err != nil {
		return err
	}
	defer release(engine, log)

	url := c.Broker.URL
	if url == "" {
		b, err := broker.Start(broker.Options{Addr: c.Broker.Listen, Log: log})
		if err != nil {
			return fmt.Errorf("%w (broker.listen), or set broker.url to use a broker that runs already", err)
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		url = b.URL()
	}
	publisher, err := newPublisher(c, url, log)
	if err != nil {
		return err
	}
	led := newLight(c.LED.Pin, openLamp, log)
	defer led.close()
	p, err := newPipeline(c, engine, publisher, led, log)
	if err != nil {
		return err
	}

	stopPublisher := inBackground(func(ctx context.Context) { _ = publisher.Run(ctx) }) // it never fails
	defer stopPublisher()
	stopTelling := inBackground(func(ctx context.Context) { tell.keep(ctx, p, publisher) })
	defer stopTelling()
	tell.ready()
	log.Info("sensed runs", "node", c.Node, "sources", len(c.Sources), "model", engine.Model())
	context.AfterFunc(ctx, tell.stopping)
	if err := p.Run(ctx); err != nil {
		return err
	}
	log.Info("sensed stops")
	return nil
}

func newPublisher(c *config.Config, url string, log *slog.Logger) (*mqtt.Publisher, error) {
	b := c.Broker
	p, err := mqtt.New(mqtt.Options{
		Node: c.Node, URL: url, ClientID: b.ClientID,
		Username: b.Username, PasswordFile: b.PasswordFile,
		CAFile: b.CAFile, CertFile: b.CertFile, KeyFile: b.KeyFile,
		Log: log, Drain: outboxDrain,
	})
	return p, as(BadConfig, err)
}

func newPipeline(c *config.Config, engine *understand.Engine, publisher *mqtt.Publisher, led *light, log *slog.Logger) (*pipeline.Pipeline, error) {
	s, err := sources(c, log)
	if err != nil {
		return nil, err
	}
	t, err := triggers(c)
	if err != nil {
		return nil, err
	}
	p, err := pipeline.New(pipeline.Options{
		Node: c.Node, Engine: engine, Listen: listen(engine), Publisher: publisher, Sources: s, Triggers: t,
		Busy: led.set, Log: log, Grace: answerGrace, Stop: pipelineStop,
	})
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

// release closes the model, but does not wait for long: the process ends anyway.
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
