package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Switch is a pin that closes and opens sources.
type Switch struct {
	Pin string
	// Role is talk (microphones listen only while it is on), mute (its sources
	// are closed while it is on) or privacy (likewise, and nothing that waits is
	// told any more).
	Role     string
	Press    string // mute: hold, or toggle for a button that is pressed and let go
	Active   string // the level at which it is on: low or high
	Pull     string // up, down, none
	Debounce time.Duration
	Sources  []string // names; none: all microphones, for privacy all sources
}

// defaultSwitch is a button between the pin and ground.
func defaultSwitch() Switch {
	return Switch{Press: "hold", Active: "low", Pull: "up", Debounce: 50 * time.Millisecond}
}

// Switched returns the names of the sources that s closes and opens.
func (c *Config) Switched(s Switch) []string {
	if len(s.Sources) > 0 {
		return s.Sources
	}
	var names []string
	for _, source := range c.Sources {
		if s.Role == "privacy" || source.Device.Sense() == Hearing {
			names = append(names, source.Name)
		}
	}
	return names
}

func (r *reader) pinSwitch(n ast.Node, path string, s *Switch) {
	r.mapping(n, path, []field{
		{"pin", r.text(&s.Pin)},
		{"role", r.text(&s.Role)},
		{"press", r.text(&s.Press)},
		{"active", r.text(&s.Active)},
		{"pull", r.text(&s.Pull)},
		{"debounce", r.duration(&s.Debounce)},
		{"sources", r.list(func(n ast.Node, path string) {
			var name string
			r.text(&name)(n, path)
			s.Sources = append(s.Sources, name)
		})},
	})
}

func (r *reader) led(n ast.Node, path string, l *LED) {
	r.mapping(n, path, []field{
		{"model", r.text(&l.Model)},
		{"microphone", r.text(&l.Microphone)},
		{"camera", r.text(&l.Camera)},
	})
}

// pinUse is a place of the file that names a pin, and what for.
type pinUse struct{ field, pin, what string }

// pins checks the names of all pins, and that none has two uses.
func (k *checker) pins() {
	var uses []pinUse
	for i, t := range k.c.Triggers {
		uses = append(uses, pinUse{fmt.Sprintf("triggers[%d].pin", i), t.Pin, "a trigger"})
	}
	for i, s := range k.c.Switches {
		uses = append(uses, pinUse{fmt.Sprintf("switches[%d].pin", i), s.Pin, "a switch"})
	}
	for _, l := range []pinUse{
		{"led.model", k.c.LED.Model, "the LED of the model"},
		{"led.microphone", k.c.LED.Microphone, "the LED of the microphones"},
		{"led.camera", k.c.LED.Camera, "the LED of the cameras"},
	} {
		if l.pin != "" {
			uses = append(uses, l)
		}
	}
	taken := map[string]string{}
	for _, u := range uses {
		if u.pin == "" {
			k.wrong(u.field, "it names no pin", "write for example pin: GPIO17")
			continue
		}
		k.pin(u.field, u.pin)
		if what, ok := taken[u.pin]; ok {
			k.wrong(u.field, fmt.Sprintf("%s is %s already", u.pin, what), "use another pin; a trigger may start several sources, a switch may have several")
			continue
		}
		taken[u.pin] = u.what
	}
}

func (k *checker) pinSwitch(path string, s Switch, sources []string) {
	if slices.Contains(sources, s.Pin) && s.Pin != "" {
		k.wrong(path+".pin", fmt.Sprintf("a source is named %q too, and both publish under their name", s.Pin), "rename the source")
	}
	if s.Role == "" {
		k.wrong(path+".role", "it does not say what the switch does", "possible are talk, mute, privacy")
	} else {
		k.oneOf(path+".role", s.Role, "talk", "mute", "privacy")
	}
	k.oneOf(path+".press", s.Press, "hold", "toggle")
	if s.Press == "toggle" {
		k.onlyFor(path+".press", true, s.Role, "mute")
	}
	k.oneOf(path+".active", s.Active, "low", "high")
	k.oneOf(path+".pull", s.Pull, "up", "down", "none")
	k.between(path+".debounce", s.Debounce, 0, time.Second)
	for i, name := range s.Sources {
		field := fmt.Sprintf("%s.sources[%d]", path, i)
		at := slices.Index(sources, name)
		switch {
		case at < 0:
			k.wrong(field, fmt.Sprintf("no source is named %q", name), suggest(name, sources))
		case s.Role == "talk" && k.c.Sources[at].Device.Sense() == Sight:
			k.wrong(field, fmt.Sprintf("%s is a camera, to which nobody talks", name), "name microphones, or use a trigger")
		}
	}
	if len(k.c.Switched(s)) == 0 && s.Role != "" {
		k.wrong(path, "there is no source that it could close and open", "name sources, or remove it")
	}
}
