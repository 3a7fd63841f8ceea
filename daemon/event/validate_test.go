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
	level, score := -31.5, 0.5
	return event.Event{
		Version: event.Version, ID: "0193a1", Kind: event.Objects, Node: "porch", Source: "door",
		Time: time.Date(2026, 11, 24, 12, 0, 0, 500e6, time.UTC), Status: event.Done,
		Objects: []event.Object{{Label: "dog", Box: [4]float64{0.25, 0.5, 0.75, 0.5}, Pixels: [4]int{160, 240, 480, 240}, Score: 0.75, Track: 7}},
		Counts:  map[string]int{"dog": 1}, Frame: &[2]int{640, 480},
		Task: "detect", Sample: "scene0.png", Level: &level, Duration: 2.5, Score: &score,
		Latency: &event.Latency{Wait: 1, Encode: 2, Prefill: 3, Decode: 4, Total: 10},
		Model:   &event.Model{Name: "tiny-gemma4", SHA256: "ab", Quant: "Q4_0"}, PromptID: "5b1f0c2e",
	}
}

// TestJSON pins the names that subscribers rely on.
func TestJSON(t *testing.T) {
	b, err := json.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"id":"0193a1","kind":"objects","node":"porch","source":"door","time":"2026-11-24T12:00:00.5Z","status":"done",` +
		`"level":-31.5,"duration_s":2.5,"objects":[{"label":"dog","box":[0.25,0.5,0.75,0.5],"pixels":[160,240,480,240],"score":0.75,"track":7}],` +
		`"counts":{"dog":1},"frame":[640,480],"task":"detect","sample":"scene0.png","score":0.5,` +
		`"latency_ms":{"wait":1,"encode":2,"prefill":3,"decode":4,"total":10},"model":{"name":"tiny-gemma4","sha256":"ab","quant":"Q4_0"},"prompt_id":"5b1f0c2e"}`
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
	short := event.Event{Version: 1, ID: "1", Kind: event.Transcript, Node: "n", Source: "s", Time: time.Unix(0, 0).UTC(), Status: event.Skipped, Error: "no"}
	b, err = json.Marshal(short)
	if want := `{"version":1,"id":"1","kind":"transcript","node":"n","source":"s","time":"1970-01-01T00:00:00Z","status":"skipped","error":"no"}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v, want %s", b, err, want)
	}
}

func TestValidate(t *testing.T) {
	for _, k := range event.Kinds() {
		e := event.Event{Version: 1, ID: "1", Kind: k, Node: "n", Source: "s", Time: time.Now(), Text: "x", Status: event.Done}
		if k == event.Status || k == event.Pin {
			e.Text, e.State = "", "x"
		}
		if k == event.Status {
			e.Status = ""
		}
		if k == event.Objects {
			e.Text, e.Objects = "", []event.Object{}
		}
		if k == event.Temperature {
			e.Text, e.Temperature = "", &event.Warmth{Min: -5, Max: 36.5, Mean: 20}
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
	good := full()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	node := event.Event{Version: 1, ID: "1", Kind: event.Status, Node: "n", Time: time.Now(), State: event.Online}
	if err := node.Validate(); err != nil {
		t.Errorf("the status of a node: %v", err)
	}
	failed := event.Event{Version: 1, ID: "1", Kind: event.Objects, Node: "n", Source: "s", Time: time.Now(), Status: event.Faulty, Error: "no"}
	if err := failed.Validate(); err != nil {
		t.Errorf("objects that will not come: %v", err)
	}
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		want   string
		change func(*event.Event)
	}{
		{"version is 0, not 1", func(e *event.Event) { e.Version = 0 }},
		{"id is empty", func(e *event.Event) { e.ID = "" }},
		{`kind "song" is unknown`, func(e *event.Event) { e.Kind = "song" }},
		{"node is empty", func(e *event.Event) { e.Node = "" }},
		{"source is empty", func(e *event.Event) { e.Source = "" }},
		{"time is not set", func(e *event.Event) { e.Time = time.Time{} }},
		{"objects belong to events of kind objects", func(e *event.Event) { e.Kind = event.Caption }},
		{"objects belong to events of kind objects", func(e *event.Event) { e.Objects = nil }},
		{"objects belong to events of kind objects", func(e *event.Event) { e.Status, e.Error = event.Faulty, "no" }},
		{`status "" is unknown`, func(e *event.Event) { e.Status = "" }},
		{`status is "done"`, func(e *event.Event) { e.Kind, e.Objects = event.Status, nil }},
		{`status is "timeout" without an error`, func(e *event.Event) { e.Status, e.Objects = event.TimedOut, nil }},
		{`status is "done" with the error "no"`, func(e *event.Event) { e.Error = "no" }},
		{"state belongs to", func(e *event.Event) { e.State = "ok" }},
		{"state belongs to", func(e *event.Event) { e.Kind, e.Objects = event.Pin, nil }},
		{"active does not belong", func(e *event.Event) { e.Active = new(bool) }},
		{`event_type "pin" is not the kind`, func(e *event.Event) { e.EventType = event.Pin }},
		{`model "" has no name`, func(e *event.Event) { e.Model = &event.Model{} }},
		{"score is 2", func(e *event.Event) { two := 2.0; e.Score = &two }},
		{`counts: "dog" is 0`, func(e *event.Event) { e.Counts = map[string]int{"dog": 0} }},
		{"frame is [0 480]", func(e *event.Event) { e.Frame = &[2]int{0, 480} }},
		{"text is not UTF-8", func(e *event.Event) { e.Text = "\xff" }},
		{"sample is not UTF-8", func(e *event.Event) { e.Sample = "a\xff" }},
		{"objects[0]: label", func(e *event.Event) { e.Objects[0].Label = "" }},
		{"objects[0]: box [", func(e *event.Event) { e.Objects[0].Box = [4]float64{0.5, 0, 0.6, 1} }},
		{"objects[0]: box [", func(e *event.Event) { e.Objects[0].Box = [4]float64{0, -0.1, 0.4, 0.9} }},
		{"objects[0]: box [", func(e *event.Event) { e.Objects[0].Box = [4]float64{0, nan, 0.4, 1} }},
		{"objects[0]: pixels", func(e *event.Event) { e.Objects[0].Pixels[2] = -1 }},
		{"objects[0]: track", func(e *event.Event) { e.Objects[0].Track = -1 }},
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
	f.Add([]byte(`{"version":1,"id":"1","kind":"status","node":"n","time":"2026-11-24T12:00:00Z","state":"online"}`))
	f.Add([]byte(`{"objects":[{"box":[1e9]}]}`))
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
