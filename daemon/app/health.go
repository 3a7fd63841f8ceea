package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sensed/daemon/config"
	"sensed/daemon/event"
	"sensed/daemon/health"
	"sensed/daemon/mqtt"
	"sensed/daemon/pipeline"
)

// How long a worker may stay where it is before it counts as hung. Sources may
// deliver as seldom as every 100 s, and the pipeline ends an answer by itself
// after five minutes.
const (
	sourcePatience    = 4 * time.Minute
	modelPatience     = 6 * time.Minute
	publisherPatience = 3 * time.Minute
)

// The load policy in the terms of the pipeline.
const (
	leastImageTokens = 70          // the smallest budget of Gemma 4
	leastRest        = time.Minute // between two questions of one camera and task
)

// ControlSocket is where a daemon listens for sensed status and sensed reload
// when no configuration and no flag says otherwise: in the service's runtime
// folder, and for who runs sensed by hand in their own.
func ControlSocket() string {
	const service = "/run/sensed"
	folder, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	if folder == "" {
		folder = service
		if own := os.Getenv("XDG_RUNTIME_DIR"); own != "" && os.Geteuid() != 0 {
			if _, err := os.Stat(service); err != nil {
				folder = filepath.Join(own, "sensed")
			}
		}
	}
	return filepath.Join(folder, "sensed.sock")
}

// watch starts what looks after the daemon and tells how it is, and returns what
// ends that. Without its sockets the daemon works all the same.
func (d *daemon) watch(o RunOptions) (stop func(), err error) {
	root := o.Root
	if root == "" {
		root = "/"
	}
	d.monitor, err = health.NewMonitor(health.Options{
		Program: o.Program, Board: health.NewBoard(os.DirFS(root)), Parts: d.parts,
		Publish: d.publishHealth, Every: o.Config.Health.Every, Looked: d.looked, Log: d.log.Logger,
	})
	if err != nil {
		return nil, err
	}
	var servers []*health.Server
	add := func(s *health.Server, err error) {
		if err != nil {
			d.log.Warn("going on without it", "err", err)
			return
		}
		servers = append(servers, s)
	}
	socket := o.Config.Health.Socket
	if socket == "" {
		socket = ControlSocket()
	}
	add(health.ServeControl(socket, d.monitor, func(ctx context.Context) (any, error) { return d.Reload(ctx) }))
	if addr := o.Config.Health.Metrics; addr != "" {
		add(health.ServeMetrics(addr, d.monitor))
	}
	stopLooking := inBackground(d.monitor.Run)
	return func() {
		stopLooking()
		for _, s := range servers {
			_ = s.Close() // the process ends
		}
	}, nil
}

// looked follows each look of the monitor, in its goroutine.
func (d *daemon) looked(s health.Snapshot, hangs []string) {
	d.tell.looked(s, hangs)
	if d.hub != nil {
		d.hub.Health(s)
	}
}

// publishHealth says the state of the board over MQTT, if there is a way.
func (d *daemon) publishHealth(node string, payload []byte) {
	r := d.now.Load()
	if r == nil {
		return
	}
	if err := r.publisher.Retain(event.NodeTopic(node, event.TopicHealth), payload); err != nil {
		d.log.Warn("the state of the board cannot be published", "err", err)
	}
}

// parts asks the parts of the daemon how they are.
func (d *daemon) parts() health.Parts {
	p := health.Parts{Node: d.first.Node, Model: d.model()}
	p.Model.Quant = d.origin.model().Quant
	r := d.now.Load()
	if r == nil {
		return p
	}
	p.Node = r.config.Node
	s, m := r.pipeline.Stats(), r.publisher.Stats()
	p.Model.Busy = s.Working
	p.Queue = health.Queue{Waiting: s.Waiting, Answered: s.Answered, Failed: s.Failed}
	for c, n := range s.Drops {
		p.Queue.Drops = append(p.Queue.Drops, health.Drop{Source: c.Source, Task: c.Task, Reason: string(c.Reason), Count: n})
	}
	slices.SortFunc(p.Queue.Drops, func(a, b health.Drop) int {
		return strings.Compare(a.Source+"\x00"+a.Task+"\x00"+a.Reason, b.Source+"\x00"+b.Task+"\x00"+b.Reason)
	})
	p.Events = health.Events{Published: s.Published, Lost: s.Lost}
	p.Broker = health.Broker{Address: r.config.Broker.URL, Connected: m.Connected, Problem: m.Problem, Delivered: m.Delivered}
	if p.Broker.Address == "" {
		p.Broker.Address = "inside sensed, at " + r.config.Broker.Listen
	}
	if m.Connected && m.Broker != "" {
		p.Broker.Address = m.Broker
	}
	o := m.Outbox
	p.Outbox = health.Outbox{Durable: o.Durable, Problem: o.Problem, Messages: uint64(o.Messages), Bytes: uint64(o.Bytes), Dropped: o.Dropped()}
	p.Sources = d.sourceStates(r, s)
	p.Workers = workers(s, m)
	return p
}

func (d *daemon) sourceStates(r *running, s pipeline.Stats) []health.Source {
	var out []health.Source
	for i, src := range s.Sources {
		h := health.Source{Name: src.Name, State: src.State, Why: src.Why, Seen: src.Seen, Asked: src.Asked, Answered: src.Answered}
		if h.State == "" {
			h.State = "starting"
		}
		if i < len(r.config.Sources) { // the pipeline keeps their order
			h.Kind = string(r.config.Sources[i].Device.Sense())
		}
		h.Last, h.LastAt = r.words.of(src.Name)
		out = append(out, h)
	}
	return out
}

// workers are those who must get on for the watchdog to be fed. A source that is
// absent gets on by being tried again; one that is closed on purpose, has ended
// or waits for the model need not.
func workers(s pipeline.Stats, m mqtt.Stats) []health.Worker {
	resting := []string{event.Ended, event.Stopped, event.Off, event.Muted, event.Private}
	var out []health.Worker
	for _, src := range s.Sources {
		out = append(out, health.Worker{
			Name: "source " + src.Name, Steps: src.Steps, Patience: sourcePatience,
			Busy: !src.Patient && !slices.Contains(resting, src.State),
		})
	}
	return append(out,
		health.Worker{Name: "the model", Steps: s.Turns, Busy: s.Working || s.Waiting > 0, Patience: modelPatience},
		health.Worker{Name: "the publisher", Steps: m.Turns, Busy: m.Outbox.Messages > 0, Patience: publisherPatience})
}

// relief turns the level of the load policy into what the pipeline leaves out.
func (d *daemon) relief() pipeline.Relief {
	level, why := d.monitor.Level()
	r := pipeline.Relief{Why: why}
	if level >= health.LessDetail {
		r.ImageTokens = leastImageTokens
	}
	if level >= health.LessOften {
		r.Rest = leastRest
	}
	r.NoCaptions = level >= health.NoCaptions
	r.NoPictures = level >= health.NoPictures
	r.NoSpeech = level >= health.Nothing
	return r
}

// measured hands what an answer took to the monitor.
func (d *daemon) measured(r event.Result, l event.Latency) {
	d.monitor.Answered(health.Answer{
		Prompt: r.Prompt, Tokens: r.Answer,
		Stages: health.Stages{Wait: l.Wait, Encode: l.Encode, Prefill: l.Prefill, Decode: l.Decode, Total: l.Total},
	})
}

// memory is a publisher that remembers the last words about each source, for
// who asks at the board. It keeps nothing else.
type memory struct {
	pipeline.Publisher

	mu    sync.Mutex
	words map[string]event.Event
}

func newMemory(p pipeline.Publisher) *memory {
	return &memory{Publisher: p, words: map[string]event.Event{}}
}

// Publish hands an event on.
func (l *memory) Publish(ctx context.Context, e event.Event) error {
	switch e.Kind {
	case event.Caption, event.Transcript, event.Answer, event.Objects:
		if e.Error == "" {
			l.mu.Lock()
			l.words[e.Source] = e
			l.mu.Unlock()
		}
	}
	return l.Publisher.Publish(ctx, e)
}

// of returns the last words about a source and when that was captured.
func (l *memory) of(source string) (words, at string) {
	l.mu.Lock()
	e, ok := l.words[source]
	l.mu.Unlock()
	if !ok {
		return "", ""
	}
	words = e.Text
	if e.Kind == event.Objects {
		words = inWords(e.Objects)
	}
	return words, e.Time.Local().Format(time.TimeOnly)
}

// inWords counts objects by their labels, in the order in which they come.
func inWords(objects []event.Object) string {
	if len(objects) == 0 {
		return "nothing found"
	}
	var labels, parts []string
	n := map[string]int{}
	for _, o := range objects {
		if n[o.Label]++; n[o.Label] == 1 {
			labels = append(labels, o.Label)
		}
	}
	for _, l := range labels {
		parts = append(parts, fmt.Sprintf("%d %s", n[l], l))
	}
	return strings.Join(parts, ", ")
}

// restartFor names the settings that a running monitor cannot follow.
func restartFor(first, now config.Health) []string {
	var out []string
	if first.Socket != now.Socket {
		out = append(out, "health.socket")
	}
	if first.Metrics != now.Metrics {
		out = append(out, "health.metrics")
	}
	return out
}
