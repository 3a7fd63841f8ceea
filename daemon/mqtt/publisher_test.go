package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
)

func TestPublishesEventsOnTheirTopics(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	p := run(t, mqtt.Options{URL: broker.URL()})

	level := -31.5
	when := time.Date(2026, 11, 24, 12, 0, 0, 250e6, time.UTC)
	events := []event.Event{
		{ID: "1", Kind: event.Motion, Source: "door", Level: &level},
		{ID: "1", Kind: event.Caption, Source: "door", Text: "A cat.", Model: &event.Model{Name: "tiny-gemma4"},
			Latency: &event.Latency{Wait: 1, Encode: 2, Prefill: 3, Decode: 4, Total: 10}},
		{ID: "1", Kind: event.Objects, Source: "door", Objects: []event.Object{{Label: "cat", Box: [4]float64{0.1, 0.2, 0.3, 0.4}, Pixels: [4]int{1, 2, 3, 4}, Score: 0.9}}},
		{ID: "2", Kind: event.Sound, Source: "desk", Duration: 1.5},
		{ID: "2", Kind: event.Transcript, Source: "desk", Text: "turn on the camera"},
		{ID: "3", Kind: event.Answer, Source: "door", Text: "Yes."},
		{ID: "4", Kind: event.Pin, Source: "GPIO17", State: "high"},
		{ID: "5", Kind: event.Status, Source: "door", State: event.OK},
	}
	for i := range events {
		events[i].Version, events[i].Node, events[i].Time = event.Version, "porch", when
		if events[i].Kind != event.Status {
			events[i].Status = event.Done
		}
		p.publish(t, events[i])
	}
	for _, e := range events {
		topic := "sensed/porch/" + e.Source + "/" + string(e.Kind)
		if d := cmp.Diff(e, parse(t, heard.AwaitMessage(topic, "").Payload)); d != "" {
			t.Errorf("%s (-published +received):\n%s", topic, d)
		}
	}
	heard.AwaitMessage("sensed/porch/status", "online")

	late := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	late.AwaitMessage("sensed/porch/status", "online")
	late.AwaitMessage("sensed/porch/door/status", "")
	for _, m := range late.Heard() {
		if !strings.HasSuffix(m.Topic, "/status") || !m.Retained {
			t.Errorf("the broker keeps %s (retained %t)", m.Topic, m.Retained)
		}
	}

	p.stop()
	heard.AwaitMessage("sensed/porch/status", "offline")
	if s := p.Stats(); s.Delivered != uint64(len(events)) || s.Waiting() != 0 || s.Connected {
		t.Errorf("at the end: %+v", s)
	}
}

func TestStopSendsTheRestFirst(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	p := run(t, mqtt.Options{URL: broker.URL()})
	heard.AwaitMessage("sensed/porch/status", "online")
	const n = 200
	for i := range n {
		p.publish(t, caption(i))
	}
	p.stop()
	all := heard.Await("goodbye", func(m []mqtttest.Message) bool { return m[len(m)-1].Payload == "offline" })
	if len(all) != n+2 {
		t.Errorf("%d messages arrived, want online, %d captions and offline", len(all), n)
	}
}

// TestHelperProcess is no test: it is the program that the test below kills.
func TestHelperProcess(t *testing.T) {
	url := os.Getenv("SENSED_TEST_BROKER")
	if url == "" {
		return
	}
	p, err := mqtt.New(mqtt.Options{Node: "porch", URL: url, Outbox: memory(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p.Run(context.Background())
}

func TestBrokerSaysOfflineForAKilledProcess(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	child := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$")
	child.Env = append(os.Environ(), "SENSED_TEST_BROKER="+broker.URL())
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill() })
	heard.AwaitMessage("sensed/porch/status", "online")
	child.Process.Kill()
	child.Wait()
	heard.AwaitMessage("sensed/porch/status", "offline")
	late := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	if m := late.AwaitMessage("sensed/porch/status", ""); m.Payload != "offline" || !m.Retained {
		t.Errorf("a late subscriber hears %+v", m)
	}
}

func TestComesBackAfterABrokenConnection(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	proxy := newProxy(t, strings.TrimPrefix(broker.URL(), "mqtt://"), func(int) int64 { return -1 })
	p := run(t, mqtt.Options{URL: proxy.url()})
	heard.AwaitMessage("sensed/porch/status", "online")
	proxy.cut()
	heard.Await("offline by the last will, then online again", func(all []mqtttest.Message) bool {
		i := slices.IndexFunc(all, func(m mqtttest.Message) bool { return m.Payload == "offline" })
		return i >= 0 && slices.ContainsFunc(all[i:], func(m mqtttest.Message) bool { return m.Payload == "online" })
	})
	p.publish(t, caption(1))
	heard.AwaitMessage("sensed/porch/door/caption", "")
	if w := p.log.messages(slog.LevelWarn); len(w) != 1 || !strings.Contains(w[0], "was lost") {
		t.Errorf("warnings: %q", w)
	}
}

func TestWaitsForABrokerThatComesLate(t *testing.T) {
	broker := mqtttest.New(t, mqtttest.Options{})
	p := run(t, mqtt.Options{URL: broker.URL()})
	p.publish(t, caption(1))
	p.log.await(t, slog.LevelDebug, 5) // five attempts that are not worth a line
	if w := p.log.messages(slog.LevelWarn); len(w) != 1 || !strings.Contains(w[0], "no MQTT broker answers") {
		t.Errorf("warnings after six attempts: %q, want one", w)
	}
	broker.Start()
	late := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	late.AwaitMessage("sensed/porch/status", "online")
	// The caption may have come before the listener did; a second one may not.
	p.publish(t, caption(2))
	awaitEvent(t, late, caption(2))
	if s := p.Stats(); s.Dropped() != 0 || !s.Connected {
		t.Errorf("%+v", s)
	}
}

// ids returns the ids of the captions heard, each at its first arrival.
func ids(heard []mqtttest.Message) []string {
	var out []string
	seen := map[string]bool{}
	for _, m := range heard {
		var e event.Event
		if json.Unmarshal([]byte(m.Payload), &e) == nil && e.Kind == event.Caption && !seen[e.ID] {
			seen[e.ID] = true
			out = append(out, e.ID)
		}
	}
	return out
}

func TestLosesNothingWhenTheBrokerRestarts(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{Persist: true})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/porch/door/#", nil)
	p := run(t, mqtt.Options{URL: broker.URL()})
	const n, batch = 600, 100
	var want []string
	for i := range n {
		p.publish(t, caption(i))
		want = append(want, caption(i).ID)
		if i%batch == batch/2 {
			broker.Stop()
		}
		if i%batch == batch-1 {
			broker.Start()
		}
	}
	all := heard.Await(fmt.Sprintf("%d captions", n), func(m []mqtttest.Message) bool { return len(ids(m)) == n })
	// The order is checked on what one session heard; the listener's own
	// reconnection may shuffle what it gets across two.
	got := ids(all)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("ids (-published +heard):\n%s", d)
	}
	p.stop()
	if s := p.Stats(); s.Delivered != n || s.Dropped() != 0 {
		t.Errorf("%+v", s)
	}
}

func TestLosesNothingOnALineThatBreaksAnywhere(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/porch/door/#", nil)
	const breaks = 60
	proxy := newProxy(t, strings.TrimPrefix(broker.URL(), "mqtt://"), func(n int) int64 {
		if n >= breaks {
			return -1
		}
		return int64(37 * n) // inside CONNECT first, then inside ever later messages
	})
	p := run(t, mqtt.Options{URL: proxy.url(), RetryMax: 6 * time.Millisecond})
	const n = 100
	var want []string
	for i := range n {
		p.publish(t, caption(i))
		want = append(want, caption(i).ID)
	}
	all := heard.Await("all captions", func(m []mqtttest.Message) bool { return len(ids(m)) == n })
	if d := cmp.Diff(want, ids(all)); d != "" {
		t.Errorf("ids in the order of first arrival (-published +heard):\n%s", d)
	}
	if proxy.connections() < 10 {
		t.Errorf("only %d connections: the line did not break enough to test anything", proxy.connections())
	}
}

func TestLeavesNoGoroutinesBehind(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	before := runtime.NumGoroutine()
	proxy := newProxy(t, strings.TrimPrefix(broker.URL(), "mqtt://"), func(n int) int64 { return int64(40 * n) })
	p := run(t, mqtt.Options{URL: proxy.url()})
	for i := range 10 {
		p.publish(t, caption(i))
	}
	for limit := time.Now().Add(mqtttest.Patience); p.Stats().Delivered < 10; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%+v", p.Stats())
		}
	}
	p.stop()
	proxy.l.Close()
	proxy.cut()
	// Paho's goroutines end a moment after their connection.
	for limit := time.Now().Add(mqtttest.Patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			b := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), b[:runtime.Stack(b, true)])
		}
	}
}

func TestRepeatsStatesThatTheBrokerForgot(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{})
	p := run(t, mqtt.Options{URL: broker.URL()})
	state := event.Event{Version: event.Version, ID: "1", Kind: event.Status, Node: "porch", Source: "door", State: event.OK, Time: time.Unix(1, 0)}
	p.publish(t, state)
	p.log.await(t, slog.LevelInfo, 1)
	awaitEvent(t, mqtttest.Listen(t, broker.URL(), "sensed/#", nil), state)

	broker.Kill() // it keeps nothing
	broker.Start()
	p.log.await(t, slog.LevelInfo, 2)
	late := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	late.AwaitMessage("sensed/porch/status", "online")
	awaitEvent(t, late, state)
}
