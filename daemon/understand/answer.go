package understand

import (
	"strings"

	"sensed/daemon/event"
	"sensed/kernels/gemma4"
)

// read turns the model's reply to q into a typed answer. It trusts nothing in
// it: what does not fit is left out and said in Notes.
func (q question) read(r gemma4.Reply) Result {
	res := Result{
		Kind:   q.kind,
		Prompt: r.PromptTokens,
		Answer: len(r.Tokens),
		Score:  meanProb(r.Probs),
		Timing: Timing{Encode: r.Timing.Encode, Prefill: r.Timing.Prefill, Decode: r.Timing.Decode},
	}
	switch q.kind {
	case Detect, Point:
		res.Text = strings.TrimSpace(r.Text)
		res.Objects, res.Notes = q.readObjects(r)
	case Transcribe:
		res.Text = oneLine(r.Text)
	case Translate:
		var marked bool
		if res.Transcript, res.Text, marked = splitTranslation(r.Text, q.into); !marked && strings.TrimSpace(r.Text) != "" {
			res.Notes = append(res.Notes, "the answer does not say where the translation begins; all of it was kept")
		}
	default:
		res.Text = strings.TrimSpace(r.Text)
	}
	if !r.Stopped {
		res.Notes = append(res.Notes, "the answer reached its bound of tokens and may lack its end")
	}
	return res
}

// readObjects reads boxes, scores them and makes one of those that say the same.
func (q question) readObjects(r gemma4.Reply) ([]event.Found, []string) {
	spots, notes := readBoxes(r.Text, q.labels)
	tokens, ok := newRuler(r)
	objects := make([]event.Found, 0, len(spots)) // never nil: an empty list is an answer too
	for _, s := range spots {
		o := event.Found{Label: s.label, Box: s.box}
		if ok {
			o.Score = tokens.score(s.start, s.end)
		}
		objects = mergeObject(objects, o)
	}
	return objects, notes
}

// mergeObject adds o to objects, unless one with the same label covers nearly
// the same place; of two such the one with the higher score stays.
func mergeObject(objects []event.Found, o event.Found) []event.Found {
	for i, have := range objects {
		if have.Label == o.Label && overlap(have.Box, o.Box) > sameBox {
			if o.Score > have.Score {
				objects[i] = o
			}
			return objects
		}
	}
	return append(objects, o)
}

// oneLine puts single spaces for all space and newlines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// splitTranslation parts "speech\nGerman: meaning" at the line that begins with
// the language. Without such a line all of it is taken for the translation.
func splitTranslation(s, into string) (speech, meaning string, marked bool) {
	var before []string
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		bare := strings.TrimLeft(strings.TrimSpace(line), "*_ ") // some answers set the marker in bold
		if len(bare) < len(into) || !strings.EqualFold(bare[:len(into)], into) {
			before = append(before, line)
			continue
		}
		rest := strings.TrimLeft(bare[len(into):], "*_ ")
		rest, found := strings.CutPrefix(rest, ":")
		if !found {
			before = append(before, line)
			continue
		}
		after := append([]string{strings.TrimLeft(rest, "*_ ")}, lines[i+1:]...)
		return oneLine(strings.Join(before, " ")), oneLine(strings.Join(after, " ")), true
	}
	return "", oneLine(s), false
}
