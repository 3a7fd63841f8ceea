package mqtt_test

import (
	"log/slog"
	"strings"
	"testing"

	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
)

func TestTriesBrokersInOrderAndStaysWithTheOneThatWorks(t *testing.T) {
	first, second := mqtttest.New(t, mqtttest.Options{}), mqtttest.New(t, mqtttest.Options{})
	second.Start()
	p := run(t, mqtt.Options{URL: first.URL(), Fallbacks: []string{second.URL()}})
	p.log.await(t, slog.LevelInfo, 1)
	if s := p.Stats(); !s.Connected || s.Broker != second.URL() || s.Problem != "" {
		t.Errorf("%+v", s)
	}
	// The first one comes back: no reason to leave the second.
	first.Start()
	at2 := mqtttest.Listen(t, second.URL(), "sensed/porch/door/#", nil)
	p.publish(t, caption(1))
	awaitEvent(t, at2, caption(1))

	// The second one goes: the first is the first again.
	at1 := mqtttest.Listen(t, first.URL(), "sensed/porch/door/#", nil)
	second.Kill()
	p.publish(t, caption(2))
	awaitEvent(t, at1, caption(2))
	if s := p.Stats(); s.Broker != first.URL() {
		t.Errorf("%+v", s)
	}

	// Both are gone: it says so about both, once.
	warned := len(p.log.messages(slog.LevelWarn))
	first.Kill()
	p.log.await(t, slog.LevelDebug, 3)
	w := p.log.messages(slog.LevelWarn)[warned:]
	last := w[len(w)-1]
	for _, b := range []*mqtttest.Mosquitto{first, second} {
		if !strings.Contains(last, strings.TrimPrefix(b.URL(), "mqtt://")) {
			t.Errorf("%q does not speak of %s", last, b.URL())
		}
	}
	if s := p.Stats(); s.Connected || s.Broker != "" || s.Problem == "" {
		t.Errorf("%+v", s)
	}
	p.publish(t, caption(3))
	second.Start()
	late := mqtttest.Listen(t, second.URL(), "sensed/porch/door/#", nil)
	p.publish(t, caption(4)) // what waited may have come before the listener did
	awaitEvent(t, late, caption(4))
}

func TestWrongFallbackIsAMistakeAtTheStart(t *testing.T) {
	o := mqtt.Options{Node: "porch", URL: "mqtt://h", Fallbacks: []string{"http://h"}}
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "begins with none") {
		t.Errorf("%v", err)
	}
}
