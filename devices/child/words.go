//go:build linux

package child

import (
	"bytes"
	"strings"
	"sync"
)

const (
	maxLine  = 1024 // bytes of a line that are kept, before hiding
	maxLines = 4    // lines that are kept
)

// words keeps the last lines that a program says.
type words struct {
	hide []string

	mu    sync.Mutex
	line  []byte // not ended yet
	long  bool   // the line has lost its end
	lines []string
}

// Write takes what the program says; it never fails.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexAny(p, "\r\n")
		part := p
		if end >= 0 {
			part = p[:end]
		}
		room := maxLine - len(w.line)
		w.long = w.long || len(part) > room
		w.line = append(w.line, part[:min(len(part), room)]...)
		if end < 0 {
			break
		}
		w.end()
		p = p[end+1:]
	}
	return n, nil
}

// end finishes the line.
func (w *words) end() {
	if s := w.text(w.long); s != "" {
		w.lines = append(w.lines[max(0, len(w.lines)-maxLines+1):], s)
	}
	w.line, w.long = w.line[:0], false
}

// text is the present line without what is to be hidden. What was cut off, or
// is not said yet, may have begun with a part of a secret.
func (w *words) text(cut bool) string {
	s := string(w.line)
	for _, secret := range w.hide {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	if cut {
		for _, secret := range w.hide {
			s = s[:max(0, len(s)-len(secret))]
		}
	}
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
}

// String returns the last lines, joined by "; ".
func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.lines
	if s := w.text(true); s != "" {
		all = append(all[:len(all):len(all)], s)
	}
	return strings.Join(all, "; ")
}
