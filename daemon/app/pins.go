package app

import (
	"context"
	"log/slog"
	"time"

	"sensed/daemon/config"
	"sensed/daemon/pipeline"
	"sensed/devices/gpio"
)

// triggers turns the configured pins into the triggers of the pipeline. No pin
// is touched.
func triggers(c *config.Config) ([]pipeline.Trigger, error) {
	var out []pipeline.Trigger
	for _, t := range c.Triggers {
		s, err := gpio.NewSource(t.Pin, gpio.Opts{Edge: t.Edge, Pull: t.Pull, Debounce: t.Debounce})
		if err != nil {
			return nil, Errorf(BadConfig, "trigger %q: %w", t.Pin, err)
		}
		out = append(out, pipeline.Trigger{
			Name: t.Pin, Starts: t.Starts,
			Open: func(ctx context.Context) (pipeline.Pin, error) {
				p, err := s.Open(ctx)
				if err != nil {
					return nil, err
				}
				return pin{p}, nil
			},
		})
	}
	return out, nil
}

// switches turns the configured switches into those of the pipeline. No pin is
// touched.
func switches(c *config.Config) ([]pipeline.Switch, error) {
	var out []pipeline.Switch
	for _, w := range c.Switches {
		s, err := gpio.NewSource(w.Pin, gpio.Opts{Edge: "both", Pull: w.Pull, Debounce: w.Debounce})
		if err != nil {
			return nil, Errorf(BadConfig, "switch %q: %w", w.Pin, err)
		}
		out = append(out, pipeline.Switch{
			Name: w.Pin, Role: pipeline.Role(w.Role), Toggle: w.Press == "toggle", Sources: c.Switched(w),
			Open: func(ctx context.Context) (pipeline.Pin, error) {
				p, err := s.Open(ctx)
				if err != nil {
					return nil, err
				}
				return &switchPin{Trigger: p, low: w.Active == "low"}, nil
			},
		})
	}
	return out, nil
}

// pin is an open trigger as the pipeline wants it.
type pin struct{ *gpio.Trigger }

func (p pin) Next(ctx context.Context) (pipeline.Edge, error) {
	e, err := p.Trigger.Next(ctx)
	return pipeline.Edge(e), err
}

// switchPin is the open pin of a switch: its first edge is how it stands, and
// high is on.
type switchPin struct {
	*gpio.Trigger
	low  bool // it is on when the pin is low
	told bool
}

func (p *switchPin) Next(ctx context.Context) (pipeline.Edge, error) {
	if !p.told {
		p.told = true
		return pipeline.Edge{Time: time.Now(), High: p.High() != p.low}, nil
	}
	e, err := p.Trigger.Next(ctx)
	return pipeline.Edge{Time: e.Time, High: e.High != p.low}, err
}

// lamp is what a light can do.
type lamp interface {
	Set(on bool) error
	Halt() error
}

// openLamp opens the configured light.
func openLamp(name string) (lamp, error) { return gpio.OpenLight(name, gpio.LightOpts{}) }

// light keeps a lamp lit while the model works. A lamp that is not there or
// fails is logged and done without.
type light struct {
	wanted chan bool // holds the last state that was not shown yet
	stop   func()
}

// newLight opens the lamp on that pin; without a pin there is none.
func newLight(pin string, open func(string) (lamp, error), log *slog.Logger) *light {
	l := &light{wanted: make(chan bool, 1), stop: func() {}}
	if pin == "" {
		return l
	}
	l.stop = inBackground(func(ctx context.Context) {
		lamp, err := open(pin)
		if err != nil {
			log.Warn("going on without the LED", "pin", pin, "err", err)
			return
		}
		if err := l.show(ctx, lamp); err != nil {
			log.Warn("the LED fails, going on without it", "pin", pin, "err", err)
		}
		if err := lamp.Halt(); err != nil {
			log.Warn("the LED could not be given back", "pin", pin, "err", err)
		}
	})
	return l
}

// show follows the wanted state until ctx ends.
func (l *light) show(ctx context.Context, lamp lamp) error {
	for {
		select {
		case on := <-l.wanted:
			if err := lamp.Set(on); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// set is called by one goroutine and never blocks: a state that was not shown
// yet gives way.
func (l *light) set(on bool) {
	select {
	case <-l.wanted:
	default:
	}
	l.wanted <- on
}

// close turns the lamp off.
func (l *light) close() { l.stop() }
