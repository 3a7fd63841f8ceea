package command

import (
	"encoding/json"
	"strings"
	"testing"

	"sensed/daemon/event"

	"github.com/google/go-cmp/cmp"
)

// requests are payloads and what is wrong with them; "": nothing.
func requests() []struct {
	name    Name
	payload string
	want    Request
	wrong   string
} {
	long := strings.Repeat("x", maxQuestion+1)
	return []struct {
		name    Name
		payload string
		want    Request
		wrong   string
	}{
		{Ask, `{"id":"1","question":"Is it open?","source":"door"}`, Request{ID: "1", Question: "Is it open?", Source: "door"}, ""},
		{Ask, ` Is it open? `, Request{Question: "Is it open?"}, ""},
		{Ask, `{"question":"?","schema":{"type":"boolean"}}`, Request{Question: "?", Schema: json.RawMessage(`{"type":"boolean"}`)}, ""},
		{Describe, ``, Request{}, ""},
		{Describe, `{}`, Request{}, ""},
		{Detect, `{"labels":["a dog"]}`, Request{Labels: []string{"a dog"}}, ""},
		{Transcribe, `{"seconds":2.5}`, Request{Seconds: 2.5}, ""},
		{Restart, `{"id":"7"}`, Request{ID: "7"}, ""},

		{"sing", `{}`, Request{}, `there is no command "sing"`},
		{Ask, `{"id":"1"`, Request{}, "cannot be read"},
		{Ask, `{"id":"1"} {}`, Request{ID: "1"}, "something follows"},
		{Ask, `{"id":"1","colour":"red"}`, Request{ID: "1"}, "unknown field"},
		{Ask, `{"id":"1"}`, Request{ID: "1"}, "question is missing"},
		{Ask, `{"id":"1","question":"` + long + `"}`, Request{ID: "1", Question: long}, "at most 4000"},
		{Ask, strings.Repeat("x", MaxPayload+1), Request{}, "more than 16384"},
		{Ask, "\xff", Request{}, "not UTF-8"},
		{Ask, `{"question":"?","schema":[1]}`, Request{Question: "?", Schema: json.RawMessage(`[1]`)}, "no JSON object"},
		{Ask, `{"question":"?","schema":{},"choices":["a"]}`, Request{Question: "?", Schema: json.RawMessage(`{}`), Choices: []string{"a"}}, "exclude"},
		{Ask, `{"question":"?","choices":[" "]}`, Request{Question: "?", Choices: []string{" "}}, "choices[0] is empty"},
		{Describe, `[]`, Request{}, "cannot be read"},
		{Describe, `PRESS`, Request{}, "cannot be read"},
		{Describe, `{"source":"#"}`, Request{Source: "#"}, "which no name has"},
		{Describe, `{"source":"a/b"}`, Request{Source: "a/b"}, "which no name has"},
		{Describe, `{"source":"a\nb"}`, Request{Source: "a\nb"}, "no name"},
		{Describe, `{"question":"?"}`, Request{Question: "?"}, "question is of no use here"},
		{Describe, `{"id":"` + strings.Repeat("1", 65) + `"}`, Request{}, "id is no text"},
		{Describe, `{"id":"\u0007"}`, Request{}, "id is no text"},
		{Detect, `{"labels":[""]}`, Request{Labels: []string{""}}, "labels[0]"},
		{Transcribe, `{"seconds":31}`, Request{Seconds: 31}, "write 1 to 30"},
		{Transcribe, `{"seconds":-1}`, Request{Seconds: -1}, "write 1 to 30"},
		{Restart, `{"source":"door"}`, Request{Source: "door"}, "source is of no use"},
	}
}

func TestParse(t *testing.T) {
	for _, tt := range requests() {
		got, err := Parse(tt.name, []byte(tt.payload))
		tt.want.Command = tt.name
		if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s %.60s: %v, want %q", tt.name, tt.payload, err, tt.wrong)
		}
		if d := cmp.Diff(tt.want, got); d != "" && !strings.Contains(tt.wrong, "cannot be read") {
			t.Errorf("%s %.60s (-want +got):\n%s", tt.name, tt.payload, d)
		}
	}
}

// FuzzParse: what is read is within its bounds, and its reply can be written.
func FuzzParse(f *testing.F) {
	for _, tt := range requests() {
		f.Add(string(tt.name), []byte(tt.payload))
	}
	f.Fuzz(func(t *testing.T, name string, payload []byte) {
		r, err := Parse(Name(name), payload)
		if err == nil && r.Validate() != nil {
			t.Fatalf("%+v is not valid, but was taken", r)
		}
		if r.checkID() != nil {
			t.Fatalf("the reply would have the id %q", r.ID)
		}
		if err != nil {
			return
		}
		if strings.ContainsAny(r.Source, "+#/\n") {
			t.Fatalf("source %q", r.Source)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFind(t *testing.T) {
	door, yard, hall := Source{Name: "door", Camera: true}, Source{Name: "yard", Camera: true}, Source{Name: "hall"}
	for _, tt := range []struct {
		r       Request
		sources []Source
		want    string
		wrong   string
	}{
		{Request{Command: Describe, Source: "yard"}, []Source{door, yard, hall}, "yard", ""},
		{Request{Command: Describe}, []Source{door, hall}, "door", ""},
		{Request{Command: Transcribe}, []Source{door, hall}, "hall", ""},
		{Request{Command: Ask}, []Source{hall}, "hall", ""},
		{Request{Command: Describe}, []Source{door, yard}, "", "name a source: door, yard"},
		{Request{Command: Describe, Source: "hall"}, []Source{door, hall}, "", "it is a microphone"},
		{Request{Command: Describe, Source: "attic"}, []Source{door}, "", `there is no source "attic"; there are door`},
		{Request{Command: Transcribe}, []Source{door}, "", "no source that could"},
	} {
		s, err := tt.r.Find(tt.sources)
		if s.Name != tt.want || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%+v: %q, %v", tt.r, s.Name, err)
		}
	}
}

func TestTasks(t *testing.T) {
	s := Source{Name: "door", Camera: true, Tasks: []event.Task{{Kind: event.TaskCaption, Prompt: "Say it."}, {Kind: event.TaskDetect, Labels: []string{"dog"}}}}
	for _, tt := range []struct {
		r    Request
		want event.Task
	}{
		{Request{Command: Ask, Question: "?", Choices: []string{"a"}}, event.Task{Name: "ask", Kind: event.TaskPrompt, Prompt: "?", Choices: []string{"a"}}},
		{Request{Command: Describe}, event.Task{Name: "describe", Kind: event.TaskCaption, Prompt: "Say it."}},
		{Request{Command: Detect}, event.Task{Name: "detect", Kind: event.TaskDetect, Labels: []string{"dog"}}},
		{Request{Command: Detect, Labels: []string{"cat"}}, event.Task{Name: "detect", Kind: event.TaskDetect, Labels: []string{"cat"}}},
		{Request{Command: Transcribe}, event.Task{Name: "transcribe", Kind: event.TaskTranscribe}},
	} {
		if d := cmp.Diff(tt.want, tt.r.Task(s)); d != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.r, d)
		}
	}
}
