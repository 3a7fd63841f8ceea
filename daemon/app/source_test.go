package app

import (
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices/v4l2"
)

func parseConfig(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("sensed.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEverySchemeOfTheConfigurationHasADevice(t *testing.T) {
	_, err := config.ParseDevice("nothing-like-any:")
	if err == nil {
		t.Fatal("a scheme that cannot exist was taken")
	}
	_, list, ok := strings.Cut(err.Error(), "possible are ")
	if !ok {
		t.Fatalf("the message lists no schemes: %v", err)
	}
	if d := cmp.Diff(strings.Split(list, ", "), slices.Sorted(maps.Keys(makers()))); d != "" {
		t.Errorf("schemes (-configuration +devices):\n%s", d)
	}
}

func TestDevicesAreMadeFromTheirOptions(t *testing.T) {
	for _, tc := range []struct {
		source string
		camera bool
	}{
		{"replay:/folder?fps=2&loop", true},
		{"scene:?seed=3&fps=5&size=320x240", true},
		{"v4l2:/dev/video7?size=640x480&fps=10&format=mjpeg", true},
		{"wav:/folder?gap=2s&loop", false},
		{"libcamera:", true},
		{"libcamera:1?size=1280x720&fps=5&format=yuv420&rotation=180", true},
		{"rtsp://cam@host/a%3Fb=1?fps=1&size=640x480&frames=key&password_file=x", true},
		{"rtsp://host/a?sound", false},
		{"http://host/snapshot.jpg?fps=0.1", true},
		{"https://cam@host/%3Faction=stream?password_file=x&ca_file=y", true},
		{"exec:arecord -q -t raw?format=s24le&rate=48000&channels=2&once", false},
		{"portaudio:default", false},
		{"portaudio:", false},
		{"portaudio:USB", false},
	} {
		d, err := config.ParseDevice(tc.source)
		if err != nil {
			t.Fatal(err)
		}
		got, err := makeDevice(d, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("%s: %v", tc.source, err)
		} else if (got.camera != nil) != tc.camera || (got.microphone != nil) == tc.camera {
			t.Errorf("%s: camera %t, microphone %t", tc.source, got.camera != nil, got.microphone != nil)
		}
	}
	if _, err := makeDevice(config.Device{Scheme: "thermal"}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "portaudio:, replay:, rtsp:, scene:, v4l2:, wav:") {
		t.Errorf("unknown scheme: %v", err)
	}
}

func TestSettingsReachThePipeline(t *testing.T) {
	c := parseConfig(t, `
node: porch
sources:
  - name: door
    source: scene:?seed=3&lossless
    tasks:
      - kind: detect
        labels: [person, dog]
        every: 30s
        max_tokens: 99
        image_tokens: 140
        system: Be brief.
    gate:
      motion:
        sensitivity: 0
        min_area: 0.25
        masks: [[0, 100, 200, 1000]]
        zones: [[[0, 0], [0, 1000], [500, 250]]]
    blackout: [[500, 500, 1000, 1000]]
  - name: hall
    source: wav:/folder
    tasks:
      - kind: translate
        language: English
        into: German
    gate:
      speech:
        sensitivity: 0.75
        pause: 900ms
        max: 20s
  - name: always
    source: scene:?seed=1
    tasks:
      - kind: caption
      - kind: prompt
        prompt: Is it raining?
        choices: ["yes", "no"]
      - kind: prompt
        name: count
        prompt: How many people?
        schema: '{"type": "integer", "minimum": 0, "maximum": 99}'
    gate:
      motion: false
      always: true
`)
	got, err := sources(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	door, hall, always := got[0], got[1], got[2]
	want := event.Task{Kind: event.TaskDetect, Name: "detect", Labels: []string{"person", "dog"}, System: "Be brief.", MaxTokens: 99, ImageTokens: 140}
	if d := cmp.Diff(want, door.Tasks[0].Task); d != "" || door.Tasks[0].Every != 30*time.Second {
		t.Errorf("task of the door, every %v:\n%s", door.Tasks[0].Every, d)
	}
	wantMotion := &gate.MotionOpts{Sensitivity: least, MinArea: 0.25,
		Zones:  []gate.Polygon{{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 0.25, Y: 0.5}}},
		Ignore: []gate.Polygon{{{X: 0.1, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 0.2}, {X: 0.1, Y: 0.2}}}}
	if d := cmp.Diff([]gate.Polygon{{{X: 0.5, Y: 0.5}, {X: 1, Y: 0.5}, {X: 1, Y: 1}, {X: 0.5, Y: 1}}}, door.Blackout); d != "" {
		t.Errorf("blackout of the door:\n%s", d)
	}
	if d := cmp.Diff(wantMotion, door.Motion); d != "" || !door.Lossless || door.Always || door.Speech != nil || door.OpenCamera == nil {
		t.Errorf("door: %+v\n%s", door, d)
	}
	if door.Again != 10*time.Second || always.Again != 0 {
		t.Errorf("a motion is asked about again after %v, no motion after %v", door.Again, always.Again)
	}
	if hall.Motion != nil || hall.Speech == nil || hall.OpenMicrophone == nil || hall.Lossless {
		t.Errorf("hall: %+v", hall)
	} else if hall.Speech.Sensitivity != 0.75 || hall.Speech.HangOver != 900*time.Millisecond || hall.Speech.MaxSegment != 20*time.Second {
		t.Errorf("speech gate of the hall: %+v", hall.Speech)
	}
	if task := hall.Tasks[0].Task; task.Kind != event.TaskTranslate || task.Language != "English" || task.Into != "German" {
		t.Errorf("task of the hall: %+v", task)
	}
	if rain, count := always.Tasks[1].Task, always.Tasks[2].Task; !slices.Equal(rain.Choices, []string{"yes", "no"}) || !strings.Contains(count.Schema, "integer") {
		t.Errorf("tasks with rules: %+v and %+v", rain, count)
	}
	c.Sources[2].Tasks[2].Schema = `{"type": "date"}`
	if _, err := sources(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), `source "always": task "count"`) || !strings.Contains(err.Error(), "$.type") {
		t.Errorf("a schema of no type: %v", err)
	}
	if !always.Always || always.Motion != nil {
		t.Errorf("always: %+v", always)
	}
	for _, s := range got {
		if s.Motion != nil {
			if _, err := gate.NewMotion(*s.Motion); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
		if s.Speech != nil {
			if _, err := gate.NewSpeech(*s.Speech); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
	}
}

func TestTheSampleConfigurationCanBeWired(t *testing.T) {
	c := parseConfig(t, string(config.Sample()))
	if _, err := sources(c, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	if _, err := triggers(c); err != nil {
		t.Error(err)
	}
}

func TestInstalledConfigurationCanBeWired(t *testing.T) {
	text, err := os.ReadFile("../../deploy/sensed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sources(parseConfig(t, string(text)), slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

// The configuration and the driver know the same knobs of cameras.
func TestControlsAreThoseOfTheDriver(t *testing.T) {
	if !slices.Equal(config.Controls(), v4l2.Controls()) {
		t.Errorf("the configuration has %v, the driver %v", config.Controls(), v4l2.Controls())
	}
	c := parseConfig(t, "sources:\n  - {name: door, source: 'v4l2:C920?size=640x480&exposure=dim'}\n")
	if _, err := sources(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), `:2:26: sources[0].source: source "door" (v4l2:C920?exposure=dim&size=640x480): v4l2: exposure is "dim": write auto or a whole number`) {
		t.Errorf("err = %v", err)
	}
}
