package app

import (
	"image"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/pipeline"
	"sensed/daemon/web"
	"sensed/devices"
)

func TestTheLogsLastLinesAreKept(t *testing.T) {
	ring := &logRing{}
	var written strings.Builder
	var told []string
	ring.tell(func(l web.Line) { told = append(told, l.Message) })
	log := slog.New(ringed{Handler: slog.NewTextHandler(&written, nil), ring: ring})
	log.Debug("nobody wants this")
	log.With("source", "door").WithGroup("a").With("b", 1).Warn("first", "c", "two words")
	want := []web.Line{{Level: "WARN", Message: "first", Attrs: [][2]string{{"source", "door"}, {"a.b", "1"}, {"a.c", "two words"}}}}
	got := ring.last()
	if len(got) == 1 {
		got[0].Time = time.Time{}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
	if !strings.Contains(written.String(), `a.c="two words"`) {
		t.Errorf("written: %s", written.String())
	}
	for range 2 * ringLines {
		log.Info("more")
	}
	log.Info("last")
	if got := ring.last(); len(got) != ringLines || got[0].Message != "more" || got[ringLines-1].Message != "last" {
		t.Errorf("%d lines, the last is %q", len(got), got[len(got)-1].Message)
	}
	if len(told) != 2*ringLines+2 {
		t.Errorf("told of %d lines", len(told))
	}
}

func TestTemperaturesAreShownGrey(t *testing.T) {
	hub := web.NewHub(web.HubOptions{Cards: 1, Bytes: 1, Log: slog.New(slog.DiscardHandler)})
	thermal := &devices.Thermal{Width: 2, Height: 2, Centikelvin: []uint16{29315, 30315, 0, 29815}} // 20, 30, unknown, 25
	r, ok := thermal.Reading()
	if !ok || r.Min != 20 || r.Max != 30 {
		t.Fatalf("%+v", r)
	}
	grey := greyOf(thermal, r).(*image.Gray)
	if d := cmp.Diff([]uint8{0, 255, 0, 128}, grey.Pix); d != "" {
		t.Errorf("pixels (-want +got):\n%s", d)
	}
	// Nobody looks: it is thrown away.
	onlooker{hub, map[string]bool{"roof": true}}.Saw("roof", pipeline.View{Frame: devices.Frame{Image: image.NewGray(image.Rect(0, 0, 4, 4)), Thermal: thermal}})
}

func TestSourcesOfThePage(t *testing.T) {
	c := parseConfig(t, `
node: porch
sources:
  - name: roof
    source: lepton:spi=SPI0.0,i2c=I2C1
    blackout: [[0, 0, 500, 250]]
    gate: {motion: {zones: [[0, 0, 1000, 500]]}}
    tasks: [{kind: detect, labels: [dog]}]
  - name: hall
    source: portaudio:default
`)
	got := pageSources(c)
	if len(got) != 2 || !got[0].Thermal || got[0].Sense != "camera" || got[1].Sense != "microphone" || got[1].State != "starting" {
		t.Fatalf("%+v", got)
	}
	if d := cmp.Diff([]web.Polygon{{{0, 0}, {0.25, 0}, {0.25, 0.5}, {0, 0.5}}}, got[0].Blackout); d != "" {
		t.Errorf("blackout (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]web.Polygon{{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}}, got[0].Zones); d != "" {
		t.Errorf("zones (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]web.Task{{Name: "detect", Kind: "detect", Labels: []string{"dog"}}}, got[0].Tasks); d != "" {
		t.Errorf("tasks (-want +got):\n%s", d)
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	for text, line := range map[string]int{
		"node: a\n":                               0,
		"url: mqtt://broker.lan\n":                0,
		"a: 1\nsource: rtsp://me:secret@cam/1\n":  2,
		"source: \"http://u:p@cam/x.jpg\"\n":      1,
		"# rtsp://USER@camera.lan/stream1?fps=1 ": 0,
		"a: b\nc: d # https://x:y@z":              2,
	} {
		if got := hides([]byte(text)); got != line {
			t.Errorf("%q: line %d, want %d", text, got, line)
		}
	}
}
