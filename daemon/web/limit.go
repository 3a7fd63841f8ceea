package web

import (
	"net/netip"
	"sync"
	"time"
)

// How often somebody may try to log in: from one address, and from all of them.
const (
	triesBurst, triesPace = 5, 10 * time.Second
	allBurst, allPace     = 60, time.Second
	maxAddresses          = 1024
)

// limiter bounds how often somebody tries to log in. Its zero value is ready.
type limiter struct {
	mu   sync.Mutex
	all  bucket
	from map[string]*bucket
}

// bucket holds tokens, of which one comes back in a time. Its zero value is full.
type bucket struct {
	taken int
	last  time.Time
}

// take takes a token, or says after how long there is one.
func (b *bucket) take(now time.Time, size int, every time.Duration) (wait time.Duration) {
	if back := int(now.Sub(b.last) / every); back > 0 || now.Before(b.last) {
		b.taken = max(0, b.taken-max(back, 0))
		b.last = now
	}
	if b.taken >= size {
		return every - now.Sub(b.last)
	}
	b.taken++
	return 0
}

// take counts a try from an address, or says how long to wait.
func (l *limiter) take(address string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from == nil {
		l.from = map[string]*bucket{}
	}
	name := network(address)
	b := l.from[name]
	if b == nil {
		if len(l.from) >= maxAddresses {
			l.tidy(now)
		}
		if len(l.from) >= maxAddresses {
			return triesPace // somebody has very many addresses
		}
		b = &bucket{}
		l.from[name] = b
	}
	if wait = b.take(now, triesBurst, triesPace); wait > 0 {
		return wait
	}
	return l.all.take(now, allBurst, allPace)
}

// tidy forgets who has all tokens again.
func (l *limiter) tidy(now time.Time) {
	for name, b := range l.from {
		if now.Sub(b.last) >= triesBurst*triesPace {
			delete(l.from, name)
		}
	}
}

// network is what counts as one address: of IPv6 the part that a provider gives
// to one customer.
func network(address string) string {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return address
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
