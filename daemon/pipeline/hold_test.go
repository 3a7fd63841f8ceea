package pipeline

import (
	"strings"
	"testing"
	"testing/synctest"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

// states returns what the status events of a source said.
func (p *publisher) states(source string) []string {
	var out []string
	for _, e := range p.all(event.Status) {
		if e.Source == source {
			out = append(out, strings.TrimSpace(e.State+" "+e.Error))
		}
	}
	return out
}

func TestHeldSourceIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{frames(100, second), frames(100, second)}}
		other := &opener{t: t, scripts: [][]step{frames(60, second)}}
		b := run(t, Options{Sources: []Source{
			{Name: "door", OpenCamera: o.camera, Always: true, Tasks: []Task{caption("c")}},
			{Name: "yard", OpenCamera: other.camera, Always: true, Tasks: []Task{caption("c")}},
		}})
		hold := func(by, state string) {
			t.Helper()
			if err := b.p.Hold("door", Hold{By: by, State: state, Why: by + " did it"}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		release := func(by string) {
			t.Helper()
			if err := b.p.Release("door", by); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		after(5 * second)
		hold("command", event.Off)
		if !o.closed() {
			t.Error("the device is open")
		}
		if s := b.p.Stats().Sources[0]; s.State != event.Off || s.Why != "command did it" {
			t.Errorf("stats: %+v", s)
		}
		hold("GPIO5", event.Private)
		hold("GPIO6", event.Muted) // nothing changes: private is stricter
		after(5 * second)
		release("GPIO5")
		release("command")
		release("nobody")
		if !o.closed() || len(o.opened) != 1 {
			t.Error("the device was opened while somebody held it")
		}
		release("GPIO6")
		after(second)
		if o.closed() || len(o.opened) != 2 {
			t.Error("the device was not opened at once when nobody held it")
		}
		after(50 * second)
		b.quiet()
		diff(t, "states", b.pub.states("door"), "ok", "off", "private", "muted", "ok", "stopped")
		n := 0
		for _, e := range b.pub.all(event.Caption) {
			if e.Source == "yard" {
				n++
			}
		}
		if n != 60 {
			t.Errorf("the other source had %d captions, want 60", n)
		}
	})
}

// A source that fails waits for its next attempt; a hold ends that wait, and so
// does its release.
func TestHoldOfASourceThatIsAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := refuses(devices.ErrAbsent)
		o := &opener{t: t, scripts: [][]step{gone, gone, gone, gone, gone, gone, frames(9, second)}}
		b := build(t, Options{Sources: []Source{{Name: "door", OpenCamera: o.camera}}})
		if err := b.p.Hold("door", Hold{By: "GPIO5", State: event.Private}); err != nil { // before anything is opened
			t.Fatal(err)
		}
		b.start()
		after(100 * second)
		if len(o.opened) != 0 {
			t.Errorf("opened %d times", len(o.opened))
		}
		if err := b.p.Release("door", "GPIO5"); err != nil {
			t.Fatal(err)
		}
		after(31 * second)
		n := len(o.opened)
		if err := b.p.Hold("door", Hold{By: "GPIO5", State: event.Muted}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := b.p.Stats().Sources[0].State; s != event.Muted {
			t.Errorf("while it waits to be tried again it is %s", s)
		}
		if err := b.p.Release("door", "GPIO5"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(o.opened) != n+1 {
			t.Errorf("opened %d times, then %d", n, len(o.opened))
		}
		after(60 * second)
		b.quiet()
	})
}

// What was said until a microphone is muted is asked about; what was seen and
// heard until it is private is not, and no answer comes any more.
func TestPrivateTakesBackWhatWaits(t *testing.T) {
	for state, want := range map[string][]string{
		event.Muted: {"hall transcript #2 about 2.8 s", "hall transcript #3 about 1.5 s"},
		event.Private: {
			"hall transcript #3 ! the source was closed for privacy", "hall transcript #2 ! the source was closed for privacy",
		},
	} {
		t.Run(state, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sound := append(silence(1), voice(2)...)
				sound = append(append(sound, silence(2)...), voice(60)...)
				o := &opener{t: t, scripts: [][]step{chunks("", sound)}}
				b := run(t, Options{
					Engine:  &engine{takes: 20 * second},
					Sources: []Source{{Name: "hall", OpenMicrophone: o.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}},
				})
				after(6 * second) // the first is in work, the second goes on
				if err := b.p.Hold("hall", Hold{By: "GPIO5", State: state}); err != nil {
					t.Fatal(err)
				}
				after(60 * second)
				b.quiet()
				diff(t, "transcripts", b.pub.lines(event.Transcript), want...)
			})
		})
	}
}

func TestHoldRefuses(t *testing.T) {
	o := &opener{t: t}
	p, err := New(Options{Engine: &engine{}, Publisher: &publisher{}, Log: discard(), Sources: []Source{{Name: "door", OpenCamera: o.camera}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{p.Hold("dor", Hold{By: "x", State: event.Off}), `there is no source "dor"; there are: door`},
		{p.Release("dor", "x"), `there is no source "dor"`},
		{p.Hold("door", Hold{State: event.Off}), `a hold by ""`},
		{p.Hold("door", Hold{By: "x", State: event.OK}), `the state "ok"`},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("got %v, want %s", tt.err, tt.want)
		}
	}
}
