package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a running pipeline with fakes around it.
type bench struct {
	t      *testing.T
	p      *Pipeline
	pub    *publisher
	eng    *engine
	log    *strings.Builder
	cancel context.CancelFunc
	done   chan error
}

// run starts a pipeline inside a bubble. It runs until stop.
func run(t *testing.T, o Options) *bench {
	t.Helper()
	b := build(t, o)
	b.start()
	return b
}

// build makes a pipeline that does not run yet.
func build(t *testing.T, o Options) *bench {
	t.Helper()
	b := &bench{t: t, done: make(chan error, 1), log: &strings.Builder{}}
	if o.Engine == nil {
		o.Engine = &engine{}
	}
	b.eng, _ = o.Engine.(*engine)
	if o.Publisher == nil {
		o.Publisher = &publisher{}
	}
	b.pub = o.Publisher.(*publisher)
	o.Log = slog.New(slog.NewTextHandler(b.log, nil))
	o.Node = "node"
	if o.NewID == nil {
		o.NewID = counter()
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.p = p
	return b
}

// start runs what build has made.
func (b *bench) start() {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.cancel = cancel
	go func() { b.done <- b.p.Run(ctx) }()
}

// after lets time pass and everything settle.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// stop ends the pipeline and returns how long that took and what Run said.
func (b *bench) stop() (time.Duration, error) {
	b.t.Helper()
	began := time.Now()
	b.cancel()
	err := <-b.done
	for _, w := range b.pub.wrong {
		b.t.Error(w)
	}
	return time.Since(began), err
}

// quiet stops the pipeline and expects nothing special of that.
func (b *bench) quiet() {
	b.t.Helper()
	took, err := b.stop()
	if err != nil {
		b.t.Errorf("Run: %v", err)
	}
	if took > 5*time.Second {
		b.t.Errorf("stopping took %v", took)
	}
}

// counter returns ids 1, 2, 3, ...
func counter() func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprint("#", n)
	}
}

// diff compares lines.
func diff(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant:\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
