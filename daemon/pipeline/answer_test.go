package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"

	"github.com/google/go-cmp/cmp"
)

func TestEngineErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(event.Task, event.Input) (event.Result, error)
		takes  time.Duration
		want   string
	}{
		{"error", func(event.Task, event.Input) (event.Result, error) {
			return event.Result{}, errors.New("out of memory")
		}, 0, "out of memory"},
		{"panic", func(event.Task, event.Input) (event.Result, error) { panic("index out of range") }, 0, "the engine failed: index out of range"},
		{"too slow", nil, time.Hour, "the model did not answer within 5m0s"},
		{"bad boxes", func(event.Task, event.Input) (event.Result, error) {
			return event.Result{Objects: []event.Found{{Box: [4]int{0, 0, 9, 9}}}}, nil
		}, 0, "the answer cannot be published: event #2: objects[0]: label is \"\""},
		{"empty", func(event.Task, event.Input) (event.Result, error) { return event.Result{Text: " \n"}, nil }, 0, "the model gave an empty answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				e := &engine{takes: tt.takes, answer: tt.answer}
				if tt.answer != nil {
					e.answer = func(task event.Task, in event.Input) (event.Result, error) {
						if n++; n > 1 {
							return event.Result{Text: "fine"}, nil
						}
						return tt.answer(task, in)
					}
				}
				o := &opener{t: t, scripts: [][]step{frames(2, 400*second)}}
				task, kind := caption("c"), event.Caption
				if tt.name == "bad boxes" {
					task.Kind, kind = event.TaskDetect, event.Objects
				}
				b := run(t, Options{Engine: e, Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{task}}}})
				after(750 * second)
				if tt.answer == nil {
					e.mu.Lock()
					e.takes = 0
					e.mu.Unlock()
				}
				after(400 * second)
				b.quiet()
				lines := b.pub.lines(kind)
				if len(lines) != 2 || lines[0] != fmt.Sprintf("door %s #2 ! %s", kind, tt.want) {
					t.Fatalf("events %q, want the error %q first", lines, tt.want)
				}
				if tt.answer != nil && kind == event.Caption && lines[1] != "door caption #3 fine" {
					t.Errorf("the next question: %s", lines[1])
				}
				if b.p.counts.working.Load() {
					t.Error("it still says that the model works")
				}
			})
		})
	}
}

func TestTooLateIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := &opener{t: t, scripts: [][]step{frames(1, second)}}
		o := &opener{t: t, scripts: [][]step{{{after: 2 * second, image: still(1)}, {after: second, image: moved(2, 20)}}}}
		b := run(t, Options{
			Engine: &engine{takes: 150 * second},
			Sources: []Source{
				{Name: "busy", OpenCamera: busy.camera, Always: true, Tasks: []Task{caption("c")}},
				{Name: "door", OpenCamera: o.camera, Motion: &gate.MotionOpts{}, Tasks: []Task{caption("c")}},
			},
		})
		after(200 * second)
		b.quiet()
		diff(t, "captions", b.pub.lines(event.Caption), "busy caption #2 about picture 1", "door caption #4 ! it waited too long for the model")
	})
}

func TestCutLetterIsMadeWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{frames(1, second)}}
		b := run(t, Options{
			Engine:  &engine{answer: func(event.Task, event.Input) (event.Result, error) { return event.Result{Text: " a caf\xc3"}, nil }},
			Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("c")}}},
		})
		after(5 * second)
		b.quiet()
		diff(t, "captions", b.pub.lines(event.Caption), "door caption #2 a caf\uFFFD")
	})
}

func TestPublisherErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		pub := &publisher{fail: func(event.Event) error {
			if n++; n > 1 && n < 6 {
				return errors.New("disk full")
			}
			return nil
		}}
		o := &opener{t: t, scripts: [][]step{frames(10, second)}}
		b := run(t, Options{Publisher: pub, Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("c")}}}})
		after(20 * second)
		s := b.p.Stats()
		b.quiet()
		if s.Lost != 4 || s.Published != 7 || s.Answered != 10 {
			t.Errorf("%+v", s)
		}
		log := b.log.String()
		if strings.Count(log, "disk full") != 1 || strings.Count(log, "published again") != 1 {
			t.Errorf("the log must say it once each way:\n%s", log)
		}
	})
}

func TestBlockingPublisherIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pub := &publisher{block: true}
		o := &opener{t: t, scripts: [][]step{frames(5, second)}}
		b := run(t, Options{Publisher: pub, Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("c")}}}})
		after(30 * second)
		s := b.p.Stats()
		if s.Lost < 3 || s.Sources[0].Seen != 5 {
			t.Errorf("%+v", s)
		}
		took, err := b.stop()
		if err != nil || took > 5*second {
			t.Errorf("stopping took %v: %v", took, err)
		}
	})
}

func TestSpeechGoesBeforeMotion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &opener{t: t, scripts: [][]step{frames(1, second)}}
		cam := &opener{t: t, scripts: [][]step{{{after: second, image: still(1)}, {after: second, image: moved(2, 20)}}}}
		mic := &opener{t: t, scripts: [][]step{chunks("", append(append(silence(1), voice(2)...), silence(3)...))}}
		b := run(t, Options{
			Engine: &engine{takes: 20 * second},
			Sources: []Source{
				{Name: "first", OpenCamera: first.camera, Always: true, Tasks: []Task{caption("c")}},
				{Name: "cam", OpenCamera: cam.camera, Motion: &gate.MotionOpts{}, Tasks: []Task{caption("moved")}},
				{Name: "mic", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}},
			},
		})
		after(100 * second)
		b.quiet()
		got := b.eng.asked()
		if len(got) != 3 || got[0] != "c: picture 1" || !strings.HasPrefix(got[1], "transcribe: ") || got[2] != "moved: picture 2" {
			t.Errorf("asked %q", got)
		}
	})
}

func TestEveryKindHasItsEvent(t *testing.T) {
	want := map[event.TaskKind]event.Kind{
		event.TaskCaption: event.Caption, event.TaskDetect: event.Objects, event.TaskPoint: event.Objects,
		event.TaskTranscribe: event.Transcript, event.TaskTranslate: event.Transcript, event.TaskPrompt: event.Answer, "x": "",
	}
	for k, w := range want {
		if got := wordsOf(k); got != w {
			t.Errorf("%s gives %q, want %q", k, got, w)
		}
	}
}

func TestBoxesArePassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boxes := []event.Found{{Label: "dog", Box: [4]int{100, 250, 300, 500}, Score: 0.5}}
		o := &opener{t: t, scripts: [][]step{frames(1, second)}}
		b := run(t, Options{
			Engine: &engine{answer: func(event.Task, event.Input) (event.Result, error) {
				return event.Result{Text: "[...]", Objects: boxes}, nil
			}},
			Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{{Task: event.Task{Kind: event.TaskDetect, Name: "d", Labels: []string{"dog"}}}}}},
		})
		after(5 * second)
		b.quiet()
		e := b.pub.all(event.Objects)[0]
		want := []event.Object{{Label: "dog", Box: [4]float64{0.25, 0.1, 0.25, 0.2}, Pixels: [4]int{40, 12, 40, 24}, Score: 0.5, Track: 1}}
		if d := cmp.Diff(want, e.Objects); d != "" || e.Text != "" || e.Counts["dog"] != 1 || *e.Frame != [2]int{160, 120} {
			t.Errorf("%+v\n%s", e, d)
		}
	})
}
