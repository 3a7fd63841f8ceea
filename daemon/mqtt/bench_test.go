package mqtt_test

import (
	"encoding/json"
	"log/slog"
	"runtime"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
	"sensed/daemon/outbox"
)

// BenchmarkPublish measures messages a second with QoS 1 to mosquitto on
// loopback, from Publish to the acknowledgement: through the outbox on disk, in
// memory, and by paho alone with as many on their way.
func BenchmarkPublish(b *testing.B) {
	broker := mqtttest.Start(b, mqtttest.Options{Quiet: true})
	b.Run("outbox=disk", func(b *testing.B) { publish(b, broker.URL(), b.TempDir()) })
	b.Run("outbox=memory", func(b *testing.B) { publish(b, broker.URL(), "") })
	b.Run("paho alone", func(b *testing.B) { alone(b, broker.URL()) })
}

func publish(b *testing.B, url, dir string) {
	log := slog.New(slog.DiscardHandler)
	box := box(b, outbox.Options{Dir: dir, Log: log})
	p := run(b, mqtt.Options{URL: url, Outbox: box})
	defer p.stop()
	b.ReportAllocs()
	for b.Loop() {
		p.publish(b, caption(1))
		// Not more may wait than fit into memory, however long this goes on.
		for box.Len() >= 4096 {
			time.Sleep(time.Millisecond)
		}
	}
	for p.Stats().Delivered < uint64(b.N) {
		runtime.Gosched()
		time.Sleep(100 * time.Microsecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	if s := p.Stats(); s.Dropped() != 0 {
		b.Errorf("%+v", s)
	}
	s := box.State()
	b.ReportMetric(float64(s.Writes)/float64(b.N), "writes/message")
	b.ReportMetric(float64(s.Syncs)/b.Elapsed().Seconds(), "fsyncs/s")
}

func alone(b *testing.B, url string) {
	c := paho.NewClient(paho.NewClientOptions().AddBroker(url).SetClientID("alone").SetOrderMatters(false).SetAutoReconnect(false))
	wait := func(t paho.Token) {
		if !t.WaitTimeout(mqtttest.Patience) || t.Error() != nil {
			b.Fatal(t.Error())
		}
	}
	wait(c.Connect())
	defer c.Disconnect(0)
	const window = 64
	var flying []paho.Token
	b.ReportAllocs()
	for b.Loop() {
		e := caption(1)
		payload, err := json.Marshal(e)
		if err != nil {
			b.Fatal(err)
		}
		if len(flying) == window {
			wait(flying[0])
			flying = flying[1:]
		}
		flying = append(flying, c.Publish(mqtt.Topic(e), 1, false, payload))
	}
	for _, t := range flying {
		wait(t)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
