package app

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"sensed/daemon/config"
	"sensed/devices"
)

// Every option that the configuration lets through is one that the device takes.
func TestDevicesTakeWhatTheConfigurationAllows(t *testing.T) {
	for _, tc := range []struct{ text, wrong string }{
		{"lepton:", ""},
		{"lepton:spi=SPI0.1,i2c=/dev/i2c-1,mhz=2.2", ""},
		{"lepton:spi=one", `"one" is not the name of an SPI port`},
		{"arducam:", ""},
		{"arducam:size=320x240", ""}, {"arducam:size=640x480", ""}, {"arducam:size=800x600", ""},
		{"arducam:size=1024x768", ""}, {"arducam:size=1600x1200,fps=0.01,mhz=8", ""},
		{"arducam:i2c=two", `"two" is not the name of an I2C bus`},
		{"file:/photo.jpg?fps=2&loop", ""},
		{"scene:?script=still", ""}, {"scene:?script=walks", ""}, {"scene:?script=dusk", ""}, {"scene:?script=flicker&night", ""},
		{"scene:?place=grass", ""}, {"scene:?place=street", ""}, {"scene:?place=room", ""}, {"scene:?place=snow", ""},
		{"scene:?place=beach", ""}, {"scene:?place=plain", ""},
		{"portaudio:usb?channels=8&rate=4000&stuck-after=0s", ""},
		{"portaudio:usb?channels=1&rate=384000&stuck-after=5m", ""},
	} {
		d, err := config.ParseDevice(tc.text)
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
			continue
		}
		made, err := makeDevice(d, slog.New(slog.DiscardHandler))
		switch {
		case tc.wrong == "" && (err != nil || (made.camera == nil) == (made.microphone == nil)):
			t.Errorf("%s: %v", tc.text, err)
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
			t.Errorf("%s: %v, want %s", tc.text, err, tc.wrong)
		}
	}
}

func TestCameraOnBusesIsAbsent(t *testing.T) {
	for _, text := range []string{"lepton:spi=SPI999.0", "arducam:spi=SPI999.0"} {
		d, err := config.ParseDevice(text)
		if err != nil {
			t.Fatal(err)
		}
		made, err := makeDevice(d, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := made.camera(t.Context()); !errors.Is(err, devices.ErrAbsent) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
