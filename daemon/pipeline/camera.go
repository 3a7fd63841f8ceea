package pipeline

import (
	"context"
	"image"
	"math"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/schedule"
	"sensed/devices"
)

// eye is what an open camera's goroutine knows between two pictures.
type eye struct {
	s        *source
	settings *Settings // as they were adopted
	sight    *sight
	motion   *gate.Motion // nil: motion is not looked for
	// The motion that is going on, or was last.
	id     string
	moving bool // it is going on
	began  time.Time
	asked  time.Time
	pace   map[string]*gate.Rate // of the tasks that have one
	// What was told of a thermal camera's temperatures.
	warmth thermometer
}

// watch works with the camera until an error.
func (s *source) watch(ctx context.Context) error {
	e, err := s.newEye()
	if err != nil {
		return err
	}
	hidden, err := gate.NewBlackout(s.Blackout)
	if err != nil {
		return err
	}
	cam, err := s.OpenCamera(ctx)
	if err != nil {
		return err
	}
	defer s.opened(cam)()
	e.sight = newSight(cam, hidden, s.Always)
	defer func() { e.rest(time.Now()) }()
	for {
		if s.Lossless {
			if err := s.idle(ctx); err != nil {
				return err
			}
		}
		f, err := e.sight.next(ctx)
		if err != nil {
			return err
		}
		s.delivered()
		if err := e.look(f); err != nil {
			return err
		}
	}
}

func (s *source) newEye() (*eye, error) {
	e := &eye{s: s}
	return e, e.adopt()
}

// look announces what moves in a picture and asks what is to be asked about it.
// A picture of which nothing is asked costs no memory.
func (e *eye) look(f devices.Frame) (err error) {
	if err := e.adopt(); err != nil {
		return err
	}
	e.measure(f)
	var moved gate.Moved
	if e.motion != nil {
		moved = e.motion.Push(f.Time, f.Image)
	}
	if err := e.show(f, moved); err != nil {
		return err
	}
	began := moved.Started || moved.Moving && moved.New
	since := f.Time.Sub(e.asked)
	again := moved.Moving && e.s.Again > 0 && (since >= e.s.Again || since < 0) // the clock may be set back
	if began || again || e.s.Always {
		if f, err = e.sight.picture(); err != nil {
			return err
		}
	}
	if began || !moved.Moving {
		e.rest(f.Time)
	}
	if began {
		e.id = e.s.p.opts.NewID()
		e.announce(f, moved.Area)
	}
	if began || again {
		e.asked = f.Time
	}
	always := ""
	for i := range e.settings.Tasks {
		t := &e.settings.Tasks[i]
		switch {
		case t.Every > 0:
			if e.pace[t.Name].Allow(t.Name, f.Time, true) {
				if f, err = e.sight.picture(); err != nil {
					return err
				}
				e.ask(f, t, schedule.Timed, e.s.p.opts.NewID(), false)
			}
		case began || again:
			e.ask(f, t, schedule.Motion, e.id, true)
		case e.s.Always:
			if always == "" {
				always = e.s.p.opts.NewID() // one for all tasks
			}
			e.ask(f, t, schedule.Timed, always, false)
		}
	}
	kicks := e.s.kicked()
	if len(kicks) == 0 {
		return nil
	}
	f, err = e.sight.picture()
	for _, k := range kicks {
		if err != nil {
			e.s.refuseKick(k, event.Faulty, err.Error())
			continue
		}
		if k.frame != nil {
			k.frame(f)
			continue
		}
		for _, t := range e.s.asks(k) {
			q := e.question(f, &t, schedule.Trigger, k.id, true)
			q.tell, q.wrote, q.quiet = k.tell, k.wrote, k.quiet
			e.s.p.ask(q, k.tell == nil) // who waits for an answer gets that one
		}
	}
	return err
}

func (e *eye) announce(f devices.Frame, area float64) {
	e.moving, e.began = true, f.Time
	e.s.p.illustrate(e.id, f)
	begun := true
	area = math.Round(area*1e4) / 1e4
	e.s.p.publish(event.Event{
		ID: e.id, Kind: event.Motion, Source: e.s.Name, Time: f.Time, Sample: f.Name, Level: &area,
		Status: event.Announced, Active: &begun,
	})
}

// rest says that the motion which is going on is over.
func (e *eye) rest(at time.Time) {
	if !e.moving {
		return
	}
	e.moving = false
	over := false
	e.s.p.publish(event.Event{
		ID: e.id, Kind: event.Motion, Source: e.s.Name, Time: at,
		Status: event.Done, Active: &over, Duration: max(0, at.Sub(e.began).Round(time.Millisecond).Seconds()),
	})
}

func (e *eye) ask(f devices.Frame, t *Task, c schedule.Class, id string, announced bool) {
	e.s.p.ask(e.question(f, t, c, id, announced), true)
}

func (e *eye) question(f devices.Frame, t *Task, c schedule.Class, id string, announced bool) *question {
	return &question{
		source: e.s, task: *t, id: id, class: c,
		input: event.Input{Images: []image.Image{f.Image}, Source: e.s.Name},
		at:    f.Time, since: earlier(f.Time, time.Now()), sample: f.Name, announced: announced,
	}
}

// earlier returns the earlier of two times: what comes from a replay may be
// stamped ahead of the clock.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
