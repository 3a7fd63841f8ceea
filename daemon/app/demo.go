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
	"sensed/daemon/event"
	"sensed/daemon/gate"
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
	Color bool
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

	show := newViewer(o, out, samples)
	if !o.JSON {
		notes = out
	}
	show.introduce(notes, b.URL())
	arrived := make(chan mqtt.Received, 64)
	sub, err := mqtt.Subscribe(ctx, b.URL(), "sensed-demo-viewer", mqtt.Root+"/#", func(m mqtt.Received) { arrived <- m })
	if err != nil {
		return err
	}
	defer sub.Close()
	waiting, err := outbox.Open(outbox.Options{Log: log}) // in memory
	if err != nil {
		return err
	}
	defer waiting.Close()
	publisher, err := mqtt.New(mqtt.Options{Node: demoNode, URL: b.URL(), Outbox: waiting, Log: log})
	if err != nil {
		return err
	}
	p, err := demoPipeline(folder, o.Once, engine, publisher, log)
	if err != nil {
		return err
	}

	stopPublisher := inBackground(func(ctx context.Context) { _ = publisher.Run(ctx) })
	working, stop := context.WithCancel(ctx)
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

func demoPipeline(folder string, once bool, engine *understand.Engine, publisher pipeline.Publisher, log *slog.Logger) (*pipeline.Pipeline, error) {
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
	origin := &provenance{}
	origin.bundled(log)
	return pipeline.New(pipeline.Options{
		Node: demoNode, Engine: engine, Listen: listen(engine), Publisher: publisher, Log: log, Once: once, Model: origin.model,
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
		Grace: answerGrace, Stop: pipelineStop,
	})
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
