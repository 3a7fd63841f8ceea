package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
	"sensed/daemon/outbox"
)

// caption is the nth event of a test.
func caption(n int) event.Event {
	return event.Event{
		Version: event.Version, Status: event.Done, ID: fmt.Sprintf("e%04d", n), Kind: event.Caption, Node: "porch", Source: "door",
		Time: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Text: "A cat.",
	}
}

// running is a publisher at work.
type running struct {
	*mqtt.Publisher
	log  *journal
	stop func() // ends it and waits
}

// run starts a publisher whose waits are short. It is stopped with the test.
func run(t testing.TB, o mqtt.Options) *running {
	t.Helper()
	r := &running{log: newJournal()}
	o.Node, o.Log = "porch", slog.New(r.log)
	if o.RetryFirst == 0 {
		o.RetryFirst = 5 * time.Millisecond
	}
	if o.RetryMax == 0 {
		o.RetryMax = 20 * time.Millisecond
	}
	if o.Outbox == nil {
		o.Outbox = memory(t)
	}
	p, err := mqtt.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Publisher = p
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		t.Helper()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(mqtttest.Patience):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(r.stop)
	return r
}

// parse reads an event and checks and takes off what sending adds.
func parse(t testing.TB, payload string) event.Event {
	t.Helper()
	var e event.Event
	if err := json.Unmarshal([]byte(payload), &e); err != nil {
		t.Fatalf("%v: %s", err, payload)
	}
	if e.Seq == 0 || e.Published.IsZero() {
		t.Errorf("without seq or published: %s", payload)
	}
	e.Seq, e.Published, e.Replayed = 0, time.Time{}, false
	return e
}

// awaitEvent waits for an event with the topic and id of the given one.
func awaitEvent(t testing.TB, heard *mqtttest.Listener, want event.Event) {
	t.Helper()
	topic := mqtt.Topic(want)
	heard.Await(want.ID+" on "+topic, func(all []mqtttest.Message) bool {
		return slices.ContainsFunc(all, func(m mqtttest.Message) bool {
			return m.Topic == topic && cmp.Equal(parse(t, m.Payload), want)
		})
	})
}

// memory returns an outbox that keeps nothing on disk.
func memory(t testing.TB) *outbox.Outbox {
	t.Helper()
	return box(t, outbox.Options{Log: slog.New(slog.DiscardHandler)})
}

// box returns an outbox that is closed with the test.
func box(t testing.TB, o outbox.Options) *outbox.Outbox {
	t.Helper()
	b, err := outbox.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func (r *running) publish(t testing.TB, e event.Event) {
	t.Helper()
	if err := r.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// journal is a log that a test can read and wait for.
type journal struct {
	mu      sync.Mutex
	records []slog.Record // guarded by mu
	changed chan struct{} // guarded by mu
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
	close(j.changed)
	j.changed = make(chan struct{})
	return nil
}

// messages returns what was logged at that level.
func (j *journal) messages(level slog.Level) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var m []string
	for _, r := range j.records {
		if r.Level == level {
			m = append(m, r.Message)
		}
	}
	return m
}

// await waits until n messages were logged at that level and returns all.
func (j *journal) await(t *testing.T, level slog.Level, n int) []string {
	t.Helper()
	limit := time.After(mqtttest.Patience)
	for {
		j.mu.Lock()
		changed := j.changed
		j.mu.Unlock()
		if m := j.messages(level); len(m) >= n {
			return m
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%d messages at level %v were expected, got %q", n, level, j.messages(level))
		}
	}
}

// proxy stands between a publisher and a broker and can break connections.
type proxy struct {
	l      net.Listener
	target string
	limit  func(connection int) int64 // bytes from client to broker; <0: no limit

	mu    sync.Mutex
	conns []net.Conn // guarded by mu; of clients
	count int        // guarded by mu
}

func newProxy(t *testing.T, target string, limit func(int) int64) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, target: target, limit: limit}
	go p.serve()
	t.Cleanup(func() { l.Close(); p.cut() })
	return p
}

func (p *proxy) url() string { return "tcp://" + p.l.Addr().String() }

func (p *proxy) serve() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns = append(p.conns, c)
		n := p.count
		p.count++
		p.mu.Unlock()
		go p.pipe(c, n)
	}
}

func (p *proxy) pipe(c net.Conn, n int) {
	defer c.Close()
	b, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer b.Close()
	go func() {
		io.Copy(c, b)
		c.Close()
	}()
	if limit := p.limit(n); limit >= 0 {
		io.CopyN(b, c, limit)
	} else {
		io.Copy(b, c)
	}
}

// cut breaks every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}
