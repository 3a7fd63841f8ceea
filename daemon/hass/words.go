package hass

import (
	"slices"

	"sensed/daemon/command"
	"sensed/daemon/event"
)

// maxState is how many characters the state of an entity may have; one that is
// longer becomes unknown.
const maxState = 255

// attributes are the whole of what a state tells in short.
const attributes = "{{ {'text': value_json.text | default(none), 'time': value_json.time | default(none), 'id': value_json.id | default(none)," +
	" 'score': value_json.score | default(none)} | tojson }}"

// short cuts a text to the length that a state may have; one that is not there
// is unknown.
func short(expression string) string {
	return "{{ (" + expression + ") | default('None') | truncate(255, true, '…', 0) }}"
}

// words adds the last words of each task, and of what is asked in between.
func (b *builder) words(s Source) {
	for _, t := range s.Tasks {
		switch t.Kind {
		case event.TaskDetect, event.TaskPoint:
			b.found(s, t)
		default:
			b.last(s, t.Name, t.Name)
		}
	}
	if task, name := Spontaneous(s.Source); !slices.ContainsFunc(s.Tasks, func(t event.Task) bool { return t.Name == task }) {
		b.last(s, task, name)
	}
	topic := event.LastTopic(b.Node, s.Name, string(command.Ask))
	b.add(s.Name, "answer", "answer to ask", b.of(s.Name, Component{
		Platform: "sensor", Icon: "mdi:chat", StateTopic: topic,
		ValueTemplate: short("value_json.text if value_json.status is defined and value_json.status == 'done' else value_json.error"),
		Attributes:    topic,
		AttributesAs:  "{{ {'text': value_json.text | default(none), 'time': value_json.time | default(none), 'error': value_json.error | default(none)} | tojson }}",
	}))
}

// Spontaneous is the task, and what people call it, as whose words counts what
// the commands describe and transcribe bring: the first of the kind that the
// source has, or the command itself when there is none.
func Spontaneous(s command.Source) (task, name string) {
	kind, command, name := event.TaskTranscribe, command.Transcribe, "transcript"
	if s.Camera {
		kind, command, name = event.TaskCaption, "describe", "caption"
	}
	for _, t := range s.Tasks {
		if t.Kind == kind {
			return t.Name, t.Name
		}
	}
	return string(command), name
}

// last adds the words of a task.
func (b *builder) last(s Source, task, name string) {
	topic := event.LastTopic(b.Node, s.Name, task)
	b.add(s.Name, "last."+ident(task), name, b.of(s.Name, Component{
		Platform: "sensor", Icon: "mdi:text", StateTopic: topic, ValueTemplate: short("value_json.text"),
		Attributes: topic, AttributesAs: attributes,
	}))
}

// found adds how many things a task has found, and how many of each label.
func (b *builder) found(s Source, t event.Task) {
	topic := event.LastTopic(b.Node, s.Name, t.Name)
	count := func(key, name, value string, c Component) {
		c.Platform, c.StateClass, c.Icon, c.StateTopic = "sensor", "measurement", "mdi:counter", topic
		c.ValueTemplate = "{{ " + value + " if value_json.objects is defined else none }}"
		b.add(s.Name, key, name, b.of(s.Name, c))
	}
	count("last."+ident(t.Name), t.Name, "value_json.objects | count", Component{
		Attributes: topic,
		AttributesAs: "{{ {'counts': value_json.counts | default({}), 'objects': value_json.objects | default([]), 'frame': value_json.frame | default(none)," +
			" 'time': value_json.time | default(none), 'id': value_json.id | default(none)} | tojson }}",
	})
	if t.Kind != event.TaskDetect {
		return
	}
	for _, l := range t.Labels {
		count("count."+ident(t.Name)+"."+ident(l), counted(s, t, l), "(value_json.counts | default({})).get("+quote(l)+", 0)", Component{})
	}
}

// counted is what a count is called: with its task only where two tasks count
// the same.
func counted(s Source, t event.Task, label string) string {
	for _, other := range s.Tasks {
		if other.Kind == event.TaskDetect && other.Name != t.Name && slices.Contains(other.Labels, label) {
			return t.Name + " " + label + " count"
		}
	}
	return label + " count"
}
