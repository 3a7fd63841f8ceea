package pipeline

import "sensed/daemon/event"

// trigger is a configured trigger at work.
type trigger struct {
	wire
	starts []*source
}

func newTrigger(p *Pipeline, o Trigger) *trigger {
	t := &trigger{}
	t.wire = newWire(p, o.Name, o.Open, t.fire)
	return t
}

// fire announces an edge and makes the sources look under its id.
func (t *trigger) fire(edge Edge, _ bool) {
	id := t.p.opts.NewID()
	level := event.Low
	if edge.High {
		level = event.High
	}
	t.p.publish(event.Event{ID: id, Kind: event.Pin, Source: t.name, Time: edge.Time, Status: event.Announced, State: level})
	for _, s := range t.starts {
		s.kick(kick{id: id, at: edge.Time})
	}
}
