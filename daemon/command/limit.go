package command

import "time"

// The bounds on how often something is asked.
const (
	burst     = 20               // requests at once
	pace      = time.Second      // and then one in this time
	refusals  = 20               // refusals that are answered
	calm      = 10 * time.Second // and then one in this time
	maxAtWork = 8                // requests that are being worked on
)

// bucket holds tokens, of which one comes back in a time. Its zero value is full.
type bucket struct {
	taken int
	last  time.Time
}

// take takes a token, if one is left.
func (b *bucket) take(now time.Time, size int, every time.Duration) bool {
	if back := int(now.Sub(b.last) / every); back > 0 || now.Before(b.last) {
		b.taken = max(0, b.taken-max(back, 0))
		b.last = now
	}
	if b.taken >= size {
		return false
	}
	b.taken++
	return true
}

// verdict says what becomes of a request.
type verdict int

const (
	accept verdict = iota
	refuse         // with a reply
	ignore         // without: whoever asks so much does not read replies
)

// limiter bounds how often something is asked, and how often it is said that
// this is too much. Its zero value is ready.
type limiter struct{ asked, refused bucket }

func (l *limiter) judge(now time.Time) verdict {
	switch {
	case l.asked.take(now, burst, pace):
		return accept
	case l.refused.take(now, refusals, calm):
		return refuse
	}
	return ignore
}

// recent remembers the last ids.
type recent struct {
	ids  [256]string
	next int
}

// seen tells whether an id came before, and remembers it.
func (r *recent) seen(id string) bool {
	for _, have := range r.ids {
		if have == id {
			return true
		}
	}
	r.ids[r.next] = id
	r.next = (r.next + 1) % len(r.ids)
	return false
}
