package mqtt_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
)

const stateTopic = "sensed/porch/door/camera/state"

func (r *running) retain(t *testing.T, topic, value string) {
	t.Helper()
	if err := r.Retain(topic, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheNewestStateIsSaid(t *testing.T) {
	broker := mqtttest.New(t, mqtttest.Options{})
	p := run(t, mqtt.Options{URL: broker.URL()})
	p.log.await(t, slog.LevelWarn, 1)
	for i := range 1000 {
		p.retain(t, stateTopic, fmt.Sprint(i))
	}
	p.retain(t, "sensed/porch/privacy/state", "OFF")
	broker.Start()
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	heard.AwaitMessage(stateTopic, "999")
	p.retain(t, stateTopic, "ON")
	heard.AwaitMessage(stateTopic, "ON")
	heard.AwaitMessage("sensed/porch/privacy/state", "OFF")
	for _, m := range heard.Heard() {
		if m.Topic == stateTopic && m.Payload != "999" && m.Payload != "ON" {
			t.Errorf("an old state was said: %s", m.Payload)
		}
	}
	if s := p.Stats(); s.Accepted != 0 || s.Waiting() != 0 {
		t.Errorf("states wait in the outbox: %+v", s)
	}
}

func TestStatesAreSaidAgainToABrokerThatForgotThem(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	p := run(t, mqtt.Options{URL: broker.URL()})
	p.retain(t, stateTopic, "ON")
	p.retain(t, "sensed/porch/gone", "x")
	mqtttest.Listen(t, broker.URL(), "sensed/#", nil).AwaitMessage(stateTopic, "ON")
	broker.Kill() // it keeps nothing
	p.log.await(t, slog.LevelWarn, 1)
	p.retain(t, "sensed/porch/gone", "")
	broker.Start()
	p.log.await(t, slog.LevelInfo, 2)
	late := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	if m := late.AwaitMessage(stateTopic, "ON"); m.Topic != stateTopic {
		t.Errorf("%+v", m)
	}
	if slices.ContainsFunc(late.Heard(), func(m mqtttest.Message) bool { return m.Topic == "sensed/porch/gone" && m.Payload != "" }) {
		t.Error("a state that was taken back is still there")
	}
}

func TestRefusesStatesWithoutATopic(t *testing.T) {
	p := run(t, mqtt.Options{URL: "tcp://127.0.0.1:1"})
	for _, topic := range []string{"", "a/#", "a/+"} {
		if p.Retain(topic, nil) == nil {
			t.Errorf("%q is taken as a topic", topic)
		}
	}
}
