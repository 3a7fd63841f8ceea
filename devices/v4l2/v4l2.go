//go:build linux && (amd64 || arm64)

// Package v4l2 plays the cameras that Linux shows as /dev/videoN: USB cameras,
// capture sticks, and the test driver vivid.
// https://docs.kernel.org/userspace-api/media/v4l/v4l2.html
//
// Cameras on the camera port of a Raspberry Pi need the source libcamera: what
// they show here are raw sensor data.
package v4l2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"sensed/devices"
)

// Opts say which camera is played, and how.
type Opts struct {
	// Device is the device node: /dev/video0, or a name that stays, under
	// /dev/v4l/by-id. Without a slash in front it is a name of the camera: what it
	// calls itself, the socket that it is plugged into as v4l2-ctl shows it, or
	// its name under by-id. Default /dev/video0.
	//
	// The camera that was opened first is followed when it goes and comes back
	// under another number; another one that gets its number is left alone.
	Device string
	// Width and Height in pixels, which the camera must have. Default 640x480 or
	// what the camera gives in its place.
	Width, Height int
	// FPS is the number of pictures in a second. A camera that is faster is
	// thinned out before anything is decoded. Zero means all that come.
	FPS float64
	// Format is yuyv, uyvy, nv12, yuv420, rgb24, bgr24, grey or mjpeg. Empty
	// means the first of these that the camera has in this size and rate: mjpeg costs decoding and
	// quality, but is the only one that fits large sizes through USB.
	Format string
	// Silence is how long the camera may give no picture before it counts as
	// lost. Default 5 s, and three frames at least.
	Silence time.Duration
	// Controls are knobs of the camera, such as brightness=128 or exposure=auto;
	// [Controls] lists their names. A camera keeps what is not set here.
	Controls map[string]string
	// Log hears what was agreed with the camera and of damaged pictures. Nil
	// means nobody does.
	Log *slog.Logger
}

// Bounds of the options.
const (
	MaxSide = 8192
	MaxFPS  = 240
)

// Source is a camera device; [Source.Open] starts it.
type Source struct {
	o        Opts
	sized    bool   // the size was asked for
	format   *pixel // nil: any
	settings []setting
	seen     sighting
	kernel   kernel
	root     string // of the file system
	now      func() (wall time.Time, mono time.Duration)
}

// New checks o and touches no device.
func New(o Opts) (*Source, error) {
	o.Device = cmp.Or(o.Device, "/dev/video0")
	sized := o.Width != 0 || o.Height != 0
	o.Width, o.Height = cmp.Or(o.Width, 640), cmp.Or(o.Height, 480)
	o.Silence = cmp.Or(o.Silence, 5*time.Second)
	s := &Source{sized: sized, kernel: linux{}, root: "/", now: now}
	switch {
	case strings.ContainsRune(o.Device, 0):
		return nil, errors.New("v4l2: the device name has a zero byte")
	case o.Width < 16 || o.Height < 16 || o.Width > MaxSide || o.Height > MaxSide:
		return nil, fmt.Errorf("v4l2: size is %dx%d: give sides from 16 to %d pixels", o.Width, o.Height, MaxSide)
	case math.IsNaN(o.FPS) || o.FPS < 0 || o.FPS > MaxFPS || o.FPS > 0 && o.FPS < 1e-5:
		return nil, fmt.Errorf("v4l2: fps is %v: give a number above 0 and up to %d", o.FPS, MaxFPS)
	case o.Silence < 0:
		return nil, fmt.Errorf("v4l2: silence is %v: give a time above 0", o.Silence)
	}
	if o.Format != "" {
		if s.format = pixelNamed(strings.ToLower(o.Format)); s.format == nil {
			return nil, fmt.Errorf("v4l2: there is no format %q: choose one of %s", o.Format, strings.Join(pixelNames(), ", "))
		}
	}
	var err error
	if s.settings, err = settings(o.Controls); err != nil {
		return nil, fmt.Errorf("v4l2: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s.o = o
	return s, nil
}

// String names the camera in messages.
func (s *Source) String() string { return "camera " + s.o.Device }

// Open starts the camera. An error wraps [devices.ErrAbsent] when none is there.
func (s *Source) Open(ctx context.Context) (devices.Camera, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := s.find()
	if err != nil {
		return nil, err
	}
	c := &camera{src: s, port: p}
	if err := c.setUp(); err != nil {
		_ = c.Close() // the first error counts
		return nil, err
	}
	s.seen.set(c.id)
	s.o.Log.Info("camera opened", "device", s.o.Device, "card", c.card, "format", c.format.String(), "buffers", len(c.buffers))
	return c, nil
}

// sighting is the camera that was opened last, and where. Its zero value is that
// there was none.
type sighting struct {
	mu   sync.Mutex
	id   identity
	node string
}

func (s *sighting) get() identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

func (s *sighting) set(id identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = id
}

// at notes the device node, and tells whether it is another one than before.
func (s *sighting) at(node string) (moved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved = s.node != node
	s.node = node
	return moved
}

func (s *sighting) where() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node
}
