package command

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"sensed/daemon/event"
)

// Switch is the name of something that can be set while sensed works.
type Switch string

// The switches.
const (
	Privacy       Switch = "privacy"
	Camera        Switch = "camera"
	Microphone    Switch = "microphone"
	Captioning    Switch = "captioning"
	Detection     Switch = "detection"
	Transcription Switch = "transcription"
	Prompt        Switch = "prompt"
	Labels        Switch = "labels"
	Language      Switch = "language"
	Sensitivity   Switch = "sensitivity"
	Interval      Switch = "interval"
)

// The values of switches that are on or off.
const (
	On  = "ON"
	Off = "OFF"
)

// Kind says what values a switch has.
type Kind string

// The kinds of switches.
const (
	OnOff  Kind = "switch" // [On] or [Off]
	Text   Kind = "text"   // one line of at most MaxBytes bytes
	List   Kind = "list"   // texts with commas between them
	Number Kind = "number" // from Min to Max
)

// Spec describes a switch: whoever shows it needs nothing else.
type Spec struct {
	Source   string  `json:"source,omitempty"` // "": the whole node
	Name     Switch  `json:"name"`
	Kind     Kind    `json:"kind"`
	Min      float64 `json:"min,omitempty"`
	Max      float64 `json:"max,omitempty"`
	Step     float64 `json:"step,omitempty"`
	Unit     string  `json:"unit,omitempty"`
	MaxBytes int     `json:"max_bytes,omitempty"`
	Default  string  `json:"default"` // as the configuration has it
}

// Setting is a switch and how it stands.
type Setting struct {
	Spec
	Value string `json:"value"`
}

const (
	maxText     = 1000 // bytes of a text value
	maxList     = 4000 // bytes of a list
	maxInterval = 86400
)

// Specs lists the switches of a node with these sources.
func Specs(sources []Source) []Spec {
	out := []Spec{onOff("", Privacy, Off)}
	for _, s := range sources {
		out = append(out, s.specs()...)
	}
	return out
}

func onOff(source string, name Switch, value string) Spec {
	return Spec{Source: source, Name: name, Kind: OnOff, Default: value}
}

func (s Source) specs() []Spec {
	out := []Spec{onOff(s.Name, Privacy, Off)}
	text := func(name Switch, kind Kind, most int) {
		out = append(out, Spec{Source: s.Name, Name: name, Kind: kind, MaxBytes: most})
	}
	if s.Camera {
		out = append(out, onOff(s.Name, Camera, On))
		if s.has(event.TaskCaption, event.TaskPrompt) {
			out = append(out, onOff(s.Name, Captioning, On))
		}
		if s.has(event.TaskDetect, event.TaskPoint) {
			out = append(out, onOff(s.Name, Detection, On))
		}
		if s.has(event.TaskCaption) {
			text(Prompt, Text, maxText)
		}
		if s.has(event.TaskDetect) {
			text(Labels, List, maxList)
		}
		if len(s.Tasks) > 0 {
			out = append(out, Spec{Source: s.Name, Name: Interval, Kind: Number, Max: maxInterval, Step: 1, Unit: "s", Default: "0"})
		}
	} else {
		out = append(out, onOff(s.Name, Microphone, On))
		if len(s.Tasks) > 0 {
			out = append(out, onOff(s.Name, Transcription, On))
		}
		if s.has(event.TaskTranscribe, event.TaskTranslate) {
			text(Language, Text, maxName)
		}
	}
	if s.Sensitivity != nil {
		out = append(out, Spec{Source: s.Name, Name: Sensitivity, Kind: Number, Max: 1, Step: 0.05, Default: number(*s.Sensitivity)})
	}
	return out
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// Parse returns a value of the switch in its usual spelling.
func (s Spec) Parse(value string) (string, error) {
	value = strings.TrimSpace(value)
	switch s.Kind {
	case OnOff:
		if v := strings.ToUpper(value); v == On || v == Off {
			return v, nil
		}
		return "", fmt.Errorf("%s: %.40q is neither ON nor OFF", s.name(), value)
	case Number:
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(x) || x < s.Min || x > s.Max {
			return "", fmt.Errorf("%s: %.40q is no number from %s to %s", s.name(), value, number(s.Min), number(s.Max))
		}
		return number(x + 0), nil // no -0
	case List:
		var items []string
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		if err := checkLabels(items); err != nil {
			return "", fmt.Errorf("%s: %w", s.name(), err)
		}
		value = strings.Join(items, ", ")
	}
	if len(value) > s.MaxBytes || !plain(value) || !utf8.ValidString(value) {
		return "", fmt.Errorf("%s: write one line of at most %d bytes", s.name(), s.MaxBytes)
	}
	return value, nil
}

func (s Spec) name() string {
	if s.Source == "" {
		return string(s.Name)
	}
	return s.Source + "/" + string(s.Name)
}

// Board holds the switches of a node. Its methods may be called from any
// goroutine.
type Board struct {
	specs []Spec

	mu     sync.Mutex
	values map[string]string // by name
	others map[string]string // that were saved of switches which are not here
}

// maxOthers bounds what is kept of switches that are not there.
const maxOthers = 256

// NewBoard returns a board on which the switches stand as they were saved. A value
// that a switch cannot have any more is left out. What was saved of switches that
// are not there is kept: a camera that was off is off when it comes back.
func NewBoard(specs []Spec, saved map[string]string) *Board {
	b := &Board{specs: specs, values: map[string]string{}, others: map[string]string{}}
	for name, v := range saved {
		if len(b.others) < maxOthers && !slices.ContainsFunc(specs, func(s Spec) bool { return s.name() == name }) {
			b.others[name] = v
		}
	}
	for _, s := range specs {
		b.values[s.name()] = s.Default
		if v, ok := saved[s.name()]; ok {
			if v, err := s.Parse(v); err == nil {
				b.values[s.name()] = v
			}
		}
	}
	return b
}

// Set sets a switch and tells whether that has changed its value.
func (b *Board) Set(source string, name Switch, value string) (s Setting, changed bool, err error) {
	i := slices.IndexFunc(b.specs, func(s Spec) bool { return s.Source == source && s.Name == name })
	if i < 0 {
		return Setting{}, false, fmt.Errorf("there is no switch %.80q", Spec{Source: source, Name: name}.name())
	}
	spec := b.specs[i]
	v, err := spec.Parse(value)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		return Setting{spec, b.values[spec.name()]}, false, err
	}
	changed = b.values[spec.name()] != v
	b.values[spec.name()] = v
	return Setting{spec, v}, changed, nil
}

// Value returns how a switch stands; "" when there is none of that name.
func (b *Board) Value(source string, name Switch) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.values[Spec{Source: source, Name: name}.name()]
}

// Settings returns all switches.
func (b *Board) Settings() []Setting {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Setting, len(b.specs))
	for i, s := range b.specs {
		out[i] = Setting{s, b.values[s.name()]}
	}
	return out
}

// Saved returns what is to be saved: the switches that do not stand as the
// configuration has them.
func (b *Board) Saved() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := maps.Clone(b.values)
	for _, s := range b.specs {
		if out[s.name()] == s.Default {
			delete(out, s.name())
		}
	}
	maps.Copy(out, b.others)
	return out
}
