// Package hass tells Home Assistant what a node of sensed has to offer: one
// message of MQTT device discovery with all its entities. It is pure; whoever
// uses it publishes the message, retained.
//
// The form is that of https://www.home-assistant.io/integrations/mqtt/ (device
// discovery, Home Assistant 2024.12 and later). The entities read and write the
// topics of deploy/docs/mqtt.md and nothing else, so what Home Assistant sees,
// everybody sees.
package hass

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"sensed/daemon/command"
	"sensed/daemon/event"
)

// Online is what Home Assistant says on its birth topic when it has started.
const Online = "online"

// Options say what a node has.
type Options struct {
	Prefix  string // first level of the discovery topics, usually homeassistant
	Node    string
	Version string // of sensed
	// HealthEvery is how often the health of the node is published.
	HealthEvery time.Duration
	Sources     []Source
	Pins        []Pin
	// Languages are those to choose from, in English.
	Languages []string
}

// Source is a camera or a microphone.
type Source struct {
	command.Source
	Thermal bool // it measures temperatures
}

// Pin is a pin of the board that tells of its changes.
type Pin struct {
	Name string
	// Switch says that its states are on and off, else high and low.
	Switch bool
}

// Device is a node in the eyes of Home Assistant: the payload of its discovery
// topic.
type Device struct {
	Device       Info                 `json:"device"`
	Origin       Origin               `json:"origin"`
	Availability []Availability       `json:"availability"`
	Mode         string               `json:"availability_mode"`
	Components   map[string]Component `json:"components"`

	prefix string // of all unique ids
}

// Info is how Home Assistant shows the device.
type Info struct {
	Identifiers []string `json:"identifiers"`
	Name        string   `json:"name"`
	Model       string   `json:"model"`
	SWVersion   string   `json:"sw_version,omitempty"`
}

// Origin says what program speaks, which Home Assistant requires.
type Origin struct {
	Name      string `json:"name"`
	SWVersion string `json:"sw_version,omitempty"`
}

// Availability is a topic that says online or offline. The entities are
// available when all of theirs say online.
type Availability struct {
	Topic         string `json:"topic"`
	ValueTemplate string `json:"value_template,omitempty"`
}

// Component is one entity. Its fields are those of Home Assistant's
// documentation; one with nothing but a platform removes the entity.
type Component struct {
	Platform        string         `json:"platform"`
	UniqueID        string         `json:"unique_id,omitempty"`
	Name            string         `json:"name,omitempty"`
	DefaultEntityID string         `json:"default_entity_id,omitempty"`
	Icon            string         `json:"icon,omitempty"`
	DeviceClass     string         `json:"device_class,omitempty"`
	EntityCategory  string         `json:"entity_category,omitempty"`
	Availability    []Availability `json:"availability,omitempty"`
	Mode            string         `json:"availability_mode,omitempty"`
	QoS             int            `json:"qos,omitempty"`

	StateTopic    string   `json:"state_topic,omitempty"`
	ValueTemplate string   `json:"value_template,omitempty"`
	Attributes    string   `json:"json_attributes_topic,omitempty"`
	AttributesAs  string   `json:"json_attributes_template,omitempty"`
	ExpireAfter   int      `json:"expire_after,omitempty"` // seconds
	StateClass    string   `json:"state_class,omitempty"`
	Unit          string   `json:"unit_of_measurement,omitempty"`
	Precision     *int     `json:"suggested_display_precision,omitempty"`
	EventTypes    []string `json:"event_types,omitempty"`
	ImageTopic    string   `json:"image_topic,omitempty"`
	ContentType   string   `json:"content_type,omitempty"`

	CommandTopic    string   `json:"command_topic,omitempty"`
	CommandTemplate string   `json:"command_template,omitempty"`
	PayloadPress    string   `json:"payload_press,omitempty"`
	Options         []string `json:"options,omitempty"`
	Min             *float64 `json:"min,omitempty"`
	Max             *float64 `json:"max,omitempty"`
	Step            float64  `json:"step,omitempty"`
	InputMode       string   `json:"mode,omitempty"`
}

// Topic is where the discovery of a node belongs.
func Topic(prefix, node string) string {
	return prefix + "/device/sensed-" + ident(node) + "/config"
}

// Discovery returns the device that a node is.
func Discovery(o Options) Device {
	b := &builder{Options: o, components: map[string]Component{}}
	b.node()
	for _, s := range command.Specs(sources(o.Sources)) {
		b.control(s)
	}
	for _, s := range o.Sources {
		b.source(s)
	}
	for _, p := range o.Pins {
		b.pin(p)
	}
	return Device{
		Device:       Info{Identifiers: []string{"sensed_" + o.Node}, Name: o.Node, Model: "sensed", SWVersion: o.Version},
		Origin:       Origin{Name: "sensed", SWVersion: o.Version},
		Availability: []Availability{{Topic: event.NodeTopic(o.Node, "status")}},
		Mode:         "all",
		Components:   b.components,
		prefix:       b.prefix(),
	}
}

func sources(list []Source) []command.Source {
	var out []command.Source
	for _, s := range list {
		out = append(out, s.Source)
	}
	return out
}

// Entities are the platforms of the device's entities by their keys: what must
// be remembered for [Device.Payload] to remove them later.
func (d Device) Entities() map[string]string {
	out := map[string]string{}
	for key, c := range d.Components {
		out[key] = c.Platform
	}
	return out
}

// Payload is the message to publish. Of the entities that there were before,
// those that are not there any more are removed.
func (d Device) Payload(before map[string]string) ([]byte, error) {
	all := maps.Clone(d.Components)
	for key, platform := range before {
		if _, there := all[key]; !there {
			all[key] = Component{Platform: platform}
		}
	}
	d.Components = all
	data, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("hass: the discovery cannot be written as JSON: %w", err)
	}
	return data, nil
}

// Revived is the message with what was removed once more, each as little as its
// platform takes. Home Assistant removes only what it knows from a message since
// its start; whoever was removed while it was away must be told of first.
func (d Device) Revived(before map[string]string) ([]byte, error) {
	all := maps.Clone(d.Components)
	for key, platform := range before {
		if _, there := all[key]; !there {
			all[key] = d.ghost(key, platform)
		}
	}
	d.Components = all
	return d.Payload(nil)
}

func (d Device) ghost(key, platform string) Component {
	topic := event.NodeTopic(d.Device.Name, "removed") // on which nobody ever says or hears anything
	c := Component{Platform: platform, UniqueID: d.prefix + key, Name: key}
	switch platform {
	case "image":
		c.ImageTopic = topic
	case "button", "select", "text", "number", "switch":
		c.CommandTopic = topic
	default:
		c.StateTopic = topic
	}
	switch platform {
	case "event":
		c.EventTypes = []string{"none"}
	case "select":
		c.Options = []string{"none"}
	case "number":
		c.Min, c.Max, c.Step, c.InputMode = bound(0), bound(1), 1, "box"
	case "text":
		c.Max = bound(maxState)
	}
	return c
}

// builder collects the entities of a device.
type builder struct {
	Options
	components map[string]Component
}

// add completes an entity of a source, or of the node when source is "". The
// name is what people read, the key what stays the same.
func (b *builder) add(source, key, name string, c Component) {
	id := key
	if source != "" {
		id = ident(source) + "." + key
		name = source + " " + name
	}
	c.UniqueID = b.prefix() + id
	c.Name = name
	if slug, ok := slug(b.Node + " " + name); ok {
		c.DefaultEntityID = c.Platform + "." + slug
	}
	c.QoS = 1
	c.ValueTemplate, c.AttributesAs = patient(c.ValueTemplate), patient(c.AttributesAs)
	b.components[id] = c
}

// prefix begins the unique ids of the node's entities.
func (b *builder) prefix() string { return "sensed." + ident(b.Node) + "." }

// of makes an entity unavailable while its source is: what a closed camera said
// last is not how things are.
func (b *builder) of(source string, c Component) Component {
	c.Availability = []Availability{
		{Topic: event.NodeTopic(b.Node, "status")},
		{
			Topic:         event.SourceTopic(b.Node, source, string(event.Status)),
			ValueTemplate: "{{ 'online' if (value_json | default({})).state | default('') in ('" + event.OK + "', '" + event.Ended + "') else 'offline' }}",
		},
	}
	c.Mode = "all"
	return c
}

// patient lets a template bear the empty payload with which a topic is taken back,
// of which Home Assistant makes no value_json.
func patient(template string) string {
	return strings.ReplaceAll(template, "value_json", "(value_json | default({}))")
}

// ident makes an identifier of a name: different ones of different names.
func ident(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return -1
	}, strings.ToLower(name))
	if plain == name {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return plain + "-" + hex.EncodeToString(sum[:4])
}

// slug is a text as Home Assistant would write it in the id of an entity. Of
// letters that are not ASCII only Home Assistant knows how; ok is false then.
func slug(s string) (_ string, ok bool) {
	if strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", false
	}
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.Join(words, "_"), len(words) > 0
}

// quote writes a text as a literal of a template.
func quote(s string) string {
	data, _ := json.Marshal(s) // a string always can
	return string(data)
}

// expiry is how long a value counts that comes at a pace: two may be missed.
func expiry(pace time.Duration) int { return int((3 * pace).Round(time.Second).Seconds()) }

// labels are what the detect tasks of a source look for, each once.
func labels(s Source) []string {
	var out []string
	for _, t := range s.Tasks {
		for _, l := range t.Labels {
			if t.Kind == event.TaskDetect && !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out
}
