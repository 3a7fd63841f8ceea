package pipeline

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"sensed/daemon/event"
	"sensed/daemon/schedule"
)

// outcomeOf names the outcome that a dropped question has.
func outcomeOf(r schedule.Reason) event.Outcome {
	switch r {
	case schedule.Full, schedule.Throttled:
		return event.Throttled
	case schedule.Late:
		return event.TimedOut
	}
	return event.Skipped // somebody does not want it, or something newer is asked
}

// wordless makes an event say that no words will come.
func wordless(e *event.Event, o event.Outcome, why string) {
	e.Status, e.Error = o, why
	e.Text, e.Changed = "", nil
	e.Objects, e.Counts, e.Frame = nil, nil, nil
}

// memory is what the model's goroutine remembers of the answers about a source,
// by task: what was said last, and the things that were seen.
type memory struct {
	said   map[string]string
	tracks map[string]*tracker
	// pictured is when the picture was taken that was handed on last.
	pictured time.Time
}

// changed remembers what a task says and tells whether it is new.
func (m *memory) changed(task, text string) bool {
	if m.said == nil {
		m.said = map[string]string{}
	}
	before, known := m.said[task]
	m.said[task] = text
	return !known || !sameWords(before, text)
}

// follow gives the objects that a task found their numbers.
func (m *memory) follow(task string, objects []event.Object, next func() int) {
	if m.tracks == nil {
		m.tracks = map[string]*tracker{}
	}
	if m.tracks[task] == nil {
		m.tracks[task] = &tracker{}
	}
	m.tracks[task].follow(objects, next)
}

// answered puts what the model answered into an event.
func (q *question) answered(e *event.Event, r event.Result) {
	e.Score, e.PromptID = score(r), r.PromptID
	p := q.source.p
	switch e.Kind {
	case event.Objects:
		w, h := 0, 0
		if len(q.input.Images) > 0 {
			size := q.input.Images[0].Bounds().Size()
			w, h = size.X, size.Y
			e.Frame = &[2]int{w, h}
		}
		e.Objects = event.Place(r.Objects, w, h)
		q.source.memory.follow(q.task.Name, e.Objects, p.nextTrack)
		e.Counts = event.Count(e.Objects)
	default:
		e.Text = strings.TrimSpace(strings.ToValidUTF8(r.Text, "\uFFFD")) // a cut answer may end inside a letter
	}
	if (e.Kind == event.Caption || e.Kind == event.Answer) && e.Text != "" {
		changed := q.source.memory.changed(q.task.Name, e.Text)
		e.Changed = &changed
	}
}

// score is the probability of an answer as it is published.
func score(r event.Result) *float64 {
	if !(r.Score > 0 && r.Score <= 1) {
		return nil
	}
	rounded := math.Round(r.Score*1e4) / 1e4
	return &rounded
}

// provenance says which model answered.
func (p *Pipeline) provenance(name string) *event.Model {
	if name == "" {
		return nil
	}
	m := event.Model{Name: name}
	if p.opts.Model != nil {
		m = p.opts.Model()
		m.Name = name
	}
	return &m
}

// sameWords tells whether two texts say the same: the same words but for their
// order, case, marks and articles.
func sameWords(a, b string) bool { return slices.Equal(wordSet(a), wordSet(b)) }

func wordSet(s string) []string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	words = slices.DeleteFunc(words, func(w string) bool { return w == "a" || w == "an" || w == "the" })
	slices.Sort(words)
	return slices.Compact(words)
}

// nextTrack returns a number that no thing has had since the start.
func (p *Pipeline) nextTrack() int {
	p.tracks++
	return p.tracks
}
