//go:build linux

// Package libcamera plays the cameras on the camera ports of a Raspberry Pi.
// It leaves them to the program that comes with the system, rpicam-vid (before
// 2024: libcamera-vid), which runs as a child and writes motion JPEG or plain
// pictures on a pipe: that program changes together with the drivers and the
// library, whose binary interface does not stay.
// https://www.raspberrypi.com/documentation/computers/camera_software.html
package libcamera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"sensed/devices"
	"sensed/devices/child"
	"sensed/devices/stream"
)

// Opts say which camera is played, and how.
type Opts struct {
	// Camera is its number, as rpicam-hello --list-cameras shows it.
	Camera int
	// Width and Height in pixels. Default 640x480.
	Width, Height int
	// FPS is the number of pictures in a second. Default 10. The camera itself
	// runs at [MinRate] at least, so that pictures in the dark are not exposed
	// for whole seconds; what is too much is left out before it is decoded.
	FPS float64
	// Format is mjpeg or yuv420. Default mjpeg. Plain pictures cost no quality
	// and no coding, but the pipe carries 1.5 bytes a pixel.
	Format string
	// Rotation is 0 or 180 degrees.
	Rotation int
	// Start is how long the first picture may take. Default 20 s.
	Start time.Duration
	// Silence is how long no picture may come later. Default 5 s.
	Silence time.Duration
	// Log hears of damaged pictures. Nil means nobody does.
	Log *slog.Logger
}

// Bounds of the options.
const (
	MaxSide = stream.MaxSide
	MaxFPS  = 240
	// MinRate is the lowest rate that is asked of a camera, in pictures a second.
	MinRate = 5
)

// The formats.
const (
	mjpeg  = "mjpeg"
	yuv420 = "yuv420"
)

// Source is a camera; [Source.Open] starts it.
type Source struct{ o Opts }

// New checks o and touches no device.
func New(o Opts) (*Source, error) {
	o.Width, o.Height = cmp.Or(o.Width, 640), cmp.Or(o.Height, 480)
	o.FPS = cmp.Or(o.FPS, 10)
	o.Format = cmp.Or(o.Format, mjpeg)
	o.Start, o.Silence = cmp.Or(o.Start, 20*time.Second), cmp.Or(o.Silence, 5*time.Second)
	switch {
	case o.Camera < 0 || o.Camera > 99:
		return nil, fmt.Errorf("libcamera: there is no camera number %d: give 0 for the first", o.Camera)
	case o.Width < 16 || o.Height < 16 || o.Width > MaxSide || o.Height > MaxSide || o.Width%2+o.Height%2 > 0:
		return nil, fmt.Errorf("libcamera: size is %dx%d: give even sides from 16 to %d pixels", o.Width, o.Height, MaxSide)
	case math.IsNaN(o.FPS) || o.FPS < 0 || o.FPS > MaxFPS || o.FPS < 1e-5:
		return nil, fmt.Errorf("libcamera: fps is %v: give a number above 0 and up to %d", o.FPS, MaxFPS)
	case o.Format != mjpeg && o.Format != yuv420:
		return nil, fmt.Errorf("libcamera: there is no format %q: choose mjpeg or yuv420", o.Format)
	case o.Format == yuv420 && o.Width%64 != 0: // else the rows are padded, by how much depends on the board
		return nil, fmt.Errorf("libcamera: a picture %d pixels wide cannot be had as yuv420: give a width that 64 divides, such as 640 or 1280, or the format mjpeg", o.Width)
	case o.Rotation != 0 && o.Rotation != 180:
		return nil, fmt.Errorf("libcamera: the camera cannot turn its pictures by %d degrees: give 0 or 180", o.Rotation)
	case o.Start < 0 || o.Silence < 0:
		return nil, fmt.Errorf("libcamera: the time limits (%v, %v) cannot be negative", o.Start, o.Silence)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{o}, nil
}

// String names the camera in messages.
func (s *Source) String() string { return fmt.Sprintf("camera libcamera:%d", s.o.Camera) }

// programs are the names of the program, the present one first.
func programs() []string { return []string{"rpicam-vid", "libcamera-vid"} }

// args are the arguments of the program. All versions know them.
func (s *Source) args() []string {
	return []string{
		"--camera", strconv.Itoa(s.o.Camera),
		"--width", strconv.Itoa(s.o.Width), "--height", strconv.Itoa(s.o.Height),
		"--framerate", strconv.FormatFloat(max(s.o.FPS, MinRate), 'f', -1, 64),
		"--rotation", strconv.Itoa(s.o.Rotation),
		"--codec", s.o.Format,
		"--nopreview", "--timeout", "0", "--flush", "--output", "-",
	}
}

// Open starts the camera and waits for its first picture. An error wraps
// [devices.ErrAbsent] when there is no camera or no program for it.
func (s *Source) Open(ctx context.Context) (devices.Camera, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	run, err := s.start()
	if err != nil {
		return nil, err
	}
	cam := stream.NewCamera(s.pictures(run))
	late := func() error {
		return s.explain(run, fmt.Errorf("no picture came for %v: %w", s.o.Start, stream.ErrSilent))
	}
	if err := cam.Wait(ctx, s.o.Start, late); err != nil {
		_ = cam.Close() // the first error counts
		return nil, err
	}
	s.o.Log.Info("camera opened", "camera", s.o.Camera, "format", s.o.Format, "size", fmt.Sprintf("%dx%d", s.o.Width, s.o.Height))
	return cam, nil
}

// start runs the first of the programs that is there.
func (s *Source) start() (*child.Process, error) {
	for _, program := range programs() {
		run, err := child.Start(child.Opts{Program: program, Args: s.args()})
		switch {
		case err == nil:
			return run, nil
		case !errors.Is(err, exec.ErrNotFound):
			return nil, fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil, fmt.Errorf("%s: the program %s is not here, which comes with Raspberry Pi OS: sudo apt install rpicam-apps: %w",
		s, strings.Join(programs(), " or "), devices.ErrAbsent)
}

// pictures is the stream of a running program.
func (s *Source) pictures(run *child.Process) stream.Pictures {
	o := stream.Pictures{
		Name: s.String(),
		Stop: run.Stop, FPS: s.o.FPS, Silence: max(s.o.Silence, time.Duration(3/s.o.FPS*float64(time.Second))), Log: s.o.Log,
		Explain: func(err error, _ uint64) error { return s.explain(run, err) },
	}
	if s.o.Format == mjpeg {
		var glance stream.JPEGGlance
		o.Read, o.Decode, o.Glance = stream.NewJPEGs(run).Next, stream.DecodeJPEG, glance.Glance
		return o
	}
	var luma stream.Luma
	w, h := s.o.Width, s.o.Height
	o.Read = func(buf []byte) ([]byte, error) {
		n := stream.YUV420Size(w, h)
		buf = slices.Grow(buf, n)[:n]
		_, err := io.ReadFull(run, buf)
		return buf, err
	}
	o.Decode = func(data []byte) (image.Image, error) { return stream.YUV420(slices.Clone(data), w, h), nil }
	o.Glance = func(data []byte) (*image.Gray, error) { return luma.Copy(data, w, w, h), nil }
	return o
}

// explain says why the program gives no more pictures.
func (s *Source) explain(run *child.Process, err error) error {
	name := run.Name()
	if errors.Is(err, stream.ErrSilent) {
		return fmt.Errorf("%s: %w; see that its ribbon cable sits well, and restart the board if that does not help%s: %w", s, err, quote(name, run.Said()), devices.ErrLost)
	}
	exit := run.Exit()
	said := run.Said()
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(said), w) })
	}
	switch {
	case has("no cameras available", "no camera available"):
		return fmt.Errorf("%s: no camera is connected: see that its ribbon cable sits well at both ends, then restart the board (%s --list-cameras shows what is found): %w", s, name, devices.ErrAbsent)
	case has("selected camera is not available"):
		return fmt.Errorf("%s: there is no camera of this number: %s --list-cameras shows which there are: %w", s, name, devices.ErrAbsent)
	case has("failed to acquire camera", "in use by another process", "resource busy"):
		return fmt.Errorf("%s: another program uses it: end that program (fuser -v /dev/media* shows it)%s", s, quote(name, said))
	case has("permission denied"):
		return fmt.Errorf("%s: this user may not use it: put the user into the group video (sudo usermod -aG video USER) and start anew%s", s, quote(name, said))
	case has("unrecognised option", "unknown option", "invalid option", "argument ('"):
		return fmt.Errorf("%s: this version of %s does not know how it was called: bring the system up to date (sudo apt full-upgrade)%s", s, name, quote(name, said))
	}
	how := "ended"
	if exit != nil {
		how = fmt.Sprintf("broke down (%v)", exit)
	}
	return fmt.Errorf("%s: %s %s%s: %w", s, name, how, quote(name, said), devices.ErrLost)
}

// quote appends what a program said to a sentence.
func quote(name, said string) string {
	if said == "" {
		return ""
	}
	return fmt.Sprintf(" (%s said: %s)", name, said)
}
