package config

import (
	"github.com/goccy/go-yaml/ast"
)

// This file says which keys a configuration has. The defaults are in place
// before; what a key may hold beyond its type is checked in validate.go.

func (r *reader) config(n ast.Node, c *Config) {
	r.mapping(n, "", []field{
		{"version", r.whole(&c.Version)},
		{"node", r.text(&c.Node)},
		{"broker", func(n ast.Node, path string) { r.broker(n, path, &c.Broker) }},
		{"outbox", func(n ast.Node, path string) { r.outbox(n, path, &c.Outbox) }},
		{"model", func(n ast.Node, path string) { r.model(n, path, &c.Model) }},
		{"sources", r.list(func(n ast.Node, path string) {
			var s Source
			r.source(n, path, &s)
			c.Sources = append(c.Sources, s)
		})},
		{"triggers", r.list(func(n ast.Node, path string) {
			t := defaultTrigger()
			r.trigger(n, path, &t)
			c.Triggers = append(c.Triggers, t)
		})},
		{"switches", r.list(func(n ast.Node, path string) {
			s := defaultSwitch()
			r.pinSwitch(n, path, &s)
			c.Switches = append(c.Switches, s)
		})},
		{"led", func(n ast.Node, path string) { r.led(n, path, &c.LED) }},
		{"web", func(n ast.Node, path string) { r.web(n, path, &c.Web) }},
		{"health", func(n ast.Node, path string) {
			r.mapping(n, path, []field{
				{"socket", r.text(&c.Health.Socket)},
				{"every", r.duration(&c.Health.Every)},
				{"metrics", r.text(&c.Health.Metrics)},
			})
		}},
		{"unchanged", r.text(&c.Unchanged)},
		{"homeassistant", func(n ast.Node, path string) { r.homeAssistant(n, path, &c.HomeAssistant) }},
		{"log", func(n ast.Node, path string) {
			r.mapping(n, path, []field{{"level", r.text(&c.Log.Level)}, {"format", r.text(&c.Log.Format)}})
		}},
	})
}

func (r *reader) broker(n ast.Node, path string, b *Broker) {
	r.mapping(n, path, []field{
		{"url", r.text(&b.URL)},
		{"fallbacks", r.list(func(n ast.Node, path string) {
			var url string
			r.text(&url)(n, path)
			b.Fallbacks = append(b.Fallbacks, url)
		})},
		{"listen", r.text(&b.Listen)},
		{"client_id", r.text(&b.ClientID)},
		{"username", r.text(&b.Username)},
		{"password_file", r.text(&b.PasswordFile)},
		{"ca_file", r.text(&b.CAFile)},
		{"cert_file", r.text(&b.CertFile)},
		{"key_file", r.text(&b.KeyFile)},
		{"server_name", r.text(&b.ServerName)},
	})
}

func (r *reader) model(n ast.Node, path string, m *Model) {
	r.orName(n, path, &m.Name, []field{
		{"name", r.text(&m.Name)},
		{"folder", r.text(&m.Folder)},
		{"text", r.text(&m.Text)},
		{"projector", r.text(&m.Projector)},
		{"drafter", r.text(&m.Drafter)},
		{"profile", r.text(&m.Profile)},
		{"threads", r.whole(&m.Threads)},
		{"context", r.whole(&m.Context)},
		{"packed", r.text(&m.Packed)},
	})
}

func (r *reader) source(n ast.Node, path string, s *Source) {
	gate := false
	r.mapping(n, path, []field{
		{"name", r.text(&s.Name)},
		{"source", func(n ast.Node, path string) {
			var text string
			r.text(&text)(n, path)
			if text == "" {
				return
			}
			d, what, hint := parseDevice(text)
			if what != "" {
				r.problem(start(n), path, what, hint)
				// Its kind is still known: other mistakes of the source are not
				// explained away.
				d = Device{Scheme: d.Scheme}
			}
			s.Device = d
		}},
		{"tasks", r.list(func(n ast.Node, path string) {
			var t Task
			r.task(n, path, &t)
			if t.Name == "" {
				t.Name = t.Kind
			}
			s.Tasks = append(s.Tasks, t)
		})},
		{"image", r.truth(&s.Image)},
		{"blackout", r.areas(&s.Blackout)},
		{"gate", func(n ast.Node, path string) {
			gate = true
			r.gate(n, path, &s.Gate)
		}},
	})
	s.Gate.complete(s.Device.Sense(), gate)
}

// complete gives a gate of which the file says nothing its default.
func (g *Gate) complete(of Sense, given bool) {
	if given {
		return
	}
	switch of {
	case Sight:
		g.Motion = DefaultMotion()
	case Hearing:
		g.Speech = DefaultSpeech()
	}
}

func (r *reader) task(n ast.Node, path string, t *Task) {
	r.mapping(n, path, []field{
		{"kind", r.text(&t.Kind)},
		{"name", r.text(&t.Name)},
		{"labels", r.list(func(n ast.Node, path string) {
			var l string
			r.text(&l)(n, path)
			t.Labels = append(t.Labels, l)
		})},
		{"prompt", r.text(&t.Prompt)},
		{"choices", r.list(func(n ast.Node, path string) {
			var c string
			r.text(&c)(n, path)
			t.Choices = append(t.Choices, c)
		})},
		{"schema", r.text(&t.Schema)},
		{"system", r.text(&t.System)},
		{"language", r.text(&t.Language)},
		{"into", r.text(&t.Into)},
		{"every", r.duration(&t.Every)},
		{"image_tokens", r.whole(&t.ImageTokens)},
		{"max_tokens", r.whole(&t.MaxTokens)},
	})
}

func (r *reader) gate(n ast.Node, path string, g *Gate) {
	r.mapping(n, path, []field{
		{"motion", func(n ast.Node, path string) {
			m := DefaultMotion()
			if on := r.orSwitch(n, path, []field{
				{"sensitivity", r.number(&m.Sensitivity)},
				{"min_area", r.number(&m.MinArea)},
				{"again", r.duration(&m.Again)},
				{"zones", r.areas(&m.Zones)},
				{"masks", r.areas(&m.Masks)},
			}); on {
				g.Motion = m
			}
		}},
		{"speech", func(n ast.Node, path string) {
			s := DefaultSpeech()
			if on := r.orSwitch(n, path, []field{
				{"sensitivity", r.number(&s.Sensitivity)},
				{"pause", r.duration(&s.Pause)},
				{"max", r.duration(&s.Max)},
			}); on {
				g.Speech = s
			}
		}},
		{"always", r.truth(&g.Always)},
	})
}

func (r *reader) trigger(n ast.Node, path string, t *Trigger) {
	r.mapping(n, path, []field{
		{"pin", r.text(&t.Pin)},
		{"edge", r.text(&t.Edge)},
		{"pull", r.text(&t.Pull)},
		{"debounce", r.duration(&t.Debounce)},
		{"starts", r.list(func(n ast.Node, path string) {
			var s string
			r.text(&s)(n, path)
			t.Starts = append(t.Starts, s)
		})},
	})
}
