package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sensed/daemon/event"
)

// Role is what a switch does to its sources.
type Role string

// The roles.
const (
	// Talk is a push-to-talk button: its microphones listen only while it is on.
	// All that is heard then is asked about when it goes off.
	Talk Role = "talk"
	// Mute closes its sources while it is on; what was heard before is asked.
	Mute Role = "mute"
	// Privacy closes its sources while it is on, as [event.Private], and as long
	// as nobody can tell whether it is.
	Privacy Role = "privacy"
)

// Switch is a pin that closes and opens sources.
type Switch struct {
	Name string
	// Open opens the pin. Its first edge is the present level and comes at once;
	// high is on.
	Open func(ctx context.Context) (Pin, error)
	Role Role
	// Toggle makes each press of a Mute button close or open; otherwise it
	// closes while it is held.
	Toggle  bool
	Sources []string // names
}

// toggle is a configured switch at work. One goroutine uses it.
type toggle struct {
	Switch
	wire
	sources []*source
	on      bool
}

// newToggle checks a switch and closes what must not be opened before it was
// read.
func newToggle(p *Pipeline, o Switch) (*toggle, error) {
	t := &toggle{Switch: o}
	t.wire = newWire(p, o.Name, o.Open, t.turn)
	t.lost = t.unknown
	switch {
	case o.Open == nil:
		return nil, errors.New("it cannot be opened")
	case !slices.Contains([]Role{Talk, Mute, Privacy}, o.Role):
		return nil, fmt.Errorf("its role %q is none", o.Role)
	}
	for _, name := range o.Sources {
		s, err := p.source(name)
		if err != nil {
			return nil, err
		}
		if o.Role == Talk {
			if s.OpenMicrophone == nil {
				return nil, fmt.Errorf("%q is no microphone that could listen", name)
			}
			s.pushToTalk = true
		}
		t.sources = append(t.sources, s)
	}
	t.unknown()
	return t, nil
}

// unknown closes what must be closed when nobody knows how the switch stands. A
// button that cannot be read counts as let go, a mute button stays as it was.
func (t *toggle) unknown() {
	switch t.Role {
	case Talk:
		t.letGo()
	case Privacy:
		t.hold(event.Private, "nobody can tell whether the privacy switch "+t.name+" is on")
	}
}

// turn follows a level of the pin; the first is how it stands.
func (t *toggle) turn(e Edge, first bool) {
	id := t.p.opts.NewID()
	press := e.High && t.Role == Talk && !t.on
	if press {
		for _, s := range t.sources {
			s.talk(kick{id: id, at: e.Time})
		}
	}
	if !first || press {
		e := event.Event{ID: id, Kind: event.Pin, Source: t.name, Time: e.Time, State: onOff(e.High)}
		if press {
			e.Status = event.Announced // words follow
		}
		t.p.publish(e)
	}
	switch {
	case !t.Toggle:
		t.on = e.High
	case e.High && !first:
		t.on = !t.on
	}
	switch {
	case t.Role == Talk && !t.on:
		t.letGo()
	case t.Role == Mute && t.on:
		t.hold(event.Muted, "muted by "+t.name)
	case t.Role == Privacy && t.on:
		t.hold(event.Private, "the privacy switch "+t.name+" is on")
	default:
		t.release()
	}
}

func onOff(high bool) string {
	if high {
		return "on"
	}
	return "off"
}

// letGo ends what is said to the microphones.
func (t *toggle) letGo() {
	t.on = false
	t.hold(event.Muted, "it listens while "+t.name+" is held")
	for _, s := range t.sources {
		s.talked()
	}
}

func (t *toggle) hold(state, why string) {
	for _, s := range t.sources {
		s.hold(Hold{By: t.name, State: state, Why: why})
	}
}

func (t *toggle) release() {
	for _, s := range t.sources {
		s.latch.release(t.name)
	}
}
