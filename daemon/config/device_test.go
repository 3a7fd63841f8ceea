package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseDevice(t *testing.T) {
	tests := []struct {
		in     string
		scheme string
		path   string
		values map[string]string
	}{
		{"replay:/path?fps=2", "replay", "/path", map[string]string{"fps": "2"}},
		{"replay:///path/to%20it?loop&lossless=false", "replay", "/path/to it", map[string]string{"loop": "true", "lossless": "false"}},
		{"replay:what%3F?", "replay", "what?", map[string]string{}},
		{"v4l2:/dev/video0?size=640x480&fps=10&format=yuyv", "v4l2", "/dev/video0", map[string]string{"size": "640x480", "fps": "10", "format": "yuyv"}},
		{"scene:?seed=3", "scene", "", map[string]string{"seed": "3"}},
		{"scene:", "scene", "", map[string]string{}},
		{"libcamera:0?rotation=180&format=yuv420", "libcamera", "0", map[string]string{"rotation": "180", "format": "yuv420"}},
		{"libcamera:", "libcamera", "", map[string]string{}},
		{"rtsp://cam@host:554/a%20b%3Fchannel=1&subtype=0?fps=1&password_file=cam.txt", "rtsp", "//cam@host:554/a%20b?channel=1&subtype=0", map[string]string{"fps": "1", "password_file": "cam.txt"}},
		{"http://host/%3faction=stream", "http", "//host/?action=stream", map[string]string{}},
		{"https://host/?ca_file=/etc/ca%20x.pem", "https", "//host/", map[string]string{"ca_file": "/etc/ca x.pem"}},
		{"exec:arecord -q -D 'plughw:1,0' -t raw?rate=48000&channels=2", "exec", "arecord -q -D 'plughw:1,0' -t raw", map[string]string{"rate": "48000", "channels": "2"}},
		{"wav:/path?gap=1s", "wav", "/path", map[string]string{"gap": "1s"}},
		{"portaudio:default", "portaudio", "default", map[string]string{}},
		{"portaudio:", "portaudio", "", map[string]string{}},
		{"portaudio:hw:1,0", "portaudio", "hw:1,0", map[string]string{}},
		{"portaudio:usb?channels=1&rate=48000&stuck-after=0s", "portaudio", "usb", map[string]string{"channels": "1", "rate": "48000", "stuck-after": "0s"}},
		{"lepton:", "lepton", "", map[string]string{}},
		{"lepton:spi=SPI0.0,i2c=I2C1", "lepton", "", map[string]string{"spi": "SPI0.0", "i2c": "I2C1"}},
		{"lepton:spi=/dev/spidev0.0,mhz=10", "lepton", "", map[string]string{"spi": "/dev/spidev0.0", "mhz": "10"}},
		{"arducam:?spi=0.1&size=320x240,fps=1", "arducam", "", map[string]string{"spi": "0.1", "size": "320x240", "fps": "1"}},
		{"file:/path/photo.jpg?loop", "file", "/path/photo.jpg", map[string]string{"loop": "true"}},
		{"file:///path/photo.jpg", "file", "/path/photo.jpg", map[string]string{}},
		{"scene:?script=dusk&place=snow&night", "scene", "", map[string]string{"script": "dusk", "place": "snow", "night": "true"}},
	}
	for _, tt := range tests {
		d, err := ParseDevice(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if d.Scheme != tt.scheme || d.Path != tt.path || !cmp.Equal(d.values, tt.values) {
			t.Errorf("%s: %+v", tt.in, d)
		}
		if again, err := ParseDevice(d.String()); err != nil || !cmp.Equal(again, d, cmp.AllowUnexported(Device{})) {
			t.Errorf("%s is written %s and read %+v, %v", tt.in, d, again, err)
		}
	}
}

func TestParseDeviceErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "does not begin with a kind of device",
		"replay":                             "does not begin with a kind of device",
		"rplay:/x":                           `"rplay" is no kind of device; did you mean "replay"? possible are arducam, exec, file, http, https, lepton, libcamera, portaudio, replay, rtsp, scene, v4l2, wav`,
		"replay:":                            "replay: has no path; write a folder of pictures",
		"replay:/%zz":                        "wrong percent sign; write %25 for %",
		"replay:/%00":                        "the path has a zero byte",
		"scene:/x":                           `scene: takes no path, but has "/x"`,
		"replay:/x?fsp=2":                    `"fsp" is no option of replay:; did you mean "fps"?`,
		"replay:/x?zzz=2":                    `"zzz" is no option of replay:; possible are fps, loop, lossless`,
		"portaudio:x?y=1":                    `"y" is no option of portaudio:; possible are channels, rate, stuck-after`,
		"portaudio:x?channels=0":             "write a whole number from 1",
		"lepton:SPI0.0":                      `"SPI0.0" is no option of lepton:; possible are i2c, mhz, spi`,
		"lepton:spi=,i2c=I2C1":               `the option spi cannot be ""; write a name`,
		"lepton:spi=a%00":                    "write a name",
		"lepton:mhz=50":                      "write a number from 2.2 to 20",
		"lepton:i2c=1,i2c=2":                 "the option i2c is given twice",
		"arducam:size=640x481":               `did you mean "640x480"?`,
		"file:":                              "file: has no path; write a folder of pictures",
		"scene:?script=walk":                 `did you mean "walks"?`,
		"scene:?place=moon":                  `did you mean "room"?`,
		"replay:/x?fps=2&fps=3":              "the option fps is given twice",
		"replay:/x?fps":                      `the option fps cannot be ""; write a number from 0.01 to 120`,
		"replay:/x?fps=nan":                  `the option fps cannot be "nan"`,
		"replay:/x?fps=0":                    "write a number from 0.01 to 120",
		"replay:/x?loop=yes":                 "write true or false",
		"replay:/x?fps=%z":                   "the option fps has a wrong percent sign",
		"http:":                              "http: has no path; write the address of a camera, such as //camera.lan/snapshot.jpg, after the colon",
		"http://host/?action=stream":         `"action" is no option of http:; possible are fps, password_file; a question mark of the camera's own address is written %3F`,
		"http://host/?ca_file=x":             `"ca_file" is no option of http:`,
		"rtsp://host/?frames=keys":           `did you mean "key"?`,
		"libcamera:0?rotation=90":            `the option rotation cannot be "90"`,
		"libcamera:0?format=h264":            "possible are mjpeg, yuv420",
		"exec:":                              "exec: has no path; write a program and its arguments after the colon",
		"exec:a?format=s16be":                `did you mean "s16le"?`,
		"exec:a?rate=1":                      "write a whole number from 4000",
		"v4l2:/d?size=640":                   "write width and height such as 640x480",
		"v4l2:/d?size=8x8":                   "write width and height",
		"v4l2:/d?size=640x480x2":             "write width and height",
		"v4l2:/d?format=mjpg":                `did you mean "mjpeg"?`,
		"scene:?seed=-1":                     "write a whole number from 0",
		"scene:?seed=1.5":                    "write a whole number from 0",
		"wav:/x?gap=1":                       "write a time such as 1.5s, from 0s to 3600s",
		"wav:/x?gap=-1s":                     "write a time",
		"wav:/x?gap=" + "9" + "99999999999h": "write a time",
	} {
		_, err := ParseDevice(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

func TestDeviceOptions(t *testing.T) {
	parse := func(s string) Device {
		d, err := ParseDevice(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	v := parse("v4l2:/dev/video0?size=640x480&fps=7.5&format=mjpeg")
	if w, h := v.Size("size", 1, 2); w != 640 || h != 480 {
		t.Errorf("size %dx%d", w, h)
	}
	if v.Float("fps", 1) != 7.5 || v.Text("format", "x") != "mjpeg" || v.Bool("loop") || v.Has("loop") || !v.Has("fps") || v.Sense() != Sight {
		t.Errorf("%+v", v)
	}
	s := parse("scene:?seed=3")
	if w, h := s.Size("size", 1, 2); w != 1 || h != 2 {
		t.Errorf("default size %dx%d", w, h)
	}
	if s.Int("seed", 9) != 3 || s.Int("none", 9) != 9 || s.Float("fps", 2) != 2 || s.Text("format", "x") != "x" {
		t.Errorf("%+v", s)
	}
	w := parse("wav:/x?gap=1500ms&loop")
	if w.Duration("gap", 0) != 1500*time.Millisecond || w.Duration("none", time.Second) != time.Second || !w.Bool("loop") || w.Sense() != Hearing {
		t.Errorf("%+v", w)
	}
	if c, m := parse("rtsp://host/x?sound=false"), parse("rtsp://host/x?sound"); c.Sense() != Sight || m.Sense() != Hearing {
		t.Errorf("the senses of a camera with sound: %q, %q", c.Sense(), m.Sense())
	}
	if (Device{}).Sense() != "" {
		t.Error("the zero device has a sense")
	}
}

func FuzzParseDevice(f *testing.F) {
	for _, s := range []string{"replay:/path?fps=2", "v4l2:/dev/video0?size=640x480&format=yuyv", "scene:?seed=3", "wav:/p%20q?gap=1s&loop", "portaudio:hw:1,0", "replay:///%3f?&&", "wav://///", "rtsp://u@h/a%3Fb=%25?fps=1", "exec:a 'b c' %3F?once", "lepton:spi=SPI0.0,i2c=%2C", "arducam:?fps=1,size=320x240"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDevice(s)
		if err != nil {
			return
		}
		again, err := ParseDevice(d.String())
		if err != nil || !cmp.Equal(again, d, cmp.AllowUnexported(Device{})) {
			t.Errorf("%q is written %q and read %+v, %v", s, d, again, err)
		}
	})
}
