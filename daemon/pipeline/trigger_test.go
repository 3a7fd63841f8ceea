package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/schedule"
	"sensed/devices"
)

type (
	openCamera     = func(context.Context) (devices.Camera, error)
	openMicrophone = func(context.Context) (devices.Microphone, error)
)

// press is an edge after some time.
func press(after time.Duration) step { return step{after: after, edge: &Edge{High: true}} }

func TestTriggerMakesACameraLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{frames(10, second)}}
		p := &opener{t: t, scripts: [][]step{{press(5500 * time.Millisecond), {after: second, edge: &Edge{}}}}}
		timed := caption("timed")
		timed.Every = time.Hour
		b := run(t, Options{
			Sources:  []Source{{Name: "door", OpenCamera: o.camera, Motion: &gate.MotionOpts{}, Tasks: []Task{caption("c"), timed}}},
			Triggers: []Trigger{{Name: "GPIO17", Open: p.pin, Starts: []string{"door"}}},
		})
		after(20 * second)
		b.quiet()
		diff(t, "events", b.pub.lines(event.Pin, event.Caption),
			"door caption #3 about picture 1", // the timed one
			"GPIO17 pin #4 high", "door caption #4 about picture 6", "door caption #4 about picture 6",
			"GPIO17 pin #5 low", "door caption #5 about picture 7", "door caption #5 about picture 7")
	})
}

func TestTriggerOfASourceThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		absent := &opener{t: t, scripts: [][]step{refuses(devices.ErrAbsent)}}
		// This one fails while the trigger waits for its next picture.
		failing := &opener{t: t, scripts: [][]step{append(frames(1, second), step{after: 10 * second, err: errors.New("strange")})}}
		p := &opener{t: t, scripts: [][]step{{press(5 * second)}}}
		b := run(t, Options{
			Sources: []Source{
				{Name: "absent", OpenCamera: absent.camera, Tasks: []Task{caption("c")}},
				{Name: "failing", OpenCamera: failing.camera, Tasks: []Task{caption("c")}},
			},
			Triggers: []Trigger{{Name: "GPIO17", Open: p.pin, Starts: []string{"absent", "failing"}}},
		})
		after(20 * second)
		b.quiet()
		diff(t, "events", b.pub.lines(event.Pin, event.Caption),
			"GPIO17 pin #4 high", "absent caption #4 ! source absent is absent", "failing caption #4 ! source failing is failed")
	})
}

func TestTriggerMakesAMicrophoneListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mic := &opener{t: t, scripts: [][]step{chunks("", silence(30))}}
		p := &opener{t: t, scripts: [][]step{{press(5 * second), press(2 * second)}}}
		b := run(t, Options{
			Sources:  []Source{{Name: "hall", OpenMicrophone: mic.microphone, Tasks: []Task{transcribe()}}},
			Triggers: []Trigger{{Name: "GPIO17", Open: p.pin, Starts: []string{"hall"}}},
		})
		after(40 * second)
		b.quiet()
		diff(t, "events", b.pub.lines(event.Pin, event.Transcript),
			"GPIO17 pin #3 high", "GPIO17 pin #4 high", "hall transcript #3 about 10.0 s", "hall transcript #4 about 10.0 s")
	})
}

func TestTriggerOvertakesMotion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := &opener{t: t, scripts: [][]step{{{after: second, image: still(1)}, {after: second, image: moved(2, 20)}, {after: 5 * second, image: still(3)}, {after: 5 * second, image: moved(4, 50)}}}}
		o := &opener{t: t, scripts: [][]step{frames(20, second)}}
		p := &opener{t: t, scripts: [][]step{{press(13500 * time.Millisecond)}}}
		b := run(t, Options{
			Engine: &engine{takes: 30 * second},
			Sources: []Source{
				{Name: "other", OpenCamera: other.camera, Motion: &gate.MotionOpts{}, Tasks: []Task{caption("other")}},
				{Name: "door", OpenCamera: o.camera, Tasks: []Task{caption("door")}},
			},
			Triggers: []Trigger{{Name: "GPIO17", Open: p.pin, Starts: []string{"door"}}},
		})
		after(120 * second)
		b.quiet()
		diff(t, "asked", b.eng.asked(), "other: picture 2", "door: picture 14", "other: picture 4")
	})
}

func TestBrokenTriggerIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no such pin")
		p := &opener{t: t, scripts: [][]step{refuses(broken), refuses(broken), {{name: "open", panic: "boom"}}, {press(second), {err: devices.ErrLost}}, {press(second)}}}
		b := run(t, Options{Triggers: []Trigger{{Name: "GPIO17", Open: p.pin}}})
		after(60 * second)
		b.quiet()
		diff(t, "events", b.pub.lines(),
			"GPIO17 status #1 failed ! no such pin", "GPIO17 status #2 failed ! internal error: boom",
			"GPIO17 status #3 ok", "GPIO17 pin #4 high", "GPIO17 status #5 lost ! device is lost",
			"GPIO17 status #6 ok", "GPIO17 pin #7 high", "GPIO17 status #8 stopped")
		if n := strings.Count(b.log.String(), "no such pin"); n != 1 {
			t.Errorf("the log says it %d times", n)
		}
		if !p.closed() {
			t.Error("the pin was not closed")
		}
	})
}

// TestManyTriggers: a pin that bounces for ever must not fill the memory.
func TestManyTriggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &opener{t: t, scripts: [][]step{frames(2, 10*second)}}
		mic := &opener{t: t, scripts: [][]step{chunks("", silence(30))}}
		var bounces []step
		for range 20 {
			bounces = append(bounces, press(second/4))
		}
		bounces[0].after = 11 * second
		p := &opener{t: t, scripts: [][]step{bounces}}
		b := run(t, Options{
			Sources: []Source{
				{Name: "door", OpenCamera: cam.camera, Tasks: []Task{caption("c")}},
				{Name: "hall", OpenMicrophone: mic.microphone, Tasks: []Task{transcribe()}},
			},
			Triggers: []Trigger{{Name: "GPIO17", Open: p.pin, Starts: []string{"door", "hall"}}},
		})
		after(60 * second)
		b.quiet()
		for _, kind := range []event.Kind{event.Caption, event.Transcript} {
			answered, refused := 0, 0
			for _, e := range b.pub.all(kind) {
				switch e.Error {
				case "":
					answered++
				case string(schedule.Full), string(schedule.Newer):
					refused++
				default:
					t.Errorf("%+v", e)
				}
			}
			if answered+refused != 20 || answered == 0 || answered > 4 {
				t.Errorf("%s: %d answered and %d refused of 20", kind, answered, refused)
			}
		}
	})
}
