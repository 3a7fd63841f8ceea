package mqtt_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
	"sensed/daemon/outbox"
)

// await returns the caption with that id as it arrived.
func await(t *testing.T, heard *mqtttest.Listener, id string) (found event.Event) {
	t.Helper()
	heard.Await(id, func(all []mqtttest.Message) bool {
		for _, m := range all {
			var e event.Event
			if err := json.Unmarshal([]byte(m.Payload), &e); err != nil {
				t.Fatal(err)
			}
			if e.ID == id {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

func TestMarksWhatHadToWait(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{Persist: true}) // the listener's session

	heard := mqtttest.Listen(t, broker.URL(), "sensed/porch/door/#", nil)
	box := box(t, outbox.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})

	// An earlier process accepted it and never had a broker.
	earlier := run(t, mqtt.Options{URL: "tcp://127.0.0.1:1", Outbox: box})
	earlier.publish(t, caption(0))
	earlier.stop()

	p := run(t, mqtt.Options{URL: broker.URL(), Outbox: box})
	p.publish(t, caption(1)) // at the start, before there is a connection: that is no delay
	e0, e1 := await(t, heard, caption(0).ID), await(t, heard, caption(1).ID)
	if !e0.Replayed || e1.Replayed || e0.Seq != 1 || e1.Seq != 2 || e1.Published.Before(e0.Published) {
		t.Errorf("from before the start: %+v\nfrom after it: %+v", e0, e1)
	}
	broker.Stop()
	p.log.await(t, slog.LevelWarn, 1)
	p.publish(t, caption(2))
	broker.Start()
	p.log.await(t, slog.LevelInfo, 2)
	p.publish(t, caption(3))
	e2, e3 := await(t, heard, caption(2).ID), await(t, heard, caption(3).ID)
	if !e2.Replayed || e3.Replayed || e2.Seq != 3 || e3.Seq != 4 {
		t.Errorf("while the broker was away: %+v\nafter: %+v", e2, e3)
	}
}

func TestPutsIntoQuarantineWhatIsNoMessage(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/porch/door/#", nil)
	box := box(t, outbox.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err := box.Append(outbox.Message{Body: []byte("\xff of a version to come")}); err != nil {
		t.Fatal(err)
	}
	p := run(t, mqtt.Options{URL: broker.URL(), Outbox: box})
	p.publish(t, caption(1))
	awaitEvent(t, heard, caption(1))
	if s := p.Stats(); s.Outbox.Messages > 1 || s.Dropped() != 1 || s.Outbox.Drops[0].Reason != outbox.Refused {
		t.Errorf("%+v", s)
	}
}

func TestSendRefusesWhenTheOutboxIsClosed(t *testing.T) {
	box := box(t, outbox.Options{Log: slog.New(slog.DiscardHandler)})
	p, err := mqtt.New(mqtt.Options{Node: "porch", URL: "mqtt://h", Outbox: box, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	box.Close()
	if err := p.Publish(context.Background(), caption(1)); err == nil {
		t.Error("an event was accepted that is nowhere")
	}
}
