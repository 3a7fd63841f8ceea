package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/hass"
	"sensed/daemon/mqtt"
	"sensed/daemon/outbox"
	"sensed/daemon/understand"
)

// birthDelay bounds the time until Home Assistant is told everything again after
// it has started: all devices hear of that in the same moment.
const birthDelay = 5 * time.Second

// announce tells Home Assistant what the node has, and takes back what brokers
// keep of earlier configurations. It comes before everything else that is said.
func (d *daemon) announce(c *config.Config, m *mirror, out *mqtt.Publisher) {
	now := retained{Version: event.Version, Topics: retainedBy(c, m)}
	var device hass.Device
	topic := hass.Topic(c.HomeAssistant.Prefix, c.Node)
	if c.HomeAssistant.Discovery {
		device = discovery(c, d.program)
		now = now.with(retained{Topics: []string{topic}, Entities: device.Entities()})
	}
	gone, before := d.keeper.begin(now)
	d.described.Store(nil)
	if c.HomeAssistant.Discovery {
		s := &description{topic: topic}
		var err, again error
		s.payload, err = device.Payload(before.Entities)
		if err == nil {
			err = out.Retain(topic, s.payload)
		}
		if len(before.with(now).Entities) > len(now.Entities) {
			s.revived, again = device.Revived(before.Entities)
		}
		if err = errors.Join(err, again); err != nil {
			d.log.Warn("Home Assistant does not hear of this node", "err", err)
		}
		d.described.Store(s)
	}
	for _, t := range gone {
		if err := takeBack(out, t); err != nil {
			d.log.Warn("what the broker keeps of an earlier configuration cannot be taken back", "topic", t, "err", err)
		}
	}
}

// description is what Home Assistant is told of a node.
type description struct {
	topic   string
	payload []byte
	revived []byte // with what was removed once more; nil: nothing was
}

// reviving is how long Home Assistant may take to set up what it is told of.
const reviving = 5 * time.Second

// tellAgain tells Home Assistant, which has started, everything again. What was
// removed while it was away is removed now.
func (d *daemon) tellAgain(ctx context.Context, out *mqtt.Publisher) {
	if s := d.described.Load(); s != nil && s.revived != nil {
		if err := out.Retain(s.topic, s.revived); err != nil {
			d.log.Warn("Home Assistant does not hear what was removed", "err", err)
		}
		sleep(ctx, reviving)
		if d.described.Load() != s {
			return // a reload has told it since
		}
		if err := out.Retain(s.topic, s.payload); err != nil {
			d.log.Warn("Home Assistant does not hear of this node", "err", err)
		}
		d.keeper.knows()
	}
	out.Repeat()
}

// takeBack makes the broker forget a topic. What sources say of themselves goes
// through the outbox, so what is to be forgotten does too, behind it.
func takeBack(out *mqtt.Publisher, topic string) error {
	if strings.HasSuffix(topic, "/"+string(event.Status)) {
		return out.Send(context.Background(), mqtt.Message{Topic: topic, Retain: true, Priority: outbox.High})
	}
	return out.Retain(topic, nil)
}

// discovery is a configuration in the eyes of Home Assistant.
func discovery(c *config.Config, program string) hass.Device {
	o := hass.Options{
		Prefix: c.HomeAssistant.Prefix, Node: c.Node, Version: program, HealthEvery: c.Health.Every,
		Pins: pinsOf(c), Languages: understand.Languages(),
	}
	for i, s := range controllable(c) {
		o.Sources = append(o.Sources, hass.Source{Source: s, Thermal: c.Sources[i].Device.Scheme == "lepton"})
	}
	return hass.Discovery(o)
}

// pinsOf are the pins whose changes are published.
func pinsOf(c *config.Config) []hass.Pin {
	var out []hass.Pin
	for _, t := range c.Triggers {
		out = append(out, hass.Pin{Name: t.Pin})
	}
	for _, s := range c.Switches {
		out = append(out, hass.Pin{Name: s.Pin, Switch: true})
	}
	return out
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// births hears that Home Assistant has started.
type births struct {
	mu      sync.Mutex
	waiting bool // somebody is about to answer
}

// heard tells everything again, after a moment, when Home Assistant says that it
// has started. What the broker has kept of that is no news.
func (b *births) heard(ctx context.Context, m mqtt.Received, again func(context.Context)) {
	if m.Retained || string(m.Payload) != hass.Online {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting {
		return
	}
	b.waiting = true
	go func() {
		sleep(ctx, rand.N(birthDelay))
		b.mu.Lock()
		b.waiting = false
		b.mu.Unlock()
		if ctx.Err() == nil {
			again(ctx)
		}
	}()
}
