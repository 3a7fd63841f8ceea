package mqtt_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
	"sensed/daemon/outbox"
)

// TestWhatTheBrokerDoesNotTakeKeepsNothingBack: mosquitto ends the connection
// of who sends a packet over its limit.
func TestWhatTheBrokerDoesNotTakeKeepsNothingBack(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{MaxPacket: 4000})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	p := run(t, mqtt.Options{URL: broker.URL(), Outbox: box(t, outbox.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})})
	p.retain(t, stateTopic, strings.Repeat("x", 9000))
	p.retain(t, "sensed/porch/privacy/state", "OFF")
	large := caption(5)
	large.Text = strings.Repeat("x", 5000)
	for i := range 10 {
		if i == 5 {
			p.publish(t, large)
			continue
		}
		p.publish(t, caption(i))
	}
	heard.AwaitMessage("sensed/porch/privacy/state", "OFF")
	heard.Await("all other captions", func(all []mqtttest.Message) bool { return len(ids(all)) == 9 })
	s := p.Stats()
	if s.Dropped() != 1 || s.Outbox.Drops[0].Reason != outbox.Refused {
		t.Errorf("%+v", s.Outbox)
	}
	if !slices.ContainsFunc(p.log.messages(slog.LevelWarn), func(m string) bool { return strings.Contains(m, "not said until it changes") }) {
		t.Errorf("%q", p.log.messages(slog.LevelWarn))
	}
	p.retain(t, stateTopic, "ON")
	heard.AwaitMessage(stateTopic, "ON")
}
