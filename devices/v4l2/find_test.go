//go:build linux && (amd64 || arm64)

package v4l2

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sensed/devices"
)

// street is a kernel with several cameras by their paths, which are there as
// files too.
type street struct {
	t       *testing.T
	root    string
	cameras map[string]*fake
	err     map[string]error
}

func newStreet(t *testing.T) *street {
	s := &street{t: t, root: t.TempDir(), cameras: map[string]*fake{}, err: map[string]error{}}
	for _, dir := range []string{"dev", "dev/v4l/by-id"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *street) open(path string) (port, error) {
	if err := s.err[path]; err != nil {
		return nil, err
	}
	if node, err := filepath.EvalSymlinks(filepath.Join(s.root, path)); err == nil {
		path = "/dev/" + filepath.Base(node)
	}
	f := s.cameras[path]
	if f == nil {
		return nil, unix.ENOENT
	}
	return f.open(path)
}

// plug puts a camera at a path; nil takes it away.
func (s *street) plug(path string, f *fake) {
	s.t.Helper()
	file := filepath.Join(s.root, path)
	if s.cameras[path] = f; f == nil {
		delete(s.cameras, path)
		if err := os.Remove(file); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *street) source(o Opts) *Source {
	s.t.Helper()
	src, err := New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	src.kernel, src.root = s, s.root
	return src
}

// look opens, takes a picture and closes. The picture tells which camera it is.
func (s *street) look(src *Source) (string, error) {
	s.t.Helper()
	cam, err := src.Open(s.t.Context())
	if err != nil {
		return "", err
	}
	next(s.t, cam)
	if err := cam.Close(); err != nil {
		s.t.Error(err)
	}
	id := cam.(*camera).id
	return id.card + " " + id.bus, nil
}

func (s *street) want(src *Source, want string) {
	s.t.Helper()
	if got, err := s.look(src); err != nil || got != want {
		s.t.Errorf("saw %q, %v; want %q", got, err, want)
	}
}

func (s *street) absent(src *Source, want string) {
	s.t.Helper()
	got, err := s.look(src)
	if !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), want) {
		s.t.Errorf("saw %q, %v; want it absent: %s", got, err, want)
	}
}

func (s *street) end() {
	for _, f := range s.cameras {
		f.returned(s.t)
	}
}

func called(card, bus string) *fake {
	f := newFake()
	f.card, f.bus = card, bus
	return f
}

// A camera is followed when it comes back under another number, and another one
// under its number is left alone.
func TestFollowsTheCamera(t *testing.T) {
	s := newStreet(t)
	defer s.end()
	src := s.source(Opts{})
	s.absent(src, "there is no such device")
	c920 := called("C920", "usb-1.2")
	s.plug("/dev/video0", c920)
	s.want(src, "C920 usb-1.2")
	s.plug("/dev/video0", nil)
	s.absent(src, "the camera that was here (C920 at usb-1.2) is not connected")
	s.plug("/dev/video3", c920)
	s.want(src, "C920 usb-1.2")
	s.plug("/dev/video0", called("Toy", "usb-1.4"))
	s.want(src, "C920 usb-1.2")
	s.plug("/dev/video3", nil)
	s.absent(src, "C920 at usb-1.2")
	// In another socket it is known by what it calls itself.
	s.plug("/dev/video4", called("C920", "usb-1.3"))
	s.want(src, "C920 usb-1.3")
	s.want(src, "C920 usb-1.3")
	// Of two alike that in its own socket is taken, and none if that is empty.
	s.plug("/dev/video1", called("C920", "usb-1.1"))
	s.want(src, "C920 usb-1.3")
	s.plug("/dev/video4", nil)
	s.plug("/dev/video5", called("C920", "usb-1.5"))
	s.absent(src, "C920 at usb-1.3")
	// What is no camera, and what cannot be opened, is passed over.
	meta := called("C920", "usb-1.3")
	meta.caps = capMetaCapture | capStreaming
	s.plug("/dev/video6", meta)
	s.plug("/dev/video7", called("C920", "usb-1.3"))
	s.err["/dev/video7"] = unix.EACCES
	s.absent(src, "C920 at usb-1.3")
	delete(s.err, "/dev/video7")
	s.want(src, "C920 usb-1.3")
}

func TestFindsByName(t *testing.T) {
	s := newStreet(t)
	defer s.end()
	byID := s.source(Opts{Device: "usb-046d_C920_ABC-video-index0"})
	s.absent(byID, "no camera has this name: connect it, or write the name of one that is there: none")
	s.plug("/dev/video0", called("Toy", "usb-1.4"))
	s.absent(byID, "one that is there: Toy at usb-1.4 (/dev/video0)")
	s.plug("/dev/video2", called("C920", "usb-1.2"))
	if err := os.Symlink("../../video2", filepath.Join(s.root, "dev/v4l/by-id/usb-046d_C920_ABC-video-index0")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c920", "usb-1.2", "usb-046d_C920_ABC-video-index0", "/dev/v4l/by-id/usb-046d_C920_ABC-video-index0"} {
		s.want(s.source(Opts{Device: name}), "C920 usb-1.2")
	}
	s.want(s.source(Opts{Device: "Toy"}), "Toy usb-1.4")
	// By its name it is found under any number, also before it was ever opened.
	src := s.source(Opts{Device: "C920"})
	s.plug("/dev/video2", nil)
	s.plug("/dev/video9", called("C920", "usb-1.2"))
	s.want(src, "C920 usb-1.2")
}

// A camera that is there but is another program's is not looked for elsewhere.
func TestBusyIsNotMissing(t *testing.T) {
	s := newStreet(t)
	src := s.source(Opts{})
	s.plug("/dev/video0", called("C920", "usb-1.2"))
	s.want(src, "C920 usb-1.2")
	s.err["/dev/video0"] = unix.EBUSY
	if _, err := s.look(src); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "another program uses it") {
		t.Errorf("err = %v", err)
	}
	delete(s.err, "/dev/video0")
	s.want(src, "C920 usb-1.2")
	s.end()
}
