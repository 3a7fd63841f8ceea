//go:build linux && (amd64 || arm64)

package v4l2

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"sensed/devices"
)

// identity is what stays of a camera when the number of its device node changes.
type identity struct{ card, bus string }

func (id identity) String() string { return fmt.Sprintf("%s at %s", id.card, id.bus) }

// named tells whether the device is given by a name and not by a path.
func (o *Opts) named() bool { return !strings.HasPrefix(o.Device, "/") }

// find opens the camera: at its path, or, when that is gone or another camera
// by now, wherever the one that was opened before is.
func (s *Source) find() (port, error) {
	known := s.seen.get()
	if !s.o.named() {
		p, err := s.kernel.open(s.o.Device)
		switch {
		case err == nil && s.stays(p, known):
			s.seen.at(s.o.Device)
			return p, nil
		case err == nil:
			_ = p.close() // nothing was begun
		case known == (identity{}) || !gone(err):
			return nil, s.explain(stepOpen, err)
		}
	}
	path := s.search(known)
	if path == "" {
		return nil, s.missing(known)
	}
	p, err := s.kernel.open(path)
	if err != nil {
		return nil, s.explain(stepOpen, err)
	}
	if s.seen.at(path) {
		s.o.Log.Info("camera has a number of its own", "device", s.o.Device, "node", path)
	}
	return p, nil
}

// gone tells whether an error of opening says that no device is there.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}

// stays tells whether p is the camera that was opened before. A path other than
// that of a number stays with its camera by itself.
func (s *Source) stays(p port, known identity) bool {
	if known == (identity{}) || !strings.HasPrefix(filepath.Base(s.o.Device), "video") {
		return true
	}
	id, camera := identify(p)
	return !camera || id == known // setUp says what is wrong with one that is none
}

// search returns the device node of the camera with this identity, or, when none
// was opened yet, with the name of the options. A camera that is in another
// socket now is known by its card, if there is only one of that kind.
func (s *Source) search(known identity) string {
	var exact, alike []string
	for path, id := range s.cameras() {
		switch {
		case known == (identity{}):
			if s.matches(path, id) {
				exact = append(exact, path)
			}
		case id == known:
			exact = append(exact, path)
		case id.card == known.card:
			alike = append(alike, path)
		}
	}
	if len(exact) == 0 && len(alike) == 1 {
		exact = alike
	}
	if len(exact) == 0 {
		return ""
	}
	return slices.MinFunc(exact, func(a, b string) int { return cmp.Or(number(a)-number(b), strings.Compare(a, b)) })
}

// cameras returns the cameras that are there by their device nodes.
func (s *Source) cameras() map[string]identity {
	out := map[string]identity{}
	paths, _ := filepath.Glob(filepath.Join(s.root, "dev/video*")) // the pattern is good
	for _, path := range paths {
		path = "/dev/" + filepath.Base(path)
		p, err := s.kernel.open(path)
		if err != nil {
			continue // another one's, or on its way out
		}
		if id, camera := identify(p); camera {
			out[path] = id
		}
		_ = p.close() // nothing was begun
	}
	return out
}

// identify asks an open device who it is, and whether it gives pictures.
func identify(p port) (id identity, camera bool) {
	var caps capability
	if p.ioctl(vidiocQueryCap, unsafe.Pointer(&caps)) != nil {
		return identity{}, false
	}
	can := caps.capabilities
	if can&capDeviceCaps != 0 {
		can = caps.deviceCaps
	}
	return identity{text(caps.card[:]), text(caps.busInfo[:])}, can&capVideoCapture != 0 && can&(capVideoM2M|capVideoM2MMPlane) == 0
}

// matches tells whether the options name this camera.
func (s *Source) matches(path string, id identity) bool {
	stays := staying(s.root)[filepath.Base(path)]
	return slices.ContainsFunc([]string{id.card, id.bus, filepath.Base(stays)}, func(name string) bool {
		return strings.EqualFold(name, s.o.Device)
	})
}

// missing says that the camera is nowhere.
func (s *Source) missing(known identity) error {
	if known != (identity{}) {
		return fmt.Errorf("%s: the camera that was here (%s) is not connected: connect it, or start sensed anew to take another one: %w", s, known, devices.ErrAbsent)
	}
	var there []string
	for path, id := range s.cameras() {
		there = append(there, fmt.Sprintf("%s (%s)", id, path))
	}
	slices.Sort(there)
	if len(there) == 0 {
		there = []string{"none"}
	}
	return fmt.Errorf("%s: no camera has this name: connect it, or write the name of one that is there: %s: %w", s, strings.Join(there, ", "), devices.ErrAbsent)
}
