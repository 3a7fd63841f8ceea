package app

import (
	"context"

	"sensed/daemon/health"
)

// load opens the model that the configuration asks for. When sensed is to end
// meanwhile, nobody waits for it: the process ends anyway.
func (d *daemon) load(ctx context.Context) error {
	c := d.first.Model
	m := Model{Text: c.Text, Projector: c.Projector, Drafter: c.Drafter, Profile: c.Profile, Threads: c.Threads, Context: c.Context, Packed: c.Packed}
	defer d.tell.loading()()
	opened := make(chan error, 1)
	go func() {
		engine, err := m.open(d.log.Logger)
		if err == nil {
			d.engine.Store(engine)
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		if err == nil && m.Bundled() {
			d.log.Warn("the demonstration model answers, which knows drawings and synthetic voices only: fetch another with sensed model pull e2b, name it in the configuration with \"model: current\", and start sensed anew")
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// model says what the model is; it has no name before it is loaded.
func (d *daemon) model() health.Model {
	m := health.Model{File: d.first.Model.Text, Kernels: Kernels()}
	if e := d.engine.Load(); e != nil {
		m.Name = e.Model()
	}
	return m
}

// release closes the model if it was loaded.
func (d *daemon) release() {
	if e := d.engine.Load(); e != nil {
		release(e, d.log.Logger)
	}
}
