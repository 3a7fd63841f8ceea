package pipeline

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/devices"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// refuses is a script of a device that cannot be opened.
func refuses(err error) []step { return []step{{name: "open", err: err}} }

func TestOpenFailsThenWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		absent := fmt.Errorf("/dev/video0: %w", devices.ErrAbsent)
		bad := &opener{t: t, scripts: [][]step{refuses(absent), refuses(absent), refuses(absent), frames(1, second)}}
		good := &opener{t: t, scripts: [][]step{frames(30, second)}}
		b := run(t, Options{Sources: []Source{
			{Name: "bad", OpenCamera: bad.camera, Always: true, Tasks: []Task{caption("c")}},
			{Name: "good", OpenCamera: good.camera, Always: true, Tasks: []Task{caption("c")}},
		}})
		after(40 * second)
		b.quiet()
		var states []string
		for _, l := range b.pub.lines(event.Status) {
			if strings.HasPrefix(l, "bad") {
				states = append(states, strings.Join(strings.Fields(l)[3:], " "))
			}
		}
		diff(t, "states of bad", states, "absent ! /dev/video0: device is absent", "ok", "stopped")
		// The waits are 1, 2 and 4 s, of which between half and all is waited.
		for i, d := range []time.Duration{second, 2 * second, 4 * second} {
			if w := bad.opened[i+1].Sub(bad.opened[i]); w < d/2 || w > d {
				t.Errorf("attempt %d came after %v, want %v to %v", i+2, w, d/2, d)
			}
		}
		n := 0
		for _, e := range b.pub.all(event.Caption) {
			if e.Source == "good" {
				n++
			}
		}
		if n != 30 {
			t.Errorf("the other source had %d captions, want 30", n)
		}
	})
}

func TestBackoff(t *testing.T) {
	b := backoff{first: second, max: 30 * second}
	for round := range 2 {
		for i, want := range []int{1, 2, 4, 8, 16, 30, 30, 30} {
			d := time.Duration(want) * second
			if got := b.next(); got < d/2 || got > d {
				t.Errorf("round %d, wait %d: %v, want %v to %v", round, i, got, d/2, d)
			}
		}
		b.reset()
	}
}

func TestBackoffStartsAnewAfterGoodTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := refuses(errors.New("broken"))
		o := &opener{t: t, scripts: [][]step{fail, fail, fail, fail, append(frames(1, second), step{after: 31 * second, err: devices.ErrLost}), fail}}
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: o.camera}}})
		after(100 * second)
		b.quiet()
		ended := o.opened[4].Add(32 * second)
		if w := o.opened[5].Sub(ended); w > second {
			t.Errorf("after a long good session it was tried again after %v", w)
		}
	})
}

func TestPanicIsAnErrorOfItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := &opener{t: t, scripts: [][]step{{{name: "open", panic: "boom"}}, {{after: second, panic: "bang"}}, frames(1, second)}}
		good := &opener{t: t, scripts: [][]step{frames(10, second)}}
		b := run(t, Options{Sources: []Source{
			{Name: "bad", OpenCamera: bad.camera},
			{Name: "good", OpenCamera: good.camera, Always: true, Tasks: []Task{caption("c")}},
		}})
		after(30 * second)
		b.quiet()
		var states []string
		for _, e := range b.pub.all(event.Status) {
			if e.Source == "bad" {
				states = append(states, e.State+" "+e.Error)
			}
		}
		diff(t, "states", states, "failed internal error: boom", "failed internal error: bang", "ok ", "stopped ")
		if n := len(b.pub.all(event.Caption)); n != 10 {
			t.Errorf("the other source had %d captions, want 10", n)
		}
		if !bad.closed() {
			t.Error("the device was not closed")
		}
		if !strings.Contains(b.log.String(), "stack") {
			t.Error("the log shows no stack")
		}
	})
}

func TestEndedSourceIsNotOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{append(frames(1, second), step{err: io.EOF}), frames(5, second)}}
		b := run(t, Options{Sources: []Source{{Name: "door", OpenCamera: o.camera}}})
		after(time.Hour)
		b.quiet()
		if len(o.opened) != 1 {
			t.Errorf("opened %d times", len(o.opened))
		}
		diff(t, "states", b.pub.lines(), "door status #1 ok", "door status #2 ended")
	})
}

func TestOnceReportsFailedSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		missing := errors.New("no such folder")
		bad := &opener{t: t, scripts: [][]step{refuses(missing)}}
		good := &opener{t: t, scripts: [][]step{append(frames(3, second), step{err: io.EOF})}}
		b := run(t, Options{Once: true, Sources: []Source{
			{Name: "bad", OpenCamera: bad.camera},
			{Name: "good", OpenCamera: good.camera, Always: true, Tasks: []Task{caption("c")}},
		}})
		err := <-b.done
		if !errors.Is(err, missing) || err.Error() != "source bad: no such folder" {
			t.Errorf("Run said %v", err)
		}
		if n := len(b.pub.all(event.Caption)); n != 3 {
			t.Errorf("%d captions, want 3", n)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	cam := (&opener{}).camera
	mic := (&opener{}).microphone
	good := Options{Engine: &engine{}, Publisher: &publisher{}, Log: discard()}
	with := func(s ...Source) Options { o := good; o.Sources = s; return o }
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{}, "an engine, a publisher and a log are required"},
		{with(Source{Name: "a"}), `source "a": it must have exactly one of a camera and a microphone`},
		{with(Source{Name: "a", OpenCamera: cam, OpenMicrophone: mic}), `exactly one`},
		{with(Source{Name: "a", OpenCamera: cam}, Source{Name: "a", OpenCamera: cam}), `two sources are named "a"`},
		{with(Source{Name: "a", OpenCamera: cam, Tasks: []Task{caption("c"), caption("c")}}), `two tasks are named "c"`},
		{with(Source{Name: "a", OpenCamera: cam, Tasks: []Task{{Task: event.Task{Kind: "sing"}}}}), `"sing" is no kind of task`},
		{with(badMotion(cam)), "sensitivity"},
		{with(badSpeech(mic)), "sensitivity"},
		{func() Options { o := good; o.Triggers = []Trigger{{Name: "p"}}; return o }(), `trigger "p" cannot be opened`},
		{func() Options {
			o := with(Source{Name: "p", OpenCamera: cam})
			o.Triggers = []Trigger{{Name: "p", Open: (&opener{}).pin}}
			return o
		}(), `a trigger and a source are named "p"`},
		{func() Options {
			o := good
			o.Triggers = []Trigger{{Name: "p", Open: (&opener{}).pin, Starts: []string{"x"}}}
			return o
		}(), `trigger "p" starts "x", which is no source`},
	} {
		if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	p, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		p, err = New(func() Options { o := good; o.Once = true; return o }())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(t.Context()); err != nil {
			t.Errorf("without sources: %v", err)
		}
		if err := p.Run(t.Context()); err == nil {
			t.Error("it ran twice")
		}
	})
}

func TestIDsSortByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := ""
		for range 100 {
			id := newID()
			if len(id) != 24 || id <= last {
				t.Fatalf("%q after %q", id, last)
			}
			last = id
			time.Sleep(time.Millisecond)
		}
	})
}
