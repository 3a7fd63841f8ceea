package config

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVersionIsThatOfTheLastMigration(t *testing.T) {
	if n := len(migrations()) + 1; n != Version {
		t.Errorf("the migrations lead to version %d, and Version is %d", n, Version)
	}
}

// version1.yaml is the sample of the first sensed of all, as it was.
func TestTheFirstSampleStillWorks(t *testing.T) {
	old, err := os.ReadFile("testdata/version1.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("old", old)
	if err != nil {
		t.Fatal(err)
	}
	if c.LED.Model != "GPIO27" || c.Version != Version || len(c.Outdated()) != 2 {
		t.Errorf("LED of the model %q, version %d, outdated %v", c.LED.Model, c.Version, c.Outdated())
	}
	text, from, changes := Migrate(old)
	if from != 1 || len(changes) != 2 {
		t.Errorf("from version %d: %v", from, changes)
	}
	was, is := strings.Split(string(old), "\n"), strings.Split(string(text), "\n")
	if len(was) != len(is) {
		t.Fatalf("of %d lines became %d", len(was), len(is))
	}
	var got []string
	for i := range was {
		if was[i] != is[i] {
			got = append(got, is[i])
		}
	}
	want := []string{"        # min: 200ms                  # shorter sounds are ignored", "  model: GPIO27"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("changed lines (-want +got):\n%s", d)
	}
	fresh, err := Parse("new", text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, fresh, ignore); d != "" || len(fresh.Outdated()) > 0 {
		t.Errorf("the new file means something else, or is old still: %s %v", d, fresh.Outdated())
	}
}

func TestMigrate(t *testing.T) {
	speech := "sources: [{name: a, source: 'wav:/a', gate: {speech: "
	for _, tt := range []struct{ name, old, want, changes string }{
		{"nothing old", "node: a\n", "node: a\n", ""},
		{"the number alone", "node: a\nversion: 1 # one\n", "node: a\nversion: 2 # one\n", ""},
		{"no number", "led:\n  pin: 5\n", "led:\n  model: 5\n", "2:3: led.pin: since version 2 it is called model"},
		{"an empty number", "version:\nled: {pin: 5}\n", "version:\nled: {model: 5}\n", "2:7: led.pin"},
		{"quotes, and letters before", "node: \"ö\"\n\"led\": {'pin': '5', camera: \"6\"} # é\n", "node: \"ö\"\n\"led\": {model: '5', camera: \"6\"} # é\n", "2:9: led.pin"},
		{"of a windows machine", "version: 1\r\nled:\r\n  pin: 5\r\n", "version: 2\r\nled:\r\n  model: 5\r\n", "3:3: led.pin"},
		{"only key in a line", speech + "{min: 1s}}}]\n", speech + "{}}}]\n", "1:55: sources[].gate.speech.min: since version 2 it is not needed"},
		{"first in a line", speech + "{min: 1s, pause: 1s}}}]\n", speech + "{ pause: 1s}}}]\n", "speech.min"},
		{"last in a line", speech + "{pause: 1s, min: 1s}}}]\n", speech + "{pause: 1s, }}}]\n", "speech.min"},
		{"only key in a block", "sources:\n- name: a\n  source: wav:/a\n  gate:\n    speech:\n      min: 1s # x\n", "sources:\n- name: a\n  source: wav:/a\n  gate:\n    speech:\n      {} # min: 1s # x\n", "6:7: sources[].gate.speech.min"},
		{"this version", "version: 2\nled: {pin: 5}\n", "version: 2\nled: {pin: 5}\n", ""},
		{"a newer version", "version: 3\nled: {pin: 5}\n", "version: 3\nled: {pin: 5}\n", ""},
		{"no version", "version: old\nled: {pin: 5}\n", "version: old\nled: {pin: 5}\n", ""},
		{"no YAML", "led: {pin: 5\n", "led: {pin: 5\n", ""},
		{"two documents", "led: {pin: 5}\n---\nled: {pin: 5}\n", "led: {pin: 5}\n---\nled: {pin: 5}\n", ""},
		{"a value of many lines", "sources:\n- gate:\n    speech:\n      min: >\n        1s\n", "sources:\n- gate:\n    speech:\n      min: >\n        1s\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, _, changes := Migrate([]byte(tt.old))
			if string(text) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", text, tt.want)
			}
			var said []string
			for _, c := range changes {
				said = append(said, c.String())
			}
			if got := strings.Join(said, "\n"); !strings.Contains(got, tt.changes) || tt.changes == "" && got != "" {
				t.Errorf("changes: %s, want %s", got, tt.changes)
			}
		})
	}
}

// What is written for this version stays, also where the file names none.
func TestMigrateLeavesThePresent(t *testing.T) {
	first, err := os.ReadFile("../../deploy/sensed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{Sample(), bytes.Replace(Sample(), []byte("version: 2\n"), nil, 1), first} {
		if got, _, changes := Migrate(text); !bytes.Equal(got, text) || len(changes) > 0 {
			t.Errorf("changed: %v", changes)
		}
	}
}

// A mistake in an old file is at its own place.
func TestMistakesInOldFiles(t *testing.T) {
	_, err := Parse("f", []byte("version: 1\nled:\n  pin: 5\nbroken: 1\n"))
	if err == nil || !strings.Contains(err.Error(), "f:4:1: broken:") {
		t.Errorf("%v", err)
	}
}

func FuzzMigrate(f *testing.F) {
	for _, s := range []string{"version: 1\nled:\n  pin: 5\n", "led: {pin: 5, \"pin\": 6}\n", "sources: [{gate: {speech: {min: 1s, pause: 1s}}}]\n",
		"sources:\n- gate:\n    speech:\n      min: 1s # x\n      pause: 1s\n", "version: 0x1\nled: {pin: a}", "{led: {pin: [5}]}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1024 {
			return // the parser is quadratic in depth
		}
		text, _, changes := Migrate(data)
		if bytes.Count(text, []byte("\n")) != bytes.Count(data, []byte("\n")) {
			t.Error("the lines are others")
		}
		again, _, more := Migrate(text)
		if !bytes.Equal(again, text) || len(more) > 0 {
			t.Errorf("%q became %q and then %q", data, text, again)
		}
		if len(changes) > 0 {
			if _, err := parse(text); err != nil {
				t.Errorf("%q became %q, which is not YAML: %v", data, text, err)
			}
		}
		was, errWas := Parse("f", data)
		is, errIs := Parse("f", text)
		if (errWas == nil) != (errIs == nil) || errWas == nil && cmp.Diff(was, is, ignore) != "" {
			t.Errorf("%q and %q are not the same: %v, %v", data, text, errWas, errIs)
		}
	})
}
