package pipeline

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"sensed/daemon/event"
	"sensed/devices"
)

// step is one call of a device's Next: it takes some time and then gives a
// picture or sound, fails, or panics.
type step struct {
	after time.Duration
	name  string
	image image.Image
	sound []float32
	err   error
	panic string
	edge  *Edge
	// thermal goes with image.
	thermal *devices.Thermal
}

// device is a camera, microphone and pin that follows a script. After the
// script it is silent until ctx ends.
type device struct {
	t      *testing.T
	script []step
	at     int
	seq    uint64
	due    time.Time // of the next sound
	open   bool
	deaf   bool // ignores the end of ctx
	free   chan struct{}
}

func (d *device) step(ctx context.Context) (step, error) {
	if !d.open {
		d.t.Error("Next on a device that is not open")
	}
	if d.at == len(d.script) {
		if d.deaf {
			<-d.free
			return step{}, io.EOF
		}
		<-ctx.Done()
		return step{}, ctx.Err()
	}
	s := d.script[d.at]
	d.at++
	if err := sleep(ctx, s.after); err != nil {
		return step{}, err
	}
	if s.panic != "" {
		panic(s.panic)
	}
	return s, s.err
}

func (d *device) Close() error {
	if !d.open {
		d.t.Error("a device was closed twice")
	}
	d.open = false
	return nil
}

type camera struct{ *device }

func (c camera) Next(ctx context.Context) (devices.Frame, error) {
	s, err := c.step(ctx)
	if err != nil {
		return devices.Frame{}, err
	}
	c.seq++
	return devices.Frame{Time: time.Now(), Seq: c.seq, Image: s.image, Name: s.name, Thermal: s.thermal}, nil
}

type microphone struct{ *device }

func (m microphone) Next(ctx context.Context) (devices.PCM, error) {
	s, err := m.step(ctx)
	if err != nil {
		return devices.PCM{}, err
	}
	// The samples follow each other without a gap, as those of a recording do,
	// also when this was called late.
	length := time.Duration(len(s.sound)) * time.Second / devices.SampleRate
	if m.due.IsZero() {
		m.due = time.Now().Add(-length)
	}
	at := m.due
	m.due = at.Add(length)
	return devices.PCM{Time: at, Samples: s.sound, Name: s.name}, nil
}

type pin struct{ *device }

func (p pin) Next(ctx context.Context) (Edge, error) {
	s, err := p.step(ctx)
	if err != nil {
		return Edge{}, err
	}
	return Edge{Time: time.Now(), High: s.edge.High}, nil
}

// opener opens devices, one script for each session. A script that is only an
// error with the name "open" fails to open; after the last script opening
// waits until ctx ends.
type opener struct {
	t       *testing.T
	scripts [][]step
	opened  []time.Time // when it was tried
	last    *device
	mu      sync.Mutex
}

func (o *opener) open(ctx context.Context) (*device, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last != nil && o.last.open {
		o.t.Error("a device was opened again before it was closed")
	}
	n := len(o.opened)
	if n == len(o.scripts) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	o.opened = append(o.opened, time.Now())
	s := o.scripts[n]
	if len(s) == 1 && s[0].name == "open" {
		if s[0].panic != "" {
			panic(s[0].panic)
		}
		return nil, s[0].err
	}
	o.last = &device{t: o.t, script: s, open: true}
	return o.last, nil
}

// closed tells whether the last device was closed.
func (o *opener) closed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last == nil || !o.last.open
}

// times is when it was tried.
func (o *opener) times() []time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.opened)
}

func (o *opener) camera(ctx context.Context) (devices.Camera, error) {
	d, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	return camera{d}, nil
}

func (o *opener) microphone(ctx context.Context) (devices.Microphone, error) {
	d, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	return microphone{d}, nil
}

func (o *opener) pin(ctx context.Context) (Pin, error) {
	d, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	return pin{d}, nil
}

// engine takes some time for each answer.
type engine struct {
	takes  time.Duration
	answer func(t event.Task, in event.Input) (event.Result, error)
	stuck  chan struct{} // when set, ctx is ignored until it is closed

	mu   sync.Mutex
	busy bool
	seen []string // what was asked, as "task name: picture or sound"
}

func (e *engine) Understand(ctx context.Context, t event.Task, in event.Input) (event.Result, error) {
	e.mu.Lock()
	if e.busy {
		panic("two questions at a time")
	}
	e.busy = true
	e.seen = append(e.seen, t.Name+": "+describe(in))
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.busy = false
		e.mu.Unlock()
	}()
	if e.stuck != nil {
		<-e.stuck
		return event.Result{}, ctx.Err()
	}
	if err := sleep(ctx, e.takes); err != nil {
		return event.Result{}, err
	}
	if e.answer != nil {
		return e.answer(t, in)
	}
	return event.Result{
		Kind: t.Kind, Text: "about " + describe(in), Model: "fake",
		Timing: event.Timing{Encode: e.takes / 4, Prefill: e.takes / 2, Decode: e.takes / 4},
	}, nil
}

func (e *engine) asked() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seen)
}

// describe names an input: pictures of this test have their number in the
// first pixel.
func describe(in event.Input) string {
	if len(in.Images) == 1 {
		return fmt.Sprintf("picture %d", in.Images[0].(*image.Gray).Pix[0])
	}
	return fmt.Sprintf("%.1f s", float64(len(in.Audio))/devices.SampleRate)
}

// publisher remembers events.
type publisher struct {
	mu     sync.Mutex
	events []event.Event
	at     []time.Time
	fail   func(event.Event) error // when set, decides
	block  bool                    // takes nothing until ctx ends
	wrong  []error                 // what is wrong with events that came
	ends   []event.Event           // of motions and of sounds: tests of their own look at them
}

func (p *publisher) Publish(ctx context.Context, e event.Event) error {
	p.mu.Lock()
	block := p.block
	p.mu.Unlock()
	if block {
		<-ctx.Done()
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		if err := p.fail(e); err != nil {
			return err
		}
	}
	if err := e.Validate(); err != nil {
		p.wrong = append(p.wrong, err)
	}
	if e.Active != nil && !*e.Active && e.Status == event.Done {
		p.ends = append(p.ends, e)
		return nil
	}
	p.events, p.at = append(p.events, e), append(p.at, time.Now())
	return nil
}

// lines returns the events in one line each: source kind id text error.
func (p *publisher) lines(kinds ...event.Kind) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, e := range p.events {
		if len(kinds) > 0 && !slices.Contains(kinds, e.Kind) {
			continue
		}
		s := fmt.Sprintf("%s %s %s", e.Source, e.Kind, e.ID)
		if words := e.State + e.Text; words != "" {
			s += " " + words
		}
		if e.Error != "" {
			s += " ! " + e.Error
		}
		out = append(out, s)
	}
	return out
}

func (p *publisher) all(kind event.Kind) []event.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []event.Event
	for _, e := range p.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// still is a grey picture; its first pixel is its number.
func still(number uint8) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, 160, 120))
	for i := range g.Pix {
		g.Pix[i] = 90
	}
	g.Pix[0] = number
	return g
}

// moved is a still picture with a white box at x.
func moved(number uint8, x int) *image.Gray {
	g := still(number)
	for y := 40; y < 80; y++ {
		for i := x; i < x+30; i++ {
			g.SetGray(i, y, color.Gray{Y: 230})
		}
	}
	return g
}

// voice is a buzz with a pitch of 140 Hz that is loud and soft like syllables.
func voice(seconds float64) []float32 {
	out := make([]float32, int(seconds*devices.SampleRate))
	for i := range out {
		t := float64(i) / devices.SampleRate
		for h := 1.0; h < 12; h++ {
			out[i] += float32(0.1 / h * math.Sin(2*math.Pi*140*h*t))
		}
		out[i] *= float32(0.6 + 0.4*math.Sin(2*math.Pi*4*t))
	}
	return out
}

// silence is almost that: every room has some noise.
func silence(seconds float64) []float32 {
	out := make([]float32, int(seconds*devices.SampleRate))
	state := uint32(1)
	for i := range out {
		state = state*1664525 + 1013904223
		out[i] = (float32(state>>8)/(1<<24) - 0.5) * 1e-3
	}
	return out
}

// chunks cuts sound into steps of 100 ms each.
func chunks(name string, sound []float32) []step {
	const n = devices.SampleRate / 10
	var out []step
	for len(sound) > 0 {
		k := min(n, len(sound))
		out = append(out, step{after: time.Duration(k) * time.Second / devices.SampleRate, sound: sound[:k], name: name})
		sound = sound[k:]
	}
	return out
}
