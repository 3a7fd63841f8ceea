package pipeline

import (
	"context"
	"errors"
	"image"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &opener{t: t, scripts: [][]step{frames(10, second)}}
		mic := &opener{t: t, scripts: [][]step{chunks("", append(silence(3), voice(9)...))}}
		b := run(t, Options{Sources: []Source{
			{Name: "door", OpenCamera: cam.camera, Tasks: []Task{caption("c")}},
			{Name: "hall", OpenMicrophone: mic.microphone},
		}})
		ask := func(r Request) event.Event {
			t.Helper()
			e, err := b.p.Ask(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Validate(); err != nil {
				t.Error(err)
			}
			return e
		}
		if e := ask(Request{ID: "early", Source: "door", Task: event.Task{Kind: event.TaskCaption, Name: "describe"}}); e.Status != event.Skipped || e.ID != "early" || e.Error != "source door is not open yet" {
			t.Errorf("before the first picture: %+v", e)
		}
		after(1500 * time.Millisecond)
		if e := ask(Request{ID: "q", Source: "door", Quiet: true, Task: event.Task{Kind: event.TaskPrompt, Name: "ask", Prompt: "?"}}); e.Status != event.Done || e.Kind != event.Answer || e.Text != "about picture 2" || e.Task != "ask" {
			t.Errorf("quiet: %+v", e)
		}
		if e := ask(Request{Source: "door", Task: event.Task{Kind: event.TaskCaption, Name: "describe"}}); e.Text != "about picture 3" || e.ID == "" {
			t.Errorf("aloud: %+v", e)
		}
		if e := ask(Request{Source: "hall", Window: 3 * time.Second, Task: event.Task{Kind: event.TaskTranscribe, Name: "transcribe"}}); e.Text != "about 3.0 s" || e.Duration != 3 {
			t.Errorf("sound: %+v", e)
		}
		if f, err := b.p.Snapshot(t.Context(), "door"); err != nil || f.Image == nil {
			t.Errorf("snapshot: %+v, %v", f, err)
		}
		for _, r := range []Request{{Source: "attic", Task: event.Task{Kind: event.TaskCaption}}, {Source: "door", Task: event.Task{Kind: "sing"}}} {
			if _, err := b.p.Ask(t.Context(), r); err == nil {
				t.Errorf("%+v was asked", r)
			}
		}
		if err := b.p.Hold("door", Hold{By: "command", State: event.Off}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if e := ask(Request{Source: "door", Task: event.Task{Kind: event.TaskCaption, Name: "describe"}}); e.Status != event.Skipped || e.Error != "source door is off" {
			t.Errorf("switched off: %+v", e)
		}
		var r *Refusal
		if _, err := b.p.Snapshot(t.Context(), "door"); !errors.As(err, &r) || r.Outcome != event.Skipped {
			t.Errorf("snapshot of a camera that is off: %v", err)
		}
		b.quiet()
		diff(t, "published", b.pub.lines(event.Caption, event.Answer), "door caption early ! source door is not open yet", "door caption #3 about picture 3", "door caption #6 ! source door is off")
	})
}

func TestAskEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &opener{t: t, scripts: [][]step{{{after: second, image: still(1)}}}} // and nothing after that
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: cam.camera}}})
		after(2 * second)
		ctx, cancel := context.WithTimeout(t.Context(), second)
		defer cancel()
		if _, err := b.p.Ask(ctx, Request{Source: "door", Task: event.Task{Kind: event.TaskCaption}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if _, err := b.p.Snapshot(ctx, "door"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		b.quiet()
	})
}

func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &opener{t: t, scripts: [][]step{frames(30, second)}}
		b := run(t, Options{Engine: &engine{}, Sources: []Source{{Name: "door", OpenCamera: cam.camera, Tasks: []Task{caption("c")}}}})
		change := func(s Settings) {
			t.Helper()
			if err := b.p.Configure("door", s); err != nil {
				t.Fatal(err)
			}
		}
		after(5500 * time.Millisecond)
		if asked := b.eng.asked(); len(asked) != 0 {
			t.Errorf("asked %q", asked)
		}
		paced := caption("c")
		paced.Every = 5 * second
		change(Settings{Tasks: []Task{paced}})
		after(9 * second)
		change(Settings{Tasks: []Task{paced, {Task: event.Task{Kind: event.TaskDetect, Name: "d"}, Every: 5 * second}}})
		after(2 * second)
		change(Settings{})
		after(10 * second)
		for _, wrong := range []Settings{{Tasks: []Task{caption("c"), caption("c")}}, {Motion: &gate.MotionOpts{Sensitivity: 7}}} {
			if err := b.p.Configure("door", wrong); err == nil {
				t.Errorf("%+v was taken", wrong)
			}
		}
		if err := b.p.Configure("attic", Settings{}); err == nil || !strings.Contains(err.Error(), "door") {
			t.Errorf("%v", err)
		}
		b.quiet()
		diff(t, "asked", b.eng.asked(), "c: picture 6", "c: picture 11", "d: picture 15", "c: picture 16")
	})
}

func TestWordsThatSayNothingNew(t *testing.T) {
	said := []string{"A dog.", "a dog", "A cat."}
	for _, terse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			eng := &engine{answer: func(event.Task, event.Input) (event.Result, error) {
				n++
				return event.Result{Text: said[(n-1)%len(said)]}, nil
			}}
			cam := &opener{t: t, scripts: [][]step{frames(3, second)}}
			b := run(t, Options{Terse: terse, Engine: eng, Sources: []Source{{Name: "door", OpenCamera: cam.camera, Always: true, Tasks: []Task{caption("c")}}}})
			after(5 * second)
			b.quiet()
			var got []string
			for _, e := range b.pub.all(event.Caption) {
				got = append(got, e.Text+map[bool]string{true: " new", false: " old"}[*e.Changed])
			}
			want := []string{"A dog. new", "a dog old", "A cat. new"}
			if terse {
				want = []string{"A dog. new", "A cat. new"}
			}
			diff(t, "captions", got, want...)
		})
	}
}

func TestMotionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := []step{{after: second, image: still(1)}, {after: second, image: still(2)}, {after: second, image: moved(3, 20)}}
		for i := range 20 {
			steps = append(steps, step{after: second, image: still(uint8(4 + i))})
		}
		steps = append(steps, step{after: second, image: moved(40, 60)}, step{err: devices.ErrLost})
		cam := &opener{t: t, scripts: [][]step{steps}}
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: cam.camera, Motion: &gate.MotionOpts{}}}})
		after(60 * second)
		b.quiet()
		begun := b.pub.all(event.Motion)
		if len(begun) != 2 || len(b.pub.ends) != 2 {
			t.Fatalf("%d motions and %d ends, want 2 of each", len(begun), len(b.pub.ends))
		}
		for i, end := range b.pub.ends {
			if err := end.Validate(); err != nil || end.ID != begun[i].ID || end.Kind != event.Motion || end.Time.Before(begun[i].Time) || !*begun[i].Active {
				t.Errorf("%+v ends with %+v: %v", begun[i], end, err)
			}
		}
		if d := b.pub.ends[0].Duration; d <= 0 || d > 15 {
			t.Errorf("the first motion took %v s", d)
		}
	})
}

func TestPicturesOfAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		shown := func(source string, f devices.Frame) {
			got = append(got, source+" "+describe(event.Input{Images: []image.Image{f.Image}}))
		}
		detect := Task{Task: event.Task{Kind: event.TaskDetect, Name: "d"}}
		a, c := &opener{t: t, scripts: [][]step{frames(2, second)}}, &opener{t: t, scripts: [][]step{frames(2, second)}}
		b := run(t, Options{Picture: shown, Sources: []Source{
			{Name: "door", OpenCamera: a.camera, Always: true, Image: true, Tasks: []Task{caption("c"), detect}},
			{Name: "bath", OpenCamera: c.camera, Always: true, Tasks: []Task{caption("c")}},
		}})
		after(5 * second)
		b.quiet()
		diff(t, "pictures", got, "door picture 1", "door picture 2")
	})
}
