package web

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxStreams = 64               // open at a time
	maxWaiting = 256              // messages of one stream
	maxLooks   = 64               // cameras that one stream looks at
	heartbeat  = 10 * time.Second // without another message
	writeLimit = 10 * time.Second // for one message to a slow reader
)

// message is one of a stream.
type message struct {
	name string
	// source is that of a frame, or the source of which something has changed.
	source string
	data   []byte // JSON; nil: whoever writes the stream makes it
}

// stream is an open page that is told what happens.
type stream struct {
	levels, health, log bool
	looks               []string // names of cameras

	messages chan message
	ended    chan struct{} // closed when no more messages come
	why      string        // set before
}

// parseStream reads what a page wants.
func parseStream(q url.Values) (*stream, error) {
	s := &stream{messages: make(chan message, maxWaiting), ended: make(chan struct{})}
	for _, w := range list(q.Get("want")) {
		switch w {
		case "levels":
			s.levels = true
		case "health":
			s.health = true
		case "log":
			s.log = true
		default:
			return nil, fmt.Errorf("want has %.40q; possible are levels, health and log", w)
		}
	}
	if s.looks = list(q.Get("look")); len(s.looks) > maxLooks {
		return nil, fmt.Errorf("look has more than %d names", maxLooks)
	}
	return s, nil
}

// list splits at commas; nothing has no parts.
func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func (s *stream) wants(name, source string) bool {
	switch name {
	case "level":
		return s.levels
	case "health":
		return s.health
	case "log":
		return s.log
	case "frame":
		return slices.Contains(s.looks, source)
	}
	return true
}

// send hands on a message; a reader that is too slow is sent away, unless he can
// do without it. The lock of the hub is held.
func (s *stream) send(m message) {
	select {
	case <-s.ended:
		return
	default:
	}
	select {
	case s.messages <- m:
	default:
		switch m.name {
		case "level", "frame", "text", "health", "source":
			return // the next one says it, too
		}
		s.end("you read too slowly")
	}
}

// end ends the stream. The lock of the hub is held.
func (s *stream) end(why string) {
	select {
	case <-s.ended:
	default:
		s.why = why
		close(s.ended)
	}
}

// open adds a stream; false: there are too many, or the hub has ended.
func (h *Hub) open(s *stream) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) >= maxStreams || h.closed {
		return false
	}
	h.streams[s] = struct{}{}
	h.readers.Add(1)
	return true
}

func (h *Hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, s)
	h.readers.Add(-1)
	h.forget()
}

// end ends all streams.
func (h *Hub) end(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.streams {
		s.end(why)
	}
}

// stream answers GET stream.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	st, err := parseStream(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if !s.hub.open(st) {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages are open, or sensed stops", maxStreams))
		return
	}
	defer s.hub.leave(st)
	out := newEvents(w)
	if out.write("hello", s.opts.Node()) != nil {
		return
	}
	beat := time.NewTimer(s.opts.heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case m := <-st.messages:
			err = s.pass(out, m)
		case <-beat.C:
			if !s.auth.still(r) {
				_ = out.write("bye", Bye{"log in again"})
				return
			}
			err = out.comment()
		case <-st.ended:
			_ = out.write("bye", Bye{st.why}) // the stream ends
			return
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return // the reader has gone
		}
		beat.Reset(s.opts.heartbeat)
	}
}

// pass writes a message.
func (s *Server) pass(out *events, m message) error {
	switch {
	case m.data != nil:
		return out.raw(m.name, m.data)
	case m.name == "hello":
		return out.write("hello", s.opts.Node())
	}
	for _, src := range s.hub.complete(s.opts.Sources()) {
		if src.Name == m.source || m.source == "" {
			if err := out.write("source", src); err != nil {
				return err
			}
		}
	}
	return nil
}

// events writes server-sent events.
type events struct {
	w       io.Writer
	control *http.ResponseController
}

func newEvents(w http.ResponseWriter) *events {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy must not collect them
	w.WriteHeader(http.StatusOK)
	return &events{w, http.NewResponseController(w)}
}

func (e *events) write(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.raw(name, data)
}

// raw writes an event whose data is one line.
func (e *events) raw(name string, data []byte) error {
	return e.send("event: %s\ndata: %s\n\n", name, data)
}

// comment writes something that says nothing.
func (e *events) comment() error { return e.send(": \n\n") }

func (e *events) send(format string, args ...any) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.w, format, args...); err != nil {
		return err
	}
	return e.control.Flush()
}
