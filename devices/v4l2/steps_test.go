//go:build linux && (amd64 || arm64)

package v4l2

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sensed/devices"
)

// session opens, looks at three pictures and closes.
func session(t *testing.T, f *fake) (openErr, nextErr, closeErr error) {
	t.Helper()
	f.picture = jpegOf
	cam, err := f.source(t, Opts{Width: 64, Height: 48, FPS: 30, Format: "mjpeg"}).Open(context.Background())
	if err != nil {
		return err, nil, nil
	}
	for range 3 {
		if _, err := cam.Next(context.Background()); err != nil {
			nextErr = err
			break
		}
	}
	return nil, nextErr, cam.Close()
}

// Each step of a capture fails once, with each of several errors, and the
// camera is pulled at each step: nothing stays open, and the error is told.
func TestEachStepFails(t *testing.T) {
	whole := newFake()
	whole.formats = []string{"YUYV", "MJPG"}
	if a, b, c := session(t, whole); a != nil || b != nil || c != nil {
		t.Fatal(a, b, c)
	}
	whole.returned(t)
	t.Logf("steps: %v", whole.ops)

	for i, op := range whole.ops {
		for _, errno := range []unix.Errno{unix.EIO, unix.EINVAL, unix.EBUSY, unix.ENOMEM, unix.EACCES, unix.ENODEV} {
			for _, gone := range []bool{false, true} {
				if errno == unix.ENODEV && !gone {
					continue // what is unplugged stays so
				}
				f := newFake()
				f.formats = whole.formats
				f.failAt, f.err, f.gone = i+1, errno, gone
				openErr, nextErr, closeErr := session(t, f)
				where := fmt.Sprintf("step %d, %s, fails with %v (for good: %v)", i+1, op, errno, gone)
				// What the driver refuses to take back ends with the descriptor.
				if f.opened != 0 || len(f.maps) != 0 || f.streaming || len(f.buffers) != 0 {
					t.Errorf("%s: %d open, %d mapped, streaming %v, %d buffers", where, f.opened, len(f.maps), f.streaming, len(f.buffers))
				}
				err := errors.Join(openErr, nextErr, closeErr)
				if err == nil && !tolerated(op, errno, gone) {
					t.Errorf("%s: nobody hears of it", where)
				}
				if err != nil && !strings.Contains(err.Error(), "/dev/video0") {
					t.Errorf("%s: the error does not name the camera: %v", where, err)
				}
				if errno == unix.ENODEV && op == "open" && !errors.Is(openErr, devices.ErrAbsent) {
					t.Errorf("%s: open says %v", where, openErr)
				}
				if errno == unix.ENODEV && op != "open" && err != nil && !errors.Is(err, devices.ErrLost) {
					t.Errorf("%s: %v is not ErrLost", where, err)
				}
				if errno == unix.ENODEV && closeErr != nil {
					t.Errorf("%s: closing an unplugged camera says %v", where, closeErr)
				}
			}
		}
	}
}

// tolerated are failures after which the capture goes on.
func tolerated(op string, errno unix.Errno, gone bool) bool {
	switch op {
	case "s_parm": // drivers need not know it
		return errno == unix.EINVAL && !gone
	case "enum_fmt": // the list ends
		return errno == unix.EINVAL && !gone
	case "dqbuf": // while it looks for a newer picture; and the last call of a session
		return true
	case "streamoff", "munmap", "reqbufs(0)", "close":
		return errno == unix.ENODEV
	}
	return false
}

func TestMessages(t *testing.T) {
	tests := []struct {
		step string
		err  error
		want string
		is   error
	}{
		{stepOpen, unix.ENOENT, "there is no such device", devices.ErrAbsent},
		{stepOpen, unix.ENXIO, "no camera is connected", devices.ErrAbsent},
		{stepOpen, unix.EACCES, "group video (sudo usermod -aG video USER)", unix.EACCES},
		{stepOpen, unix.EBUSY, "another program uses it", unix.EBUSY},
		{stepFormat, unix.EBUSY, "fuser -v /dev/video9", unix.EBUSY},
		{stepCaps, unix.ENOTTY, "not a video device", unix.ENOTTY},
		{stepStart, unix.ENOSPC, "USB bus has no room", unix.ENOSPC},
		{stepStart, unix.EPIPE, "source libcamera", unix.EPIPE},
		{stepBuffers, unix.ENOMEM, "smaller size", unix.ENOMEM},
		{stepPicture, unix.ENODEV, "the camera went away", devices.ErrLost},
		{stepPicture, unix.EIO, "the stream broke", devices.ErrLost},
		{stepMap, unix.EINVAL, "cannot map a buffer: invalid argument", unix.EINVAL},
	}
	s, err := New(Opts{Device: "/dev/video9"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		got := s.explain(tt.step, tt.err)
		if !strings.Contains(got.Error(), tt.want) || !errors.Is(got, tt.is) || !strings.HasPrefix(got.Error(), "camera /dev/video9: ") {
			t.Errorf("%s, %v: %q, want %q", tt.step, tt.err, got, tt.want)
		}
	}
}
