package broker

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
)

var _ listeners.Listener = (*listener)(nil)

// listener accepts a bounded number of connections and ends every one of them
// at the stop, also those that never got as far as an MQTT session. The
// server's own listeners do neither, and its Close races with a connection
// that is just being accepted; this one returns from Close only when every
// connection has been served.
type listener struct {
	net         net.Listener
	limit       int
	log         *slog.Logger
	endSessions func()

	serving sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{} // guarded by mu
	closed bool                  // guarded by mu
}

func newListener(l net.Listener, limit int, endSessions func()) *listener {
	return &listener{net: l, limit: limit, endSessions: endSessions, conns: map[net.Conn]struct{}{}}
}

func (l *listener) ID() string       { return "loopback" }
func (l *listener) Address() string  { return l.net.Addr().String() }
func (l *listener) Protocol() string { return "tcp" }

func (l *listener) Init(log *slog.Logger) error {
	l.log = log
	return nil
}

// Serve accepts until Close; a connection over the limit is closed at once.
func (l *listener) Serve(establish listeners.EstablishFn) {
	for {
		c, err := l.net.Accept()
		if err != nil {
			return
		}
		if !l.track(c) {
			c.Close()
			continue
		}
		go func() {
			defer l.forget(c)
			if err := establish(l.ID(), c); err != nil {
				l.log.Debug("connection ended", "remote", c.RemoteAddr().String(), "err", err)
			}
		}()
	}
}

// Close ends the sessions politely, then the connections. It does not use the
// server's function for that, see [Broker.endSessions].
func (l *listener) Close(listeners.CloseFn) {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.net.Close()
	l.endSessions()
	hard := time.AfterFunc(closeGrace, l.closeConns)
	defer hard.Stop()
	l.serving.Wait()
}

func (l *listener) track(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.conns) >= l.limit {
		return false
	}
	l.conns[c] = struct{}{}
	l.serving.Add(1)
	return true
}

func (l *listener) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	l.serving.Done()
}

func (l *listener) closeConns() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
}
