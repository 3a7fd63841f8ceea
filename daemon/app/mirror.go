package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"sensed/daemon/command"
	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/hass"
	"sensed/daemon/pipeline"
)

// retainer keeps the present value of a topic; see [mqtt.Publisher].
type retainer interface {
	Retain(topic string, payload []byte) error
}

// How long a thing counts as seen after it was: as long as three questions take,
// but so long at least, or so long when questions have no pace.
const (
	leastSeen   = 30 * time.Second
	unpacedSeen = time.Minute
)

// nothingKnown takes the place of words that are not to be known any more.
const nothingKnown = "{}"

// mirror is a publisher that, beside what happens, says what is true at present,
// retained: what moves, who speaks, which things were seen lately, and the last
// words of each task. At the start nothing moves; last words are left as the
// broker has them.
type mirror struct {
	pipeline.Publisher
	node string
	out  retainer
	log  *slog.Logger

	mu      sync.Mutex
	ended   bool
	sources map[string]*reflection
}

// reflection is what a mirror knows of a source; the mirror's lock guards it.
type reflection struct {
	tasks       []string
	spontaneous string // as whose words those of commands count
	motion      bool   // there can be such events
	sound       bool
	seen        map[string]*seen // by label
	closed      bool             // on purpose: nothing of it is to be known
}

// seen is a thing that is looked for.
type seen struct {
	topic string
	hold  time.Duration
	timer *time.Timer // until it does not count as seen any more
}

func newMirror(c *config.Config, p pipeline.Publisher, out retainer, log *slog.Logger) *mirror {
	m := &mirror{Publisher: p, node: c.Node, out: out, log: log, sources: map[string]*reflection{}}
	for i, s := range controllable(c) {
		m.sources[s.Name] = newReflection(c, &c.Sources[i], s)
	}
	return m
}

func newReflection(c *config.Config, s *config.Source, as command.Source) *reflection {
	r := &reflection{seen: map[string]*seen{}, motion: as.Camera && as.Sensitivity != nil, sound: !as.Camera && as.Sensitivity != nil}
	r.spontaneous, _ = hass.Spontaneous(as)
	for _, t := range s.Tasks {
		r.tasks = append(r.tasks, t.Name)
		if t.Kind != string(event.TaskDetect) {
			continue
		}
		pace := t.Every
		if pace == 0 && s.Gate.Motion != nil {
			pace = s.Gate.Motion.Again
		}
		hold := max(leastSeen, 3*pace)
		if pace == 0 {
			hold = unpacedSeen
		}
		for _, l := range t.Labels {
			if known, ok := r.seen[l]; ok {
				known.hold = max(known.hold, hold)
				continue
			}
			r.seen[l] = &seen{topic: event.SeenTopic(c.Node, s.Name, l), hold: hold}
		}
	}
	return r
}

// topics are where the mirror says something about a source.
func (r *reflection) topics(node, source string) []string {
	var out []string
	for _, t := range r.words() {
		out = append(out, event.LastTopic(node, source, t))
	}
	return append(out, r.flags(node, source)...)
}

// words are the tasks of which the last words are told.
func (r *reflection) words() []string {
	out := append(slices.Clone(r.tasks), string(command.Ask))
	if !slices.Contains(out, r.spontaneous) {
		out = append(out, r.spontaneous)
	}
	return out
}

// flags are the topics that say ON or OFF.
func (r *reflection) flags(node, source string) []string {
	var out []string
	if r.motion {
		out = append(out, event.StateTopic(node, source, string(event.Motion)))
	}
	if r.sound {
		out = append(out, event.StateTopic(node, source, string(event.Sound)))
	}
	for _, s := range r.seen {
		out = append(out, s.topic)
	}
	return out
}

// begin says that nothing moves yet.
func (m *mirror) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, r := range m.sources {
		m.still(name, r)
	}
}

// end stops the clocks.
func (m *mirror) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	for _, r := range m.sources {
		r.rest()
	}
}

func (r *reflection) rest() {
	for _, s := range r.seen {
		if s.timer != nil {
			s.timer.Stop()
			s.timer = nil
		}
	}
}

// still says of a source that nothing moves, sounds or is seen.
func (m *mirror) still(name string, r *reflection) {
	r.rest()
	for _, topic := range r.flags(m.node, name) {
		m.flag(topic, false)
	}
}

func (m *mirror) flag(topic string, on bool) {
	value := command.Off
	if on {
		value = command.On
	}
	m.retain(topic, []byte(value))
}

func (m *mirror) retain(topic string, payload []byte) {
	if err := m.out.Retain(topic, payload); err != nil {
		m.log.Warn("what is true at present cannot be published", "topic", topic, "err", err)
	}
}

// Publish hands an event on and shows what it means.
func (m *mirror) Publish(ctx context.Context, e event.Event) error {
	err := m.Publisher.Publish(ctx, e)
	if e.EventType == "" {
		m.mu.Lock()
		if r, ok := m.sources[e.Source]; ok && !m.ended {
			m.show(r, e)
		}
		m.mu.Unlock()
	}
	return err
}

func (m *mirror) show(r *reflection, e event.Event) {
	switch e.Kind {
	case event.Motion, event.Sound:
		if e.Active != nil && !r.closed {
			m.flag(event.StateTopic(m.node, e.Source, string(e.Kind)), *e.Active)
		}
	case event.Status:
		m.become(r, e)
	case event.Caption, event.Transcript, event.Answer, event.Objects:
		if e.Status == event.Done && !r.closed {
			m.words(r, e)
		}
	}
}

// become follows the state of a source: nothing moves where nobody looks, and
// what is private or off has said nothing.
func (m *mirror) become(r *reflection, e event.Event) {
	if e.State != event.OK {
		m.still(e.Source, r)
	}
	r.closed = e.State == event.Off || e.State == event.Private
	if !r.closed {
		return
	}
	for _, t := range r.words() {
		m.retain(event.LastTopic(m.node, e.Source, t), []byte(nothingKnown))
	}
}

func (m *mirror) words(r *reflection, e event.Event) {
	task := e.Task
	if !slices.Contains(r.tasks, task) {
		if task != string(command.Describe) && task != string(command.Transcribe) {
			return // detect looks for other things than the tasks do
		}
		task = r.spontaneous
	}
	m.last(e.Source, task, e)
	for label, n := range e.Counts {
		if s, ok := r.seen[label]; ok && n > 0 {
			m.see(s)
		}
	}
}

// see says that a thing is seen, until it was not seen for a while.
func (m *mirror) see(s *seen) {
	m.flag(s.topic, true)
	if s.timer != nil {
		s.timer.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(s.hold, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if s.timer == timer { // it was not seen again meanwhile
			s.timer = nil
			m.flag(s.topic, false)
		}
	})
	s.timer = timer
}

// answered shows the reply to a question from outside.
func (m *mirror) answered(reply command.Reply) {
	if reply.Command != command.Ask {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.sources[reply.Source]; ok && !r.closed && !m.ended {
		m.last(reply.Source, string(command.Ask), reply)
	}
}

func (m *mirror) last(source, task string, words any) {
	payload, err := json.Marshal(words)
	if err != nil {
		m.log.Warn("the last words of a task cannot be written as JSON", "source", source, "task", task, "err", err)
		return
	}
	m.retain(event.LastTopic(m.node, source, task), payload)
}
