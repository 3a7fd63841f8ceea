package pipeline

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

// TestStop cancels in each phase. That no goroutine is left is checked by the
// bubble, which fails when one does not end.
func TestStop(t *testing.T) {
	busy := func(script ...step) func(t *testing.T) Options {
		return func(t *testing.T) Options {
			o := &opener{t: t, scripts: [][]step{script}}
			return Options{Engine: &engine{takes: time.Hour},
				Sources: []Source{{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("c")}}}}
		}
	}
	for _, tt := range []struct {
		name    string
		options func(t *testing.T) Options
		want    []string
		takes   time.Duration
	}{
		{"before anything", func(t *testing.T) Options { return Options{} }, nil, 0},
		{"while opening", func(t *testing.T) Options {
			return Options{Sources: []Source{{Name: "door", OpenCamera: (&opener{t: t}).camera}}}
		}, []string{"door status #1 stopped"}, 0},
		{"while waiting for a picture", busy(step{after: time.Hour}), []string{"door status #1 stopped"}, 0},
		{"while waiting to try again", func(t *testing.T) Options {
			o := &opener{t: t, scripts: [][]step{refuses(devices.ErrAbsent)}}
			return Options{RetryFirst: time.Hour, RetryMax: time.Hour, Sources: []Source{{Name: "door", OpenCamera: o.camera}}}
		}, []string{"door status #1 absent ! device is absent", "door status #2 stopped"}, 0},
		{"while the model works", busy(frames(1, second)...), []string{
			"door status #1 ok", "door status #3 stopped", "door caption #2 ! sensed is stopping"}, 2 * second},
		{"with questions waiting", busy(frames(3, second)...), []string{
			"door status #1 ok", "door caption #4 ! sensed is stopping", "door status #5 stopped", "door caption #2 ! sensed is stopping"}, 2 * second},
		{"when the model is done in time", func(t *testing.T) Options {
			o := busy(frames(1, second)...)(t)
			o.Engine = &engine{takes: 10 * second}
			return o
		}, []string{"door status #1 ok", "door status #3 stopped", "door caption #2 about picture 1"}, second},
		{"while waiting for the model", func(t *testing.T) Options {
			o := busy(frames(3, second)...)(t)
			o.Sources[0].Lossless = true
			return o
		}, []string{"door status #1 ok", "door caption #3 ! sensed is stopping", "door status #4 stopped", "door caption #2 ! sensed is stopping"}, 2 * second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := run(t, tt.options(t))
				after(10 * second)
				took, err := b.stop()
				if err != nil {
					t.Errorf("Run: %v", err)
				}
				if took != tt.takes {
					t.Errorf("stopping took %v, want %v", took, tt.takes)
				}
				same(t, b.pub.lines(), tt.want)
			})
		})
	}
}

// same compares lines in any order: at the end several goroutines publish, so
// also the numbers of their ids are in any order.
func same(t *testing.T, got, want []string) {
	t.Helper()
	strip := func(l string) string {
		return strings.Join(append(strings.Fields(l)[:2], strings.Fields(l)[3:]...), " ")
	}
	count := map[string]int{}
	for _, l := range want {
		count[strip(l)]++
	}
	for _, l := range got {
		count[strip(l)]--
	}
	for l, n := range count {
		if n != 0 {
			t.Errorf("%+d times %q; got\n  %s\nwant\n  %s", -n, l, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

func TestStopWhileListening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mic := &opener{t: t, scripts: [][]step{chunks("", append(silence(1), voice(5)...))}}
		b := run(t, Options{Engine: &engine{takes: time.Hour}, Sources: []Source{{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}}})
		after(3 * second)
		took, err := b.stop()
		// Whether the model had begun or not is a matter of chance.
		if took > 2*second || err != nil {
			t.Errorf("stopping took %v: %v", took, err)
		}
		// What was heard until then is answered for.
		diff(t, "events", b.pub.lines(event.Sound, event.Transcript), "hall sound #2", "hall transcript #2 ! sensed is stopping")
	})
}

func TestStuckPartsAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		dead := &device{t: t, open: true, deaf: true, free: free}
		good := &opener{t: t, scripts: [][]step{frames(3, second)}}
		b := run(t, Options{
			Engine: &engine{stuck: free},
			Sources: []Source{
				{Name: "dead", OpenCamera: func(context.Context) (devices.Camera, error) { return camera{dead}, nil }},
				{Name: "good", OpenCamera: good.camera, Always: true, Tasks: []Task{caption("c")}},
			},
		})
		after(10 * second)
		took, err := b.stop()
		if err == nil || err.Error() != "pipeline: after 4.5s still at work: source dead, the model" {
			t.Errorf("Run said %v", err)
		}
		if took > 5*second {
			t.Errorf("stopping took %v", took)
		}
		// The question that waited was answered for although the model is stuck.
		if l := b.pub.lines(event.Caption); len(l) != 1 || !strings.HasSuffix(l[0], "! sensed is stopping") {
			t.Errorf("captions %q", l)
		}
		close(free)
		synctest.Wait()
	})
}

func TestQuestionsAfterTheEndAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: (&opener{t: t}).camera, Tasks: []Task{caption("c")}}}})
		after(second)
		b.quiet()
		src := b.p.sources[0]
		b.p.publishing = t.Context()
		b.p.ask(&question{source: src, task: src.Tasks[0], id: "x"}, true)
		src.kick(kick{id: "y"})
		diff(t, "captions", b.pub.lines(event.Caption), "door caption x ! sensed is stopping", "door caption y ! sensed is stopping")
	})
}
