package pipeline_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/pipeline"
	"sensed/devices/replay"
	"sensed/devices/scene"
	"sensed/devices/wave"
)

// These tests run the pipeline with real gates and real replayed devices, whose
// pace is that of the bubble's clock.

// slow is an engine that takes as long as a large model on a small board.
type slow struct{ takes time.Duration }

func (s slow) Understand(ctx context.Context, t event.Task, in event.Input) (event.Result, error) {
	select {
	case <-time.After(s.takes):
		return event.Result{Kind: t.Kind, Text: fmt.Sprintf("%d pictures, %.1f s", len(in.Images), float64(len(in.Audio))/16000)}, nil
	case <-ctx.Done():
		return event.Result{}, ctx.Err()
	}
}

type list struct {
	mu     sync.Mutex
	events []event.Event
}

func (l *list) Publish(_ context.Context, e event.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Active == nil || *e.Active || e.Status != event.Done { // the ends of motions and sounds have tests of their own
		l.events = append(l.events, e)
	}
	return e.Validate()
}

// samples returns the samples of the events of a kind, in their order.
func (l *list) samples(k event.Kind) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, e := range l.events {
		if e.Kind == k {
			out = append(out, e.Sample)
		}
	}
	return out
}

func task(k event.TaskKind) pipeline.Task {
	return pipeline.Task{Task: event.Task{Kind: k, Name: string(k)}}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// pictures writes n pictures that have nothing in common.
func pictures(t *testing.T, n int) (folder string, names []string) {
	folder = t.TempDir()
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 96, 64))
		for y := range 64 {
			for x := range 96 {
				v := uint8(128 + 120*math.Sin(float64((i+1)*x+7*i*y)/40))
				img.SetRGBA(x, y, color.RGBA{v, v, uint8(40 * i), 255})
			}
		}
		name := fmt.Sprintf("scene%d.png", i)
		f, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return folder, names
}

// voices writes n WAV files of a buzz that is loud and soft like syllables.
func voices(t *testing.T, n int) (folder string, names []string) {
	folder = t.TempDir()
	for i := range n {
		const rate, seconds = 16000, 2
		b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00")
		binary.LittleEndian.PutUint32(b[4:], 36+2*rate*seconds)
		binary.LittleEndian.PutUint32(b[40:], 2*rate*seconds)
		for s := range rate * seconds {
			at := float64(s) / rate
			v := 0.0
			for h := 1.0; h < 12; h++ {
				v += 0.1 / h * math.Sin(2*math.Pi*float64(130+10*i)*h*at)
			}
			v *= 0.6 + 0.4*math.Sin(2*math.Pi*4*at)
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(v*20000)))
		}
		name := fmt.Sprintf("speech%d.wav", i)
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return folder, names
}

// TestEverySampleIsSeenOnce is the demo's promise: a slow model answers each
// replayed picture and each replayed sound once, and then Run returns.
func TestEverySampleIsSeenOnce(t *testing.T) {
	scenes, sceneNames := pictures(t, 6)
	speech, speechNames := voices(t, 4)
	synctest.Test(t, func(t *testing.T) {
		camera, err := replay.New(replay.Opts{Path: scenes, FPS: 2})
		if err != nil {
			t.Fatal(err)
		}
		mic, err := wave.New(wave.Opts{Paths: []string{speech}, Lead: time.Second, Gap: time.Second, Realtime: true})
		if err != nil {
			t.Fatal(err)
		}
		out := &list{}
		p, err := pipeline.New(pipeline.Options{
			Node: "demo", Engine: slow{7 * time.Second}, Publisher: out, Log: quiet(), Once: true,
			Sources: []pipeline.Source{
				{Name: "camera", OpenCamera: camera.Open, Motion: &gate.MotionOpts{}, Always: true, Lossless: true,
					Tasks: []pipeline.Task{task(event.TaskCaption), task(event.TaskDetect)}},
				{Name: "mic", OpenMicrophone: mic.Open, Speech: &gate.SpeechOpts{}, Lossless: true,
					Tasks: []pipeline.Task{task(event.TaskTranscribe)}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for kind, want := range map[event.Kind][]string{
			event.Caption: sceneNames, event.Objects: sceneNames, event.Transcript: speechNames, event.Sound: speechNames,
			event.Motion: sceneNames[1:], // each differs altogether from the one before
		} {
			if got := out.samples(kind); !slices.Equal(got, want) {
				t.Errorf("%s of %q, want %q", kind, got, want)
			}
		}
		for _, e := range out.events {
			if e.Error != "" {
				t.Errorf("%+v", e)
			}
		}
		if s := p.Stats(); len(s.Drops) != 0 || s.Lost != 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestSceneIsWatched lets things walk through a drawn scene in front of a slow
// model: each motion is announced once and has words or the reason why not.
func TestSceneIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		camera, err := scene.New(scene.Opts{Seed: 3, Width: 160, Height: 120, FPS: 4, Script: scene.Walks})
		if err != nil {
			t.Fatal(err)
		}
		out := &list{}
		p, err := pipeline.New(pipeline.Options{
			Node: "porch", Engine: slow{8 * time.Second}, Publisher: out, Log: quiet(),
			Sources: []pipeline.Source{{Name: "door", OpenCamera: camera.Open, Motion: &gate.MotionOpts{}, Again: 3 * time.Second,
				Tasks: []pipeline.Task{task(event.TaskCaption)}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		words := map[string]int{}
		for _, e := range out.events {
			if e.Kind == event.Caption {
				words[e.ID]++
			}
		}
		motions := 0
		for _, e := range out.events {
			if e.Kind == event.Motion {
				if motions++; words[e.ID] == 0 {
					t.Errorf("nothing followed the motion %s", e.ID)
				}
				delete(words, e.ID)
			}
		}
		if motions < 2 || motions > 30 {
			t.Errorf("%d motions in a minute", motions)
		}
		if len(words) != 0 {
			t.Errorf("words about something that was not announced: %v", words)
		}
	})
}
