package app

import (
	"log/slog"

	"sensed/daemon/config"
	"sensed/devices/arducam"
	"sensed/devices/lepton"
)

// The cameras on the buses of the header.

func makeLepton(d config.Device, log *slog.Logger) (device, error) {
	s, err := lepton.NewSource(d.Text("spi", ""), d.Text("i2c", ""), lepton.Opts{MHz: d.Float("mhz", 0), Log: log})
	if err != nil {
		return device{}, err
	}
	return device{camera: s.Open}, nil
}

func makeArducam(d config.Device, log *slog.Logger) (device, error) {
	w, h := d.Size("size", 0, 0)
	s, err := arducam.NewSource(d.Text("spi", ""), d.Text("i2c", ""), arducam.Opts{
		Width: w, Height: h, FPS: d.Float("fps", 0), MHz: d.Float("mhz", 0), Log: log,
	})
	if err != nil {
		return device{}, err
	}
	return device{camera: s.Open}, nil
}
