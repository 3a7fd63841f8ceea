package command

import (
	"strings"
	"testing"

	"sensed/daemon/event"

	"github.com/google/go-cmp/cmp"
)

func porch() []Source {
	half := 0.5
	return []Source{
		{Name: "door", Camera: true, Sensitivity: &half, Tasks: []event.Task{{Kind: event.TaskCaption}, {Kind: event.TaskDetect}}},
		{Name: "hall", Tasks: []event.Task{{Kind: event.TaskTranscribe}}},
		{Name: "roof", Camera: true},
	}
}

func TestSpecs(t *testing.T) {
	var got []string
	for _, s := range Specs(porch()) {
		got = append(got, s.name()+"="+s.Default)
	}
	want := []string{
		"privacy=OFF",
		"door/privacy=OFF", "door/camera=ON", "door/captioning=ON", "door/detection=ON", "door/prompt=", "door/labels=", "door/interval=0", "door/sensitivity=0.5",
		"hall/privacy=OFF", "hall/microphone=ON", "hall/transcription=ON", "hall/language=",
		"roof/privacy=OFF", "roof/camera=ON",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// values are values of switches of the porch, and how they are spelled; "!" are
// refused.
var values = []struct {
	source      string
	name        Switch
	value, want string
}{
	{"", Privacy, "on", "ON"},
	{"door", Camera, " Off ", "OFF"},
	{"door", Camera, "maybe", "!neither ON nor OFF"},
	{"door", Sensitivity, "0.750", "0.75"},
	{"door", Sensitivity, "-0", "0"},
	{"door", Sensitivity, "1.1", "!no number from 0 to 1"},
	{"door", Sensitivity, "NaN", "!no number"},
	{"door", Interval, "30", "30"},
	{"door", Interval, "1e5", "!no number from 0 to 86400"},
	{"door", Labels, "dog,, a cat ", "dog, a cat"},
	{"door", Labels, strings.Repeat("a,", 65), "!65 labels"},
	{"door", Labels, "", ""},
	{"door", Prompt, "What is there?", "What is there?"},
	{"door", Prompt, "two\nlines", "!one line"},
	{"door", Prompt, strings.Repeat("a", 1001), "!at most 1000"},
	{"door", Microphone, "ON", "!there is no switch"},
	{"+", Camera, "ON", "!there is no switch"},
	{"hall", Language, "de", "de"},
}

func TestBoard(t *testing.T) {
	for _, v := range values {
		b := NewBoard(Specs(porch()), nil)
		before := b.Value(v.source, v.name)
		s, changed, err := b.Set(v.source, v.name, v.value)
		if wrong, refused := strings.CutPrefix(v.want, "!"); refused {
			if err == nil || !strings.Contains(err.Error(), wrong) || changed || b.Value(v.source, v.name) != before {
				t.Errorf("%+v: %v, changed %t", v, err, changed)
			}
			continue
		}
		if err != nil || s.Value != v.want || b.Value(v.source, v.name) != v.want || changed != (before != v.want) {
			t.Errorf("%+v: %+v, changed %t, %v", v, s, changed, err)
		}
		if _, again, _ := b.Set(v.source, v.name, v.value); again {
			t.Errorf("%+v: setting it twice has changed it twice", v)
		}
	}
}

func TestBoardIsSavedAndReadBack(t *testing.T) {
	b := NewBoard(Specs(porch()), nil)
	for _, v := range values {
		_, _, _ = b.Set(v.source, v.name, v.value) // some are refused
	}
	saved := b.Saved()
	want := map[string]string{
		"privacy": "ON", "door/camera": "OFF", "door/sensitivity": "0", "door/interval": "30", "door/prompt": "What is there?", "hall/language": "de",
	}
	if d := cmp.Diff(want, saved); d != "" {
		t.Errorf("saved (-want +got)\n%s", d)
	}
	if d := cmp.Diff(b.Settings(), NewBoard(Specs(porch()), saved).Settings()); d != "" {
		t.Errorf("read back differently:\n%s", d)
	}
	strange := NewBoard(Specs(porch()), map[string]string{"attic/camera": "OFF", "door/camera": "broken", "door/interval": "7"})
	if strange.Value("door", Camera) != On || strange.Value("door", Interval) != "7" || strange.Value("attic", Camera) != "" {
		t.Errorf("%+v", strange.Settings())
	}
	if strange.Saved()["attic/camera"] != "OFF" {
		t.Errorf("a camera that is away was forgotten: %v", strange.Saved())
	}
}

func FuzzSet(f *testing.F) {
	for _, v := range values {
		f.Add(v.source, string(v.name), v.value)
	}
	f.Fuzz(func(t *testing.T, source, name, value string) {
		b := NewBoard(Specs(porch()), nil)
		s, _, err := b.Set(source, Switch(name), value)
		if err != nil {
			return
		}
		if again, err := s.Parse(s.Value); err != nil || again != s.Value {
			t.Fatalf("%q was taken as %q, which is read as %q, %v", value, s.Value, again, err)
		}
	})
}
