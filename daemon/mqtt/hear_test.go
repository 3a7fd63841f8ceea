package mqtt_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
)

// speaker is another program at the broker.
func speaker(t *testing.T, url string) func(topic, payload string, retain bool) {
	t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker(url).SetClientID("speaker-" + rand.Text()))
	done := func(tok paho.Token) {
		t.Helper()
		if !tok.WaitTimeout(mqtttest.Patience) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
	}
	done(c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	return func(topic, payload string, retain bool) {
		t.Helper()
		done(c.Publish(topic, 1, retain, payload))
	}
}

// next returns what is heard next.
func next(t *testing.T, c <-chan mqtt.Received) mqtt.Received {
	t.Helper()
	select {
	case m := <-c:
		return m
	case <-time.After(mqtttest.Patience):
		t.Fatal("nothing was heard")
		return mqtt.Received{}
	}
}

func TestHearsInOrderAndMayAnswer(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	speaker(t, broker.URL())("sensed/porch/old/set", "kept", true)
	got := make(chan mqtt.Received, 1000)
	var p *running
	ready := make(chan struct{})
	p = run(t, mqtt.Options{
		URL: broker.URL(), Subscribe: []string{"sensed/porch/+/set", "sensed/porch/ask"},
		Hear: func(m mqtt.Received) {
			<-ready
			if m.Topic == "sensed/porch/ask" { // answering from here must not block anything
				if err := p.Send(t.Context(), mqtt.Message{Topic: "sensed/porch/answer", Payload: m.Payload}); err != nil {
					t.Error(err)
				}
			}
			got <- m
		},
	})
	close(ready)
	if m := next(t, got); m.Topic != "sensed/porch/old/set" || !m.Retained {
		t.Errorf("%+v", m)
	}
	answers := mqtttest.Listen(t, broker.URL(), "sensed/porch/answer", nil)
	say := speaker(t, broker.URL())
	const n = 200
	for i := range n {
		topic := "sensed/porch/camera/set"
		if i%2 == 0 {
			topic = "sensed/porch/ask"
		}
		say(topic, fmt.Sprint(i), false)
		if m := next(t, got); string(m.Payload) != fmt.Sprint(i) || m.Topic != topic || m.Retained {
			t.Fatalf("heard %+v, want %d", m, i)
		}
	}
	answers.Await("all answers", func(all []mqtttest.Message) bool { return len(all) == n/2 })
}

func TestHearsAgainAfterTheConnectionWasLost(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	got := make(chan mqtt.Received, 10)
	p := run(t, mqtt.Options{URL: broker.URL(), Subscribe: []string{"c"}, Hear: func(m mqtt.Received) { got <- m }})
	p.log.await(t, slog.LevelInfo, 1)
	broker.Kill()
	broker.Start()
	p.log.await(t, slog.LevelInfo, 2) // it says that it publishes when it has subscribed
	speaker(t, broker.URL())("c", "x", false)
	if m := next(t, got); string(m.Payload) != "x" {
		t.Errorf("%+v", m)
	}
}

func TestABusyHearerLosesMessagesAndBlocksNothing(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	hold := make(chan struct{})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/porch/door/#", nil)
	p := run(t, mqtt.Options{URL: broker.URL(), Subscribe: []string{"c"}, Hear: func(mqtt.Received) { <-hold }})
	defer close(hold)
	p.log.await(t, slog.LevelInfo, 1)
	say := speaker(t, broker.URL())
	for i := range 100 {
		say("c", fmt.Sprint(i), false)
	}
	p.publish(t, caption(1))
	heard.AwaitMessage("sensed/porch/door/caption", "")
	if w := p.log.await(t, slog.LevelWarn, 1); !strings.Contains(w[0], "more messages come") {
		t.Errorf("%q", w)
	}
}

func TestOptionsOfHearing(t *testing.T) {
	for _, o := range []mqtt.Options{{Subscribe: []string{"a"}}, {Subscribe: []string{""}, Hear: func(mqtt.Received) {}}} {
		o.Node, o.URL = "porch", "mqtt://h"
		if o.Validate() == nil {
			t.Errorf("%q is taken", o.Subscribe)
		}
	}
}
