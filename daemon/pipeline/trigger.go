package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"sensed/daemon/event"
)

// trigger is a configured pin at work.
type trigger struct {
	Trigger
	p      *Pipeline
	starts []*source
	state  string // as logged last
}

// supervise opens the pin and works with it, again and again.
func (t *trigger) supervise(ctx context.Context) {
	retry := backoff{first: t.p.opts.RetryFirst, max: t.p.opts.RetryMax}
	for {
		began := time.Now()
		err := t.session(ctx)
		if isStop(ctx, err) || errors.Is(err, io.EOF) {
			return
		}
		if why := err.Error(); why != t.state {
			t.state = why
			t.p.log.Warn("a trigger does not work and is tried again", "trigger", t.Name, "error", err)
		}
		if time.Since(began) > t.p.opts.RetryMax {
			retry.reset()
		}
		if sleep(ctx, retry.next()) != nil {
			return
		}
	}
}

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
	t.state = ""
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
