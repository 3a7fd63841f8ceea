package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// journalHandler writes records into systemd's journal: the message with its
// attributes as people read it, and each attribute as a field (SENSED_SOURCE=door)
// by which journalctl can choose.
type journalHandler struct {
	level  slog.Leveler
	send   func(message string, p journal.Priority, fields map[string]string) error
	attrs  []slog.Attr // with their groups in their names
	prefix string      // of the names that follow
}

var _ slog.Handler = journalHandler{}

// Enabled tells whether a record of that level is written.
func (h journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs returns a handler that adds attributes.
func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		h.attrs = appendAttr(h.attrs, h.prefix, a)
	}
	return h
}

// WithGroup returns a handler that puts a name before those of attributes.
func (h journalHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.prefix += name + "."
	}
	return h
}

// Handle writes a record.
func (h journalHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = appendAttr(attrs, h.prefix, a)
		return true
	})
	message := r.Message
	fields := map[string]string{}
	for _, a := range attrs {
		value := a.Value.String()
		fields[fieldName(a.Key)] = value
		if value == "" || strings.ContainsAny(value, " \"\n=") {
			value = fmt.Sprintf("%q", value)
		}
		message += " " + a.Key + "=" + value
	}
	return h.send(message, priorityOf(r.Level), fields)
}

// appendAttr adds an attribute, and the members of a group one by one.
func appendAttr(to []slog.Attr, prefix string, a slog.Attr) []slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, m := range v.Group() {
			to = appendAttr(to, prefix, m)
		}
		return to
	}
	if a.Equal(slog.Attr{}) {
		return to
	}
	return append(to, slog.Attr{Key: prefix + a.Key, Value: v})
}

// fieldName makes a name that the journal takes: capitals, digits and
// underscores.
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	const longest = 64
	name = "SENSED_" + name
	return name[:min(len(name), longest)]
}

func priorityOf(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
