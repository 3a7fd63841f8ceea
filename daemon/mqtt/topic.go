package mqtt

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sensed/daemon/event"
)

// Root is the first level of every topic.
const Root = event.Root

// maxName bounds the name of a node or a source, in bytes.
const maxName = 64

// StatusTopic is where a node says whether it is online: the bare words
// [event.Online] and [event.Offline], retained; the broker itself says the latter when the
// node is gone without a word.
func StatusTopic(node string) string { return event.NodeTopic(node, "status") }

// Topic is where an event belongs: sensed/NODE/SOURCE/KIND, or
// sensed/NODE/SOURCE/event for the copy with an event type.
func Topic(e event.Event) string {
	if e.EventType != "" {
		return event.SourceTopic(e.Node, e.Source, event.TopicEvents)
	}
	return event.SourceTopic(e.Node, e.Source, string(e.Kind))
}

// CheckName tells whether a name can be one level of a topic.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("it is empty")
	case len(name) > maxName:
		return fmt.Errorf("it is longer than %d bytes", maxName)
	case !utf8.ValidString(name):
		return errors.New("it is not UTF-8")
	case strings.ContainsAny(name, "+#/"):
		return errors.New("it contains one of + # /, which have a meaning of their own in MQTT topics")
	case name[0] == '$':
		return errors.New("it begins with $, which belongs to the broker")
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }):
		return errors.New("it contains a space or a character that cannot be printed")
	}
	return nil
}

// checkEvent tells whether an event has a topic of this node and may be sent.
func checkEvent(e event.Event, node string) error {
	if e.Node != node {
		return fmt.Errorf("mqtt: an event of node %q cannot be published by node %q", e.Node, node)
	}
	if err := CheckName(e.Source); err != nil {
		return fmt.Errorf("mqtt: source name %q cannot be part of a topic: %w", e.Source, err)
	}
	if err := e.Validate(); err != nil {
		return fmt.Errorf("mqtt: an event of source %q is not fit to be published: %w", e.Source, err)
	}
	return nil
}
