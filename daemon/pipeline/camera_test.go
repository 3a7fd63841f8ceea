package pipeline

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/schedule"
	"sensed/devices"

	"github.com/google/go-cmp/cmp"
)

const second = time.Second

func caption(name string) Task {
	return Task{Task: event.Task{Kind: event.TaskCaption, Name: name}}
}

func TestMotionThenWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		o := &opener{t: t, scripts: [][]step{{
			{after: second, image: still(1)}, {after: second, image: still(2)},
			{after: second, image: moved(3, 20), name: "scene.png"}, {after: second, image: moved(4, 60)},
		}}}
		var busy []bool
		b := run(t, Options{
			Engine: &engine{takes: 4 * second},
			Sources: []Source{{Name: "door", OpenCamera: o.camera, Motion: &gate.MotionOpts{},
				Tasks: []Task{caption("caption"), {Task: event.Task{Kind: event.TaskDetect, Name: "detect"}}}}},
			Busy: func(on bool) { busy = append(busy, on) },
		})
		after(20 * second)
		s := b.p.Stats()
		b.quiet()
		diff(t, "events", b.pub.lines(),
			"door status #1 ok",
			"door motion #2",
			"door caption #2 about picture 3",
			"door objects #2",
			"door status #3 stopped",
		)
		got := b.pub.all(event.Caption)[0]
		changed := true
		want := event.Event{
			Version: event.Version, Status: event.Done, Changed: &changed, ID: "#2", Kind: event.Caption, Node: "node", Source: "door", Time: start.Add(3 * second), Text: "about picture 3",
			Task: "caption", Sample: "scene.png", Model: &event.Model{Name: "fake"},
			Latency: &event.Latency{Wait: 0, Encode: 1000, Prefill: 2000, Decode: 1000, Total: 4000},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("caption (-want +got):\n%s", d)
		}
		boxes := b.pub.all(event.Objects)[0]
		if boxes.Objects == nil || len(boxes.Objects) != 0 || boxes.Text != "" {
			t.Errorf("no boxes must be an empty list without text: %+v", boxes)
		}
		if boxes.Latency.Wait != 4000 || boxes.Latency.Total != 8000 {
			t.Errorf("the second question waited for the first: %+v", boxes.Latency)
		}
		if m := b.pub.all(event.Motion)[0]; m.Level == nil || *m.Level < 0.03 || *m.Level > 0.2 || m.Sample != "scene.png" {
			t.Errorf("motion %+v", m)
		}
		if d := cmp.Diff([]bool{true, false, true, false}, busy); d != "" {
			t.Errorf("busy: %s", d)
		}
		wantStats := Stats{
			Sources:  []SourceStats{{Name: "door", State: "ok", Seen: 4, Asked: 2, Answered: 2, Steps: 5}},
			Answered: 2, Published: 4, Turns: 5, Drops: map[schedule.Count]uint64{},
		}
		if d := cmp.Diff(wantStats, s); d != "" {
			t.Errorf("stats (-want +got):\n%s", d)
		}
	})
}

// frames are n pictures, one each period.
func frames(n int, period time.Duration) []step {
	var out []step
	for i := range n {
		out = append(out, step{after: period, image: still(uint8(i + 1)), name: fmt.Sprint(i + 1)})
	}
	return out
}

func TestNewestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{frames(20, second)}}
		b := run(t, Options{
			Engine:  &engine{takes: 4300 * time.Millisecond},
			Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("c")}}},
		})
		after(60 * second)
		drops := b.p.Stats().Drops
		b.quiet()
		// 1 at once; then always the newest when the model is free: at 5.3 s, 9.6 s,
		// 13.9 s, 18.2 s. The rest is never asked and nobody hears of it.
		diff(t, "asked", b.eng.asked(), "c: picture 1", "c: picture 5", "c: picture 9", "c: picture 13", "c: picture 18", "c: picture 20")
		if n := drops[schedule.Count{Source: "door", Task: "c", Reason: schedule.Newer}]; n != 14 || len(drops) != 1 {
			t.Errorf("drops %v, want 14 replaced", drops)
		}
		for _, e := range b.pub.events {
			if e.Error != "" {
				t.Errorf("an error nobody waits for: %+v", e)
			}
		}
	})
}

func TestLosslessAsksAboutEveryPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{append(frames(20, second/2), step{err: io.EOF})}}
		b := run(t, Options{
			Once:     true,
			Patience: 10 * second, // also longer waits must not drop
			Engine:   &engine{takes: 25 * second},
			Sources:  []Source{{Name: "door", OpenCamera: o.camera, Always: true, Lossless: true, Tasks: []Task{caption("a"), caption("b")}}},
		})
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprintf("a: picture %d", i+1), fmt.Sprintf("b: picture %d", i+1))
		}
		diff(t, "asked", b.eng.asked(), want...)
		if n := len(b.pub.all(event.Caption)); n != 40 {
			t.Errorf("%d captions, want 40", n)
		}
		if d := b.p.Stats().Drops; len(d) != 0 {
			t.Errorf("dropped %v", d)
		}
		lines := b.pub.lines(event.Status)
		diff(t, "states", []string{lines[0][len(lines[0])-2:], lines[len(lines)-1][len(lines[len(lines)-1])-5:]}, "ok", "ended")
		if !o.closed() {
			t.Error("the camera was not closed")
		}
	})
}

func TestAnnouncedAndOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{{
			{after: second, image: still(1)}, {after: second, image: moved(2, 20)}, // asked at once
			{after: 3 * second, image: still(3)}, {after: 3 * second, image: still(4)}, {after: 3 * second, image: moved(5, 60)}, // waits
			{after: 3 * second, image: still(6)}, {after: 3 * second, image: still(7)}, {after: 3 * second, image: moved(8, 100)}, // takes its place
		}}}
		b := run(t, Options{
			Engine:  &engine{takes: 30 * second},
			Sources: []Source{{Name: "door", OpenCamera: o.camera, Motion: &gate.MotionOpts{}, Tasks: []Task{caption("c")}}},
		})
		after(100 * second)
		b.quiet()
		diff(t, "events", b.pub.lines(event.Motion, event.Caption),
			"door motion #2", "door motion #3", "door motion #4",
			"door caption #3 ! a newer picture took its place",
			"door caption #2 about picture 2", "door caption #4 about picture 8")
	})
}

func TestAgainWhileItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := []step{{after: second, image: still(1)}}
		for i := range 12 {
			script = append(script, step{after: second, image: moved(uint8(i+2), 10*i)})
		}
		o := &opener{t: t, scripts: [][]step{script}}
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: o.camera, Motion: &gate.MotionOpts{}, Again: 5 * second, Tasks: []Task{caption("c")}}}})
		after(30 * second)
		b.quiet()
		diff(t, "events", b.pub.lines(event.Motion, event.Caption),
			"door motion #2", "door caption #2 about picture 2", "door caption #2 about picture 7", "door caption #2 about picture 12")
	})
}

func TestTimedTasksKeepTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{frames(30, second)}}
		timed := caption("timed")
		timed.Every = 10 * second
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: o.camera, Motion: &gate.MotionOpts{}, Tasks: []Task{timed, caption("moved")}}}})
		after(60 * second)
		b.quiet()
		diff(t, "asked", b.eng.asked(), "timed: picture 1", "timed: picture 11", "timed: picture 21")
	})
}

func TestAlwaysHasOneIDForAllTasksOfAPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{frames(2, second)}}
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("a"), caption("b")}}}})
		after(5 * second)
		b.quiet()
		diff(t, "captions", b.pub.lines(event.Caption),
			"door caption #2 about picture 1", "door caption #2 about picture 1", "door caption #3 about picture 2", "door caption #3 about picture 2")
	})
}

func TestEachNewPictureOfAReplayIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bright := still(2)
		for i := range bright.Pix {
			bright.Pix[i] = uint8(i * 37)
		}
		dark := still(3)
		for i := range dark.Pix {
			dark.Pix[i] = uint8(i / 75)
		}
		o := &opener{t: t, scripts: [][]step{{{after: second, image: still(1)}, {after: second / 2, image: bright}, {after: second / 2, image: dark}}}}
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: o.camera, Motion: &gate.MotionOpts{}, Always: true, Tasks: []Task{caption("c")}}}})
		after(5 * second)
		b.quiet()
		diff(t, "events", b.pub.lines(event.Motion, event.Caption),
			"door caption #2 about picture 1",
			"door motion #3", fmt.Sprintf("door caption #3 about picture %d", bright.Pix[0]),
			"door motion #4", fmt.Sprintf("door caption #4 about picture %d", dark.Pix[0]))
	})
}

func TestPictureWithoutPixels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{{{after: second}}, frames(1, second)}}
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("c")}}}})
		after(10 * second)
		b.quiet()
		diff(t, "events", b.pub.lines()[:3],
			"door status #1 failed ! the camera gave a picture without pixels", "door status #2 ok", "door caption #3 about picture 1")
	})
}

func TestLostCameraIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := fmt.Errorf("unplugged: %w", devices.ErrLost)
		o := &opener{t: t, scripts: [][]step{
			append(frames(2, second), step{after: second, err: lost}),
			append(frames(1, second), step{after: second, err: lost}),
			{{after: second, err: errors.New("strange")}},
			frames(1, second),
		}}
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("c")}}}})
		after(60 * second)
		b.quiet()
		diff(t, "states", b.pub.lines(event.Status),
			"door status #1 ok", "door status #4 lost ! unplugged: device is lost", "door status #5 ok",
			"door status #7 lost ! unplugged: device is lost", "door status #8 failed ! strange", "door status #9 ok", "door status #11 stopped")
		if len(o.opened) != 4 {
			t.Errorf("opened %d times", len(o.opened))
		}
	})
}
