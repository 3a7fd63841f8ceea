// Package command is what others may ask of a node while it works: questions and
// orders ([Request], [Reply]) and switches ([Board]), with their bounds. It knows
// neither MQTT nor the web page, which both stand on it, and not the pipeline,
// which does the work.
package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sensed/daemon/event"
)

// Name is what is to be done, and the last part of the topic that asks for it.
type Name string

// The commands. Set is that of a switch; it has a topic for each switch.
const (
	Ask        Name = "ask"        // a question about a source
	Describe   Name = "describe"   // a caption now
	Detect     Name = "detect"     // boxes now
	Transcribe Name = "transcribe" // what is said from now on
	Snapshot   Name = "snapshot"   // the picture now
	Reload     Name = "reload"     // read the configuration again
	Restart    Name = "restart"    // start sensed again
	Set        Name = "set"
)

// Names returns the commands that have a topic of their own.
func Names() []Name {
	return []Name{Ask, Describe, Detect, Transcribe, Snapshot, Reload, Restart}
}

// The bounds of a request.
const (
	MaxPayload  = 16 << 10 // bytes of a request
	MaxID       = 64       // bytes
	maxName     = 64       // bytes of the name of a source
	maxQuestion = 4000     // bytes
	maxSchema   = 8 << 10  // bytes
	maxLabels   = 64
	maxLabel    = 48 // letters
	maxChoices  = 32
	maxSeconds  = 30
)

// Request is a command. Zero fields were not given.
type Request struct {
	Command Name `json:"-"`
	// ID names the request; the reply and the events that it leads to have it.
	ID string `json:"id,omitempty"`
	// Source may be left out where only one can be meant.
	Source string `json:"source,omitempty"`
	// Question is that of ask.
	Question string `json:"question,omitempty"`
	// Schema, of ask, is a JSON Schema that the answer obeys; Choices are texts of
	// which the answer is one. Not both.
	Schema  json.RawMessage `json:"schema,omitempty"`
	Choices []string        `json:"choices,omitempty"`
	// Labels, of detect, are what to look for; none: everything.
	Labels []string `json:"labels,omitempty"`
	// Switch and Value are those of set; Source is "" for the whole node.
	Switch Switch `json:"-"`
	Value  string `json:"-"`
	// Seconds, of transcribe and of ask about a microphone, is how long to listen.
	Seconds float64 `json:"seconds,omitempty"`
	// Wrote, when set, takes the pieces of the answer while the model writes it,
	// where it can; it must not block.
	Wrote func(piece string) `json:"-"`
}

// Parse reads a request. Whatever of it could be read is returned beside the
// error, so that the reply can have its id.
func Parse(name Name, payload []byte) (Request, error) {
	r := Request{Command: name}
	payload = bytes.TrimSpace(payload)
	switch {
	case !slices.Contains(Names(), name):
		return r, fmt.Errorf("there is no command %q", name)
	case len(payload) > MaxPayload:
		return r, fmt.Errorf("%s: the request takes %d bytes, more than %d", name, len(payload), MaxPayload)
	case !utf8.Valid(payload):
		return r, fmt.Errorf("%s: the request is not UTF-8", name)
	case len(payload) == 0:
	case name == Ask && payload[0] != '{':
		r.Question = string(payload)
	default:
		if err := r.decode(payload); err != nil {
			return r, fmt.Errorf("%s: the request cannot be read: %w", name, err)
		}
	}
	if err := r.Validate(); err != nil {
		if r.checkID() != nil {
			r.ID = "" // no reply may repeat it
		}
		return r, err
	}
	return r, nil
}

func (r *Request) decode(payload []byte) error {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		var id struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(payload, &id) == nil {
			if r.ID = id.ID; r.checkID() != nil {
				r.ID = ""
			}
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the closing brace")
	}
	return nil
}

// Validate tells what is wrong with a request, in a sentence that names the
// command and the field.
func (r Request) Validate() error {
	for _, check := range []func() error{r.checkID, r.checkSource, r.checkFields, r.checkTexts} {
		if err := check(); err != nil {
			return fmt.Errorf("%s: %w", r.Command, err)
		}
	}
	return nil
}

func (r Request) checkID() error {
	if len(r.ID) > MaxID || !plain(r.ID) {
		return fmt.Errorf("id is no text of at most %d bytes", MaxID)
	}
	return nil
}

func (r Request) checkSource() error {
	switch {
	case len(r.Source) > maxName || !plain(r.Source):
		return fmt.Errorf("source is no name of at most %d bytes", maxName)
	case strings.ContainsAny(r.Source, "+#/"):
		return fmt.Errorf("source %q has one of + # /, which no name has", r.Source)
	}
	return nil
}

// checkFields refuses what the command has no use for, and misses what it needs.
func (r Request) checkFields() error {
	for _, f := range []struct {
		name string
		set  bool
		of   []Name
	}{
		{"source", r.Source != "", []Name{Ask, Describe, Detect, Transcribe, Snapshot, Set}},
		{"question", r.Question != "", []Name{Ask}},
		{"schema", r.Schema != nil, []Name{Ask}},
		{"choices", r.Choices != nil, []Name{Ask}},
		{"labels", r.Labels != nil, []Name{Detect}},
		{"seconds", r.Seconds != 0, []Name{Ask, Transcribe}},
	} {
		if f.set && !slices.Contains(f.of, r.Command) {
			return fmt.Errorf("%s is of no use here", f.name)
		}
	}
	switch {
	case r.Command == Ask && strings.TrimSpace(r.Question) == "":
		return errors.New("question is missing")
	case r.Schema != nil && r.Choices != nil:
		return errors.New("schema and choices exclude each other")
	case r.Seconds != 0 && !(r.Seconds >= 1 && r.Seconds <= maxSeconds):
		return fmt.Errorf("seconds is %v; write 1 to %d", r.Seconds, maxSeconds)
	}
	return nil
}

func (r Request) checkTexts() error {
	switch {
	case len(r.Question) > maxQuestion || !utf8.ValidString(r.Question):
		return fmt.Errorf("question is no text of at most %d bytes", maxQuestion)
	case len(r.Schema) > maxSchema:
		return fmt.Errorf("schema takes more than %d bytes", maxSchema)
	case r.Schema != nil && !bytes.HasPrefix(bytes.TrimSpace(r.Schema), []byte("{")):
		return errors.New("schema is no JSON object")
	case len(r.Choices) > maxChoices:
		return fmt.Errorf("%d choices are more than %d", len(r.Choices), maxChoices)
	}
	for i, c := range r.Choices {
		if strings.TrimSpace(c) == "" || !utf8.ValidString(c) {
			return fmt.Errorf("choices[%d] is empty", i)
		}
	}
	return checkLabels(r.Labels)
}

func checkLabels(labels []string) error {
	if len(labels) > maxLabels {
		return fmt.Errorf("%d labels are more than %d", len(labels), maxLabels)
	}
	for i, l := range labels {
		if strings.TrimSpace(l) == "" || !plain(l) || utf8.RuneCountInString(l) > maxLabel {
			return fmt.Errorf("labels[%d] is no text of 1 to %d letters", i, maxLabel)
		}
	}
	return nil
}

// plain tells whether a text can stand in one line.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

// Find returns the source that the request means. The error lists those that
// could be meant.
func (r Request) Find(sources []Source) (Source, error) {
	fits := func(s Source) bool {
		switch r.Command {
		case Describe, Detect, Snapshot:
			return s.Camera
		case Transcribe:
			return !s.Camera
		}
		return true
	}
	var candidates []Source
	var names []string
	for _, s := range sources {
		if fits(s) {
			candidates, names = append(candidates, s), append(names, s.Name)
		}
		if s.Name == r.Source && !fits(s) {
			return Source{}, fmt.Errorf("%s: source %s cannot do that: %s", r.Command, s.Name, s.sense())
		}
	}
	for _, s := range candidates {
		if s.Name == r.Source || r.Source == "" && len(candidates) == 1 {
			return s, nil
		}
	}
	switch {
	case len(names) == 0:
		return Source{}, fmt.Errorf("%s: this node has no source that could do it", r.Command)
	case r.Source == "":
		return Source{}, fmt.Errorf("%s: name a source: %s", r.Command, strings.Join(names, ", "))
	}
	return Source{}, fmt.Errorf("%s: there is no source %q; there are %s", r.Command, r.Source, strings.Join(names, ", "))
}

// SetRequest is the request to set a switch.
func SetRequest(source string, name Switch, value string) Request {
	return Request{Command: Set, Source: source, Switch: name, Value: value}
}

// Task is the question that the request puts to the model about a source; none
// for the commands that ask nothing.
func (r Request) Task(s Source) event.Task {
	t := event.Task{Name: string(r.Command)}
	switch r.Command {
	case Ask:
		t.Kind, t.Prompt, t.Schema, t.Choices = event.TaskPrompt, r.Question, string(r.Schema), r.Choices
	case Describe:
		t.Kind = event.TaskCaption
		if c, ok := s.task(event.TaskCaption); ok {
			t.Prompt, t.System = c.Prompt, c.System
		}
	case Detect:
		t.Kind, t.Labels = event.TaskDetect, r.Labels
		if c, ok := s.task(event.TaskDetect); ok && len(t.Labels) == 0 {
			t.Labels = c.Labels
		}
	case Transcribe:
		t.Kind = event.TaskTranscribe
		if c, ok := s.task(event.TaskTranscribe); ok {
			t.Language = c.Language
		}
	}
	return t
}
