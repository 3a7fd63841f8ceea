package mqtttest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Message is what a listener heard.
type Message struct {
	Topic    string
	Payload  string
	Retained bool
}

// Listener is a subscriber that remembers everything. It keeps its session at
// the broker and comes back when the broker does.
type Listener struct {
	t       testing.TB
	mu      sync.Mutex
	heard   []Message     // guarded by mu
	changed chan struct{} // guarded by mu; closed and replaced when heard grows
}

// Listen subscribes to a filter with QoS 1. The change, when not nil, sets
// user, password and certificates.
func Listen(t testing.TB, url, filter string, change func(*paho.ClientOptions)) *Listener {
	t.Helper()
	l := &Listener{t: t, changed: make(chan struct{})}
	o := paho.NewClientOptions().AddBroker(url).SetClientID(fmt.Sprintf("listener-%d", time.Now().UnixNano())).
		SetCleanSession(false).SetResumeSubs(true).SetAutoReconnect(true).SetMaxReconnectInterval(100 * time.Millisecond).
		SetDefaultPublishHandler(l.hear) // also hears what the broker kept for the session
	if change != nil {
		change(o)
	}
	c := paho.NewClient(o)
	for _, token := range []func() paho.Token{c.Connect, func() paho.Token { return c.Subscribe(filter, 1, l.hear) }} {
		tok := token()
		if !tok.WaitTimeout(Patience) || tok.Error() != nil {
			t.Fatalf("listening at %s: %v", url, tok.Error())
		}
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return l
}

func (l *Listener) hear(_ paho.Client, m paho.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, Message{m.Topic(), string(m.Payload()), m.Retained()})
	close(l.changed)
	l.changed = make(chan struct{})
}

// Heard returns everything so far.
func (l *Listener) Heard() []Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard)
}

// Await waits until what was heard satisfies the condition and returns it.
func (l *Listener) Await(what string, ok func([]Message) bool) []Message {
	l.t.Helper()
	limit := time.After(Patience)
	for {
		l.mu.Lock()
		heard, changed := slices.Clone(l.heard), l.changed
		l.mu.Unlock()
		if ok(heard) {
			return heard
		}
		select {
		case <-changed:
		case <-limit:
			var b strings.Builder
			for _, m := range heard {
				fmt.Fprintf(&b, "\n%s %.200s", m.Topic, m.Payload)
			}
			l.t.Fatalf("%s: did not happen; heard %d messages:%s", what, len(heard), b.String())
		}
	}
}

// AwaitMessage waits for one message on a topic with that payload; an empty
// payload stands for any.
func (l *Listener) AwaitMessage(topic, payload string) Message {
	l.t.Helper()
	var found Message
	l.Await(fmt.Sprintf("%s %s", topic, payload), func(heard []Message) bool {
		i := slices.IndexFunc(heard, func(m Message) bool {
			return m.Topic == topic && (payload == "" || m.Payload == payload)
		})
		if i >= 0 {
			found = heard[i]
		}
		return i >= 0
	})
	return found
}
