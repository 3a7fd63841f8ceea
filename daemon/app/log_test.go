package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"

	"sensed/daemon/config"
)

func TestJournal(t *testing.T) {
	type entry struct {
		Message  string
		Priority journal.Priority
		Fields   map[string]string
	}
	var got []entry
	level := new(slog.LevelVar)
	log := slog.New(journalHandler{level: level, send: func(m string, p journal.Priority, f map[string]string) error {
		got = append(got, entry{m, p, f})
		return nil
	}})
	log.Debug("not at this level")
	log.With("source", "door").Info("source is ok", "why", "")
	log.WithGroup("mqtt").With("broker", "mqtt://b").Warn("lost", "error", errors.New("no = route\nto host"), slog.Group("try", "n", 3))
	log.Error("an event is lost", "ümlaut-id", 7)
	level.Set(slog.LevelDebug)
	log.Debug("at this level", slog.Attr{}, slog.Group("", "a", true))
	want := []entry{
		{`source is ok source=door why=""`, journal.PriInfo, map[string]string{"SENSED_SOURCE": "door", "SENSED_WHY": ""}},
		{`lost mqtt.broker=mqtt://b mqtt.error="no = route\nto host" mqtt.try.n=3`, journal.PriWarning,
			map[string]string{"SENSED_MQTT_BROKER": "mqtt://b", "SENSED_MQTT_ERROR": "no = route\nto host", "SENSED_MQTT_TRY_N": "3"}},
		{"an event is lost ümlaut-id=7", journal.PriErr, map[string]string{"SENSED__MLAUT_ID": "7"}},
		{"at this level a=true", journal.PriDebug, map[string]string{"SENSED_A": "true"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("journal (-want +got):\n%s", d)
	}
	valid := regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
	for _, key := range []string{"", "_x", "ä", strings.Repeat("long", 40), "a.b-c d"} {
		if name := fieldName(key); !valid.MatchString(name) {
			t.Errorf("%q becomes %q", key, name)
		}
	}
}

func TestLogIsLimited(t *testing.T) {
	var out bytes.Buffer
	h := limited(slog.NewTextHandler(&out, nil))
	now := time.Unix(1e9, 0)
	log := func(level slog.Level, message string) {
		r := slog.NewRecord(now, level, message, 0)
		r.AddAttrs(slog.String("n", fmt.Sprint(now.UnixNano())))
		if err := h.WithAttrs([]slog.Attr{slog.String("source", "door")}).Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	for range 3600 {
		log(slog.LevelWarn, "it fails")
		now = now.Add(time.Second)
	}
	log(slog.LevelError, "it fails")
	log(slog.LevelWarn, "something else")
	text := out.String()
	if n := strings.Count(text, `level=WARN msg="it fails"`); n != logBurst+119 {
		t.Errorf("in an hour of failures each second %d lines", n)
	}
	if !strings.Contains(text, "left_out=29") {
		t.Errorf("it does not say how many are missing:\n%s", text)
	}
	if !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "something else") {
		t.Error("another message was left out")
	}
	out.Reset()
	now = now.Add(-24 * time.Hour) // set back
	log(slog.LevelWarn, "it fails")
	now = now.Add(time.Hour)
	log(slog.LevelWarn, "it fails")
	if !strings.Contains(out.String(), "it fails") {
		t.Error("after the clock was set back nothing is logged any more")
	}
	out.Reset()
	for i := range 1000 {
		log(slog.LevelWarn, fmt.Sprint(i))
	}
	if n := strings.Count(out.String(), "\n"); n != 1000 {
		t.Errorf("%d of 1000 different messages", n)
	}
}

func TestNewLog(t *testing.T) {
	for format, want := range map[string]string{"text": "level=INFO", "auto": "level=INFO", "json": `"level":"INFO"`} {
		var out bytes.Buffer
		log := NewLog(config.Log{Level: "info", Format: format}, &out)
		log.Debug("quiet")
		log.Info("loud")
		log.set(config.Log{Level: "debug"})
		log.Debug("now heard")
		if s := out.String(); !strings.Contains(s, want) || strings.Contains(s, "quiet") || !strings.Contains(s, "now heard") {
			t.Errorf("%s: %s", format, s)
		}
	}
}
