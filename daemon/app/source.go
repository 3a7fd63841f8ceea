package app

import (
	"fmt"
	"log/slog"
	"time"

	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/pipeline"
	"sensed/daemon/understand"
)

// sources turns the configured sources into those of the pipeline.
func sources(c *config.Config, log *slog.Logger) ([]pipeline.Source, error) {
	var out []pipeline.Source
	for i, s := range c.Sources {
		d, err := makeDevice(s.Device, log.With("source", s.Name))
		if err != nil {
			err = fmt.Errorf("source %q (%s): %w", s.Name, s.Device, err)
			return nil, Errorf(BadConfig, "%w", c.Fault(fmt.Sprintf("sources[%d].source", i), err))
		}
		for j, t := range tasks(s.Tasks) {
			if err := understand.CheckRule(t.Task); err != nil {
				err = fmt.Errorf("source %q: task %q: %w", s.Name, t.Name, err)
				return nil, Errorf(BadConfig, "%w", c.Fault(fmt.Sprintf("sources[%d].tasks[%d]", i, j), err))
			}
		}
		source := pipeline.Source{
			Name: s.Name, OpenCamera: d.camera, OpenMicrophone: d.microphone,
			Tasks:    tasks(s.Tasks),
			Blackout: polygons(s.Blackout),
			Motion:   motionOpts(s.Gate.Motion), Speech: speechOpts(s.Gate.Speech),
			Levels: levels,
			Always: s.Gate.Always, Lossless: s.Device.Bool("lossless"), Image: s.Image,
		}
		if s.Gate.Motion != nil {
			source.Again = s.Gate.Motion.Again
		}
		out = append(out, source)
	}
	return out, nil
}

func tasks(configured []config.Task) []pipeline.Task {
	var out []pipeline.Task
	for _, t := range configured {
		var p pipeline.Task
		p.Kind = event.TaskKind(t.Kind)
		p.Name, p.Labels, p.Prompt, p.System = t.Name, t.Labels, t.Prompt, t.System
		p.Choices, p.Schema = t.Choices, t.Schema
		p.Language, p.Into = t.Language, t.Into
		p.MaxTokens, p.ImageTokens = t.MaxTokens, t.ImageTokens
		p.Every = t.Every
		out = append(out, p)
	}
	return out
}

// levels is how often the loudness of a microphone is published.
const levels = 10 * time.Second

// least stands for a configured zero where zero means the default.
const least = 1e-9

func motionOpts(m *config.Motion) *gate.MotionOpts {
	if m == nil {
		return nil
	}
	o := &gate.MotionOpts{Sensitivity: max(m.Sensitivity, least), MinArea: max(m.MinArea, least)}
	o.Zones, o.Ignore = polygons(m.Zones), polygons(m.Masks)
	return o
}

// polygons turns areas of the configuration into those of the gates.
func polygons(areas []config.Area) []gate.Polygon {
	var out []gate.Polygon
	for _, a := range areas {
		p := make(gate.Polygon, len(a))
		for i, c := range a {
			p[i] = gate.Point{X: float64(c[1]) / 1000, Y: float64(c[0]) / 1000}
		}
		out = append(out, p)
	}
	return out
}

func speechOpts(s *config.Speech) *gate.SpeechOpts {
	if s == nil {
		return nil
	}
	return &gate.SpeechOpts{
		Sensitivity: max(s.Sensitivity, least),
		HangOver:    s.Pause, Tail: s.Pause / 2, MaxSegment: s.Max,
	}
}
