package pipeline

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/schedule"
)

// asked is an engine that notes what reaches it.
func asked(names *[]string) *engine {
	var mu sync.Mutex
	return &engine{answer: func(t event.Task, in event.Input) (event.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		*names = append(*names, fmt.Sprintf("%s %s at %d", t.Name, describe(in), t.ImageTokens))
		return event.Result{Kind: t.Kind, Text: "words"}, nil
	}}
}

func always(r Relief) func() Relief { return func() Relief { return r } }

func TestReliefTakesDetailAndPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		o := &opener{t: t, scripts: [][]step{frames(7, second)}}
		fine, coarse := caption("fine"), caption("coarse")
		fine.ImageTokens, coarse.ImageTokens = 280, 70
		b := run(t, Options{
			Engine:  asked(&seen),
			Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("usual"), fine, coarse}}},
			Relief:  always(Relief{Why: "hot", ImageTokens: 140, Rest: 3 * second}),
		})
		after(10 * second)
		drops := b.p.Stats().Drops
		b.quiet()
		diff(t, "questions", seen,
			"usual picture 1 at 140", "fine picture 1 at 140", "coarse picture 1 at 70",
			"usual picture 4 at 140", "fine picture 4 at 140", "coarse picture 4 at 70",
			"usual picture 7 at 140", "fine picture 7 at 140", "coarse picture 7 at 70")
		if n := drops[schedule.Count{Source: "door", Task: "usual", Reason: schedule.Throttled}]; n != 4 {
			t.Errorf("4 questions were not asked, counted are %d: %v", n, drops)
		}
		for _, e := range b.pub.all(event.Caption) {
			if e.Error != "" {
				t.Errorf("a picture that nobody heard of passes quietly, but: %+v", e)
			}
		}
	})
}

// TestReliefOrder walks through what is shed: what moved is announced and its
// caption refused with the reason, while boxes, buttons and speech go on for as
// long as they may.
func TestReliefOrder(t *testing.T) {
	for _, tt := range []struct {
		name   string
		relief Relief
		seen   []string // tasks that are asked
		events []string // captions, objects and transcripts
	}{
		{"none", Relief{}, []string{"c", "d", "s", "c", "d"}, nil},
		{"captions", Relief{Why: "hot", NoCaptions: true}, []string{"d", "s", "c", "d"}, []string{"door caption #motion ! hot"}},
		{"pictures", Relief{Why: "hot", NoPictures: true, NoCaptions: true}, []string{"s", "c", "d"}, []string{"door caption #motion ! hot", "door objects #motion ! hot"}},
		{"all", Relief{Why: "hot", NoPictures: true, NoCaptions: true, NoSpeech: true}, nil, []string{
			"door caption #motion ! hot", "door objects #motion ! hot", "hall transcript #sound ! hot", "door caption #pin ! hot", "door objects #pin ! hot"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen []string
				e := asked(&seen)
				eye := &opener{t: t, scripts: [][]step{{
					{after: second, image: still(1)}, {after: second, image: still(2)}, {after: second, image: moved(3, 20)},
					{after: 17 * second, image: still(4)}, {after: second, image: still(5)},
				}}}
				var sound []step
				sound = append(sound, chunks("", silence(6))...)
				sound = append(sound, chunks("", voice(2))...)
				sound = append(sound, chunks("", silence(3))...)
				ear := &opener{t: t, scripts: [][]step{sound}}
				button := &opener{t: t, scripts: [][]step{{press(20500 * time.Millisecond)}}}
				detect := Task{Task: event.Task{Kind: event.TaskDetect, Name: "d"}}
				speech := Task{Task: event.Task{Kind: event.TaskTranscribe, Name: "s"}}
				b := run(t, Options{
					Engine: e,
					Sources: []Source{
						{Name: "door", OpenCamera: eye.camera, Motion: &gate.MotionOpts{}, Tasks: []Task{caption("c"), detect}},
						{Name: "hall", OpenMicrophone: ear.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{speech}},
					},
					Triggers: []Trigger{{Name: "GPIO17", Open: button.pin, Starts: []string{"door"}}},
					Relief:   always(tt.relief),
				})
				after(40 * second)
				b.quiet()
				ids := map[string]string{}
				for _, e := range b.pub.events {
					if _, known := ids[e.ID]; !known {
						ids[e.ID] = "#" + string(e.Kind)
					}
				}
				var refused []string
				for _, e := range b.pub.events {
					if e.Error != "" && e.Kind != event.Status {
						refused = append(refused, fmt.Sprintf("%s %s %s ! %s", e.Source, e.Kind, ids[e.ID], e.Error))
					}
				}
				for i, s := range seen {
					seen[i] = s[:1]
				}
				diff(t, "questions", seen, tt.seen...)
				diff(t, "refused", refused, tt.events...)
			})
		})
	}
}
