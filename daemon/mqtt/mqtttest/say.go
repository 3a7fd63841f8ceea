package mqtttest

import (
	"fmt"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Speaker publishes as some other program would.
type Speaker struct {
	t   testing.TB
	url string
}

// Speak returns a speaker at a broker.
func Speak(t testing.TB, url string) *Speaker { return &Speaker{t, url} }

// Say publishes a message over a connection of its own and waits until the broker
// has it.
func (s *Speaker) Say(topic, payload string, retain bool) {
	s.t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker(s.url).SetAutoReconnect(false).
		SetClientID(fmt.Sprintf("speaker-%d", time.Now().UnixNano())))
	defer c.Disconnect(0)
	for _, token := range []func() paho.Token{c.Connect, func() paho.Token { return c.Publish(topic, 1, retain, payload) }} {
		if tok := token(); !tok.WaitTimeout(Patience) || tok.Error() != nil {
			s.t.Fatalf("publishing on %s: %v", topic, tok.Error())
		}
	}
}
