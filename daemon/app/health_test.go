package app

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/health"
	"sensed/daemon/mqtt"
	"sensed/daemon/outbox"
	"sensed/daemon/pipeline"
	"sensed/devices/scene"
	"sensed/devices/wave"
)

// thinker is an engine that takes a while, and that a test can hang.
type thinker struct {
	takes time.Duration

	mu   sync.Mutex
	seen []string // task and detail of what was asked
	hang chan struct{}
}

func (e *thinker) Understand(ctx context.Context, t event.Task, _ event.Input) (event.Result, error) {
	e.mu.Lock()
	e.seen = append(e.seen, fmt.Sprintf("%s at %d", t.Name, t.ImageTokens))
	hang := e.hang
	e.mu.Unlock()
	if hang != nil {
		<-hang // and does not notice the end of ctx
	}
	select {
	case <-time.After(e.takes):
	case <-ctx.Done():
		return event.Result{}, ctx.Err()
	}
	return event.Result{Kind: t.Kind, Text: "A bus.", Prompt: 100, Answer: 10, Timing: event.Timing{Encode: e.takes / 2, Decode: e.takes / 2}}, nil
}

// since returns what was asked since the last call.
func (e *thinker) since() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.seen
	e.seen = nil
	return s
}

// shed is a daemon without a model and a broker, on a board of files.
type shed struct {
	t      *testing.T
	d      *daemon
	root   string
	engine *thinker
	box    *outbox.Outbox
	line   *mqtt.Publisher

	mu     sync.Mutex
	events []event.Event
	told   []string // to systemd
}

// Publish notes an event on its way to the real publisher.
func (s *shed) Publish(ctx context.Context, e event.Event) error {
	s.mu.Lock()
	s.events = append(s.events, e)
	s.mu.Unlock()
	return s.line.Publish(ctx, e)
}

func (s *shed) put(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// throttled sets the bits that the firmware of a Raspberry Pi tells.
func (s *shed) throttled(bits string) {
	s.put("sys/devices/platform/soc/soc:firmware/get_throttled", bits+"\n")
}

// newShed makes the daemon; state is the folder of its outbox.
func newShed(t *testing.T, state string, sources ...pipeline.Source) *shed {
	t.Helper()
	s := &shed{t: t, root: t.TempDir(), engine: &thinker{takes: 2 * time.Second}}
	s.throttled("0")
	log := slog.New(slog.DiscardHandler)
	var err error
	if s.box, err = outbox.Open(outbox.Options{Dir: state, Log: log}); err != nil {
		t.Fatal(err)
	}
	if s.line, err = mqtt.New(mqtt.Options{Node: "porch", URL: "mqtt://127.0.0.1:1", Outbox: s.box, Log: log}); err != nil {
		t.Fatal(err)
	}
	tell := &notifier{log: log, watchdog: true, sent: func(state string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told = append(s.told, state)
		return nil
	}}
	s.d = &daemon{log: &Log{log, new(slog.LevelVar), &logRing{}}, tell: tell, first: parseConfig(t, "node: porch\n")}
	p, err := pipeline.New(pipeline.Options{
		Node: "porch", Engine: s.engine, Publisher: s, Sources: sources, Log: log,
		Relief: s.d.relief, Measured: s.d.measured, Stop: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.d.now.Store(&running{config: s.d.first, pipeline: p, publisher: s.line, words: newMemory(s)})
	s.watch(os.DirFS(s.root))
	return s
}

// watch gives the daemon a monitor of that board.
func (s *shed) watch(root fs.FS) {
	s.t.Helper()
	var err error
	limits := health.DefaultLimits()
	limits.Fall = 20 * time.Second // the package health tests the minute
	s.d.monitor, err = health.NewMonitor(health.Options{
		Limits: limits, Board: health.NewBoard(root), Parts: s.d.parts, Publish: s.d.publishHealth, Looked: s.d.tell.looked, Log: s.d.log.Logger,
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// run works until the returned function is called.
func (s *shed) run() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var all sync.WaitGroup
	all.Go(func() { s.d.monitor.Run(ctx) })
	all.Go(func() { _ = s.d.now.Load().pipeline.Run(ctx) })
	return func() {
		cancel()
		all.Wait()
		if err := s.box.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// drain is a broker that takes everything.
func (s *shed) drain() {
	for e, ok := s.box.Peek(0); ok; e, ok = s.box.Peek(0) {
		s.box.Ack(e.Number)
	}
}

func (s *shed) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	s.told = nil
	return told
}

// walks is a camera before which things move.
func walks(t *testing.T, fps float64) func(*pipeline.Source) {
	c, err := scene.New(scene.Opts{Seed: 3, Width: 160, Height: 120, FPS: fps, Script: scene.Walks})
	if err != nil {
		t.Fatal(err)
	}
	return func(s *pipeline.Source) { s.OpenCamera = c.Open }
}

func source(name string, device func(*pipeline.Source), tasks ...event.TaskKind) pipeline.Source {
	s := pipeline.Source{Name: name}
	device(&s)
	for _, k := range tasks {
		s.Tasks = append(s.Tasks, pipeline.Task{Task: event.Task{Kind: k, Name: string(k)}})
	}
	return s
}

// TestThrottledBoardShedsLoad: a fake sysfs says that the processor is
// throttled, and the whole way from there to the events that subscribers get is
// walked, up and back down.
func TestThrottledBoardShedsLoad(t *testing.T) {
	speech := speechFolder(t)
	synctest.Test(t, func(t *testing.T) {
		door := source("door", walks(t, 1), event.TaskCaption, event.TaskDetect)
		door.Motion, door.Again = &gate.MotionOpts{}, 5*time.Second
		mic, err := wave.New(wave.Opts{Paths: []string{speech}, Gap: 3 * time.Second, Realtime: true, Loop: true})
		if err != nil {
			t.Fatal(err)
		}
		hall := source("hall", func(s *pipeline.Source) { s.OpenMicrophone = mic.Open }, event.TaskTranscribe)
		hall.Speech = &gate.SpeechOpts{}
		s := newShed(t, "", door, hall)
		defer s.run()()

		asks := func(task string) bool {
			return slices.ContainsFunc(s.engine.since(), func(q string) bool { return strings.HasPrefix(q, task) })
		}
		// reach waits until the policy is at a level, and then for 45 s, of which it
		// returns what was asked.
		reach := func(want health.Level) map[string]bool {
			t.Helper()
			for range 600 {
				if l, _ := s.d.monitor.Level(); l == want {
					s.engine.since()
					time.Sleep(45 * time.Second)
					kinds := map[string]bool{}
					for _, q := range s.engine.since() {
						kinds[q] = true
					}
					return kinds
				}
				time.Sleep(time.Second)
			}
			l, why := s.d.monitor.Level()
			t.Fatalf("the level is %v (%s), never %v", l, why, want)
			return nil
		}
		if k := reach(health.Normal); !k["caption at 0"] || !k["detect at 0"] || !k["transcribe at 0"] {
			t.Errorf("normally: %v", k)
		}
		s.throttled("50005")
		if k := reach(health.Nothing); len(k) != 0 {
			t.Errorf("throttled for long: %v", k)
		}
		var throttled []string
		s.mu.Lock()
		for _, e := range s.events {
			if strings.Contains(e.Error, "supply voltage") {
				throttled = append(throttled, e.Source+" "+string(e.Kind)+" "+string(e.Status))
			}
		}
		s.mu.Unlock()
		for _, want := range []string{"door caption throttled", "door objects throttled", "hall transcript throttled"} {
			if !slices.Contains(throttled, want) {
				t.Errorf("no event says %s: %v", want, throttled)
			}
		}
		if snap := s.d.monitor.Snapshot(); snap.Load.Name != "nothing" || len(snap.Problems) == 0 || snap.Board.Power == nil {
			t.Errorf("%+v", snap)
		}
		// Back: speech first, then boxes, then captions.
		s.throttled("50000")
		s.engine.since()
		var order []string
		for range 180 {
			time.Sleep(time.Second)
			for _, q := range s.engine.since() {
				if !slices.Contains(order, q) {
					order = append(order, q)
				}
			}
		}
		if got := strings.Join(order, ", "); got != "transcribe at 0, detect at 70, caption at 70, detect at 0, caption at 0" &&
			got != "transcribe at 0, detect at 70, caption at 70, caption at 0, detect at 0" {
			t.Errorf("on the way back is asked: %s", got)
		}
		if !asks("caption") {
			time.Sleep(30 * time.Second)
			if !asks("caption") {
				t.Error("no captions are asked any more")
			}
		}
	})
}

// speechFolder holds a recording that the speech gate lets pass.
func speechFolder(t *testing.T) string {
	t.Helper()
	folder, names, err := unpackSamples()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if len(names) == 0 {
		t.Fatal("there are no samples")
	}
	return filepath.Join(folder, "speech")
}

// TestWatchdogIsNotFedWhileTheModelHangs, and is fed while a source is absent.
func TestWatchdogIsNotFedWhileTheModelHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := source("door", walks(t, 0.2), event.TaskCaption)
		door.Always = true
		gone, err := makeDevice(parseConfig(t, "sources: [{name: x, source: \"v4l2:/dev/video-that-is-not-there\", tasks: [{kind: caption}]}]").Sources[0].Device, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		absent := source("absent", func(s *pipeline.Source) { s.OpenCamera = gone.camera }, event.TaskCaption)
		s := newShed(t, "", door, absent)
		stop := s.run()
		fed := func() bool { return slices.Contains(s.heard(), "WATCHDOG=1") }
		ack := make(chan struct{}) // a broker that takes everything
		go func() {
			for {
				select {
				case <-ack:
					return
				case <-time.After(time.Second):
				}
				s.drain()
			}
		}()
		for range 10 { // longer than anybody's patience
			time.Sleep(time.Minute)
			if !fed() {
				t.Fatal("all is well, but the watchdog is not fed")
			}
		}
		hang := make(chan struct{})
		s.engine.mu.Lock()
		s.engine.hang = hang
		s.engine.mu.Unlock()
		time.Sleep(modelPatience + time.Minute)
		told := s.heard()
		if !slices.ContainsFunc(told, func(m string) bool { return strings.HasPrefix(m, "STATUS=hangs: the model has not moved") }) {
			t.Errorf("systemd is told %q", told)
		}
		time.Sleep(time.Minute)
		if fed() {
			t.Error("the model hangs, but the watchdog is fed")
		}
		s.engine.mu.Lock()
		s.engine.hang = nil
		s.engine.mu.Unlock()
		close(hang)
		time.Sleep(time.Minute)
		if !fed() {
			t.Error("the model is well again, but the watchdog is not fed")
		}
		close(ack)
		stop()
	})
}

func TestWorkers(t *testing.T) {
	var m mqtt.Stats
	src := func(name, state string, patient bool) pipeline.SourceStats {
		return pipeline.SourceStats{Name: name, State: state, Patient: patient}
	}
	s := pipeline.Stats{Waiting: 1, Sources: []pipeline.SourceStats{
		src("ok", event.OK, false), src("absent", event.Absent, false), src("new", "", false), src("failed", event.Failed, false),
		src("ended", event.Ended, false), src("private", event.Private, false), src("waits", event.OK, true),
	}}
	busy := map[string]bool{}
	for _, w := range workers(s, m) {
		busy[w.Name] = w.Busy
	}
	for name, want := range map[string]bool{
		"source ok": true, "source absent": true, "source new": true, "source failed": true, "source ended": false,
		"source private": false, "source waits": false, "the model": true, "the publisher": false,
	} {
		if got, ok := busy[name]; !ok || got != want {
			t.Errorf("%s: busy %v, there %v", name, got, ok)
		}
	}
}
