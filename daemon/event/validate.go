package event

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kinds returns all kinds of events.
func Kinds() []Kind {
	return []Kind{Caption, Objects, Transcript, Answer, Motion, Sound, Pin, Temperature, Level, Status}
}

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{Announced, Done, Skipped, Throttled, TimedOut, Faulty}
}

// Valid tells whether the kind is one of [Kinds].
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// Valid tells whether the outcome is one of [Outcomes].
func (o Outcome) Valid() bool { return slices.Contains(Outcomes(), o) }

// Wordless tells whether the outcome says that no words will come.
func (o Outcome) Wordless() bool {
	return o == Skipped || o == Throttled || o == TimedOut || o == Faulty
}

// Validate tells what keeps an event from being published: a subscriber must
// be able to rely on every field. The error names the field as in JSON.
func (e *Event) Validate() error {
	for _, check := range []func() error{e.validateNames, e.validateOutcome, e.validateTexts, e.validateThings, e.validateNumbers} {
		if err := check(); err != nil {
			return fmt.Errorf("event %s: %w", strings.ToValidUTF8(e.ID, "?"), err)
		}
	}
	return nil
}

func (e *Event) validateNames() error {
	switch {
	case e.Version != Version:
		return fmt.Errorf("version is %d, not %d", e.Version, Version)
	case e.ID == "":
		return errors.New("id is empty")
	case !e.Kind.Valid():
		return fmt.Errorf("kind %q is unknown", e.Kind)
	case e.EventType != "" && e.EventType != e.Kind:
		return fmt.Errorf("event_type %q is not the kind %q", e.EventType, e.Kind)
	case e.Node == "":
		return errors.New("node is empty")
	case e.Source == "" && e.Kind != Status:
		return errors.New("source is empty; only the status of the node has none")
	case e.Time.IsZero():
		return errors.New("time is not set")
	}
	return nil
}

// validateOutcome checks that status, state, error and objects tell one story.
func (e *Event) validateOutcome() error {
	switch {
	case e.Kind == Status && e.Status != "":
		return fmt.Errorf("status is %q; the state of a source is in state", e.Status)
	case e.Kind != Status && !e.Status.Valid():
		return fmt.Errorf("status %q is unknown", e.Status)
	case (e.Kind == Status || e.Kind == Pin) != (e.State != ""):
		return errors.New("state belongs to events of kind status and pin, and to these always")
	case e.Status.Wordless() && e.Error == "":
		return fmt.Errorf("status is %q without an error that says why", e.Status)
	case e.Kind != Status && e.Error != "" && !e.Status.Wordless():
		return fmt.Errorf("status is %q with the error %q", e.Status, e.Error)
	case (e.Kind == Objects && e.Status == Done) != (e.Objects != nil):
		return errors.New("objects belong to events of kind objects that are done, and to these always")
	case (e.Kind == Temperature) != (e.Temperature != nil):
		return errors.New("a temperature belongs to events of kind temperature, and to these always")
	case e.Active != nil && e.Kind != Motion && e.Kind != Sound:
		return fmt.Errorf("active does not belong to events of kind %s", e.Kind)
	}
	return nil
}

func (e *Event) validateTexts() error {
	for name, text := range map[string]string{"id": e.ID, "node": e.Node, "source": e.Source, "state": e.State, "text": e.Text, "task": e.Task,
		"sample": e.Sample, "error": e.Error, "prompt_id": e.PromptID} {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%s is not UTF-8", name)
		}
	}
	if m := e.Model; m != nil {
		if m.Name == "" || !utf8.ValidString(m.Name) || !utf8.ValidString(m.Quant) || !utf8.ValidString(m.SHA256) {
			return fmt.Errorf("model %q has no name, or texts that are not UTF-8", m.Name)
		}
	}
	return nil
}

func (e *Event) validateThings() error {
	for i := range e.Objects {
		if err := e.Objects[i].validate(); err != nil {
			return fmt.Errorf("objects[%d]: %w", i, err)
		}
	}
	if e.Temperature != nil {
		if err := e.Temperature.validate(); err != nil {
			return fmt.Errorf("temperature: %w", err)
		}
	}
	for label, n := range e.Counts {
		if !utf8.ValidString(label) || n <= 0 {
			return fmt.Errorf("counts: %q is %d", label, n)
		}
	}
	if f := e.Frame; f != nil && (f[0] <= 0 || f[1] <= 0) {
		return fmt.Errorf("frame is %v", *f)
	}
	return nil
}

func (e *Event) validateNumbers() error {
	for name, v := range map[string]*float64{"level": e.Level, "peak": e.Peak, "floor": e.Floor} {
		if v != nil && !finite(*v) {
			return fmt.Errorf("%s is %v", name, *v)
		}
	}
	if !finite(e.Duration) || e.Duration < 0 {
		return fmt.Errorf("duration_s is %v", e.Duration)
	}
	if e.Score != nil && !share(*e.Score) {
		return fmt.Errorf("score is %v, outside 0..1", *e.Score)
	}
	if e.Latency == nil {
		return nil
	}
	l := e.Latency
	for name, v := range map[string]float64{"wait": l.Wait, "encode": l.Encode, "prefill": l.Prefill, "decode": l.Decode, "total": l.Total} {
		if !finite(v) || v < 0 {
			return fmt.Errorf("latency_ms.%s is %v", name, v)
		}
	}
	return nil
}

// edge is how far the sum of two parts may lie above 1 by rounding.
const edge = 1e-9

// validate checks a box: inside the frame, not inside out, with a label and a
// probability. A box may be a line or a point.
func (o *Object) validate() error {
	if o.Label == "" || !utf8.ValidString(o.Label) {
		return fmt.Errorf("label is %q", o.Label)
	}
	for i, v := range o.Box {
		if !share(v) || o.Box[i%2]+o.Box[i%2+2] > 1+edge {
			return fmt.Errorf("box %v is not [x, y, w, h] inside the frame, each 0..1", o.Box)
		}
		if o.Pixels[i] < 0 {
			return fmt.Errorf("pixels %v are not [x, y, w, h]", o.Pixels)
		}
	}
	switch {
	case !share(o.Score):
		return fmt.Errorf("score is %v, outside 0..1", o.Score)
	case o.Track < 0:
		return fmt.Errorf("track is %d", o.Track)
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func share(x float64) bool { return x >= 0 && x <= 1 } // false for NaN
