package health

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"
)

// Tick is how often a [Monitor] looks.
const Tick = 2 * time.Second

// Options say what a monitor looks at and whom it tells.
type Options struct {
	Program string // version of sensed
	Board   *Board
	// Parts asks the daemon's parts; it may be called from any goroutine.
	Parts func() Parts
	// Publish takes the snapshot in JSON whenever it has changed in what matters,
	// and every Every; nil: nobody does. It must not block.
	Publish func(node string, payload []byte)
	Every   time.Duration // zero: a minute
	// Looked, when set, is told after each look: hangs names the workers that do
	// not get on; with none the watchdog may be fed.
	Looked func(s Snapshot, hangs []string)
	Limits Limits // zero: [DefaultLimits]
	Log    *slog.Logger
}

// Monitor looks at everything again and again. Make it with [NewMonitor]; its
// methods may be called from any goroutine.
type Monitor struct {
	opts    Options
	began   time.Time
	work    work
	metrics *metrics

	mu     sync.Mutex // guards what follows
	every  time.Duration
	level  Level
	why    string
	speed  Speed
	hangs  []string
	past   History
	load   *Load
	dog    Watchdog
	recent recent

	// These belong to look.
	step    time.Time // of the last point of the history
	within  tally     // since then
	counted struct{ answered, dropped uint64 }
	told    struct {
		at   time.Time
		gist string
	}
}

// NewMonitor returns a monitor that has not looked yet. It starts nothing.
func NewMonitor(o Options) (*Monitor, error) {
	if o.Board == nil || o.Parts == nil || o.Log == nil {
		return nil, errors.New("health: a board, parts and a log are required")
	}
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	m := &Monitor{opts: o, began: time.Now(), every: o.Every, load: NewLoad(o.Limits)}
	m.metrics = newMetrics(m)
	return m, nil
}

// SetEvery changes how often a snapshot is published that says nothing new.
func (m *Monitor) SetEvery(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.every = d
}

// Answered counts an answer of the model.
func (m *Monitor) Answered(a Answer) {
	m.work.add(a)
	m.metrics.answered(a)
}

// Level says how much work is to be shed, and why.
func (m *Monitor) Level() (Level, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.level, m.why
}

// Snapshot returns the present state.
func (m *Monitor) Snapshot() Snapshot {
	s, _ := m.snapshot(time.Now(), m.opts.Board.Read(), m.opts.Board.Memory())
	return s
}

// Past returns the histories.
func (m *Monitor) Past() (hour, day Curves) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.past.Hour(), m.past.Day()
}

// Run looks every [Tick] until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	t := time.NewTicker(Tick)
	defer t.Stop()
	for {
		m.look(time.Now())
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

func (m *Monitor) snapshot(now time.Time, r Reading, mem Memory) (Snapshot, []Worker) {
	p := m.opts.Parts()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Snapshot{
		Version: 1, Node: p.Node, Time: now.UTC(), Program: m.opts.Program, Uptime: math.Round(now.Sub(m.began).Seconds()),
		Board: r, Memory: mem, Load: Shed{m.level, m.level.String(), m.why}, Speed: m.speed,
		Model: p.Model, Queue: p.Queue, Events: p.Events, Broker: p.Broker, Outbox: p.Outbox, Sources: p.Sources,
	}
	if s.Queue.Drops == nil {
		s.Queue.Drops = []Drop{}
	}
	if s.Sources == nil {
		s.Sources = []Source{}
	}
	s.Problems = s.problems(m.hangs)
	return s, p.Workers
}

// look is one look.
func (m *Monitor) look(now time.Time) {
	r, mem := m.opts.Board.Read(), m.opts.Board.Memory()
	done := m.work.take()
	_, workers := m.snapshot(now, r, mem)
	m.mu.Lock()
	before := m.level
	m.level, m.why = m.load.Look(now, r, mem)
	m.hangs = m.dog.Look(now, workers)
	m.recent.add(now, done)
	m.speed = m.recent.speed()
	level, why, hangs, every := m.level, m.why, m.hangs, m.every
	m.mu.Unlock()

	s, _ := m.snapshot(now, r, mem)
	m.remember(now, s, done)
	switch {
	case level > before:
		m.opts.Log.Warn("less is asked of the model", "level", level.String(), "why", why)
	case level < before:
		m.opts.Log.Info("more is asked of the model again", "level", level.String())
	}
	for _, h := range hangs {
		m.opts.Log.Error("sensed hangs: " + h)
	}
	m.tell(now, s, every)
	if m.opts.Looked != nil {
		m.opts.Looked(s, hangs)
	}
}

// remember adds a point to the history when its time has come.
func (m *Monitor) remember(now time.Time, s Snapshot, done tally) {
	m.within.add(done)
	if m.step.IsZero() {
		m.step = now
	}
	past := now.Sub(m.step)
	if past < FineStep {
		return
	}
	dropped := uint64(0)
	for _, d := range s.Queue.Drops {
		dropped += d.Count
	}
	temperature := math.NaN()
	if t := s.Board.Temperature; t != nil {
		temperature = *t
	}
	connected, throttled := math.NaN(), math.NaN()
	if s.Broker.Address != "" {
		connected = is(s.Broker.Connected)
	}
	if w := s.Board.Power; w != nil {
		throttled = is(w.Throttled || w.Capped || w.SoftLimit)
	}
	speed := m.within.speed()
	stages := [5]float64{speed.Latency.Wait, speed.Latency.Encode, speed.Latency.Prefill, speed.Latency.Decode, speed.Latency.Total}
	if m.within.answers == 0 {
		speed.TokensPerSecond = math.NaN()
		stages = [5]float64{math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()}
	}
	p := point{
		temperature, float64(s.Memory.Anonymous), float64(s.Memory.Available), float64(s.Load.Level),
		float64(s.Queue.Waiting), rate(m.counted.answered, s.Queue.Answered, past), rate(m.counted.dropped, dropped, past), speed.TokensPerSecond,
		stages[0], stages[1], stages[2], stages[3], stages[4], float64(s.Outbox.Messages),
		connected, throttled,
	}
	m.counted.answered, m.counted.dropped = s.Queue.Answered, dropped
	m.step, m.within = now, tally{}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.past.add(now, p)
}

// rate returns by how much a counter grew, per minute. A counter that begins
// anew (after a reload) began at zero.
func rate(before, now uint64, past time.Duration) float64 {
	if now < before {
		before = 0
	}
	return float64(now-before) / past.Minutes()
}

// tell publishes the snapshot when it is worth it.
func (m *Monitor) tell(now time.Time, s Snapshot, every time.Duration) {
	gist := s.gist()
	if m.opts.Publish == nil || gist == m.told.gist && now.Sub(m.told.at) < every {
		return
	}
	payload, err := json.Marshal(s.public())
	if err != nil { // a number that is none
		m.opts.Log.Error("the state of the board cannot be written as JSON", "err", err)
		return
	}
	m.told.at, m.told.gist = now, gist
	m.opts.Publish(s.Node, payload)
}
