package app

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"sensed/daemon/config"
	"sensed/devices/execpcm"
	"sensed/devices/httpcam"
	"sensed/devices/libcamera"
	"sensed/devices/rtsp"
	"sensed/devices/wave"
)

// The devices that are reached through a program or the network.

func makeLibcamera(d config.Device, log *slog.Logger) (device, error) {
	number := 0
	if d.Path != "" {
		n, err := strconv.Atoi(d.Path)
		if err != nil {
			return device{}, fmt.Errorf("libcamera: %q is not the number of a camera: write libcamera:0 for the first", d.Path)
		}
		number = n
	}
	w, h := d.Size("size", 0, 0)
	s, err := libcamera.New(libcamera.Opts{
		Camera: number, Width: w, Height: h, FPS: d.Float("fps", 0),
		Format: d.Text("format", ""), Rotation: int(d.Int("rotation", 0)), Log: log,
	})
	if err != nil {
		return device{}, err
	}
	return device{camera: s.Open}, nil
}

func makeRTSP(d config.Device, log *slog.Logger) (device, error) {
	w, h := d.Size("size", 0, 0)
	s, err := rtsp.New(rtsp.Opts{
		URL: d.Scheme + ":" + d.Path, Password: password(d),
		FPS: d.Float("fps", 0), Width: w, Height: h, Frames: rtsp.Frames(d.Text("frames", "")), Log: log,
	})
	if err != nil {
		return device{}, err
	}
	if !d.Bool("sound") {
		return device{camera: s.Open}, nil
	}
	if d.Has("fps") || d.Has("size") || d.Has("frames") {
		return device{}, errors.New("rtsp: the options fps, size and frames are for pictures, and with sound there are none: make a source of its own for them")
	}
	return device{microphone: s.OpenMicrophone}, nil
}

func makeHTTP(d config.Device, log *slog.Logger) (device, error) {
	s, err := httpcam.New(httpcam.Opts{
		URL: d.Scheme + ":" + d.Path, Password: password(d), CAFile: d.Text("ca_file", ""),
		FPS: d.Float("fps", 0), Log: log,
	})
	if err != nil {
		return device{}, err
	}
	return device{camera: s.Open}, nil
}

// password is where a camera finds its password: the file may be changed while
// sensed runs. Nil when there is none.
func password(d config.Device) func() (string, error) {
	if !d.Has("password_file") {
		return nil
	}
	path := d.Text("password_file", "")
	return func() (string, error) { return config.Secret(path) }
}

func makeExec(d config.Device, log *slog.Logger) (device, error) {
	command, err := execpcm.Split(d.Path)
	if err != nil {
		return device{}, err
	}
	s, err := execpcm.New(execpcm.Opts{
		Command: command, Format: wave.Raw(d.Text("format", "")),
		Rate: int(d.Int("rate", 0)), Channels: int(d.Int("channels", 0)), Once: d.Bool("once"), Log: log,
	})
	if err != nil {
		return device{}, err
	}
	return device{microphone: s.Open}, nil
}
