package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sensed/daemon/command"
	"sensed/daemon/event"
)

// commandLimit is how long the answer to a command may take; those who do the
// work end it sooner.
const commandLimit = 10 * time.Minute

// codes are the outcomes of a request in the words of HTTP.
func code(o event.Outcome) int {
	switch o {
	case event.Done:
		return http.StatusOK
	case event.Throttled:
		return http.StatusTooManyRequests
	case event.TimedOut:
		return http.StatusGatewayTimeout
	case event.Skipped:
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity
}

func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	name := command.Name(r.PathValue("command"))
	if !slices.Contains(command.Names(), name) {
		refuse(w, http.StatusNotFound, "there is no such command")
		return
	}
	data, ok := body(w, r, command.MaxPayload)
	if !ok {
		return
	}
	if strings.TrimSpace(string(data)) == "" || data[0] != '{' {
		refuse(w, http.StatusBadRequest, "the request must be a JSON object")
		return
	}
	request, wrong := command.Parse(name, data)
	if wrong != nil {
		refuse(w, http.StatusUnprocessableEntity, wrong.Error())
		return
	}
	patient(w, commandLimit)
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		s.commandAloud(w, r, request)
		return
	}
	reply, ok := s.opts.Command(r.Context(), request)
	if !ok {
		refuse(w, http.StatusTooManyRequests, "far too much is asked, or this id was used before")
		return
	}
	answer(w, code(reply.Status), reply)
}

// commandAloud answers a command while its answer is written.
func (s *Server) commandAloud(w http.ResponseWriter, r *http.Request, request command.Request) {
	var (
		mu   sync.Mutex
		text string
		news = make(chan struct{}, 1)
	)
	request.Wrote = func(piece string) {
		mu.Lock()
		text += piece
		mu.Unlock()
		select {
		case news <- struct{}{}:
		default:
		}
	}
	type outcome struct {
		reply command.Reply
		ok    bool
	}
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan outcome, 1)
	go func() {
		reply, ok := s.opts.Command(ctx, request)
		done <- outcome{reply, ok}
	}()
	out := newEvents(w)
	beat := time.NewTicker(s.opts.heartbeat)
	defer beat.Stop()
	var err error
	for {
		select {
		case <-news:
			mu.Lock()
			so := text
			mu.Unlock()
			err = out.write("text", Piece{so})
		case <-beat.C:
			err = out.comment()
		case o := <-done:
			cancel()
			if !o.ok {
				o.reply = command.Refused(event.Throttled, "far too much is asked, or this id was used before")
			}
			_ = out.write("reply", o.reply) // the stream ends
			return
		}
		if err != nil { // the reader has gone
			cancel()
			<-done
			return
		}
	}
}

func (s *Server) switches(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, Switches{s.opts.Switches()})
}

func (s *Server) throw(w http.ResponseWriter, r *http.Request) {
	var in Throw
	if !decode(w, r, smallBody, &in) {
		return
	}
	patient(w, commandLimit)
	reply, ok := s.opts.Command(r.Context(), command.SetRequest(in.Source, in.Name, in.Value))
	switch {
	case !ok:
		refuse(w, http.StatusTooManyRequests, "far too much is asked")
		return
	case reply.Status != event.Done:
		refuse(w, code(reply.Status), reply.Error)
		return
	}
	for _, set := range s.opts.Switches() {
		if set.Source == in.Source && set.Name == in.Name {
			answer(w, http.StatusOK, set)
			return
		}
	}
	refuse(w, http.StatusNotFound, "the switch is not there any more")
}

func (s *Server) config(w http.ResponseWriter, r *http.Request) {
	s.edit(w, func(e Editor) (any, error) { return e.Read() })
}

func (s *Server) checkConfig(w http.ResponseWriter, r *http.Request) {
	var in Draft
	if decode(w, r, maxBody, &in) {
		s.edit(w, func(e Editor) (any, error) { return e.Check(in.Text) })
	}
}

func (s *Server) saveConfig(w http.ResponseWriter, r *http.Request) {
	var in Draft
	if decode(w, r, maxBody, &in) {
		patient(w, commandLimit)
		s.edit(w, func(e Editor) (any, error) {
			if needed, _ := s.auth.required(); !needed {
				return nil, &Refusal{Code: http.StatusForbidden, Why: noSaving}
			}
			return e.Save(r.Context(), in)
		})
	}
}

func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	s.edit(w, func(e Editor) (any, error) {
		text, err := e.Backup(r.PathValue("name"))
		return BackupText{r.PathValue("name"), text}, err
	})
}

// noSaving says why a page without a password saves no configuration: with one
// come the sources that run programs (exec), and so whoever has an account on
// this machine could do all that sensed can.
const noSaving = "without a password the configuration can only be looked at here: set one with \"sensed web password\""

// edit lets f answer with the help of the editor.
func (s *Server) edit(w http.ResponseWriter, f func(Editor) (any, error)) {
	if s.opts.Editor == nil {
		refuse(w, http.StatusNotFound, "there is no configuration file here")
		return
	}
	out, err := f(s.opts.Editor)
	if err != nil {
		fail(w, err)
		return
	}
	if c, ok := out.(Configuration); ok && c.Writable {
		if needed, _ := s.auth.required(); !needed {
			c.Writable, c.Why = false, noSaving
			out = c
		}
	}
	answer(w, http.StatusOK, out)
}
