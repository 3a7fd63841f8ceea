package app

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"sensed/daemon/web"
)

// ringLines is how many lines of the log are kept in memory.
const ringLines = 500

// logRing keeps the last lines of the log, for the page. Its methods may be
// called from any goroutine.
type logRing struct {
	mu    sync.Mutex
	lines []web.Line // oldest first after next
	next  int
	told  func(web.Line) // hears each line; nil: nobody does
}

// tell lets somebody hear each line from now on.
func (r *logRing) tell(told func(web.Line)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = told
}

func (r *logRing) add(l web.Line) {
	r.mu.Lock()
	if len(r.lines) < ringLines {
		r.lines = append(r.lines, l)
	} else {
		r.lines[r.next] = l
		r.next = (r.next + 1) % ringLines
	}
	told := r.told
	r.mu.Unlock()
	if told != nil {
		told(l)
	}
}

// last returns the lines, oldest first.
func (r *logRing) last() []web.Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Concat([]web.Line{}, r.lines[r.next:], r.lines[:r.next])
}

// ringed is a handler that keeps in a ring what it hands on.
type ringed struct {
	slog.Handler
	ring   *logRing
	attrs  []slog.Attr // with their groups in their names
	prefix string      // of the names that follow
}

// Handle keeps the record and hands it on.
func (h ringed) Handle(ctx context.Context, r slog.Record) error {
	l := web.Line{Time: r.Time, Level: r.Level.String(), Message: r.Message, Attrs: [][2]string{}}
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = appendAttr(attrs, h.prefix, a)
		return true
	})
	for _, a := range attrs {
		l.Attrs = append(l.Attrs, [2]string{a.Key, a.Value.String()})
	}
	h.ring.add(l)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that adds attributes.
func (h ringed) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	h.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		h.attrs = appendAttr(h.attrs, h.prefix, a)
	}
	return h
}

// WithGroup returns a handler that puts a name before those of attributes.
func (h ringed) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	if name != "" {
		h.prefix += name + "."
	}
	return h
}
