package mqtt_test

import (
	"fmt"
	"strings"
	"testing"

	"sensed/daemon/mqtt"
)

// content returns the topics that an outbox holds, in their order.
func content(t *testing.T, o mqtt.Outbox) string {
	t.Helper()
	var topics []string
	var after uint64
	for {
		number, m, ok := o.Peek(after)
		if !ok {
			return strings.Join(topics, " ")
		}
		if number <= after {
			t.Fatalf("Peek(%d) returns number %d", after, number)
		}
		after = number
		topics = append(topics, m.Topic)
	}
}

func TestMemoryDropsAnnouncementsFirst(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"a b c", "a b c"},
		{"a b c d", "b c d"},
		{"a m1 b c", "a b c"},
		{"m1 a m2 b", "a m2 b"},
		{"m1 m2 m3 m4", "m2 m3 m4"},
		{"a b c m1", "a b c"}, // the announcement itself has no room
		{"m1 m2 m3 a b c", "a b c"},
		{"a m1 m2 b c d e", "c d e"},
	} {
		o := mqtt.NewMemory(3, 1<<20)
		in := strings.Fields(tc.in)
		dropped := 0
		for _, topic := range in {
			n, err := o.Append(mqtt.Message{Topic: topic, Low: topic[0] == 'm'})
			if err != nil {
				t.Fatal(err)
			}
			dropped += n
		}
		if got := content(t, o); got != tc.want {
			t.Errorf("%s: holds %s, want %s", tc.in, got, tc.want)
		}
		if want := len(in) - o.Len(); dropped != want {
			t.Errorf("%s: says that %d were dropped, it is %d", tc.in, dropped, want)
		}
	}
}

func TestMemoryIsBoundedInBytes(t *testing.T) {
	o := mqtt.NewMemory(1000, 100)
	for i := range 50 {
		if _, err := o.Append(mqtt.Message{Topic: fmt.Sprintf("%02d", i), Payload: make([]byte, 18)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, o); got != "45 46 47 48 49" {
		t.Errorf("holds %s", got)
	}
	if dropped, _ := o.Append(mqtt.Message{Topic: "huge", Payload: make([]byte, 200)}); dropped != 6 || o.Len() != 0 {
		t.Errorf("a message over the limit: %d dropped, %d held", dropped, o.Len())
	}
}

func TestMemoryForgetsOnlyWhatIsAcknowledged(t *testing.T) {
	o := mqtt.NewMemory(10, 1<<20)
	for _, topic := range []string{"a", "b", "c"} {
		o.Append(mqtt.Message{Topic: topic})
	}
	first, _, _ := o.Peek(0)
	second, _, _ := o.Peek(first)
	for _, want := range []bool{true, false} {
		if held, err := o.Ack(second); err != nil || held != want {
			t.Errorf("Ack: held %t, %v, want held %t", held, err, want)
		}
	}
	if got := content(t, o); got != "a c" {
		t.Errorf("holds %s", got)
	}
}
