package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/command"
	"sensed/daemon/event"
)

// board takes what is retained, as a broker does.
type board struct {
	mu     sync.Mutex
	values map[string]string
	events int
}

func (b *board) Retain(topic string, payload []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.values[topic] = string(payload)
	return nil
}

func (b *board) Publish(context.Context, event.Event) error {
	b.events++
	return nil
}

// value is that of a topic below the node's.
func (b *board) value(topic string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.values["sensed/porch/"+topic]
}

// mirrored returns a mirror of a camera and two microphones, which has begun.
func mirrored(t *testing.T) (*mirror, *board) {
	t.Helper()
	c := parseConfig(t, `
node: porch
sources:
  - name: door
    source: "scene:"
    tasks:
      - {kind: caption, name: words}
      - {kind: detect, labels: [person, dog]}
      - {kind: detect, name: slowly, labels: [dog], every: 5m}
  - {name: hall, source: "wav:x.wav", tasks: [{kind: translate, into: German}]}
  - {name: yard, source: "wav:x.wav", gate: {speech: false}}
`)
	b := &board{values: map[string]string{}}
	m := newMirror(c, b, b, slog.New(slog.DiscardHandler))
	m.begin()
	return m, b
}

func TestMirrorShowsWhatIsTrue(t *testing.T) {
	m, b := mirrored(t)
	defer m.end()
	tell := func(e event.Event) {
		t.Helper()
		n := b.events
		if err := m.Publish(t.Context(), e); err != nil || b.events != n+1 {
			t.Errorf("%+v was not handed on: %v", e, err)
		}
	}
	is := func(topic, want string) {
		t.Helper()
		if got := b.value(topic); got != want {
			t.Errorf("%s is %q, want %q", topic, got, want)
		}
	}
	text := func(topic, want string) {
		t.Helper()
		var e event.Event
		if err := json.Unmarshal([]byte(b.value(topic)), &e); err != nil || e.Text != want {
			t.Errorf("%s is %q (%v), want the text %q", topic, b.value(topic), err, want)
		}
	}
	yes, no := true, false

	// At the start nothing moves, and nothing is said about last words.
	is("door/motion/state", "OFF")
	is("hall/sound/state", "OFF")
	is("door/objects/dog/state", "OFF")
	is("door/last/words", "")
	is("yard/sound/state", "") // nobody listens for speech there
	is("hall/motion/state", "")

	tell(event.Event{Source: "door", Kind: event.Motion, Status: event.Announced, Active: &yes})
	is("door/motion/state", "ON")
	tell(event.Event{Source: "door", Kind: event.Motion, Status: event.Done, Active: &no})
	is("door/motion/state", "OFF")
	tell(event.Event{Source: "hall", Kind: event.Sound, Status: event.Announced, Active: &yes})
	is("hall/sound/state", "ON")

	// Words count for their task; what commands bring for the first of its kind, or
	// for the command.
	tell(event.Event{Source: "door", Kind: event.Caption, Status: event.Done, Task: "words", Text: "A door."})
	text("door/last/words", "A door.")
	tell(event.Event{Source: "door", Kind: event.Caption, Status: event.Skipped, Task: "words", Error: "x"})
	text("door/last/words", "A door.")
	tell(event.Event{Source: "door", Kind: event.Caption, EventType: event.Caption, Status: event.Done, Task: "words", Text: "the copy"})
	text("door/last/words", "A door.")
	tell(event.Event{Source: "door", Kind: event.Caption, Status: event.Done, Task: "describe", Text: "A gate."})
	text("door/last/words", "A gate.")
	tell(event.Event{Source: "hall", Kind: event.Transcript, Status: event.Done, Task: "transcribe", Text: "Hello."})
	text("hall/last/transcribe", "Hello.")
	tell(event.Event{Source: "door", Kind: event.Objects, Status: event.Done, Task: "detect", Objects: []event.Object{{Label: "dog"}}, Counts: map[string]int{"dog": 1}})
	is("door/objects/dog/state", "ON")
	is("door/objects/person/state", "OFF")
	tell(event.Event{Source: "GPIO17", Kind: event.Pin, State: event.High}) // no source, and no harm
	m.answered(command.Reply{Command: command.Ask, Source: "door", Status: event.Done, Text: "Yes."})
	text("door/last/ask", "Yes.")
	m.answered(command.Reply{Command: command.Detect, Source: "door", Status: event.Done, Text: "No."})
	text("door/last/ask", "Yes.")

	// A camera that is lost sees nothing; its words stay.
	tell(event.Event{Source: "door", Kind: event.Status, State: event.Lost})
	is("door/objects/dog/state", "OFF")
	text("door/last/words", "A gate.")

	// One that is closed on purpose has said nothing, and says nothing.
	for _, state := range []string{event.Off, event.Private} {
		tell(event.Event{Source: "door", Kind: event.Status, State: event.OK})
		tell(event.Event{Source: "door", Kind: event.Caption, Status: event.Done, Task: "words", Text: "A door."})
		text("door/last/words", "A door.")
		tell(event.Event{Source: "door", Kind: event.Status, State: state})
		tell(event.Event{Source: "door", Kind: event.Caption, Status: event.Done, Task: "words", Text: "too late"})
		tell(event.Event{Source: "door", Kind: event.Motion, Status: event.Announced, Active: &yes})
		m.answered(command.Reply{Command: command.Ask, Source: "door", Status: event.Done, Text: "too late"})
		for _, task := range []string{"words", "detect", "slowly", "ask"} {
			is("door/last/"+task, nothingKnown)
		}
		is("door/motion/state", "OFF")
	}
	text("hall/last/transcribe", "Hello.")
}

func TestMirrorForgetsWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := mirrored(t)
		see := func(label string) {
			e := event.Event{Source: "door", Kind: event.Objects, Status: event.Done, Task: "detect", Objects: []event.Object{{Label: label}}, Counts: map[string]int{label: 1}}
			if err := m.Publish(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		after := func(wait time.Duration, label, want string) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			if got := b.value("door/objects/" + label + "/state"); got != want {
				t.Errorf("%s is %s, want %s", label, got, want)
			}
		}
		see("person")
		after(29*time.Second, "person", "ON")
		see("person") // again, so it counts from now
		after(29*time.Second, "person", "ON")
		after(2*time.Second, "person", "OFF")
		see("dog") // which is looked for every five minutes, too
		after(14*time.Minute, "dog", "ON")
		after(2*time.Minute, "dog", "OFF")
		see("person")
		m.end() // the clock is stopped: nobody says anything after the end
		after(time.Hour, "person", "ON")
	})
}

// TestTopicsOfTheMirror checks that what the mirror says is known to be retained.
func TestTopicsOfTheMirror(t *testing.T) {
	m, b := mirrored(t)
	defer m.end()
	for _, s := range []string{"door", "hall", "yard"} {
		m.show(m.sources[s], event.Event{Source: s, Kind: event.Status, State: event.Private})
	}
	known := strings.Join(retainedBy(parseConfig(t, "node: porch\nsources: [{name: door, source: 'scene:'}]"), m), "\n")
	for _, s := range []string{"door", "hall", "yard"} {
		known += "\n" + strings.Join(m.sources[s].topics("porch", s), "\n")
	}
	for topic := range b.values {
		if !strings.Contains(known+"\n", topic+"\n") {
			t.Errorf("%s is not known to be retained", topic)
		}
	}
	if len(b.values) < 12 {
		t.Errorf("only %d topics are retained", len(b.values))
	}
}
