package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sensed/daemon/broker"
	"sensed/daemon/command"
	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/health"
	"sensed/daemon/mqtt"
	"sensed/daemon/outbox"
	"sensed/daemon/pipeline"
	"sensed/daemon/understand"
	"sensed/deploy/models/tiny"
	"sensed/devices/replay"
	"sensed/devices/wave"
)

// The demonstration's names and its pace.
const (
	demoNode   = "demo"
	demoCamera = "camera"
	demoMic    = "microphone"
	demoFPS    = 2
	demoGap    = 1200 * time.Millisecond // silence between two sentences
)

// DemoOptions say how the demonstration is shown.
type DemoOptions struct {
	JSON  bool // one JSON object a line instead of text
	Once  bool // end after every sample was seen and heard once
	Port  int  // of the embedded broker; 0: any free one
	Page  int  // port of the page; 0: any free one, negative: no page
	Color bool

	Program string // version of sensed
}

// Demo runs the whole daemon on the bundled samples: a replayed camera and a
// replayed microphone, gates, scheduler, the bundled model and the embedded
// broker; a subscriber prints to out what arrives there. What is not an event
// goes to notes.
func Demo(ctx context.Context, o DemoOptions, out, notes io.Writer, log *slog.Logger) error {
	folder, samples, err := unpackSamples()
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	engine, err := Model{}.open(log)
	if err != nil {
		return err
	}
	defer release(engine, log)
	b, err := broker.Start(broker.Options{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)), Log: log})
	if err != nil {
		return fmt.Errorf("%w (--port)", err)
	}
	defer b.Close()

	c := demoConfig(folder, o)
	d := newDemo(c, o, engine, log)
	d.origin.bundled(log)
	var stopDaemon context.CancelCauseFunc
	d.serving, stopDaemon = context.WithCancelCause(ctx)
	d.restart = stopDaemon
	defer d.commands.Wait()
	defer stopDaemon(nil)
	if d.monitor, err = demoMonitor(d, o.Program); err != nil {
		return err
	}
	defer inBackground(d.monitor.Run)()
	page, stopPage := d.servePage(c.Web, nil)
	defer stopPage()

	show := newViewer(o, out, samples)
	if !o.JSON {
		notes = out
	}
	show.introduce(notes, b.URL(), page)
	arrived := make(chan mqtt.Received, 64)
	sub, err := mqtt.Subscribe(ctx, b.URL(), "sensed-demo-viewer", mqtt.Root+"/#", func(m mqtt.Received) {
		if isEvent(m.Topic) {
			arrived <- m
		}
	})
	if err != nil {
		return err
	}
	defer sub.Close()
	waiting, err := outbox.Open(outbox.Options{Log: log}) // in memory
	if err != nil {
		return err
	}
	defer waiting.Close()
	var publisher *mqtt.Publisher
	publisher, err = mqtt.New(mqtt.Options{
		Node: demoNode, URL: b.URL(), Outbox: waiting, Log: log, Subscribe: filters(demoNode),
		Hear: func(m mqtt.Received) { d.heard(demoNode, m, d.replies(demoNode, publisher)) },
	})
	if err != nil {
		return err
	}
	words := newMemory(publisher)
	p, err := d.demoPipeline(folder, o.Once, words)
	if err != nil {
		return err
	}
	switches, err := d.newSwitchboard(c, p, publisher, &gallery{node: demoNode, publisher: publisher, log: log, closed: map[string]bool{}})
	if err != nil {
		return err
	}
	d.now.Store(&running{c, p, publisher, words, newMirror(c, publisher, publisher, log), switches})
	if d.hub != nil {
		d.hub.Begin(pageSources(c))
	}
	close(d.up)

	stopPublisher := inBackground(func(ctx context.Context) { _ = publisher.Run(ctx) })
	working, stop := context.WithCancel(d.serving) // a restart ends the demonstration
	defer stop()
	ran := make(chan error, 1)
	go func() {
		err := p.Run(working)
		stopPublisher() // delivers the rest and says offline
		ran <- err
		close(ran)
	}()
	err = show.until(arrived, ran)
	if err != nil { // nobody looks any more
		stop()
		discard(arrived, ran)
		return err
	}
	show.conclude(notes)
	switch {
	case ctx.Err() != nil && o.Once:
		return ctx.Err()
	case o.Once:
		return show.complete()
	}
	return nil
}

// discard throws away what arrives until the pipeline has ended.
func discard(arrived <-chan mqtt.Received, ran <-chan error) {
	for {
		select {
		case <-arrived:
		case _, more := <-ran:
			if !more {
				return
			}
		}
	}
}

// demoConfig is what a configuration would say about the demonstration.
func demoConfig(folder string, o DemoOptions) *config.Config {
	task := func(kind event.TaskKind) config.Task { return config.Task{Kind: string(kind), Name: string(kind)} }
	c := config.Default()
	c.Node = demoNode
	c.Web.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Page))
	if o.Page < 0 || o.Once {
		c.Web.Listen = config.WebOff
	}
	c.Sources = []config.Source{
		{
			Name: demoCamera, Device: config.Device{Scheme: "replay", Path: filepath.Join(folder, "scenes")},
			Tasks: []config.Task{task(event.TaskCaption), task(event.TaskDetect)},
			Gate:  config.Gate{Motion: config.DefaultMotion(), Always: true},
		},
		{
			Name: demoMic, Device: config.Device{Scheme: "wav", Path: filepath.Join(folder, "speech")},
			Tasks: []config.Task{task(event.TaskTranscribe)},
			Gate:  config.Gate{Speech: config.DefaultSpeech()},
		},
	}
	return c
}

// newDemo is a daemon without a configuration file, which keeps nothing.
func newDemo(c *config.Config, o DemoOptions, engine *understand.Engine, log *slog.Logger) *daemon {
	ring := &logRing{}
	d := &daemon{
		log:  &Log{slog.New(ringed{Handler: log.Handler(), ring: ring}), new(slog.LevelVar), ring},
		tell: newNotifier(log), first: c, requests: make(chan *reload), up: make(chan struct{}),
		program: o.Program, boot: newBoot(), began: time.Now(),
	}
	d.engine.Store(engine)
	d.store = command.OpenStore("", log)
	d.center = command.NewCenter(d)
	d.hub, _ = newHub(c, d.log) // which keeps nothing
	return d
}

// demoMonitor looks after the demonstration, and tells the page.
func demoMonitor(d *daemon, program string) (*health.Monitor, error) {
	return health.NewMonitor(health.Options{
		Program: program, Board: health.NewBoard(os.DirFS("/")), Parts: d.parts, Log: d.log.Logger,
		Looked: func(s health.Snapshot, _ []string) {
			if d.hub != nil {
				d.hub.Health(s)
			}
		},
	})
}

func (d *daemon) demoPipeline(folder string, once bool, publisher pipeline.Publisher) (*pipeline.Pipeline, error) {
	log := d.log.Logger
	camera, err := replay.New(replay.Opts{Path: filepath.Join(folder, "scenes"), FPS: demoFPS, Loop: !once, Log: log})
	if err != nil {
		return nil, err
	}
	mic, err := wave.New(wave.Opts{Paths: []string{filepath.Join(folder, "speech")}, Lead: demoGap, Gap: demoGap, Realtime: true, Loop: !once})
	if err != nil {
		return nil, err
	}
	task := func(kind event.TaskKind) pipeline.Task {
		return pipeline.Task{Task: event.Task{Kind: kind, Name: string(kind)}}
	}
	engine := d.engine.Load()
	o := pipeline.Options{
		Node: demoNode, Engine: engine, Listen: listen(engine), Publisher: publisher, Log: log, Once: once, Model: d.origin.model,
		Sources: []pipeline.Source{
			{
				Name: demoCamera, OpenCamera: camera.Open,
				Tasks:  []pipeline.Task{task(event.TaskCaption), task(event.TaskDetect)},
				Motion: &gate.MotionOpts{}, Always: true, Lossless: true,
			},
			{
				Name: demoMic, OpenMicrophone: mic.Open,
				Tasks:  []pipeline.Task{task(event.TaskTranscribe)},
				Speech: &gate.SpeechOpts{}, Lossless: true,
			},
		},
		Measured: d.measured, Grace: answerGrace, Stop: pipelineStop,
	}
	d.show(&o)
	return pipeline.New(o)
}

// unpackSamples writes the bundled samples into two folders, scenes and speech,
// and returns their names. Playing them from files is what a user can do too.
func unpackSamples() (folder string, names []string, err error) {
	folder, err = os.MkdirTemp("", "sensed-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("the samples need a folder for temporary files (TMPDIR): %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(folder)
		}
	}()
	entries, err := fs.ReadDir(tiny.Files(), tiny.Samples)
	if err != nil {
		return "", nil, fmt.Errorf("the bundled samples: %w", err)
	}
	for _, e := range entries {
		var below string
		switch path.Ext(e.Name()) {
		case ".png":
			below = "scenes"
		case ".wav":
			below = "speech"
		default:
			continue
		}
		data, err := fs.ReadFile(tiny.Files(), path.Join(tiny.Samples, e.Name()))
		if err != nil {
			return "", nil, fmt.Errorf("the bundled samples: %w", err)
		}
		dir := filepath.Join(folder, below)
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, e.Name()), data, 0o600)); err != nil {
			return "", nil, fmt.Errorf("the bundled samples cannot be unpacked: %w", err)
		}
		names = append(names, e.Name())
	}
	return folder, names, nil
}

// wanted lists the kinds of event that answer a sample.
func wanted(sample string) []event.Kind {
	if strings.HasSuffix(sample, ".wav") {
		return []event.Kind{event.Transcript}
	}
	return []event.Kind{event.Caption, event.Objects}
}
