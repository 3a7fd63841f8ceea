package hass

import (
	"encoding/json"
	"slices"

	"sensed/daemon/command"
	"sensed/daemon/event"
)

// asConfigured is the choice that takes a switch back to the configuration.
const asConfigured = "as configured"

// control adds a switch. It stays available while its source is closed, since
// that is when it is needed.
func (b *builder) control(s command.Spec) {
	c := Component{
		StateTopic: event.StateTopic(b.Node, s.Source, string(s.Name)), CommandTopic: event.SetTopic(b.Node, s.Source, string(s.Name)),
		EntityCategory: configured,
	}
	if slices.Contains([]command.Switch{command.Privacy, command.Camera, command.Microphone}, s.Name) {
		c.EntityCategory = ""
	}
	switch s.Name {
	case command.Privacy:
		c.Icon = "mdi:eye-off"
	case command.Camera:
		c.Icon = "mdi:cctv"
	case command.Microphone:
		c.Icon = "mdi:microphone"
	}
	switch {
	case s.Kind == command.OnOff:
		c.Platform = "switch"
	case s.Kind == command.Number:
		c.Platform, c.Min, c.Max, c.Step, c.Unit, c.InputMode = "number", bound(s.Min), bound(s.Max), s.Step, s.Unit, "slider"
		if s.Max-s.Min > 1000*s.Step {
			c.InputMode = "box"
		}
	case s.Name == command.Language:
		b.choose(&c)
	default:
		c.Platform, c.Max = "text", bound(float64(min(s.MaxBytes, maxState)))
		c.ValueTemplate = "{{ value | truncate(255, true, '…', 0) }}"
	}
	b.add(s.Source, "set."+string(s.Name), string(s.Name), c)
}

// choose makes a choice of the language. A language that is not on the list can
// still be set over MQTT.
func (b *builder) choose(c *Component) {
	c.Platform = "select"
	c.Options = append([]string{asConfigured}, b.Languages...)
	list, _ := json.Marshal(b.Languages) // strings always can
	c.ValueTemplate = "{{ value if value in " + string(list) + " else '" + asConfigured + "' if not value else none }}"
	c.CommandTemplate = "{{ '' if value == '" + asConfigured + "' else value }}"
}

func bound(x float64) *float64 { return &x }
