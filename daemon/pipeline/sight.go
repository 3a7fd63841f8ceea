package pipeline

import (
	"context"
	"errors"

	"sensed/daemon/gate"
	"sensed/devices"
)

// sight gives an eye the pictures of an open camera: a glance where the camera
// has one, for that is enough to see whether something moves, and the whole
// picture when somebody asks about it. What is to be hidden is black in both
// before anybody sees them.
type sight struct {
	camera  devices.Camera
	glancer devices.Glancer // the same camera; nil when whole pictures are taken at once
	hidden  *gate.Blackout
	whole   devices.Frame // the present picture; its Image is nil until it is asked for
}

// newSight looks through a camera. With always, every picture is asked for.
func newSight(camera devices.Camera, hidden *gate.Blackout, always bool) *sight {
	s := &sight{camera: camera, hidden: hidden}
	if g, ok := camera.(devices.Glancer); ok && !always {
		s.glancer = g
	}
	return s
}

var errNoPixels = errors.New("the camera gave a picture without pixels")

// next waits for the next picture. Its pixels are for looking at until the next
// call, and not to be handed on.
func (s *sight) next(ctx context.Context) (devices.Frame, error) {
	s.whole = devices.Frame{}
	take := s.camera.Next
	if s.glancer != nil {
		take = s.glancer.Glance
	}
	f, err := take(ctx)
	if err != nil {
		return devices.Frame{}, err
	}
	if f.Image == nil {
		return devices.Frame{}, errNoPixels
	}
	s.hidden.Cover(&f)
	if s.glancer == nil {
		s.whole = f
	}
	return f, nil
}

// picture returns the whole of the present picture, which from then on nobody
// writes to.
func (s *sight) picture() (devices.Frame, error) {
	if s.whole.Image != nil {
		return s.whole, nil
	}
	f, err := s.glancer.Whole()
	if err != nil {
		return devices.Frame{}, err
	}
	if f.Image == nil {
		return devices.Frame{}, errNoPixels
	}
	s.hidden.Cover(&f)
	s.whole = f
	return f, nil
}
