//go:build linux

// Package rtsp plays network cameras that speak RTSP, and their microphones.
// The program ffmpeg, which runs as a child, speaks with the camera (over TCP)
// and decodes what it sends: H.264, H.265 or motion JPEG, and any sound.
//
// ffmpeg reads the address, which has the user and the password in it, as a
// list of one item from a pipe (its concat format), so they are in no list of
// processes, in no environment and in no file.
package rtsp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"sensed/devices"
	"sensed/devices/child"
	"sensed/devices/stream"
	"sensed/devices/wave"
)

// Opts say which camera is played, and how.
type Opts struct {
	// URL is the address, with the name of the user if the camera
	// asks for one, and without the password.
	URL string
	// Password returns the password; it is asked each time that the camera is
	// opened. Nil: there is none.
	Password func() (string, error)
	// FPS is the number of pictures in a second. Zero means all that come.
	FPS float64
	// Width and Height bound the pictures, which keep their shape; larger ones
	// are made smaller. Zero means as the camera has them.
	Width, Height int
	// Frames says which of the pictures are decoded.
	Frames Frames
	// Start is how long the first picture may take: a camera sends whole pictures
	// seldom. Default 20 s.
	Start time.Duration
	// Silence is how long nothing may come later. Default 10 s.
	Silence time.Duration
	// Log hears of damaged pictures and missing sound. Nil means nobody does.
	Log *slog.Logger
}

// Frames is which pictures are decoded: key frames alone cost a small part of
// all, because most pictures are sent as differences to others.
type Frames string

// The choices.
const (
	// Auto decodes key frames alone when they come as often as pictures are
	// wanted, which is tried when the camera opens; without FPS all.
	Auto Frames = "auto"
	Key  Frames = "key"
	All  Frames = "all"
)

// MaxFPS is the fastest that pictures are taken.
const MaxFPS = 120

// Source is a camera; [Source.Open] connects to it.
type Source struct {
	o   Opts
	url *url.URL // with the user
}

// New checks o and connects to nothing.
func New(o Opts) (*Source, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("rtsp: this is no address: write for example rtsp://USER@camera.lan/stream1")
	case u.Scheme != "rtsp":
		return nil, fmt.Errorf("rtsp: the address begins with %s:, not with rtsp:", u.Scheme)
	case u.Fragment != "":
		return nil, errors.New("rtsp: the address has a part after #, which no camera gets to see: leave it out")
	case math.IsNaN(o.FPS) || o.FPS < 0 || o.FPS > MaxFPS || o.FPS > 0 && o.FPS < 1e-5:
		return nil, fmt.Errorf("rtsp: fps is %v: give a number above 0 and up to %d", o.FPS, MaxFPS)
	case (o.Width != 0 || o.Height != 0) && (o.Width < 16 || o.Height < 16 || o.Width > stream.MaxSide || o.Height > stream.MaxSide):
		return nil, fmt.Errorf("rtsp: size is %dx%d: give sides from 16 to %d pixels", o.Width, o.Height, stream.MaxSide)
	case o.Start < 0 || o.Silence < 0:
		return nil, fmt.Errorf("rtsp: the time limits (%v, %v) cannot be negative", o.Start, o.Silence)
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("rtsp: the address has a password in it, which would show in logs: put it into a file of its own")
	}
	if u.User.Username() == "" && o.Password != nil {
		return nil, errors.New("rtsp: a password without a user: write rtsp://USER@camera...")
	}
	o.Frames = cmp.Or(o.Frames, Auto)
	if !slices.Contains([]Frames{Auto, Key, All}, o.Frames) {
		return nil, fmt.Errorf("rtsp: there is no choice of frames %q: choose auto, key or all", o.Frames)
	}
	o.Start, o.Silence = cmp.Or(o.Start, 20*time.Second), cmp.Or(o.Silence, 10*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{o, u}, nil
}

// String names the camera in messages: without what follows a question mark,
// where some cameras want their password.
func (s *Source) String() string {
	return "camera rtsp://" + s.url.Host + s.url.EscapedPath()
}

// Open connects to the camera and waits for its first picture. An error wraps
// [devices.ErrAbsent] when it does not answer.
func (s *Source) Open(ctx context.Context) (devices.Camera, error) {
	if s.o.Frames == Auto && s.o.FPS > 0 {
		cam, err := s.open(ctx, true)
		if err != nil {
			return nil, err
		}
		enough, err := s.enough(ctx, cam)
		if enough {
			s.o.Log.Info("key frames are enough", "camera", s.String())
			return cam, nil
		}
		_ = cam.Close()
		if err != nil {
			return nil, err
		}
	}
	cam, err := s.open(ctx, s.o.Frames == Key)
	if err != nil {
		return nil, err
	}
	return cam, nil
}

// enough says whether a second key frame comes soon enough after the first: in
// the next interval, of which the first may have been at the beginning.
func (s *Source) enough(ctx context.Context, cam *stream.Camera) (bool, error) {
	if _, err := cam.Next(ctx); err != nil {
		return false, err
	}
	soon, cancel := context.WithTimeout(ctx, time.Duration(1.5/s.o.FPS*float64(time.Second)))
	defer cancel()
	_, err := cam.Next(soon)
	if err != nil && soon.Err() != nil && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// open connects to the camera and decodes key frames alone, or all.
func (s *Source) open(ctx context.Context, keys bool) (*stream.Camera, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	run, err := s.start("video", s.videoArgs(keys))
	if err != nil {
		return nil, err
	}
	var (
		video *stream.Y4M // known before the first picture is
		luma  stream.Luma
	)
	silence := s.o.Silence
	if s.o.FPS > 0 {
		silence = max(silence, time.Duration(3/s.o.FPS*float64(time.Second)))
	}
	cam := stream.NewCamera(stream.Pictures{
		Name: s.String(), Stop: run.Stop, Silence: silence, Log: s.o.Log,
		Read: func(buf []byte) ([]byte, error) {
			if video == nil {
				v, err := stream.NewY4M(run, stream.MaxSide, maxMemory)
				if err != nil {
					return buf, err
				}
				video = v
			}
			return video.Next(buf)
		},
		Decode: func(data []byte) (image.Image, error) { return video.Image(slices.Clone(data)), nil },
		Glance: func(data []byte) (*image.Gray, error) {
			return luma.Copy(data, video.Width, video.Width, video.Height), nil
		},
		Explain: func(err error, pictures uint64) error {
			return s.explain(run, err, pictures > 0)
		},
	})
	late := func() error {
		return s.explain(run, fmt.Errorf("no picture came for %v: %w", s.o.Start, stream.ErrSilent), false)
	}
	if err := cam.Wait(ctx, s.o.Start, late); err != nil {
		_ = cam.Close() // the first error counts
		return nil, err
	}
	return cam, nil
}

// maxMemory is the most that one picture may take, in bytes.
const maxMemory = 256 << 20

// OpenMicrophone connects to the camera and listens to its sound. An error
// wraps [devices.ErrAbsent] when there is no ffmpeg; that the camera does not
// answer is told by Next.
func (s *Source) OpenMicrophone(ctx context.Context) (devices.Microphone, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	run, err := s.start("audio", soundArgs())
	if err != nil {
		return nil, err
	}
	m, err := stream.NewMicrophone(stream.Sound{
		Name: s.String(), Reader: run, Format: wave.S16LE, Rate: devices.SampleRate, Channels: 1,
		Stop:    run.Stop,
		Explain: func(err error, frames int64) error { return s.explain(run, err, frames > 0) },
		Silence: max(s.o.Silence, s.o.Start), Stuck: time.Minute, Log: s.o.Log,
	})
	if err != nil {
		run.Stop()
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return m, nil
}

// explain says why there is nothing more.
func (s *Source) explain(run *child.Process, err error, some bool) error {
	if errors.Is(err, stream.ErrSilent) {
		return fmt.Errorf("%s: %w: look after the network, or restart the camera: %w", s, err, devices.ErrLost)
	}
	exit := run.Exit()
	said := run.Said()
	why := func(text, todo string, kind error) error {
		if kind == nil {
			return fmt.Errorf("%s: %s: %s", s, text, todo)
		}
		return fmt.Errorf("%s: %s: %s: %w", s, text, todo, kind)
	}
	switch {
	case some:
		if exit == nil {
			return fmt.Errorf("%s: the camera has ended the stream: %w", s, devices.ErrLost)
		}
		return fmt.Errorf("%s: the stream broke (ffmpeg: %s): %w", s, cmp.Or(said, exit.Error()), devices.ErrLost)
	case strings.Contains(said, "401 Unauthorized") && s.url.User == nil:
		return why("it asks for a user and a password", "write rtsp://USER@"+s.url.Host+"... and put the password into a file", nil)
	case strings.Contains(said, "401 Unauthorized"):
		return why(fmt.Sprintf("it refuses the user %q with this password", s.url.User.Username()), "correct them", nil)
	case strings.Contains(said, "403 Forbidden"):
		return why("it forbids us this address", "give the user the right to see pictures", nil)
	case strings.Contains(said, "404 Not Found"), strings.Contains(said, "404 Stream Not Found"):
		return why("it has nothing at this address (404)", "correct the path", nil)
	case containsAny(said, "method PLAY failed", "matches no streams"): // nothing was set up
		return why("it sends nothing of this kind", "choose another path of the camera, or switch its sound on", nil)
	case containsAny(said, "Connection refused", "No route to host", "Network is unreachable", "Connection timed out", "Failed to resolve hostname"):
		return why("it does not answer ("+reason(said)+")", "see that it is switched on and in this network", devices.ErrAbsent)
	case exit == nil:
		return why("it sends nothing that can be decoded", "choose another path of the camera", nil)
	}
	return why("it cannot be played (ffmpeg: "+cmp.Or(said, err.Error())+")", "see that the address is right and the camera works", nil)
}

func containsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// reason is what the last line of ffmpeg says after the name of its input.
func reason(said string) string {
	i := strings.LastIndex(said, ": ")
	return said[max(0, min(len(said), i+2)):]
}
