package pipeline

import (
	"context"
	"fmt"
	"runtime/debug"

	"sensed/daemon/event"
)

// trigger is a configured pin at work.
type trigger struct {
	Trigger
	p      *Pipeline
	state  state
	latch  latch
	starts []*source
}

// run opens the pin and works with it, again and again. A pin that fails with
// Once is only reported: what it would start is seen without it.
func (t *trigger) run(ctx context.Context) {
	_ = t.p.supervise(ctx, t, t.session)
}

func (t *trigger) become(is, why string) { t.state.become(is, why) }

// door returns one that nobody holds.
func (t *trigger) door() *latch { return &t.latch }

// session opens the pin, works until an error and closes it. A panic is an
// error of this pin.
func (t *trigger) session(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			t.p.log.Error("a trigger panicked", "trigger", t.Name, "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: %v", v)
		}
	}()
	pin, err := t.Open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err := pin.Close(); err != nil {
			t.p.log.Warn("a trigger could not be closed", "trigger", t.Name, "error", err)
		}
	}()
	t.state.become(event.OK, "") // a pin may be quiet for long
	for {
		edge, err := pin.Next(ctx)
		if err != nil {
			return err
		}
		t.fire(edge)
	}
}

// fire announces an edge and makes the sources look under its id.
func (t *trigger) fire(edge Edge) {
	id := t.p.opts.NewID()
	level := "low"
	if edge.High {
		level = "high"
	}
	t.p.publish(event.Event{ID: id, Kind: event.Pin, Source: t.Name, Time: edge.Time, Text: level})
	for _, s := range t.starts {
		s.kick(kick{id: id, at: edge.Time})
	}
}
