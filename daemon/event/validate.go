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
	return []Kind{Caption, Objects, Transcript, Answer, Motion, Sound, Pin, Status}
}

// Valid tells whether the kind is one of [Kinds].
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// Validate tells what keeps an event from being published: a subscriber must
// be able to rely on every field. The error names the field as in JSON.
func (e *Event) Validate() error {
	switch {
	case e.ID == "":
		return errors.New("event: id is empty")
	case !e.Kind.Valid():
		return fmt.Errorf("event %s: kind %q is unknown", e.ID, e.Kind)
	case e.Node == "":
		return fmt.Errorf("event %s: node is empty", e.ID)
	case e.Source == "" && e.Kind != Status:
		return fmt.Errorf("event %s: source is empty; only the status of the node has none", e.ID)
	case e.Time.IsZero():
		return fmt.Errorf("event %s: time is not set", e.ID)
	case (e.Kind == Objects && e.Error == "") != (e.Objects != nil):
		return fmt.Errorf("event %s: objects belong to events of kind objects without an error, and to these always", e.ID)
	}
	for name, text := range map[string]string{"id": e.ID, "node": e.Node, "source": e.Source, "text": e.Text, "task": e.Task,
		"sample": e.Sample, "error": e.Error, "model": e.Model} {
		if !utf8.ValidString(text) {
			return fmt.Errorf("event %s: %s is not UTF-8", strings.ToValidUTF8(e.ID, "?"), name)
		}
	}
	for i := range e.Objects {
		if err := e.Objects[i].validate(); err != nil {
			return fmt.Errorf("event %s: objects[%d]: %w", e.ID, i, err)
		}
	}
	return e.validateNumbers()
}

func (e *Event) validateNumbers() error {
	if e.Level != nil && !finite(*e.Level) {
		return fmt.Errorf("event %s: level is %v", e.ID, *e.Level)
	}
	if !finite(e.Duration) || e.Duration < 0 {
		return fmt.Errorf("event %s: duration_s is %v", e.ID, e.Duration)
	}
	if e.Latency == nil {
		return nil
	}
	l := e.Latency
	for name, v := range map[string]float64{"wait": l.Wait, "encode": l.Encode, "prefill": l.Prefill, "decode": l.Decode, "total": l.Total} {
		if !finite(v) || v < 0 {
			return fmt.Errorf("event %s: latency_ms.%s is %v", e.ID, name, v)
		}
	}
	return nil
}

// validate checks a box: on the grid, not inside out, with a label and a
// probability. A box may be a line or a point.
func (o *Object) validate() error {
	b := o.Box
	switch {
	case o.Label == "" || !utf8.ValidString(o.Label):
		return fmt.Errorf("label is %q", o.Label)
	case b[0] < 0 || b[1] < 0 || b[2] > 1000 || b[3] > 1000 || b[0] > b[2] || b[1] > b[3]:
		return fmt.Errorf("box_2d %v is not [y1, x1, y2, x2] on a grid of 1000 by 1000", b)
	case !(o.Score >= 0 && o.Score <= 1):
		return fmt.Errorf("score is %v, outside 0..1", o.Score)
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
