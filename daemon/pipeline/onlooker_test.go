package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

// audience looks on while it wants to.
type audience struct {
	mu    sync.Mutex
	away  bool
	views []View
	heard []string
}

func (a *audience) Looks(string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.away
}

func (a *audience) Saw(_ string, v View) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		panic("it was not asked for")
	}
	a.views = append(a.views, v)
}

func (a *audience) Heard(source string, l gate.Loudness, speech bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard = append(a.heard, fmt.Sprintf("%s %v %v", source, l.Mean > -60, speech))
}

func TestAnOnlookerSeesWhatMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := []step{
			{after: second, image: still(1)}, {after: second, image: still(1)}, {after: second, image: moved(2, 40)},
			{after: second, image: moved(3, 60)}, {after: second, image: moved(4, 80)},
		}
		cam := &opener{t: t, scripts: [][]step{script}}
		a := &audience{}
		b := run(t, Options{Onlooker: a, Sources: []Source{{Name: "door", OpenCamera: cam.camera, Motion: &gate.MotionOpts{}}}})
		after(3500 * time.Millisecond)
		a.mu.Lock()
		a.away = true
		a.mu.Unlock()
		after(5 * second)
		b.quiet()
		if len(a.views) != 3 {
			t.Fatalf("%d pictures were shown, want those of three seconds", len(a.views))
		}
		quiet, loud := a.views[1], a.views[2]
		if quiet.Moving || slices.Max(quiet.Heat) != 0 || quiet.HeatWidth*quiet.HeatHeight != len(quiet.Heat) {
			t.Errorf("nothing moves: %v %dx%d", quiet.Moving, quiet.HeatWidth, quiet.HeatHeight)
		}
		if !loud.Moving || loud.Area == 0 || slices.Max(loud.Heat) == 0 || slices.Min(loud.Heat) != 0 {
			t.Errorf("something moves: %v, %v", loud.Moving, loud.Area)
		}
	})
}

// TestHiddenPlacesReachNoOnlooker is TestHiddenPlacesReachNobody for who looks on
// and for the pictures of events.
func TestHiddenPlacesReachNoOnlooker(t *testing.T) {
	right := gate.Polygon{{X: 0.5, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 0.5}, {X: 0.5, Y: 0.5}}
	for _, kind := range []string{"4:2:0", "4:2:2", "4:4:4", "RGBA", "NRGBA", "Gray", "thermal"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &audience{}
				var pictures []image.Image
				var mu sync.Mutex
				b := run(t, Options{
					Engine: &spy{}, Onlooker: a,
					Illustrate: func(_ string, f devices.Frame) {
						mu.Lock()
						defer mu.Unlock()
						pictures = append(pictures, f.Image)
					},
					Sources: []Source{{
						Name: "door", Motion: &gate.MotionOpts{}, Blackout: []gate.Polygon{right}, Tasks: []Task{{Task: caption("c").Task, Every: 3 * second}},
						OpenCamera: func(context.Context) (devices.Camera, error) { return showing{newPeeking(), kind}, nil },
					}},
				})
				after(12 * second)
				b.quiet()
				for _, v := range a.views {
					pictures = append(pictures, v.Frame.Image)
					if v.Frame.Thermal == nil {
						continue
					}
					if r, ok := v.Frame.Thermal.Reading(); ok && r.Max > 21 {
						t.Errorf("a temperature of the hidden place is shown: %v", r.Max)
					}
				}
				if len(a.views) < 5 || len(pictures) < len(a.views)+3 {
					t.Fatalf("%d views, %d pictures", len(a.views), len(pictures))
				}
				for i, img := range pictures {
					if at := bytes.IndexByte(planes(img), leak); at >= 0 {
						t.Fatalf("byte %d of picture %d is one of the hidden place", at, i)
					}
				}
			})
		})
	}
}

func TestAnOnlookerHearsHowLoudItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mic := &opener{t: t, scripts: [][]step{chunks("", slices.Concat(silence(2), voice(2), silence(2)))}}
		a := &audience{}
		b := run(t, Options{Onlooker: a, Sources: []Source{{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}}}})
		after(8 * second)
		b.quiet()
		if n := len(a.heard); n < 55 || n > 61 {
			t.Errorf("it was told %d times in 6 s", n)
		}
		for _, want := range []string{"hall false false", "hall true true"} {
			if !slices.Contains(a.heard, want) {
				t.Errorf("never %q: %v", want, a.heard)
			}
		}
	})
}

// writer is an engine that writes its answer in pieces.
type writer struct{ engine }

func (w *writer) Stream(ctx context.Context, t event.Task, in event.Input, wrote func(string)) (event.Result, error) {
	r, err := w.Understand(ctx, t, in)
	for _, word := range strings.SplitAfter(r.Text, " ") {
		wrote(word)
	}
	return r, err
}

func TestAnswersAreReadWhileTheyAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &opener{t: t, scripts: [][]step{frames(10, second)}}
		var mu sync.Mutex
		var read []string
		detect := Task{Task: event.Task{Kind: event.TaskDetect, Name: "d"}, Every: 3 * second}
		slow := caption("c")
		slow.Every = 3 * second
		b := run(t, Options{
			Engine:  &writer{},
			Sources: []Source{{Name: "door", OpenCamera: cam.camera, Tasks: []Task{slow, detect}}},
			Writing: func(source, id string, kind event.Kind) func(string) {
				return func(piece string) {
					mu.Lock()
					defer mu.Unlock()
					read = append(read, fmt.Sprintf("%s %s %q", source, kind, piece))
				}
			},
		})
		after(1500 * time.Millisecond)
		var own []string
		e, err := b.p.Ask(t.Context(), Request{ID: "q", Source: "door", Quiet: true, Task: event.Task{Kind: event.TaskPrompt, Name: "ask", Prompt: "?"}, Wrote: func(piece string) { own = append(own, piece) }})
		if err != nil || strings.Join(own, "") != e.Text || len(own) != 3 {
			t.Errorf("asked: %q, %q, %v", own, e.Text, err)
		}
		mu.Lock()
		first := slices.Clone(read)
		mu.Unlock()
		diff(t, "read along", first, `door caption "about "`, `door caption "picture "`, `door caption "1"`)
		if err := b.p.Hold("door", Hold{By: "privacy", State: event.Private}); err != nil {
			t.Fatal(err)
		}
		after(5 * second)
		b.quiet()
		mu.Lock()
		defer mu.Unlock()
		if len(read) != len(first) {
			t.Errorf("while it is private: %v", read[len(first):])
		}
	})
}
