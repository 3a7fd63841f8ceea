package kernels

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Pool is a fixed set of worker threads that share the loops of the kernels.
// One goroutine at a time may call its methods; Close it when done.
//
// The caller is one of the workers. A helper that finds no work spins briefly,
// because the next loop of a forward pass is microseconds away, then sleeps,
// because a board in a shed has other things to do and a battery.
type Pool struct {
	threads int
	current atomic.Pointer[loop]
	asleep  atomic.Int32
	wake    chan struct{}
	stop    chan struct{}
	done    sync.WaitGroup

	scratch scratch
}

// loop is one parallel for: items 0..n-1, taken in order, each by one thread.
type loop struct {
	body func(worker, i int)
	n    int64
	next atomic.Int64
	left atomic.Int64
}

// work takes items until none is left to take; worker is 0 for the caller.
func (l *loop) work(worker int) {
	for {
		i := l.next.Add(1) - 1
		if i >= l.n {
			return
		}
		l.body(worker, int(i))
		l.left.Add(-1)
	}
}

// spins is how often an idle helper looks for work before it sleeps: about a
// hundred microseconds, longer than what one thread does alone between loops.
const spins = 100000

// NewPool starts threads-1 helper threads; threads below 1 mean one for each
// processor.
func NewPool(threads int) *Pool {
	if threads < 1 {
		threads = runtime.NumCPU()
	}
	p := &Pool{threads: threads, wake: make(chan struct{}, threads), stop: make(chan struct{})}
	p.prepare()
	for i := range threads - 1 {
		p.done.Add(1)
		go p.help(i + 1)
	}
	return p
}

// Threads returns the number of threads, the caller's included.
func (p *Pool) Threads() int { return p.threads }

// Close ends the helpers. The pool must be idle.
func (p *Pool) Close() {
	close(p.stop)
	p.done.Wait()
}

// Run calls body(0) ... body(n-1), spread over the threads, and returns when
// all have returned. body must not call Run of the same pool.
func (p *Pool) Run(n int, body func(i int)) { p.run(n, func(_, i int) { body(i) }) }

// run is Run for bodies that use what belongs to a thread: worker counts the
// threads from 0.
func (p *Pool) run(n int, body func(worker, i int)) {
	if n <= 1 || p.threads == 1 {
		for i := range n {
			body(0, i)
		}
		return
	}
	l := &loop{body: body, n: int64(n)}
	l.left.Store(int64(n))
	p.current.Store(l)
	for range min(int(p.asleep.Load()), n-1) {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	l.work(0)
	for i := 0; l.left.Load() > 0; i++ {
		if i%1000 == 999 {
			runtime.Gosched()
		}
	}
	p.current.Store(nil)
}

// help is the life of a helper thread.
func (p *Pool) help(worker int) {
	defer p.done.Done()
	runtime.LockOSThread()
	var last *loop
	for idle := 0; ; idle++ {
		if l := p.current.Load(); l != nil && l != last {
			last = l
			l.work(worker)
			idle = 0
			continue
		}
		if idle < spins {
			continue
		}
		idle = 0
		p.asleep.Add(1)
		// A loop may have been posted before the count above was seen.
		if l := p.current.Load(); l != nil && l != last {
			p.asleep.Add(-1)
			continue
		}
		select {
		case <-p.wake:
			p.asleep.Add(-1)
		case <-p.stop:
			return
		}
	}
}
