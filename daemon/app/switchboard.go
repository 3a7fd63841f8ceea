package app

import (
	"cmp"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sensed/daemon/command"
	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/daemon/pipeline"
	"sensed/daemon/understand"
	"sensed/daemon/web"
)

// The names of the holds that switches put on a source.
const (
	holdCommand = "command"
	holdPrivacy = "privacy command"
)

// switchboard lets the switches of a node act on a pipeline, tells how they
// stand, and keeps that.
type switchboard struct {
	*command.Board
	config    *config.Config
	pipeline  *pipeline.Pipeline
	publisher *mqtt.Publisher
	gallery   *gallery
	store     *command.Store
	hub       *web.Hub // shows how they stand, too; nil: there is no page
	log       *slog.Logger

	mu sync.Mutex // one change at a time
}

// controllable are the sources of a configuration in the eyes of commands.
func controllable(c *config.Config) []command.Source {
	var out []command.Source
	for _, s := range c.Sources {
		n := command.Source{Name: s.Name, Camera: s.Device.Sense() == config.Sight, Image: s.Image}
		for _, t := range tasks(s.Tasks) {
			n.Tasks = append(n.Tasks, t.Task)
		}
		switch {
		case s.Gate.Motion != nil && n.Camera:
			n.Sensitivity = &s.Gate.Motion.Sensitivity
		case s.Gate.Speech != nil && !n.Camera:
			n.Sensitivity = &s.Gate.Speech.Sensitivity
		}
		out = append(out, n)
	}
	return out
}

// begin lets all switches act and tells how they stand. It comes before the
// pipeline runs: what is off is not opened first.
func (b *switchboard) begin() error {
	for i := range b.config.Sources {
		if err := b.apply(&b.config.Sources[i]); err != nil {
			return err
		}
	}
	for _, s := range b.Settings() {
		b.tell(s)
	}
	return nil
}

// set sets a switch, and tells how it stands even if it could not be set.
func (b *switchboard) set(source string, name command.Switch, value string) (_ command.Setting, failed error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.Value(source, name)
	if v := strings.TrimSpace(value); name == command.Language && v != "" {
		if err := understand.CheckLanguage(v); err != nil {
			value = before // so that it is told
			defer func() { failed = err }()
		}
	}
	s, changed, err := b.Set(source, name, value)
	if changed {
		if err = b.act(source); err != nil {
			_, _, _ = b.Set(source, name, before) // it was one of its values
			s.Value = before
			_ = b.act(source)
		} else {
			b.store.Save(b.Saved())
			b.log.Info("a switch was set", "source", source, "switch", name, "value", s.Value)
		}
	}
	if s.Name != "" {
		b.tell(s)
	}
	return s, err
}

// act lets the switches of a source act, or those of all for the node.
func (b *switchboard) act(source string) error {
	for i := range b.config.Sources {
		if s := &b.config.Sources[i]; source == "" || s.Name == source {
			if err := b.apply(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *switchboard) tell(s command.Setting) {
	if b.hub != nil {
		b.hub.Setting(s)
	}
	if err := b.publisher.Retain(event.StateTopic(b.config.Node, s.Source, string(s.Name)), []byte(s.Value)); err != nil {
		b.log.Warn("how a switch stands cannot be published", "source", s.Source, "switch", s.Name, "err", err)
	}
}

// apply makes a source what its switches say.
func (b *switchboard) apply(s *config.Source) error {
	sense := command.Camera
	if s.Device.Sense() == config.Hearing {
		sense = command.Microphone
	}
	private := b.Value("", command.Privacy) == command.On || b.Value(s.Name, command.Privacy) == command.On
	off := b.Value(s.Name, sense) == command.Off
	if !private && !off {
		b.gallery.close(s.Name, false)
	}
	if err := b.pipeline.Configure(s.Name, b.settings(s)); err != nil {
		return err
	}
	for _, h := range []struct {
		hold bool
		pipeline.Hold
	}{
		{private, pipeline.Hold{By: holdPrivacy, State: event.Private, Why: "by the privacy switch"}},
		{off, pipeline.Hold{By: holdCommand, State: event.Off, Why: "by a command"}},
	} {
		var err error
		if h.hold {
			err = b.pipeline.Hold(s.Name, h.Hold)
		} else {
			err = b.pipeline.Release(s.Name, h.By)
		}
		if err != nil {
			return err
		}
	}
	if private || off {
		b.gallery.close(s.Name, true)
	}
	return nil
}

// settings are the tasks and the gate of a source with its switches.
func (b *switchboard) settings(s *config.Source) pipeline.Settings {
	motion, speech := s.Gate.Motion, s.Gate.Speech
	if x, err := strconv.ParseFloat(b.Value(s.Name, command.Sensitivity), 64); err == nil {
		if motion != nil {
			changed := *motion
			changed.Sensitivity, motion = x, &changed
		}
		if speech != nil {
			changed := *speech
			changed.Sensitivity, speech = x, &changed
		}
	}
	n := pipeline.Settings{Motion: motionOpts(motion), Speech: speechOpts(speech)}
	for _, t := range tasks(s.Tasks) {
		if b.off(s.Name, t.Kind) {
			continue
		}
		n.Tasks = append(n.Tasks, b.changed(s, t))
	}
	return n
}

// off tells whether the switch of a kind of task is off.
func (b *switchboard) off(source string, k event.TaskKind) bool {
	switches := []command.Switch{command.Captioning, command.Transcription} // a source has one of them
	switch k {
	case event.TaskDetect, event.TaskPoint:
		switches = []command.Switch{command.Detection}
	case event.TaskTranscribe, event.TaskTranslate:
		switches = []command.Switch{command.Transcription}
	}
	return slices.ContainsFunc(switches, func(n command.Switch) bool { return b.Value(source, n) == command.Off })
}

// changed is a task with the switches of its source.
func (b *switchboard) changed(s *config.Source, t pipeline.Task) pipeline.Task {
	switch t.Kind {
	case event.TaskCaption:
		t.Prompt = cmp.Or(b.Value(s.Name, command.Prompt), t.Prompt)
	case event.TaskDetect:
		if labels := b.Value(s.Name, command.Labels); labels != "" {
			t.Labels = strings.Split(labels, ", ")
		}
	case event.TaskTranscribe, event.TaskTranslate:
		t.Language = cmp.Or(b.Value(s.Name, command.Language), t.Language)
	}
	if x, err := strconv.ParseFloat(b.Value(s.Name, command.Interval), 64); err == nil && x > 0 {
		t.Every = time.Duration(x * float64(time.Second))
	}
	return t
}
