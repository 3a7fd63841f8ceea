package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"sensed/daemon/command"
	"sensed/daemon/health"
)

const maxConnections = 256

// headerLimit is how long a request may keep others waiting for its head. Browsers
// open connections ahead and close those that they have not used after 10 s; one
// that is closed here while a request is on its way in it fails that request.
const headerLimit = 15 * time.Second

// The senses and states that the page treats in its own way.
const (
	senseCamera   = "camera"
	stateOK       = "ok"
	stateStarting = "starting"
)

// Doctor says how the node is doing and was doing.
type Doctor interface {
	Snapshot() health.Snapshot
	Past() (hour, day health.Curves)
}

// Editor reads and changes the configuration. Its errors may be a [*Refusal].
type Editor interface {
	Read() (Configuration, error)
	// Check says what is wrong with a text, and what it would change.
	Check(text string) (Check, error)
	// Save puts a draft in the place of the configuration and uses it. An error
	// says that everything is as before.
	Save(ctx context.Context, d Draft) (Saved, error)
	Backup(name string) (text string, err error)
}

// Options say where the page is, who may see it, and what it shows.
type Options struct {
	Listen string   // host:port
	Prefix string   // of all paths, such as /sensed; "": none
	Hosts  []string // names beside those of this machine under which it may be reached
	// Password is the file with the hash of the password, see [WritePassword]. When
	// it is there, or others than this machine can reach the page, a password is
	// needed.
	Password string
	TLS      *tls.Config // nil: plain HTTP
	Hub      *Hub

	Node     func() Node
	Sources  func() []Source // without what the hub knows
	Switches func() []command.Setting
	// Command does what is asked; ok is false when it was not even refused.
	Command func(ctx context.Context, r command.Request) (reply command.Reply, ok bool)
	Health  Doctor
	Model   func() Model
	Lines   func() []Line // the last of the log, oldest first
	Editor  Editor        // nil: there is no configuration file
	Log     *slog.Logger

	headerLimit, heartbeat time.Duration // 0: the usual ones
}

// Server serves the page until it is closed.
type Server struct {
	opts     Options
	hub      *Hub
	auth     *auth
	page     page
	prefix   string
	hosts    []string
	listener net.Listener
	http     *http.Server
	ended    chan struct{}
}

// Serve begins to serve the page.
func Serve(o Options) (*Server, error) {
	o.headerLimit, o.heartbeat = cmp.Or(o.headerLimit, headerLimit), cmp.Or(o.heartbeat, heartbeat)
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	p, err := newPage(files)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("the page cannot be served: %w", err)
	}
	s := &Server{opts: o, hub: o.Hub, page: p, prefix: strings.TrimSuffix(o.Prefix, "/"), listener: l, ended: make(chan struct{})}
	s.hosts = names(o.Hosts)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.auth = newAuth(o.Password, Exposed(o.Listen), "sensed_"+port)
	s.http = &http.Server{
		Handler:           s.guard(s.below()),
		ReadHeaderTimeout: o.headerLimit,
		ReadTimeout:       2 * headerLimit,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		TLSConfig:         o.TLS,
		ErrorLog:          log.New(quiet{o.Log}, "", 0),
	}
	l = netutil.LimitListener(l, maxConnections)
	go func() {
		defer close(s.ended)
		var err error
		if o.TLS != nil {
			err = s.http.ServeTLS(l, "", "")
		} else {
			err = s.http.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("the page is not served any more", "err", err)
		}
	}()
	return s, nil
}

// below takes the prefix off.
func (s *Server) below() http.Handler {
	mux := s.mux()
	if s.prefix == "" {
		return mux
	}
	outer := http.NewServeMux()
	outer.Handle(s.prefix+"/", http.StripPrefix(s.prefix, mux))
	outer.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == s.prefix || r.URL.Path == "/" {
			http.Redirect(w, r, s.prefix+"/", http.StatusTemporaryRedirect)
			return
		}
		http.Error(w, "the page is at "+s.prefix+"/", http.StatusNotFound)
	})
	return outer
}

// URL is where the page is.
func (s *Server) URL() string {
	scheme := "http"
	if s.opts.TLS != nil {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(s.listener.Addr().String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
		if Exposed(s.opts.Listen) {
			host = machine()
		}
	}
	return scheme + "://" + net.JoinHostPort(host, port) + s.prefix + "/"
}

// Close ends the server and all that it answers.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.ended
	return err
}

// Exposed tells whether others than this machine reach what listens there.
func Exposed(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return true
	}
	if host == "localhost" {
		return false
	}
	ip := net.ParseIP(host)
	return ip == nil || !ip.IsLoopback()
}

// names are those under which the page may be reached.
func names(more []string) []string {
	out := []string{"localhost"}
	if host := strings.ToLower(machine()); host != "localhost" {
		short, _, _ := strings.Cut(host, ".")
		out = append(out, host, short, short+".local")
	}
	for _, n := range more {
		out = append(out, strings.ToLower(strings.TrimSuffix(n, ".")))
	}
	return out
}

// machine is the name of this machine.
func machine() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "localhost"
	}
	return host
}

// quiet logs what package http complains about, which strangers can cause, for
// those who look for it only.
type quiet struct{ log *slog.Logger }

func (q quiet) Write(p []byte) (int, error) {
	q.log.Debug("web: " + strings.TrimSpace(string(p)))
	return len(p), nil
}
