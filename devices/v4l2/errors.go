//go:build linux && (amd64 || arm64)

package v4l2

import (
	"cmp"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"sensed/devices"
)

// explain turns what the kernel answered to a step into a sentence for the
// owner of the camera.
func (s *Source) explain(step string, err error) error {
	say := func(format string, a ...any) error {
		return fmt.Errorf("%s: %s: %w", s, fmt.Sprintf(format, a...), err)
	}
	switch {
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ESHUTDOWN):
		if step == stepOpen {
			return fmt.Errorf("%s: no camera is connected (%w): %w", s, err, devices.ErrAbsent)
		}
		return fmt.Errorf("%s: the camera went away (%s: %w): %w", s, step, err, devices.ErrLost)
	case step == stepOpen && errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%s: there is no such device: connect the camera, or look which there are (v4l2-ctl --list-devices): %w", s, devices.ErrAbsent)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return say("this user may not use it: put the user into the group video (sudo usermod -aG video USER) and start anew")
	case errors.Is(err, unix.EBUSY):
		return say("another program uses it: end that program (fuser -v %s shows it)", cmp.Or(s.seen.where(), s.o.Device))
	case step == stepCaps && (errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL)):
		return say("this is not a video device: choose one of those that v4l2-ctl --list-devices shows")
	case errors.Is(err, unix.ENOSPC):
		return say("the USB bus has no room for this stream: ask for a smaller size, fewer frames or the format mjpeg, or use another port")
	case errors.Is(err, unix.ENOMEM):
		return say("no memory for its buffers: ask for a smaller size")
	case step == stepStart && (errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ENOLINK)):
		return say("its sensor is not set up: cameras of the board are played by the source libcamera")
	case step == stepPicture: // EIO, EPIPE, ...
		return fmt.Errorf("%s: the stream broke (%w): %w", s, err, devices.ErrLost)
	}
	return say("cannot %s", step)
}

// The steps of a capture, as words after "cannot".
const (
	stepOpen     = "open it"
	stepCaps     = "ask what it can do"
	stepFormats  = "ask for its formats"
	stepFormat   = "set the format"
	stepControls = "ask for its controls"
	stepRate     = "set the frame rate"
	stepBuffers  = "get buffers"
	stepMap      = "map a buffer"
	stepQueue    = "queue a buffer"
	stepStart    = "start the stream"
	stepPicture  = "get a picture"
)
