package hass

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/command"
	"sensed/daemon/event"
)

var update = flag.Bool("update", false, "write the goldens anew")

// nodes are what the goldens are made of.
func nodes() map[string]Options {
	half := 0.5
	return map[string]Options{
		"empty": {Prefix: "homeassistant", Node: "porch", Version: "1.0", HealthEvery: time.Minute},
		"porch": {
			Prefix: "homeassistant", Node: "porch", Version: "1.0", HealthEvery: time.Minute, Languages: []string{"English", "German"},
			Sources: []Source{
				{Source: command.Source{Name: "door", Camera: true, Image: true, Sensitivity: &half, Tasks: []event.Task{
					{Kind: event.TaskCaption, Name: "caption"},
					{Kind: event.TaskDetect, Name: "detect", Labels: []string{"person", `a "big" dog`}},
					{Kind: event.TaskPoint, Name: "gate", Labels: []string{"gate"}},
					{Kind: event.TaskPrompt, Name: "parcel", Prompt: "Is there a parcel?"},
				}}},
				{Source: command.Source{Name: "hall", Sensitivity: &half, Tasks: []event.Task{
					{Kind: event.TaskTranscribe, Name: "transcribe"},
					{Kind: event.TaskTranslate, Name: "german", Into: "German"},
				}}},
			},
			Pins: []Pin{{Name: "GPIO17"}, {Name: "GPIO5", Switch: true}},
		},
		// Names that Home Assistant does not take as they are, things that two tasks
		// look for, a camera that measures heat, sources without tasks and gates.
		"odd": {
			Prefix: "ha/discovery", Node: "Küche.1", Version: "dev", HealthEvery: 24 * time.Hour,
			Sources: []Source{
				{Source: command.Source{Name: "Tür", Camera: true, Tasks: []event.Task{
					{Kind: event.TaskDetect, Name: "near", Labels: []string{"person", "Hund/Katze"}},
					{Kind: event.TaskDetect, Name: "far", Labels: []string{"person"}},
					{Kind: event.TaskDetect, Name: "all"},
				}}},
				{Source: command.Source{Name: "Tur", Camera: true, Sensitivity: &half}, Thermal: true},
				{Source: command.Source{Name: "mic"}},
			},
		},
	}
}

func TestGoldens(t *testing.T) {
	for name, o := range nodes() {
		d := Discovery(o)
		payload, err := d.Payload(nil)
		if err != nil {
			t.Fatal(err)
		}
		rules(t, Topic(o.Prefix, o.Node), payload)
		var got any
		if err := json.Unmarshal(payload, &got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".json")
		if *update {
			data, err := json.MarshalIndent(got, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s differs from its golden; if it is meant to, go test ./daemon/hass -update\n%s", name, d)
		}
	}
}

func TestTopic(t *testing.T) {
	for node, want := range map[string]string{
		"porch":   "homeassistant/device/sensed-porch/config",
		"Porch":   "homeassistant/device/sensed-porch-c29fccb0/config",
		"Küche.1": "homeassistant/device/sensed-kche1-d4c5142b/config",
		"厨房":      "homeassistant/device/sensed--4ae988a2/config",
	} {
		if got := Topic("homeassistant", node); got != want {
			t.Errorf("%s: %s, want %s", node, got, want)
		}
	}
}

// TestRemoved looks at what becomes of entities that are not there any more.
func TestRemoved(t *testing.T) {
	before := Discovery(nodes()["porch"])
	o := nodes()["porch"]
	o.Sources = o.Sources[:1]
	o.Sources[0].Tasks = o.Sources[0].Tasks[:1]
	now := Discovery(o)
	payload, err := now.Payload(before.Entities())
	if err != nil {
		t.Fatal(err)
	}
	rules(t, Topic(o.Prefix, o.Node), payload)
	var got struct{ Components map[string]map[string]any }
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	removed := 0
	for key, platform := range before.Entities() {
		c, there := got.Components[key]
		switch _, stays := now.Components[key]; {
		case !there:
			t.Errorf("%s is not spoken of, so it is not removed", key)
		case stays && len(c) < 4, !stays && (len(c) != 1 || c["platform"] != platform):
			t.Errorf("%s (stays: %v): %v", key, stays, c)
		case !stays:
			removed++
		}
	}
	again, err := now.Revived(before.Entities())
	if err != nil {
		t.Fatal(err)
	}
	rules(t, Topic(o.Prefix, o.Node), again)
	var revived Device
	if err := json.Unmarshal(again, &revived); err != nil {
		t.Fatal(err)
	}
	for key, c := range before.Components {
		if r := revived.Components[key]; r.UniqueID != c.UniqueID || r.Platform != c.Platform {
			t.Errorf("%s is revived as %+v", key, r)
		} else if _, stays := now.Components[key]; !stays && r.StateTopic+r.CommandTopic+r.ImageTopic != "sensed/porch/removed" {
			t.Errorf("%s listens or speaks: %+v", key, r)
		}
	}
	if removed < 15 {
		t.Errorf("only %d entities are removed", removed)
	}
	if len(now.Components) != len(now.Entities()) || len(now.Components)+removed != len(got.Components) {
		t.Errorf("the device itself was changed: %d entities, %d removed, %d in all", len(now.Components), removed, len(got.Components))
	}
}

// TestKeepsApart names sources, tasks and labels so that careless keys would
// meet.
func TestKeepsApart(t *testing.T) {
	cameras := func(names ...string) (out []Source) {
		for _, n := range names {
			out = append(out, Source{Source: command.Source{Name: n, Camera: true, Tasks: []event.Task{
				{Kind: event.TaskDetect, Name: "a", Labels: []string{"b_c", "b-c", "b c", "B_c", "b.c", "ü", "ä"}},
				{Kind: event.TaskDetect, Name: "a.b", Labels: []string{"c"}},
				{Kind: event.TaskPrompt, Name: "ask"}, // as a command is named
			}}})
		}
		return out
	}
	one := len(Discovery(Options{Node: "n", Sources: cameras("a")}).Components) - len(Discovery(Options{Node: "n"}).Components)
	names := []string{"a", "A", "a.b", "a_b", "a-b", "ü", "ä", "temperature", "seen", "last"}
	d := Discovery(Options{Prefix: "homeassistant", Node: "n", Sources: cameras(names...)})
	if got, want := len(d.Components), len(Discovery(Options{Node: "n"}).Components)+len(names)*one; got != want {
		t.Errorf("%d entities, want %d: some have the same key", got, want)
	}
	ids := map[string]string{}
	for key, c := range d.Components {
		if other, taken := ids[c.UniqueID]; taken {
			t.Errorf("%s and %s have the id %s", key, other, c.UniqueID)
		}
		ids[c.UniqueID] = key
	}
}

// TestTemplatesQuote checks that no name can break out of a template.
func TestTemplatesQuote(t *testing.T) {
	nasty := `"}}{% x %}'\` + "\n<é"
	d := Discovery(Options{Node: "n", Sources: []Source{{Source: command.Source{Name: "s", Camera: true, Tasks: []event.Task{
		{Kind: event.TaskDetect, Name: "detect", Labels: []string{nasty}}}}}}})
	want := `.get("\"}}{% x %}'\\\n\u003cé", 0)`
	found := false
	for _, c := range d.Components {
		found = found || strings.Contains(c.ValueTemplate, want)
	}
	if !found {
		t.Errorf("no template has %s", want)
	}
}
