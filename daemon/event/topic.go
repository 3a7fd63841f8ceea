package event

import (
	"strings"
	"unicode"
)

// Root is the first level of every topic.
const Root = "sensed"

// NodeTopic is sensed/NODE/NAME: what concerns the whole node, such as its
// status, its health, a command or the replies to commands.
func NodeTopic(node, name string) string { return Root + "/" + node + "/" + name }

// SourceTopic is sensed/NODE/SOURCE/NAME: the events of a source of the kind
// NAME, its picture, or "event".
func SourceTopic(node, source, name string) string {
	return Root + "/" + node + "/" + source + "/" + name
}

// The last level of topics that are no kind of event.
const (
	TopicEvents = "event"  // of a source: announcements and answers once more
	TopicImage  = "image"  // of a source: the picture that the last words are about
	TopicHealth = "health" // of the node
	TopicReply  = "answer" // of the node: replies to commands
)

// SetTopic is where a switch is set. Source is "" for a switch of the node.
func SetTopic(node, source, name string) string { return switchTopic(node, source, name) + "/set" }

// StateTopic is where a switch says its value, retained.
func StateTopic(node, source, name string) string { return switchTopic(node, source, name) + "/state" }

func switchTopic(node, source, name string) string {
	if source == "" {
		return NodeTopic(node, name)
	}
	return SourceTopic(node, source, name)
}

// LastTopic is sensed/NODE/SOURCE/last/TASK: the last words of a task, retained.
func LastTopic(node, source, task string) string {
	return SourceTopic(node, source, "last/"+task)
}

// SeenTopic is sensed/NODE/SOURCE/objects/LABEL/state: whether a thing was seen
// lately, retained.
func SeenTopic(node, source, label string) string {
	return StateTopic(node, source, string(Objects)+"/"+level(label))
}

// level makes a label fit to be one level of a topic.
func level(label string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("+#/", r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '-'
		}
		return r
	}, label)
}
