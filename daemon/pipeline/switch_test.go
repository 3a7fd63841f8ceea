package pipeline

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

// level is an edge after some time; the first one of a switch comes at once.
func level(after time.Duration, high bool) step { return step{after: after, edge: &Edge{High: high}} }

// doors remembers which sources are open.
type doors struct {
	mu   sync.Mutex
	open map[string]bool
	log  []string
}

func (d *doors) opened(source string, open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.open = map[string]bool{}
	}
	d.open[source] = open
	d.log = append(d.log, fmt.Sprintf("%s %v", source, open))
}

// isOpen tells whether the light of a source is on.
func (d *doors) isOpen(source string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open[source]
}

func TestPrivacySwitchCutsBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &opener{t: t, scripts: [][]step{frames(100, second), frames(100, second)}}
		mic := &opener{t: t, scripts: [][]step{chunks("", silence(100)), chunks("", silence(100))}}
		p := &opener{t: t, scripts: [][]step{{level(second, false), level(9*second, true), level(10*second, false)}}}
		d := &doors{}
		b := run(t, Options{
			Sources: []Source{
				{Name: "door", OpenCamera: cam.camera, Always: true, Tasks: []Task{caption("c")}},
				{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}},
			},
			Switches: []Switch{{Name: "GPIO5", Open: p.pin, Role: Privacy, Sources: []string{"door", "hall"}}},
			Opened:   d.opened,
		})
		after(15 * second)
		if !cam.closed() || !mic.closed() || d.isOpen("door") || d.isOpen("hall") {
			t.Error("a device is open while the switch is on")
		}
		for _, s := range b.p.Stats().Sources {
			if s.State != event.Private || s.Why != "the privacy switch GPIO5 is on" {
				t.Errorf("%+v", s)
			}
		}
		n := len(b.pub.all(event.Caption))
		after(4 * second)
		if len(b.pub.all(event.Caption)) != n {
			t.Error("something was seen while the switch was on")
		}
		after(10 * second)
		if cam.closed() || mic.closed() || !d.isOpen("door") || !d.isOpen("hall") {
			t.Error("a device is closed while the switch is off")
		}
		b.quiet()
		diff(t, "camera", b.pub.states("door"), "private", "ok", "private", "ok", "stopped")
		diff(t, "microphone", b.pub.states("hall"), "private", "ok", "private", "ok", "stopped")
		var pins []string
		for _, e := range b.pub.all(event.Pin) {
			pins = append(pins, fmt.Sprintf("%s %s %s", e.Source, e.State, e.Status))
		}
		diff(t, "pins", pins, "GPIO5 on done", "GPIO5 off done")
		if d.isOpen("door") || d.isOpen("hall") || len(d.log) != 8 {
			t.Errorf("doors: %v", d.log)
		}
	})
}

// A privacy switch that is on already, or that cannot be read, lets nothing be
// opened for a moment.
func TestPrivacySwitchIsReadFirst(t *testing.T) {
	for name, pin := range map[string][][]step{
		"on":     {{level(3*second, true)}},
		"absent": {refuses(devices.ErrAbsent), refuses(devices.ErrAbsent), refuses(devices.ErrAbsent), refuses(devices.ErrAbsent)},
		"lost":   {{{err: devices.ErrLost}}, {{after: second, err: devices.ErrLost}}, {{panic: "boom"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cam := &opener{t: t, scripts: [][]step{frames(100, second)}}
				p := &opener{t: t, scripts: pin}
				b := run(t, Options{
					Sources:  []Source{{Name: "door", OpenCamera: cam.camera}},
					Switches: []Switch{{Name: "GPIO5", Open: p.pin, Role: Privacy, Sources: []string{"door"}}},
				})
				after(30 * second)
				b.quiet()
				if len(cam.opened) != 0 {
					t.Errorf("the camera was opened %d times", len(cam.opened))
				}
				if s := b.pub.states("door"); s[0] != event.Private {
					t.Errorf("states %v", s)
				}
			})
		})
	}
}

// When the privacy switch is lost while it is off, nobody can tell any more.
func TestLostPrivacySwitchCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &opener{t: t, scripts: [][]step{frames(100, second), frames(100, second)}}
		p := &opener{t: t, scripts: [][]step{{level(second, false), {after: 4 * second, err: devices.ErrLost}}, {level(3*second, false)}}}
		b := run(t, Options{
			Sources:  []Source{{Name: "door", OpenCamera: cam.camera}},
			Switches: []Switch{{Name: "GPIO5", Open: p.pin, Role: Privacy, Sources: []string{"door"}}},
		})
		after(6 * second)
		if !cam.closed() {
			t.Error("the camera is open")
		}
		if s := b.p.Stats().Sources[0]; !strings.Contains(s.Why, "nobody can tell") {
			t.Errorf("%+v", s)
		}
		after(10 * second)
		b.quiet()
		diff(t, "states", b.pub.states("door"), "private", "ok", "private", "ok", "stopped")
	})
}

func TestMuteButton(t *testing.T) {
	for _, tt := range []struct {
		name   string
		toggle bool
		want   []string
	}{
		// Held when it is read after a second, let go after 5 s, and pressed twice.
		{"hold", false, []string{"ok", "muted", "ok", "muted", "ok", "muted", "ok", "stopped"}},
		{"toggle", true, []string{"ok", "muted", "ok", "stopped"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var scripts [][]step
				for range 5 {
					scripts = append(scripts, chunks("", silence(60)))
				}
				mic := &opener{t: t, scripts: scripts}
				p := &opener{t: t, scripts: [][]step{{
					level(second, true), level(5*second, false), level(5*second, true), level(2*second, false), level(5*second, true), level(2*second, false),
				}}}
				b := run(t, Options{
					Sources:  []Source{{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}}},
					Switches: []Switch{{Name: "GPIO6", Open: p.pin, Role: Mute, Toggle: tt.toggle, Sources: []string{"hall"}}},
				})
				after(30 * second)
				b.quiet()
				diff(t, "states", b.pub.states("hall"), tt.want...)
			})
		})
	}
}

func TestPushToTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mic := &opener{t: t, scripts: [][]step{chunks("", voice(60)), chunks("", silence(60)), chunks("", voice(60))}}
		// Pressed for 3 s, for 2 s of silence, and for 40 s.
		p := &opener{t: t, scripts: [][]step{{
			level(second, false), level(4*second, true), level(3*second, false), level(5*second, true), level(2*second, false),
			level(5*second, true), level(40*second, false),
		}}}
		d := &doors{}
		b := run(t, Options{
			Sources:  []Source{{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}},
			Switches: []Switch{{Name: "GPIO13", Open: p.pin, Role: Talk, Sources: []string{"hall"}}},
			Opened:   d.opened,
		})
		after(4 * second)
		if len(mic.times()) != 0 {
			t.Error("it listens before the button is pressed")
		}
		after(6 * second)
		if !mic.closed() || d.isOpen("hall") {
			t.Error("it listens after the button was let go")
		}
		after(60 * second)
		b.quiet()
		diff(t, "events", b.pub.lines(event.Pin, event.Transcript, event.Sound),
			"GPIO13 pin #4 on", "GPIO13 pin #6 off", "hall transcript #4 about 3.0 s",
			"GPIO13 pin #8 on", "GPIO13 pin #10 off", "hall transcript #8 about 2.0 s",
			"GPIO13 pin #12 on", "hall transcript #12 about 28.0 s", "GPIO13 pin #14 off", "hall transcript #12 about 12.0 s",
		)
		diff(t, "states", b.pub.states("hall"), "muted", "ok", "muted", "ok", "muted", "ok", "muted", "stopped")
	})
}

// A press that leads to no words says why.
func TestPushToTalkInVain(t *testing.T) {
	for name, tt := range map[string]struct {
		mic  [][]step
		pin  []step
		want string
	}{
		"absent": {[][]step{refuses(devices.ErrAbsent), refuses(devices.ErrAbsent), refuses(devices.ErrAbsent)},
			[]step{level(0, false), level(second, true), level(3*second, false)}, "source hall is absent"},
		"silent": {[][]step{{}}, []step{level(0, false), level(second, true), level(3*second, false)},
			"nothing was heard while the button was held"},
		"button lost": {[][]step{{}}, []step{level(0, true), {after: 3 * second, err: devices.ErrLost}},
			"nothing was heard while the button was held"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mic := &opener{t: t, scripts: tt.mic}
				p := &opener{t: t, scripts: [][]step{tt.pin}}
				b := run(t, Options{
					Sources:  []Source{{Name: "hall", OpenMicrophone: mic.microphone, Tasks: []Task{transcribe()}}},
					Switches: []Switch{{Name: "GPIO13", Open: p.pin, Role: Talk, Sources: []string{"hall"}}},
				})
				after(20 * second)
				b.quiet()
				got := b.pub.all(event.Transcript)
				if len(got) != 1 || got[0].Error != tt.want {
					t.Errorf("got %+v", got)
				}
				if !mic.closed() {
					t.Error("the microphone is open")
				}
			})
		})
	}
}

func TestNewRefusesSwitches(t *testing.T) {
	cam, pin := (&opener{}).camera, (&opener{}).pin
	for want, s := range map[string]Switch{
		`switch "p": it cannot be opened`:              {Name: "p", Role: Mute},
		`switch "p": its role "x" is none`:             {Name: "p", Open: pin, Role: "x"},
		`switch "p": pipeline: there is no source "x"`: {Name: "p", Open: pin, Role: Mute, Sources: []string{"x"}},
		`switch "p": "door" is no microphone`:          {Name: "p", Open: pin, Role: Talk, Sources: []string{"door"}},
		`a switch and a source are named "door"`:       {Name: "door", Open: pin, Role: Mute},
	} {
		_, err := New(Options{
			Engine: &engine{}, Publisher: &publisher{}, Log: discard(),
			Sources: []Source{{Name: "door", OpenCamera: cam}}, Switches: []Switch{s},
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
