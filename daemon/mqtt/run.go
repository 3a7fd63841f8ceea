package mqtt

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// settled is how long a session must have lived for the next wait to be the
	// first again: two nodes of one name, for instance, throw each other out at
	// every connection and must not do so without pause.
	settled = 10 * time.Second

	// punctual is how long after the start the first connection may come for
	// what was said until then not to count as having waited.
	punctual = 2 * time.Second
)

// Run connects, and connects again, and sends what is in the outbox until ctx
// ends. Then it sends the rest for a moment, says that the node is offline and
// returns nil. A broker that is not there is no error: it is waited for.
func (p *Publisher) Run(ctx context.Context) error {
	hearing, stopHearing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHearing()
	go p.listen(hearing)

	var trouble trouble
	wait := p.opts.RetryFirst
	began, first := time.Now(), true
	for ctx.Err() == nil {
		s, err := p.connectAny(ctx)
		if err == nil {
			s.mark = p.outbox.State().Last
			if first && time.Since(began) < punctual {
				s.mark = p.restored
			}
			first = false
			trouble.over()
			p.setConnected(s.at.url.Redacted())
			p.log.Info("publishing to the MQTT broker", "broker", s.at.url.Redacted(), "waiting", p.outbox.Len())
			up := time.Now()
			if err = s.serve(ctx); errors.Is(err, errLost) {
				p.blame(s)
			}
			p.setConnected("")
			if time.Since(up) >= settled {
				wait = p.opts.RetryFirst
			}
		}
		if ctx.Err() != nil {
			break
		}
		p.report(&trouble, err)
		sleep(ctx, wait/2+rand.N(wait/2+1))
		wait = min(2*wait, p.opts.RetryMax)
	}
	if n := p.outbox.Len(); n > 0 {
		p.log.Warn("stopping with messages that were not delivered", "waiting", n, "durable", p.outbox.State().Durable)
	}
	return nil
}

// connectAny opens a session with the first broker of the list that gives one.
func (p *Publisher) connectAny(ctx context.Context) (*session, error) {
	var all failures
	for _, e := range p.endpoints {
		p.turn()
		s, err := p.connect(ctx, e)
		if err == nil || ctx.Err() != nil {
			return s, err
		}
		all = append(all, failure{e, err})
	}
	return nil, all
}

// failure is why a broker could not be used.
type failure struct {
	at  endpoint
	err error
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

type failures []failure

func (f failures) Error() string {
	var all []string
	for _, one := range f {
		all = append(all, one.Error())
	}
	return strings.Join(all, "; ")
}

// listen calls Hear until ctx ends.
func (p *Publisher) listen(ctx context.Context) {
	for {
		select {
		case m := <-p.heard:
			p.opts.Hear(m)
		case <-ctx.Done():
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// trouble remembers what was logged, so that a state is said once and not at
// every attempt.
type trouble struct{ said string }

func (t *trouble) over() { t.said = "" }

func (p *Publisher) report(t *trouble, err error) {
	what := p.explainAll(err)
	p.setProblem(what)
	if what == t.said {
		p.log.Debug(what, "err", err)
		return
	}
	t.said = what
	p.log.Warn(what+"; trying again, events wait in the outbox", "err", err, "waiting", p.outbox.Len())
}

func (p *Publisher) explainAll(err error) string {
	var all failures
	if !errors.As(err, &all) {
		return p.explain(p.endpoints[0], err)
	}
	var said []string
	for _, f := range all {
		said = append(said, p.explain(f.at, f.err))
	}
	return strings.Join(said, "; ")
}
