package hass

import (
	"time"

	"sensed/daemon/command"
	"sensed/daemon/event"
)

// The categories of entities that are not what the node is for.
const (
	diagnostic = "diagnostic"
	configured = "config"
)

// paced is how often levels and temperatures come, at least.
const paced = 10 * time.Second

// node adds what concerns the board.
func (b *builder) node() {
	health := event.NodeTopic(b.Node, event.TopicHealth)
	measure := func(key, name, value string, c Component) {
		c.Platform, c.EntityCategory, c.StateTopic, c.ValueTemplate = "sensor", diagnostic, health, "{{ "+value+" }}"
		c.ExpireAfter = expiry(b.HealthEvery)
		b.add("", key, name, c)
	}
	measure("temperature", "processor temperature", "value_json.board.temperature_c | default(none)",
		Component{DeviceClass: "temperature", Unit: "°C", StateClass: "measurement", Precision: places(1)})
	measure("memory_available", "memory available", "(value_json.memory.available / 1048576) | round(0) | int",
		Component{DeviceClass: "data_size", Unit: "MiB", StateClass: "measurement"})
	measure("memory_used", "memory used", "(value_json.memory.anonymous / 1048576) | round(0) | int",
		Component{DeviceClass: "data_size", Unit: "MiB", StateClass: "measurement"})
	measure("speed", "speed", "value_json.speed.tokens_per_s", Component{Unit: "tokens/s", StateClass: "measurement", Precision: places(1), Icon: "mdi:speedometer"})
	measure("latency", "time to answer", "value_json.speed.latency_ms.total",
		Component{DeviceClass: "duration", Unit: "ms", StateClass: "measurement", Precision: places(0)})
	measure("queue", "queue", "value_json.queue.waiting", Component{Unit: "questions", StateClass: "measurement", Icon: "mdi:tray-full"})
	measure("dropped", "messages dropped", "value_json.outbox.dropped", Component{Unit: "messages", StateClass: "total_increasing", Icon: "mdi:tray-remove"})
	measure("load", "load", "value_json.load.name", Component{Icon: "mdi:gauge"})
	b.add("", "problem", "problem", Component{
		Platform: "binary_sensor", DeviceClass: "problem", EntityCategory: diagnostic, StateTopic: health,
		ValueTemplate: "{{ 'ON' if value_json.problems else 'OFF' }}", ExpireAfter: expiry(b.HealthEvery),
		Attributes: health, AttributesAs: "{{ {'problems': value_json.problems} | tojson }}",
	})
	b.button("", command.Reload, "reload", Component{EntityCategory: configured, Icon: "mdi:file-refresh"})
	b.button("", command.Restart, "restart", Component{EntityCategory: configured, DeviceClass: "restart"})
}

func places(n int) *int { return &n }

// button adds one that gives a command.
func (b *builder) button(source string, what command.Name, name string, c Component) {
	c.Platform, c.CommandTopic, c.PayloadPress = "button", event.NodeTopic(b.Node, string(what)), "{}"
	if source != "" {
		c.PayloadPress = `{"source":` + quote(source) + `}`
		c = b.of(source, c)
	}
	b.add(source, string(what), name, c)
}

// source adds what a source senses, and what can be asked of it.
func (b *builder) source(s Source) {
	status := event.SourceTopic(b.Node, s.Name, string(event.Status))
	b.add(s.Name, "status", "status", Component{
		Platform: "sensor", DeviceClass: "enum", EntityCategory: diagnostic, Icon: "mdi:connection",
		Options:    []string{event.OK, event.Absent, event.Lost, event.Failed, event.Ended, event.Stopped, event.Off, event.Muted, event.Private},
		StateTopic: status, ValueTemplate: "{{ value_json.state | default(none) }}",
		Attributes: status, AttributesAs: "{{ {'error': value_json.error | default(none), 'time': value_json.time | default(none)} | tojson }}",
	})
	b.words(s)
	if s.Camera {
		b.camera(s)
	} else {
		b.microphone(s)
	}
	b.add(s.Name, "ask", "ask", b.of(s.Name, Component{
		Platform: "text", Icon: "mdi:chat-question", CommandTopic: event.NodeTopic(b.Node, string(command.Ask)),
		StateTopic: event.LastTopic(b.Node, s.Name, string(command.Ask)), ValueTemplate: "{{ value_json.question | default('') | truncate(255, true, '…', 0) }}",
		CommandTemplate: "{{ {'source': " + quote(s.Name) + ", 'question': value} | tojson }}", Max: bound(maxState),
	}))
	// The event of a message that waited in the outbox is over.
	b.add(s.Name, "event", "event", b.of(s.Name, Component{
		Platform: "event", Icon: "mdi:message-flash", StateTopic: event.SourceTopic(b.Node, s.Name, event.TopicEvents),
		ValueTemplate: "{{ '' if value_json.replayed is defined else value }}", EventTypes: kinds(s),
	}))
}

// kinds are the events that a source can have.
func kinds(s Source) []string {
	list := []event.Kind{event.Sound, event.Transcript, event.Answer}
	if s.Camera {
		list = []event.Kind{event.Motion, event.Caption, event.Objects, event.Answer}
	}
	var out []string
	for _, k := range list {
		out = append(out, string(k))
	}
	return out
}

func (b *builder) camera(s Source) {
	if s.Sensitivity != nil {
		b.binary(s, "motion", "motion", event.StateTopic(b.Node, s.Name, string(event.Motion)), "motion")
	}
	for _, l := range labels(s) {
		b.binary(s, "seen."+ident(l), l, event.SeenTopic(b.Node, s.Name, l), "occupancy")
	}
	if s.Image {
		b.add(s.Name, "image", "picture", b.of(s.Name, Component{
			Platform: "image", ImageTopic: event.SourceTopic(b.Node, s.Name, event.TopicImage), ContentType: "image/jpeg",
		}))
		b.button(s.Name, command.Snapshot, "snapshot", Component{Icon: "mdi:camera"})
	}
	if s.Thermal {
		b.thermal(s)
	}
	b.button(s.Name, command.Describe, "describe", Component{Icon: "mdi:text-recognition"})
}

func (b *builder) microphone(s Source) {
	if s.Sensitivity != nil {
		b.binary(s, "sound", "speech", event.StateTopic(b.Node, s.Name, string(event.Sound)), "sound")
	}
	b.add(s.Name, "level", "sound level", b.of(s.Name, Component{
		Platform: "sensor", Unit: "dBFS", StateClass: "measurement", Precision: places(1), Icon: "mdi:volume-high",
		StateTopic: event.SourceTopic(b.Node, s.Name, string(event.Level)), ValueTemplate: "{{ value_json.level }}", ExpireAfter: expiry(paced),
	}))
	b.button(s.Name, command.Transcribe, "transcribe", Component{Icon: "mdi:ear-hearing"})
}

func (b *builder) binary(s Source, key, name, topic, class string) {
	b.add(s.Name, key, name, b.of(s.Name, Component{Platform: "binary_sensor", DeviceClass: class, StateTopic: topic}))
}

func (b *builder) thermal(s Source) {
	topic := event.SourceTopic(b.Node, s.Name, string(event.Temperature))
	for _, m := range []struct{ field, name string }{{"min", "coldest"}, {"max", "hottest"}, {"mean", "mean temperature"}} {
		c := Component{
			Platform: "sensor", DeviceClass: "temperature", Unit: "°C", StateClass: "measurement", Precision: places(1),
			StateTopic: topic, ValueTemplate: "{{ value_json.temperature." + m.field + " }}", ExpireAfter: expiry(paced),
		}
		if m.field == "max" {
			c.Attributes, c.AttributesAs = topic, "{{ {'place': value_json.temperature.hottest} | tojson }}"
		}
		b.add(s.Name, m.field, m.name, b.of(s.Name, c))
	}
}

// pin adds the changes of a pin, as events: a pin says nothing in between.
func (b *builder) pin(p Pin) {
	types := []string{event.High, event.Low}
	if p.Switch {
		types = []string{"on", "off"}
	}
	b.add(p.Name, "pin", "pin", b.of(p.Name, Component{
		Platform: "event", StateTopic: event.SourceTopic(b.Node, p.Name, string(event.Pin)), EventTypes: types, Icon: "mdi:electric-switch",
		ValueTemplate: "{{ '' if value_json.replayed is defined else {'event_type': value_json.state, 'id': value_json.id, 'time': value_json.time} | tojson }}",
	}))
}
