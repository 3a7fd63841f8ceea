package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// socketMode lets the service's own group ask, and nobody else.
const socketMode = 0o660

// Server answers on a socket until it is closed.
type Server struct {
	server *http.Server
	addr   string
	ended  chan struct{}
}

// ServeControl answers at a unix socket:
//
//	GET  /status   the [Snapshot]
//	GET  /history  {"hour": [Curves], "day": [Curves]}
//	GET  /metrics  for Prometheus
//	POST /reload   what reload returns, or 422 {"error": "..."}
//
// It takes the place of a socket that nobody listens at any more.
func ServeControl(path string, m *Monitor, reload func(context.Context) (any, error)) (*Server, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("the folder of the control socket cannot be made: %w", err)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("the control socket cannot be made: %s is there and is no socket", path)
		}
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("the control socket %s belongs to another sensed that runs", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("the control socket of an earlier run cannot be removed: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the control socket cannot be made: %w", err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, fmt.Errorf("the control socket cannot be given to its group: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.metrics.handler())
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, m.Snapshot()) })
	mux.HandleFunc("GET /history", func(w http.ResponseWriter, _ *http.Request) {
		hour, day := m.Past()
		answer(w, http.StatusOK, map[string]Curves{"hour": hour, "day": day})
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		result, err := reload(r.Context())
		if err != nil {
			answer(w, http.StatusUnprocessableEntity, failure{err.Error()})
			return
		}
		answer(w, http.StatusOK, result)
	})
	return serve(l, mux), nil
}

// failure is the body of an answer that says no.
type failure struct {
	Error string `json:"error"`
}

// ServeMetrics answers GET /metrics at host:port, and nothing else.
func ServeMetrics(addr string, m *Monitor) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics cannot be served: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.metrics.handler())
	return serve(l, mux), nil
}

func serve(l net.Listener, h http.Handler) *Server {
	s := &Server{
		server: &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10},
		addr:   l.Addr().String(), ended: make(chan struct{}),
	}
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(l) // it ends with Close
	}()
	return s
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.addr }

// Close ends the server and removes its socket.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.ended
	return err
}

// answer writes a value as JSON; a reader that has gone is no loss.
func answer(w http.ResponseWriter, code int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		code, data = http.StatusInternalServerError, []byte(`{"error":"the state cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(data, '\n'))
}

// ErrNotRunning says that nobody listens at the control socket.
var ErrNotRunning = errors.New("sensed is not running")
