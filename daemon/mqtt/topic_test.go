package mqtt_test

import (
	"strings"
	"testing"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
)

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"", "door", "front door", "a/b", "+", "#", "$SYS", "a\x00", "Tür", "日本", "\xff", strings.Repeat("x", 65)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if mqtt.CheckName(name) != nil {
			return
		}
		topic := mqtt.Topic(event.Event{Node: name, Source: name, Kind: event.Caption})
		levels := strings.Split(topic, "/")
		if len(levels) != 4 || strings.ContainsAny(topic, "+#\x00\n ") || levels[1] != name || levels[2] != name {
			t.Errorf("the name %q makes the topic %q", name, topic)
		}
	})
}
