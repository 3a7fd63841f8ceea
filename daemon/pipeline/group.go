package pipeline

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// group is a set of named goroutines that can be waited for, and that can tell
// who is still there.
type group struct {
	all *group // also counts what this one starts; may be nil

	wg      sync.WaitGroup
	mu      sync.Mutex
	running map[string]int
}

func newGroup(all *group) *group { return &group{all: all, running: map[string]int{}} }

func (g *group) start(name string, f func()) {
	if g.all != nil {
		outer := g.all
		outer.enter(name)
		g.enter(name)
		go func() {
			defer outer.leave(name)
			defer g.leave(name)
			f()
		}()
		return
	}
	g.enter(name)
	go func() {
		defer g.leave(name)
		f()
	}()
}

func (g *group) enter(name string) {
	g.wg.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running[name]++
}

func (g *group) leave(name string) {
	g.mu.Lock()
	if g.running[name]--; g.running[name] == 0 {
		delete(g.running, name)
	}
	g.mu.Unlock()
	g.wg.Done()
}

// wait returns a channel that is closed when all have returned. Nothing may be
// started after it.
func (g *group) wait() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		g.wg.Wait()
		close(done)
	}()
	return done
}

// names lists who has not returned.
func (g *group) names() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(g.running)), ", ")
}

// await waits until all of g have returned or ctx ends.
func await(ctx context.Context, g *group) {
	select {
	case <-g.wait():
	case <-ctx.Done():
	}
}
