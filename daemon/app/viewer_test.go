package app

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
)

// at is the time of every event here, in the zone in which lines are shown.
func at() time.Time { return time.Date(2026, 11, 24, 9, 8, 7, 0, time.Local) }

func received(t *testing.T, e event.Event) mqtt.Received {
	t.Helper()
	e.Node = demoNode
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return mqtt.Received{Topic: mqtt.Topic(e), Payload: b}
}

func TestLinesAreAligned(t *testing.T) {
	level, share := -17.4, 0.14
	for _, tc := range []struct {
		e    event.Event
		want string
	}{
		{event.Event{Kind: event.Status, State: event.Online},
			"09:08:07  sensed      status                online"},
		{event.Event{Kind: event.Motion, Source: demoCamera, Level: &share, Sample: "a.png"},
			"09:08:07  camera      motion                14% of the picture  a.png"},
		{event.Event{Kind: event.Sound, Source: demoMic, Level: &level},
			"09:08:07  microphone  sound                 -17 dB"},
		{event.Event{Kind: event.Sound, Source: demoMic, Status: event.Skipped, Error: event.NoWords},
			"09:08:07  microphone  sound                 no words were spoken"},
		{event.Event{Kind: event.Caption, Source: demoCamera, Text: "A cat.", Latency: &event.Latency{Total: 81.6}},
			"09:08:07  camera      caption        82 ms  A cat."},
		{event.Event{Kind: event.Objects, Source: demoCamera, Objects: []event.Object{{Label: "cat", Pixels: [4]int{1, 2, 3, 4}, Score: 0.876, Track: 1}, {Label: "dog", Pixels: [4]int{5, 6, 7, 8}, Score: 1, Track: 2}}, Latency: &event.Latency{Total: 12345}},
			"09:08:07  camera      objects     12345 ms  cat 88% #1 [1 2 3 4], dog 100% #2 [5 6 7 8]"},
		{event.Event{Kind: event.Objects, Source: demoCamera, Objects: []event.Object{}},
			"09:08:07  camera      objects               nothing"},
		{event.Event{Kind: event.Transcript, Source: demoMic, Text: "turn on the camera"},
			`09:08:07  microphone  transcript            "turn on the camera"`},
		{event.Event{Kind: event.Caption, Source: demoCamera, Error: "it waited too long for the model"},
			"09:08:07  camera      caption               it waited too long for the model"},
	} {
		tc.e.Time = at()
		v := newViewer(DemoOptions{}, io.Discard, nil)
		if got := v.line(tc.e); got != tc.want {
			t.Errorf("\ngot  %s\nwant %s", got, tc.want)
		}
		v.Color = true
		plain := v.line(tc.e)
		for _, code := range []string{bold, dim, red, green, yellow, blue, magenta, cyan, "0"} {
			plain = strings.ReplaceAll(plain, "\x1b["+code+"m", "")
		}
		if !strings.Contains(v.line(tc.e), "\x1b[") || plain != tc.want {
			t.Errorf("in colours %q", v.line(tc.e))
		}
	}
}

func TestViewerSaysWhatIsMissing(t *testing.T) {
	caption := event.Event{ID: "1", Kind: event.Caption, Source: demoCamera, Sample: "a.png", Time: at(), Text: "A cat."}
	objects := event.Event{ID: "1", Kind: event.Objects, Source: demoCamera, Sample: "a.png", Time: at(), Objects: []event.Object{}}
	words := event.Event{ID: "2", Kind: event.Transcript, Source: demoMic, Sample: "b.wav", Time: at(), Text: "yes"}
	failed := words
	failed.Text, failed.Error = "", "the model failed"
	for name, tc := range map[string]struct {
		events []event.Event
		want   []string
	}{
		"all":     {[]event.Event{caption, objects, words}, nil},
		"nothing": {nil, []string{"a.png got no caption", "a.png got no objects", "b.wav got no transcript"}},
		"one":     {[]event.Event{caption, words}, []string{"a.png got no objects"}},
		"failed":  {[]event.Event{caption, objects, failed}, []string{"b.wav got no transcript", "the model failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newViewer(DemoOptions{JSON: true}, io.Discard, []string{"a.png", "b.wav"})
			for _, e := range tc.events {
				if err := v.show(received(t, e)); err != nil {
					t.Fatal(err)
				}
			}
			err := v.complete()
			if (err == nil) != (tc.want == nil) {
				t.Errorf("complete: %v", err)
			}
			for _, w := range tc.want {
				if err != nil && !strings.Contains(err.Error(), w) {
					t.Errorf("%v lacks %q", err, w)
				}
			}
		})
	}
}

func TestViewerShowsWhatArrivesTwiceOnce(t *testing.T) {
	var out strings.Builder
	v := newViewer(DemoOptions{JSON: true}, &out, nil)
	m := received(t, event.Event{ID: "1", Kind: event.Caption, Source: demoCamera, Time: at(), Text: "A cat."})
	for range 2 {
		if err := v.show(m); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != string(m.Payload)+"\n" {
		t.Errorf("shown:\n%s", out.String())
	}
}

func TestViewerEndsWhenThePipelineAndTheNodeHave(t *testing.T) {
	online := mqtt.Received{Topic: mqtt.StatusTopic(demoNode), Payload: []byte(event.Online)}
	offline := mqtt.Received{Topic: mqtt.StatusTopic(demoNode), Payload: []byte(event.Offline)}
	broken := errors.New("a source failed")
	var out strings.Builder
	v := newViewer(DemoOptions{JSON: true}, &out, nil)
	arrived, ran := make(chan mqtt.Received, 3), make(chan error, 1)
	arrived <- online
	ran <- broken
	arrived <- offline
	if err := v.until(arrived, ran); !errors.Is(err, broken) {
		t.Errorf("until: %v", err)
	}
	for _, want := range []string{`"kind":"status"`, `"state":"online"`, `"state":"offline"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in\n%s", want, out.String())
		}
	}
}

func TestViewerRefusesWhatIsNoEvent(t *testing.T) {
	v := newViewer(DemoOptions{}, io.Discard, nil)
	err := v.show(mqtt.Received{Topic: "sensed/demo/camera/caption", Payload: []byte("A cat.")})
	if err == nil || !strings.Contains(err.Error(), "sensed/demo/camera/caption") {
		t.Errorf("%v", err)
	}
}
