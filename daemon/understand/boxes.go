package understand

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

const (
	grid        = 1000     // boxes count thousandths of the picture's height and width
	maxAnswer   = 64 << 10 // bytes of an answer that are looked at
	maxTries    = 512      // places where an object may begin
	maxNotes    = 16       // remarks on one answer
	sameBox     = 0.85     // overlap (intersection over union) from which two boxes are one
	boxNumbers  = 4
	cutOffNote  = "the answer was cut off; only its complete objects were kept"
	moreRemarks = "and more of the kind"
)

// spot is one object as the model wrote it: where in the answer it stands, so
// that it can be given a score.
type spot struct {
	label      string
	box        [boxNumbers]int // y1 x1 y2 x2, 0..1000, y1 < y2 and x1 < x2
	start, end int             // bytes of the answer
}

// readBoxes finds the objects in a model's answer: a JSON list of
// {"box_2d": [y1, x1, y2, x2], "label": ".."}, fenced or bare, with prose around
// it, or cut off. asked limits the labels (none: anything goes). What cannot be
// used is left out and noted; nothing in the answer is an error.
func readBoxes(answer string, asked []string) (spots []spot, notes []string) {
	var n noteList
	if len(answer) > maxAnswer {
		answer = strings.ToValidUTF8(answer[:maxAnswer], "")
		n.add("the answer is longer than %d bytes; the rest was not read", maxAnswer)
	}
	found, cut := false, false
	at := 0
	for tries := 0; ; tries++ {
		i := strings.IndexByte(answer[at:], '{')
		if i < 0 {
			break
		}
		if tries == maxTries {
			n.add("the answer has more than %d places where an object may begin; the rest was not read", maxTries)
			break
		}
		at += i
		object, size, err := decodeObject(answer[at:])
		switch {
		case err == nil && object.Box != nil:
			found = true
			s := spot{start: at, end: at + size}
			if err := object.fill(&s, asked); err != nil {
				n.add("an object was left out: %v", err)
			} else {
				spots = append(spots, s)
			}
			at += size
		case errors.Is(err, io.ErrUnexpectedEOF):
			cut = true
			at++
		default: // not an object, or one around the list: look inside
			at++
		}
	}
	if cut {
		n.add(cutOffNote)
	}
	if !found && !cut && !strings.Contains(strings.Join(strings.Fields(answer), ""), "[]") {
		n.add("the answer holds no list of boxes")
	}
	return spots, n.list
}

// modelObject is an element of the model's list. Both fields are read later,
// so that a wrong one spoils only this object.
type modelObject struct {
	Box   json.RawMessage `json:"box_2d"`
	Label json.RawMessage `json:"label"`
}

// decodeObject reads the JSON object at the start of s and says how many bytes
// it takes.
func decodeObject(s string) (o modelObject, size int, err error) {
	d := json.NewDecoder(strings.NewReader(s))
	err = d.Decode(&o)
	return o, int(d.InputOffset()), err
}

// fill checks the object and puts it into s.
func (o modelObject) fill(s *spot, asked []string) error {
	var label string
	if o.Label != nil {
		if err := json.Unmarshal(o.Label, &label); err != nil {
			return fmt.Errorf("its label %.40s is no string", o.Label)
		}
	}
	label = cleanLabel(label)
	switch {
	case len(asked) > 0 && label != "":
		if s.label = matchLabel(label, asked); s.label == "" {
			return fmt.Errorf("%q was not asked for", label)
		}
	case len(asked) == 1:
		s.label = asked[0] // only one thing was asked for, so it is this
	case label == "":
		return errors.New("it has no label")
	default:
		s.label = label
	}
	var numbers []*float64 // pointers, since null is no number
	if err := json.Unmarshal(o.Box, &numbers); err != nil || slices.Contains(numbers, nil) {
		return fmt.Errorf("the box %.60s of %s is no list of numbers", o.Box, s.label)
	}
	if len(numbers) != boxNumbers {
		return fmt.Errorf("the box of %s has %d numbers, not %d", s.label, len(numbers), boxNumbers)
	}
	for i, v := range numbers {
		s.box[i] = int(math.Round(min(max(*v, 0), grid)))
	}
	for i := range 2 {
		if s.box[i] > s.box[i+2] {
			s.box[i], s.box[i+2] = s.box[i+2], s.box[i]
		}
		if s.box[i] == s.box[i+2] {
			return fmt.Errorf("the box %.60s of %s has no area", o.Box, s.label)
		}
	}
	return nil
}

// overlap is the intersection of two boxes over their union, 0..1.
func overlap(a, b [boxNumbers]int) float64 {
	h, w := min(a[2], b[2])-max(a[0], b[0]), min(a[3], b[3])-max(a[1], b[1])
	if h <= 0 || w <= 0 {
		return 0
	}
	area := func(c [boxNumbers]int) int { return (c[2] - c[0]) * (c[3] - c[1]) }
	both := h * w
	return float64(both) / float64(area(a)+area(b)-both)
}

// noteList gathers remarks up to a bound.
type noteList struct{ list []string }

func (n *noteList) add(format string, args ...any) {
	switch {
	case len(n.list) < maxNotes:
		n.list = append(n.list, fmt.Sprintf(format, args...))
	case len(n.list) == maxNotes:
		n.list = append(n.list, moreRemarks)
	}
}
