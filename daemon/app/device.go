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
	"sensed/devices"
	"sensed/devices/portaudio"
	"sensed/devices/replay"
	"sensed/devices/scene"
	"sensed/devices/v4l2"
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

// maker makes the device of a scheme. It checks the options and touches no
// hardware.
type maker func(config.Device, *slog.Logger) (device, error)

// makers lists the devices by their scheme.
func makers() map[string]maker {
	return map[string]maker{
		"arducam":   makeArducam,
		"exec":      makeExec,
		"file":      makeReplay,
		"http":      makeHTTP,
		"https":     makeHTTP,
		"lepton":    makeLepton,
		"libcamera": makeLibcamera,
		"portaudio": makePortaudio,
		"replay":    makeReplay,
		"rtsp":      makeRTSP,
		"scene":     makeScene,
		"v4l2":      makeV4L2,
		"wav":       makeWAV,
	}
}

func makeDevice(d config.Device, log *slog.Logger) (device, error) {
	all := makers()
	make, ok := all[d.Scheme]
	if !ok {
		return device{}, fmt.Errorf("there is no device %q; there are %s:", d.Scheme, strings.Join(slices.Sorted(maps.Keys(all)), ":, "))
	}
	return make(d, log)
}

func makeReplay(d config.Device, log *slog.Logger) (device, error) {
	s, err := replay.New(replay.Opts{Path: d.Path, FPS: d.Float("fps", 0), Loop: d.Bool("loop"), Log: log})
	if err != nil {
		return device{}, err
	}
	return device{camera: s.Open}, nil
}

func makeScene(d config.Device, log *slog.Logger) (device, error) {
	w, h := d.Size("size", 0, 0)
	s, err := scene.New(scene.Opts{
		Seed: uint64(d.Int("seed", 1)), Width: w, Height: h, FPS: d.Float("fps", 0),
		Script: scene.Script(d.Text("script", string(scene.Walks))), Place: d.Text("place", ""), Night: d.Bool("night"), Log: log,
	})
	if err != nil {
		return device{}, err
	}
	return device{camera: s.Open}, nil
}

func makeV4L2(d config.Device, log *slog.Logger) (device, error) {
	w, h := d.Size("size", 0, 0)
	controls := map[string]string{}
	for _, name := range config.Controls() {
		if d.Has(name) {
			controls[name] = d.Text(name, "")
		}
	}
	s, err := v4l2.New(v4l2.Opts{
		Device: d.Path, Width: w, Height: h, FPS: d.Float("fps", 0), Format: d.Text("format", ""), Controls: controls, Log: log,
	})
	if err != nil {
		return device{}, err
	}
	return device{camera: s.Open}, nil
}

func makeWAV(d config.Device, _ *slog.Logger) (device, error) {
	s, err := wave.New(wave.Opts{
		Paths: []string{d.Path}, Lead: wavGap, Gap: d.Duration("gap", wavGap),
		Realtime: true, Loop: d.Bool("loop"),
	})
	if err != nil {
		return device{}, err
	}
	return device{microphone: s.Open}, nil
}

func makePortaudio(d config.Device, log *slog.Logger) (device, error) {
	name := d.Path
	if name == "default" {
		name = "" // the system's default input
	}
	stuck := d.Duration("stuck-after", 0)
	if stuck == 0 && d.Has("stuck-after") {
		stuck = -1 // never
	}
	s, err := portaudio.New(portaudio.Opts{
		Device: name, Channels: int(d.Int("channels", 0)), Rate: int(d.Int("rate", 0)), StuckAfter: stuck, Log: log,
	})
	if err != nil {
		return device{}, err
	}
	return device{microphone: s.Open}, nil
}
