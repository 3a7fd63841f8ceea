package pipeline

import (
	"math"
	"time"

	"sensed/daemon/event"
	"sensed/devices"
)

// Temperatures are published when they have changed by warmer degrees, though
// not faster than soonest, and after latest at the least: a thermal camera
// measures nine times a second, and a room mostly stays as it is.
const (
	warmer  = 1.0
	soonest = time.Second
	latest  = 10 * time.Second
)

// thermometer decides which measurements are worth an event.
type thermometer struct {
	last devices.Reading // as published
	at   time.Time       // zero: nothing was
}

// due tells whether a reading is to be published, and takes it as published.
func (m *thermometer) due(r devices.Reading, now time.Time) bool {
	since := now.Sub(m.at)
	changed := math.Abs(r.Max-m.last.Max) >= warmer || math.Abs(r.Min-m.last.Min) >= warmer
	// The clock may be set back.
	if !m.at.IsZero() && since >= 0 && since < latest && (!changed || since < soonest) {
		return false
	}
	m.last, m.at = r, now
	return true
}

// measure publishes the temperatures in a frame of a thermal camera.
func (e *eye) measure(f devices.Frame) {
	if f.Thermal == nil {
		return
	}
	r, ok := f.Thermal.Reading()
	if !ok || !e.warmth.due(r, f.Time) {
		return
	}
	e.s.p.publish(event.Event{
		ID: e.s.p.opts.NewID(), Kind: event.Temperature, Source: e.s.Name, Time: f.Time, Sample: f.Name, Status: event.Done,
		Temperature: &event.Warmth{
			Min: r.Min, Max: r.Max, Mean: min(max(r.Mean, r.Min), r.Max),
			Hottest: [2]float64{middle(r.Hottest.X, f.Thermal.Width), middle(r.Hottest.Y, f.Thermal.Height)},
		},
	})
}

// middle is the place of point i of n in 0..1.
func middle(i, n int) float64 { return math.Round((float64(i)+0.5)/float64(n)*1e4) / 1e4 }
