package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/pipeline"
	"sensed/devices"
	"sensed/devices/replay"
	"sensed/devices/scene"
	"sensed/devices/wave"
)

// wavGap is the silence between two replayed WAV files when none is configured:
// long enough to end what was said.
const wavGap = time.Second

// device is a source that can be opened: one of the two.
type device struct {
	camera     func(context.Context) (devices.Camera, error)
	microphone func(context.Context) (devices.Microphone, error)
}

// makers returns how the device of each scheme is made. Making one checks its
// options and touches no hardware.
func makers() map[string]func(config.Device, *slog.Logger) (device, error) {
	return map[string]func(config.Device, *slog.Logger) (device, error){
		"replay": func(d config.Device, log *slog.Logger) (device, error) {
			s, err := replay.New(replay.Opts{Path: d.Path, FPS: d.Float("fps", 0), Loop: d.Bool("loop"), Log: log})
			if err != nil {
				return device{}, err
			}
			return device{camera: s.Open}, nil
		},
		"scene": func(d config.Device, log *slog.Logger) (device, error) {
			w, h := d.Size("size", 0, 0)
			s, err := scene.New(scene.Opts{
				Seed: uint64(d.Int("seed", 1)), Width: w, Height: h, FPS: d.Float("fps", 0),
				Script: scene.Walks, Log: log,
			})
			if err != nil {
				return device{}, err
			}
			return device{camera: s.Open}, nil
		},
		"wav": func(d config.Device, _ *slog.Logger) (device, error) {
			s, err := wave.New(wave.Opts{
				Paths: []string{d.Path}, Lead: wavGap, Gap: d.Duration("gap", wavGap),
				Realtime: true, Loop: d.Bool("loop"),
			})
			if err != nil {
				return device{}, err
			}
			return device{microphone: s.Open}, nil
		},
	}
}

// makeDevice finds the maker for a scheme.
func makeDevice(d config.Device, log *slog.Logger) (device, error) {
	all := makers()
	make, ok := all[d.Scheme]
	if !ok {
		return device{}, fmt.Errorf("there is no device %q; there are %s:", d.Scheme, strings.Join(slices.Sorted(maps.Keys(all)), ":, "))
	}
	return make(d, log)
}

// sources turns the configured sources into those of the pipeline.
func sources(c *config.Config, log *slog.Logger) ([]pipeline.Source, error) {
	var out []pipeline.Source
	for _, s := range c.Sources {
		d, err := makeDevice(s.Device, log.With("source", s.Name))
		if err != nil {
			return nil, Errorf(BadConfig, "source %q (%s): %w", s.Name, s.Device, err)
		}
		out = append(out, pipeline.Source{
			Name: s.Name, OpenCamera: d.camera, OpenMicrophone: d.microphone,
			Tasks:  tasks(s.Tasks),
			Motion: motionOpts(s.Gate.Motion), Speech: speechOpts(s.Gate.Speech),
			Always: s.Gate.Always, Lossless: s.Device.Bool("lossless"),
		})
	}
	return out, nil
}

func tasks(configured []config.Task) []pipeline.Task {
	var out []pipeline.Task
	for _, t := range configured {
		var p pipeline.Task
		p.Kind = event.TaskKind(t.Kind)
		p.Name, p.Labels, p.Prompt, p.System = t.Name, t.Labels, t.Prompt, t.System
		p.Language, p.Into = t.Language, t.Into
		p.MaxTokens, p.ImageTokens = t.MaxTokens, t.ImageTokens
		p.Every = t.Every
		out = append(out, p)
	}
	return out
}

// least stands for a configured zero where zero means the default.
const least = 1e-9

func motionOpts(m *config.Motion) *gate.MotionOpts {
	if m == nil {
		return nil
	}
	o := &gate.MotionOpts{Sensitivity: max(m.Sensitivity, least), MinArea: max(m.MinArea, least)}
	for _, b := range m.Masks {
		y1, x1, y2, x2 := float64(b[0])/1000, float64(b[1])/1000, float64(b[2])/1000, float64(b[3])/1000
		o.Ignore = append(o.Ignore, gate.Polygon{{X: x1, Y: y1}, {X: x2, Y: y1}, {X: x2, Y: y2}, {X: x1, Y: y2}})
	}
	return o
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
