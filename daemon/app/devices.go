package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sensed/devices/bus"
	"sensed/devices/gpio"
	"sensed/devices/libcamera"
	"sensed/devices/portaudio"
	"sensed/devices/v4l2"
)

// Listing is what `sensed devices --json` prints.
type Listing struct {
	Cameras     []ListedCamera     `json:"cameras"`
	Microphones []ListedMicrophone `json:"microphones"`
	Buses       []ListedBus        `json:"buses"`
	Chips       []ListedChip       `json:"gpio_chips"`
	// Problems say what could not be looked for.
	Problems []string `json:"problems,omitempty"`
}

// ListedCamera is a camera that is there.
type ListedCamera struct {
	Source string         `json:"source"` // for the configuration
	Name   string         `json:"name,omitempty"`
	Device string         `json:"device,omitempty"`
	Format []ListedFormat `json:"formats,omitempty"`
	// Problem says why it cannot be used, and what to do.
	Problem string `json:"problem,omitempty"`
}

// ListedFormat is a format of a camera with its sizes.
type ListedFormat struct {
	Name   string       `json:"name,omitempty"`
	Usable bool         `json:"usable"`
	Sizes  []ListedSize `json:"sizes,omitempty"`
}

// ListedSize is a size of pictures with the frames in a second.
type ListedSize struct {
	Size string    `json:"size"`
	FPS  []float64 `json:"fps,omitempty"`
}

// ListedMicrophone is a microphone that is there.
type ListedMicrophone struct {
	Source   string  `json:"source"`
	Name     string  `json:"name"`
	Channels int     `json:"channels"`
	Rate     float64 `json:"rate"`
	Default  bool    `json:"default,omitempty"`
}

// ListedBus is an SPI port or an I2C bus.
type ListedBus struct {
	// Option is what a source says to use it, such as spi=SPI0.0.
	Option  string `json:"option"`
	Device  string `json:"device"`
	About   string `json:"about,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// ListedChip is a GPIO chip with its pins.
type ListedChip struct {
	Device  string      `json:"device"`
	Label   string      `json:"label,omitempty"`
	Pins    []ListedPin `json:"pins,omitempty"`
	Problem string      `json:"problem,omitempty"`
}

// ListedPin is a pin that a trigger or a light can be on.
type ListedPin struct {
	Pin  string `json:"pin"`
	Line int    `json:"line"`
	User string `json:"used_by,omitempty"`
}

// hardware is where devices are looked for.
type hardware struct {
	cameras     func() []v4l2.Info
	csi         func(context.Context) ([]libcamera.Listed, error)
	microphones func(context.Context, time.Duration) ([]portaudio.Device, error)
	sound       func() string // why the sound devices cannot be used
	buses       func() []bus.Info
	chips       func() []gpio.Chip
}

func thisMachine() hardware {
	return hardware{v4l2.List, libcamera.List, portaudio.List, soundRefused, bus.List, gpio.List}
}

// converters are plugins of ALSA that stand among its devices and hear nothing of
// their own.
var converters = []string{"lavrate", "samplerate", "speexrate", "speex", "upmix", "vdownmix"}

// audioTime is how long PortAudio may look; it hangs on some configurations.
const audioTime = 15 * time.Second

// Devices writes what this machine has to out, as text or as one JSON object.
func Devices(ctx context.Context, asJSON bool, out io.Writer) error {
	return listDevices(ctx, thisMachine(), asJSON, out)
}

func listDevices(ctx context.Context, h hardware, asJSON bool, out io.Writer) error {
	l := h.look(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if !asJSON {
		_, err := io.WriteString(out, l.text())
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(l)
}

// look lists everything. What cannot be listed is a problem and hides nothing else.
func (h *hardware) look(ctx context.Context) *Listing {
	l := &Listing{Cameras: []ListedCamera{}, Microphones: []ListedMicrophone{}, Buses: []ListedBus{}, Chips: []ListedChip{}}
	cameras := h.cameras()
	for _, c := range cameras {
		l.Cameras = append(l.Cameras, listedCamera(c, cameras))
	}
	csi, err := h.csi(ctx)
	l.note("the cameras on the camera port cannot be listed", err)
	for _, c := range csi {
		l.Cameras = append(l.Cameras, listedCSI(c))
	}
	found, err := h.microphones(ctx, audioTime)
	l.note("the microphones cannot be listed", err)
	for _, m := range found {
		if slices.Contains(converters, m.Name) || strings.HasPrefix(m.Name, "surround") {
			continue
		}
		l.Microphones = append(l.Microphones, ListedMicrophone{
			Source: microphoneSource(m, found), Name: m.Name, Channels: m.Channels, Rate: m.Rate, Default: m.Default,
		})
	}
	if why := h.sound(); why != "" {
		l.note("sound", errors.New(why))
	}
	for _, b := range h.buses() {
		option := "spi=" + b.Name
		if strings.HasPrefix(b.Name, "I2C") {
			option = "i2c=" + b.Name
		}
		l.Buses = append(l.Buses, ListedBus{option, b.Path, b.About, b.Problem})
	}
	for _, c := range h.chips() {
		chip := ListedChip{Device: c.Path, Label: c.Label, Problem: c.Problem}
		for _, line := range c.Lines {
			if line.Name != "" {
				chip.Pins = append(chip.Pins, ListedPin{line.Name, line.Number, line.User})
			}
		}
		l.Chips = append(l.Chips, chip)
	}
	return l
}

func (l *Listing) note(what string, err error) {
	if err != nil {
		l.Problems = append(l.Problems, what+": "+err.Error())
	}
}

func listedCamera(c v4l2.Info, all []v4l2.Info) ListedCamera {
	path := c.ID
	if path == "" {
		path = c.Path
		// The socket stays too, if no other camera is in it.
		if shared := func(o v4l2.Info) bool { return o.Bus == c.Bus && o.Path != c.Path }; c.Bus != "" && !slices.ContainsFunc(all, shared) {
			path = c.Bus
		}
	}
	out := ListedCamera{Source: "v4l2:" + paste(path), Name: c.Card, Device: c.Path, Problem: c.Problem}
	for _, f := range c.Formats {
		format := ListedFormat{Name: f.Name, Usable: f.Known}
		for _, s := range f.Sizes {
			format.Sizes = append(format.Sizes, ListedSize{fmt.Sprintf("%dx%d", s.Width, s.Height), s.Rates})
		}
		out.Format = append(out.Format, format)
	}
	return out
}

func listedCSI(c libcamera.Listed) ListedCamera {
	out := ListedCamera{Source: fmt.Sprintf("libcamera:%d", c.Index), Name: c.Model, Device: c.ID}
	format := ListedFormat{Usable: true}
	for _, m := range c.Modes {
		format.Sizes = append(format.Sizes, ListedSize{fmt.Sprintf("%dx%d", m.Width, m.Height), []float64{m.FPS}})
	}
	if len(c.Modes) == 0 && c.Width > 0 {
		format.Sizes = []ListedSize{{Size: fmt.Sprintf("%dx%d", c.Width, c.Height)}}
	}
	if len(format.Sizes) > 0 {
		out.Format = []ListedFormat{format}
	}
	return out
}

// cardNumber is what ALSA adds to a name; it changes when devices come and go.
var cardNumber = regexp.MustCompile(` \(hw:\d+,\d+\)$`)

// microphoneSource names a microphone without the number of its card, if that
// means it and no other.
func microphoneSource(m portaudio.Device, all []portaudio.Device) string {
	short := strings.TrimRight(cardNumber.ReplaceAllString(m.Name, ""), " :-")
	n := 0
	for _, other := range all {
		if strings.Contains(strings.ToLower(other.Name), strings.ToLower(short)) {
			n++
		}
	}
	if n != 1 || short == "" || short == "default" {
		short = m.Name
	}
	return "portaudio:" + paste(short)
}

// paste writes a path or a name so that it can stand in a source in YAML
// without quotes.
func paste(s string) string {
	s = strings.NewReplacer("%", "%25", "?", "%3F", " ", "%20", "#", "%23", "\t", "%09").Replace(s)
	if rest, ok := strings.CutSuffix(s, ":"); ok {
		s = rest + "%3A"
	}
	return s
}

// soundRefused says that this user may not use the sound devices that are there.
func soundRefused() string { return soundRefusedIn("/", unix.Access) }

func soundRefusedIn(root string, access func(string, uint32) error) string {
	paths, _ := filepath.Glob(filepath.Join(root, "dev/snd/pcmC*c")) // the pattern is good; they capture
	for _, path := range paths {
		if errors.Is(access(path, unix.R_OK|unix.W_OK), fs.ErrPermission) {
			return "this user may not use the sound devices: put the user into the group audio (sudo usermod -aG audio USER) and start anew"
		}
	}
	return ""
}
