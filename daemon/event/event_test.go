package event_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sensed/daemon/event"
)

func TestObjectsArePresentWhenThereAreNone(t *testing.T) {
	for _, tc := range []struct {
		name string
		e    event.Event
		want bool
	}{
		{"nothing found", event.Event{Kind: event.Objects, Objects: []event.Object{}}, true},
		{"not looked for", event.Event{Kind: event.Caption, Text: "A cat."}, false},
	} {
		b, err := json.Marshal(tc.e)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(b), `"objects":[]`); got != tc.want {
			t.Errorf("%s: %s has an empty list of objects: %t, want %t", tc.name, b, got, tc.want)
		}
	}
}
