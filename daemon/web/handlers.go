package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(description) // a reader that has gone is no loss
}

func (s *Server) getSession(w http.ResponseWriter, r *http.Request) {
	l, ok := s.auth.find(r)
	if ok && l.half(s.auth.now()) {
		h, _ := s.auth.current()
		if h != nil {
			l = s.auth.begin(h)
			s.setCookie(w, r, l)
		}
	}
	s.sayHow(w, l, ok)
}

// sayHow answers how a session stands.
func (s *Server) sayHow(w http.ResponseWriter, l login, ok bool) {
	out := Session{Authenticated: ok}
	out.Required, out.Setup = s.auth.required()
	if ok {
		out.CSRF = l.csrf()
	}
	answer(w, http.StatusOK, out)
}

func (s *Server) postSession(w http.ResponseWriter, r *http.Request) {
	var in Login
	if !decode(w, r, smallBody, &in) {
		return
	}
	needed, setup := s.auth.required()
	switch {
	case setup != "":
		refuse(w, http.StatusConflict, setup)
		return
	case !needed:
		s.getSession(w, r)
		return
	}
	l, err := s.auth.check(r.Context(), r.RemoteAddr, in.Password)
	var often *tooOften
	switch {
	case errors.As(err, &often):
		w.Header().Set("Retry-After", strconv.Itoa(int(often.wait.Seconds()+1)))
		refuse(w, http.StatusTooManyRequests, err.Error())
	case err != nil:
		s.opts.Log.Warn("somebody could not log in to the page", "from", r.RemoteAddr, "err", err)
		refuse(w, http.StatusUnauthorized, err.Error())
	default:
		s.opts.Log.Info("somebody logged in to the page", "from", r.RemoteAddr)
		s.setCookie(w, r, l)
		s.sayHow(w, l, true)
	}
}

func (s *Server) deleteSession(w http.ResponseWriter, r *http.Request) {
	l, _ := s.auth.find(r)
	s.auth.end(l)
	c := s.newCookie(r)
	c.MaxAge = -1
	http.SetCookie(w, c)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, l login) {
	c := s.newCookie(r)
	c.Value, c.Expires = l.cookieValue(), l.expires
	http.SetCookie(w, c)
}

// newCookie is the cookie of a session without its value. Who talks to a proxy
// over TLS gets a cookie for TLS only.
func (s *Server) newCookie(r *http.Request) *http.Cookie {
	return &http.Cookie{
		Name: s.auth.cookie, Path: s.prefix + "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

func (s *Server) node(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.opts.Node())
}

func (s *Server) sources(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, Sources{s.hub.complete(s.opts.Sources())})
}

func (s *Server) frame(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	width, err := whole(q, "width", usualWidth, minWidth, maxWidth)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	name := r.PathValue("source")
	for _, src := range s.opts.Sources() {
		if src.Name == name && src.Sense == senseCamera && src.State != stateOK && src.State != stateStarting {
			why := fmt.Sprintf("source %s is %s", name, src.State)
			if src.Why != "" {
				why += ": " + src.Why
			}
			refuse(w, http.StatusServiceUnavailable, why)
			return
		}
	}
	patient(w, frameWait+writeLimit)
	f, err := s.hub.fetch(r.Context(), name, !q.Has("seq"))
	switch {
	case errors.Is(err, errNoCamera):
		refuse(w, http.StatusNotFound, err.Error())
		return
	case errors.Is(err, context.Canceled):
		return // nobody waits any more
	case err != nil:
		refuse(w, http.StatusGatewayTimeout, err.Error())
		return
	}
	data, took, err := f.encoded(width)
	if err != nil {
		fail(w, err)
		return
	}
	s.hub.spent(name, took)
	w.Header().Set("Sensed-Seq", strconv.FormatUint(f.Seq, 10))
	picturesOut(w, data)
}

// picturesOut answers a JPEG.
func picturesOut(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // a reader that has gone is no loss
}

// patient gives an answer more time than others have. The request has been read.
func patient(w http.ResponseWriter, limit time.Duration) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Now().Add(limit)) // where neither is possible the usual limits stay
}

func (s *Server) timeline(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, err := parseFilter(q)
	limit, err2 := whole(q, "limit", 50, 1, maxLimit)
	if err = errors.Join(err, err2); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	h := s.hub
	h.mu.Lock()
	var out Timeline
	more := false
	out.Cards, more = h.line.page(f, q.Get("before"), limit)
	out.Held, out.Bytes = len(h.line.cards), h.line.bytes
	if out.Held > 0 {
		oldest := h.line.cards[0].Time
		out.Oldest = &oldest
	}
	h.mu.Unlock()
	if more {
		out.Next = out.Cards[len(out.Cards)-1].ID
	}
	answer(w, http.StatusOK, out)
}

func (s *Server) strip(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, err := parseFilter(q)
	slots, err2 := whole(q, "slots", 288, 1, maxSlots)
	if err = errors.Join(err, err2); err == nil && !f.from.Before(f.to) {
		err = errors.New("from and to are needed, and from must be before to")
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.hub.mu.Lock()
	counts := s.hub.line.strip(f, slots)
	s.hub.mu.Unlock()
	answer(w, http.StatusOK, Strip{f.from, f.to, counts})
}

func (s *Server) facets(w http.ResponseWriter, _ *http.Request) {
	s.hub.mu.Lock()
	out := s.hub.line.facets()
	s.hub.mu.Unlock()
	answer(w, http.StatusOK, out)
}

// gone says that a card is not there.
const gone = "it is not in the timeline any more, or never was"

func (s *Server) card(w http.ResponseWriter, r *http.Request) {
	s.hub.mu.Lock()
	c := s.hub.line.byID[r.PathValue("id")]
	var out Card
	if c != nil {
		out = c.Card
	}
	s.hub.mu.Unlock()
	if c == nil {
		refuse(w, http.StatusNotFound, gone)
		return
	}
	answer(w, http.StatusOK, out)
}

func (s *Server) thumbnail(w http.ResponseWriter, r *http.Request) {
	data := s.hub.thumbnail(r.PathValue("id"))
	if data == nil {
		refuse(w, http.StatusNotFound, gone)
		return
	}
	if r.URL.Query().Has("rev") {
		w.Header().Set("Cache-Control", "private, max-age=3600, immutable")
	}
	picturesOut(w, data)
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.opts.Health.Snapshot())
}

func (s *Server) history(w http.ResponseWriter, _ *http.Request) {
	var out History
	out.Hour, out.Day = s.opts.Health.Past()
	answer(w, http.StatusOK, out)
}

func (s *Server) model(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.opts.Model())
}

func (s *Server) lines(w http.ResponseWriter, r *http.Request) {
	n, err := whole(r.URL.Query(), "lines", 200, 1, 1000)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	lines := s.opts.Lines()
	answer(w, http.StatusOK, Lines{lines[max(0, len(lines)-n):]})
}
