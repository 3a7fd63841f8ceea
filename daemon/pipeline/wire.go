package pipeline

import (
	"context"
	"fmt"
	"runtime/debug"

	"sensed/daemon/event"
)

// wire is a pin at work: it is opened again and again, and its edges are handed
// on by one goroutine.
type wire struct {
	name  string
	open  func(ctx context.Context) (Pin, error)
	p     *Pipeline
	state state
	latch latch
	// edge takes an edge; first is whether the pin was opened just before.
	edge func(e Edge, first bool)
	// lost hears that the pin cannot be read any more; may be nil.
	lost func()
}

func newWire(p *Pipeline, name string, open func(ctx context.Context) (Pin, error), edge func(Edge, bool)) wire {
	return wire{name: name, open: open, p: p, state: state{p: p, name: name}, edge: edge}
}

func (w *wire) become(is, why string) { w.state.become(is, why) }

// door returns one that nobody holds.
func (w *wire) door() *latch { return &w.latch }

// run opens the pin and works with it, again and again. A pin that fails with
// Once is only reported: the sources are seen without it.
func (w *wire) run(ctx context.Context) {
	_ = w.p.supervise(ctx, w, w.session)
}

// session opens the pin, works until an error and closes it. A panic is an
// error of this pin.
func (w *wire) session(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			w.p.log.Error("a pin panicked", "pin", w.name, "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: %v", v)
		}
	}()
	pin, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err := pin.Close(); err != nil {
			w.p.log.Warn("a pin could not be closed", "pin", w.name, "error", err)
		}
	}()
	if w.lost != nil {
		defer w.lost()
	}
	w.state.become(event.OK, "") // a pin may be quiet for long
	for first := true; ; first = false {
		e, err := pin.Next(ctx)
		if err != nil {
			return err
		}
		w.edge(e, first)
	}
}
