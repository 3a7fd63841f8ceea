package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/config"
	"sensed/devices/bus"
	"sensed/devices/gpio"
	"sensed/devices/libcamera"
	"sensed/devices/portaudio"
	"sensed/devices/v4l2"
)

// bare is a machine without any device.
func bare() hardware {
	return hardware{
		cameras:     func() []v4l2.Info { return nil },
		csi:         func(context.Context) ([]libcamera.Listed, error) { return nil, nil },
		microphones: func(context.Context, time.Duration) ([]portaudio.Device, error) { return nil, nil },
		sound:       func() string { return "" },
		buses:       func() []bus.Info { return nil },
		chips:       func() []gpio.Chip { return nil },
	}
}

// full is a machine with all kinds of devices.
func full() hardware {
	h := bare()
	h.cameras = func() []v4l2.Info {
		return []v4l2.Info{
			{Path: "/dev/video0", ID: "/dev/v4l/by-id/usb-Web cam?-index0", Card: "Webcam", Formats: []v4l2.FormatInfo{
				{Name: "mjpeg", Known: true, Sizes: []v4l2.SizeInfo{{Width: 640, Height: 480, Rates: []float64{30, 29.97}}, {Width: 1280, Height: 720}}},
				{Name: "yuyv", Known: true, Sizes: []v4l2.SizeInfo{{Width: 640, Height: 480, Rates: []float64{30, 29.97}}, {Width: 1280, Height: 720}}},
				{Name: "nv12", Known: true, Sizes: []v4l2.SizeInfo{{Width: 64, Height: 48}}},
				{Name: "grey", Known: true},
				{Name: "S560"}, {Name: "Y16"},
			}},
			{Path: "/dev/video2", Problem: "put the user into the group video"},
			{Path: "/dev/video4", Card: "vivid", Bus: "platform:vivid-000", Problem: "x"},
			{Path: "/dev/video5", Card: "twin", Bus: "usb-1", Problem: "x"}, {Path: "/dev/video6", Card: "twin", Bus: "usb-1", Problem: "x"},
		}
	}
	h.csi = func(context.Context) ([]libcamera.Listed, error) {
		return []libcamera.Listed{
			{Index: 1, Model: "imx708", ID: "/base/imx708@1a", Modes: []libcamera.Mode{{Width: 1536, Height: 864, FPS: 120.13}}},
			{Index: 2, Model: "ov5647", ID: "/base/ov5647@36", Width: 2592, Height: 1944},
		}, nil
	}
	h.microphones = func(context.Context, time.Duration) ([]portaudio.Device, error) {
		return []portaudio.Device{
			{Name: "USB PnP: Audio (hw:1,0)", Channels: 1, Rate: 44100},
			{Name: "Twin (hw:2,0)", Channels: 2, Rate: 48000}, {Name: "Twin (hw:3,0)", Channels: 2, Rate: 48000},
			{Name: "speexrate", Channels: 128, Rate: 44100}, {Name: "surround21", Channels: 32, Rate: 44100},
			{Name: "default", Channels: 32, Rate: 44100, Default: true},
		}, nil
	}
	h.sound = func() string { return "put the user into the group audio" }
	h.buses = func() []bus.Info {
		return []bus.Info{{Name: "SPI0.0", Path: "/dev/spidev0.0"}, {Name: "I2C1", Path: "/dev/i2c-1", About: "bcm2835", Problem: "put the user into the group i2c"}}
	}
	h.chips = func() []gpio.Chip {
		return []gpio.Chip{
			{Path: "/dev/gpiochip0", Label: "pinctrl-rp1", Lines: []gpio.Line{{Number: 4, Name: "GPIO4"}, {Number: 5}, {Number: 17, Name: "GPIO17", User: "sensed"}}},
			{Path: "/dev/gpiochip1", Problem: "put the user into the group gpio"},
		}
	}
	return h
}

func listed(t *testing.T, h hardware, asJSON bool) string {
	t.Helper()
	var out bytes.Buffer
	if err := listDevices(t.Context(), h, asJSON, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDevicesAsText(t *testing.T) {
	want := `Cameras (source:)
  v4l2:/dev/v4l/by-id/usb-Web%20cam%3F-index0  Webcam  /dev/video0
      mjpeg, yuyv: 640x480 at 30, 29.97; 1280x720
      nv12: 64x48
      grey
      not for sensed: S560, Y16
  v4l2:/dev/video2
      cannot be used: put the user into the group video
  v4l2:platform:vivid-000       vivid  /dev/video4
      cannot be used: x
  v4l2:/dev/video5              twin
      cannot be used: x
  v4l2:/dev/video6              twin
      cannot be used: x
  libcamera:1                   imx708  /base/imx708@1a
      1536x864 at 120.13
  libcamera:2                   ov5647  /base/ov5647@36
      2592x1944

Microphones (source:)
  portaudio:USB%20PnP:%20Audio  "USB PnP: Audio (hw:1,0)", 1 channels, 44100 Hz
  portaudio:Twin%20(hw:2,0)     "Twin (hw:2,0)", 2 channels, 48000 Hz
  portaudio:Twin%20(hw:3,0)     "Twin (hw:3,0)", 2 channels, 48000 Hz
  portaudio:default             "default", 32 channels, 44100 Hz, the default

Buses (in lepton: and arducam:)
  spi=SPI0.0                    /dev/spidev0.0
  i2c=I2C1                      /dev/i2c-1  bcm2835
      cannot be used: put the user into the group i2c

Pins (pin:)
  /dev/gpiochip0                pinctrl-rp1
      GPIO4 GPIO17 (used by sensed)
  /dev/gpiochip1
      cannot be used: put the user into the group gpio

Problems
  sound: put the user into the group audio
`
	if d := cmp.Diff(want, listed(t, full(), false)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What is listed can be put into the configuration.
func TestListedSourcesAreUnderstood(t *testing.T) {
	var l Listing
	if err := json.Unmarshal([]byte(listed(t, full(), true)), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Cameras) != 7 || len(l.Microphones) != 4 || len(l.Buses) != 2 || len(l.Chips) != 2 || len(l.Problems) != 1 {
		t.Fatalf("%+v", l)
	}
	var sources []string
	for _, c := range l.Cameras {
		sources = append(sources, c.Source)
	}
	for _, m := range l.Microphones {
		sources = append(sources, m.Source)
	}
	for _, b := range l.Buses {
		sources = append(sources, "lepton:"+b.Option, "arducam:"+b.Option)
	}
	for _, s := range sources {
		c, err := config.Parse("test.yaml", []byte("sources: [{name: s, source: \""+s+"\"}]"))
		plain, err2 := config.Parse("test.yaml", []byte("sources:\n  - name: s\n    source: "+s+"\n"))
		if err != nil || err2 != nil {
			t.Errorf("%s: %v, %v", s, err, err2)
			continue
		}
		if c.Sources[0].Device.Path != plain.Sources[0].Device.Path {
			t.Errorf("%s means %q in quotes and %q without", s, c.Sources[0].Device.Path, plain.Sources[0].Device.Path)
		}
	}
	if path := mustParse(t, l.Microphones[0].Source).Path; path != "USB PnP: Audio" {
		t.Errorf("the microphone is %q", path)
	}
	if path := mustParse(t, l.Cameras[0].Source).Path; path != "/dev/v4l/by-id/usb-Web cam?-index0" {
		t.Errorf("the camera is %q", path)
	}
}

func mustParse(t *testing.T, s string) config.Device {
	t.Helper()
	d, err := config.ParseDevice(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNoDevices(t *testing.T) {
	text := listed(t, bare(), false)
	for _, want := range []string{"no camera is connected", "no microphone is connected", "no SPI port or I2C bus", "no GPIO chip"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if got := listed(t, bare(), true); strings.Contains(got, "null") {
		t.Errorf("lists are null: %s", got)
	}
}

// What hangs or fails hides nothing else.
func TestListingFails(t *testing.T) {
	h := full()
	h.microphones = func(context.Context, time.Duration) ([]portaudio.Device, error) { return nil, errors.New("it hangs") }
	h.csi = func(context.Context) ([]libcamera.Listed, error) { return nil, errors.New("it is broken") }
	text := listed(t, h, false)
	for _, want := range []string{"v4l2:/dev/video2", "GPIO17", "the microphones cannot be listed: it hangs", "the cameras on the camera port cannot be listed: it is broken"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %q", text, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := listDevices(ctx, bare(), false, &bytes.Buffer{}); ClassOf(err) != Interrupted {
		t.Errorf("interrupted: %v", err)
	}
}

func TestSoundRefused(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"pcmC0D0c", "pcmC0D0p", "timer"} {
		path := filepath.Join(root, "dev/snd", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var asked []string
	refuse := func(err error) func(string, uint32) error {
		return func(path string, _ uint32) error {
			asked = append(asked, filepath.Base(path))
			return err
		}
	}
	if why := soundRefusedIn(root, refuse(fs.ErrPermission)); !strings.Contains(why, "group audio") || !cmp.Equal(asked, []string{"pcmC0D0c"}) {
		t.Errorf("%q after %v", why, asked)
	}
	for _, err := range []error{nil, fs.ErrNotExist} {
		if why := soundRefusedIn(root, refuse(err)); why != "" {
			t.Errorf("%v: %q", err, why)
		}
	}
}
