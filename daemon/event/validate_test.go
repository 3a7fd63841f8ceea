package event_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"sensed/daemon/event"

	"github.com/google/go-cmp/cmp"
)

func full() event.Event {
	level := -31.5
	return event.Event{
		ID: "0193a1", Kind: event.Objects, Node: "porch", Source: "door",
		Time:    time.Date(2026, 11, 24, 12, 0, 0, 500e6, time.UTC),
		Objects: []event.Object{{Label: "dog", Box: [4]int{1, 2, 300, 1000}, Score: 0.75}},
		Task:    "detect", Sample: "scene0.png", Level: &level, Duration: 2.5,
		Latency: &event.Latency{Wait: 1, Encode: 2, Prefill: 3, Decode: 4, Total: 10}, Model: "tiny-gemma4",
	}
}

// TestJSON pins the names that subscribers rely on.
func TestJSON(t *testing.T) {
	b, err := json.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"0193a1","kind":"objects","node":"porch","source":"door","time":"2026-11-24T12:00:00.5Z",` +
		`"objects":[{"label":"dog","box_2d":[1,2,300,1000],"score":0.75}],"task":"detect","sample":"scene0.png","level":-31.5,"duration_s":2.5,` +
		`"latency_ms":{"wait":1,"encode":2,"prefill":3,"decode":4,"total":10},"model":"tiny-gemma4"}`
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
	var back event.Event
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(full(), back); d != "" {
		t.Errorf("read back differently:\n%s", d)
	}
	short := event.Event{ID: "1", Kind: event.Transcript, Node: "n", Source: "s", Time: time.Unix(0, 0).UTC(), Error: "no"}
	b, err = json.Marshal(short)
	if want := `{"id":"1","kind":"transcript","node":"n","source":"s","time":"1970-01-01T00:00:00Z","error":"no"}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v, want %s", b, err, want)
	}
}

func TestValidate(t *testing.T) {
	for _, k := range event.Kinds() {
		e := event.Event{ID: "1", Kind: k, Node: "n", Source: "s", Time: time.Now(), Text: "x"}
		if k == event.Objects {
			e.Text, e.Objects = "", []event.Object{}
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
	good := full()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	node := event.Event{ID: "1", Kind: event.Status, Node: "n", Time: time.Now(), Text: event.Online}
	if err := node.Validate(); err != nil {
		t.Errorf("the status of a node: %v", err)
	}
	failed := event.Event{ID: "1", Kind: event.Objects, Node: "n", Source: "s", Time: time.Now(), Error: "no"}
	if err := failed.Validate(); err != nil {
		t.Errorf("objects that will not come: %v", err)
	}
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		want   string
		change func(*event.Event)
	}{
		{"id is empty", func(e *event.Event) { e.ID = "" }},
		{`kind "song" is unknown`, func(e *event.Event) { e.Kind = "song" }},
		{"node is empty", func(e *event.Event) { e.Node = "" }},
		{"source is empty", func(e *event.Event) { e.Source = "" }},
		{"time is not set", func(e *event.Event) { e.Time = time.Time{} }},
		{"objects belong to events of kind objects", func(e *event.Event) { e.Kind = event.Caption }},
		{"objects belong to events of kind objects", func(e *event.Event) { e.Objects = nil }},
		{"objects belong to events of kind objects", func(e *event.Event) { e.Error = "no" }},
		{"text is not UTF-8", func(e *event.Event) { e.Text = "\xff" }},
		{"sample is not UTF-8", func(e *event.Event) { e.Sample = "a\xff" }},
		{"objects[0]: label", func(e *event.Event) { e.Objects[0].Label = "" }},
		{"objects[0]: box_2d", func(e *event.Event) { e.Objects[0].Box = [4]int{5, 0, 4, 9} }},
		{"objects[0]: box_2d", func(e *event.Event) { e.Objects[0].Box = [4]int{0, -1, 4, 9} }},
		{"objects[0]: box_2d", func(e *event.Event) { e.Objects[0].Box = [4]int{0, 0, 4, 1001} }},
		{"objects[0]: score", func(e *event.Event) { e.Objects[0].Score = nan }},
		{"objects[0]: score", func(e *event.Event) { e.Objects[0].Score = 1.1 }},
		{"level is NaN", func(e *event.Event) { e.Level = &nan }},
		{"duration_s is +Inf", func(e *event.Event) { e.Duration = inf }},
		{"duration_s is -1", func(e *event.Event) { e.Duration = -1 }},
		{"latency_ms.wait is -1", func(e *event.Event) { e.Latency.Wait = -1 }},
		{"latency_ms.total is NaN", func(e *event.Event) { e.Latency.Total = nan }},
	} {
		e := full()
		tt.change(&e)
		if err := e.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// FuzzValidate: what is valid can be written as JSON and read back.
func FuzzValidate(f *testing.F) {
	b, _ := json.Marshal(full())
	f.Add(b)
	f.Add([]byte(`{"id":"1","kind":"status","node":"n","time":"2026-11-24T12:00:00Z","text":"online"}`))
	f.Add([]byte(`{"objects":[{"box_2d":[1e9]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e event.Event
		if json.Unmarshal(data, &e) != nil || e.Validate() != nil {
			return
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("valid, but %v", err)
		}
		var back event.Event
		if err := json.Unmarshal(b, &back); err != nil || back.Validate() != nil {
			t.Fatalf("%s does not come back: %v", b, err)
		}
	})
}
