package pipeline_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/pipeline"
	"sensed/devices/devicetest"
	"sensed/devices/scene"
	"sensed/devices/wave"
)

// paced is a clock that runs at most so many times as fast as the board's. Who
// is late misses nothing: time passes only when somebody waits for it.
type paced struct {
	*devicetest.Clock
	began time.Time // by the board
	from  time.Time // by this clock
	speed float64
}

func newPaced(from time.Time, speed float64) *paced {
	return &paced{devicetest.NewClock(from), time.Now(), from, speed}
}

func (p *paced) Until(ctx context.Context, t time.Time) error {
	ahead := time.Duration(float64(t.Sub(p.from))/p.speed) - time.Since(p.began)
	if ahead > 0 {
		select {
		case <-time.After(ahead):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p.Clock.Until(ctx, t)
}

// held is what the process holds.
type held struct {
	goroutines, files int
	heap              uint64
}

func hold(t *testing.T) held {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return held{runtime.NumGoroutine(), len(files), m.HeapAlloc}
}

// TestDay replays a part of a day, at most fifty times as fast: somebody walks
// by every half minute, while it gets dark and light again every minute, and
// somebody speaks every few seconds. All of it is announced and answered, and
// nothing is held in the end that was not held when it had begun. SENSED_DAY
// says how much of the day; by default two minutes.
func TestDay(t *testing.T) {
	length := 2 * time.Minute
	if s := os.Getenv("SENSED_DAY"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatalf("SENSED_DAY: %v", err)
		}
	}
	from := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	var walks []scene.Walk
	for at := 10 * time.Second; at+15*time.Second < length; at += 30 * time.Second {
		walks = append(walks, scene.Walk{Label: []string{"person", "dog", "car"}[len(walks)%3], Start: at, Duration: 6 * time.Second, Left: len(walks)%2 == 0})
	}
	camera, err := scene.New(scene.Opts{Seed: 3, Width: 160, Height: 120, FPS: 4, Script: scene.Dusk, Place: "snow", Things: []string{}, Walks: walks, Clock: newPaced(from, 50)})
	if err != nil {
		t.Fatal(err)
	}
	folder, names := voices(t, 4)
	var paths []string
	sound := 0
	for time.Duration(sound)*8*time.Second < length { // about that long each
		paths = append(paths, filepath.Join(folder, names[sound%len(names)]))
		sound++
	}
	mic, err := wave.New(wave.Opts{Paths: paths, Lead: time.Second, Gap: 4 * time.Second, Realtime: true, Clock: newPaced(from, 50)})
	if err != nil {
		t.Fatal(err)
	}
	out := &list{}
	p, err := pipeline.New(pipeline.Options{
		Node: "shed", Engine: slow{0}, Publisher: out, Log: quiet(),
		Sources: []pipeline.Source{
			{Name: "door", OpenCamera: camera.Open, Motion: &gate.MotionOpts{}, Tasks: []pipeline.Task{task(event.TaskCaption)}},
			{Name: "hall", OpenMicrophone: mic.Open, Speech: &gate.SpeechOpts{}, Lossless: true, Tasks: []pipeline.Task{task(event.TaskTranscribe)}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	began := time.Now()
	seen := func(name string) pipeline.SourceStats {
		for _, s := range p.Stats().Sources {
			if s.Name == name {
				return s
			}
		}
		return pipeline.SourceStats{}
	}
	frames := uint64(length.Seconds() * 4)
	limit := time.NewTimer(10*time.Minute + length)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var first held
	for seen("door").Seen < frames || seen("hall").State != event.Ended {
		select {
		case err := <-done:
			t.Fatalf("it ended: %v", err)
		case <-limit.C:
			t.Fatalf("after %v %d of %d pictures were seen", time.Since(began), seen("door").Seen, frames)
		case <-tick.C:
		}
		if first.goroutines == 0 && seen("door").Seen > frames/4 && seen("hall").State != event.Ended {
			first = hold(t)
		}
	}
	last := hold(t)
	took := time.Since(began)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}

	missed := 0
	for _, w := range walks {
		found := false
		for _, e := range out.events {
			at := e.Time.Sub(from)
			found = found || e.Kind == event.Motion && at >= w.Start && at <= w.Start+w.Duration
		}
		if !found {
			missed++
			t.Errorf("the %s of %v was not announced", w.Label, w.Start)
		}
	}
	if got := len(out.samples(event.Transcript)); got != sound {
		t.Errorf("%d transcripts of %d recordings", got, sound)
	}
	t.Logf("%v in %v (%.0f times as fast): %d pictures, %d of %d walks and %d of %d recordings caught; goroutines %d then %d, files %d then %d, heap %.1f then %.1f MB",
		length, took.Round(time.Second), length.Seconds()/took.Seconds(), seen("door").Seen, len(walks)-missed, len(walks), len(out.samples(event.Transcript)), sound,
		first.goroutines, last.goroutines, first.files, last.files, float64(first.heap)/1e6, float64(last.heap)/1e6)
	if last.goroutines > first.goroutines || last.files > first.files {
		t.Errorf("it held %+v when it had begun and %+v in the end", first, last)
	}
	// The list of events grows; nothing else may.
	if grown := int64(last.heap) - int64(first.heap); grown > 4<<20+int64(2000*len(out.events)) {
		t.Errorf("the heap grew by %d bytes in %v", grown, length)
	}
}
