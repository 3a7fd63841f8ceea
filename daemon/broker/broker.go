// Package broker is the embedded MQTT broker: it serves this board alone, on
// loopback, when the configuration names no other broker, so that a first run
// needs nothing else. It keeps nothing on disk and asks for no password; who
// wants either runs a real broker.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Limits of the embedded broker. An event takes a few kilobytes and its
// subscribers are programs on this board, so all of them are far from tight;
// they keep a broken neighbour from taking the board's memory.
const (
	MaxPacket  = 256 << 10 // bytes of one packet
	MaxClients = 32        // connections at a time

	maxPending  = 1024 // packets that wait for one slow subscriber
	maxInflight = 256  // unacknowledged messages of one subscriber
	sessionLife = 3600 // seconds that the session of an absent client is kept
)

// Options says where the broker listens.
type Options struct {
	// Addr is a loopback address and port; port 0 takes any free one.
	Addr string
	Log  *slog.Logger
}

// Broker is a running broker. Its methods may be called from any goroutine.
type Broker struct {
	server   *mochi.Server
	listener *listener
	close    func() error
}

// Start listens and serves until [Broker.Close].
func Start(o Options) (*Broker, error) {
	if o.Log == nil {
		return nil, errors.New("broker: a log is required")
	}
	if err := checkLoopback(o.Addr); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("broker: cannot listen on %s: %w; choose another port or stop the program that holds it", o.Addr, err)
	}
	b := &Broker{}
	b.listener = newListener(l, MaxClients, b.endSessions)
	b.close = sync.OnceValue(b.stop)

	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumPacketSize = MaxPacket
	caps.MaximumClients = MaxClients
	caps.MaximumClientWritesPending = maxPending
	caps.MaximumInflight = maxInflight
	caps.ReceiveMaximum = maxInflight
	caps.MaximumSessionExpiryInterval = sessionLife
	b.server = mochi.New(&mochi.Options{
		Capabilities:           caps,
		Logger:                 quiet(o.Log),
		SysTopicResendInterval: 60,
	})
	if err := errors.Join(
		b.server.AddHook(new(anyone), nil),
		b.server.AddListener(b.listener),
		b.server.Serve(),
	); err != nil {
		return nil, errors.Join(fmt.Errorf("broker: %w", err), b.close())
	}
	o.Log.Info("embedded MQTT broker listens", "url", b.URL())
	return b, nil
}

// URL is where clients on this board connect, for instance tcp://127.0.0.1:1883.
func (b *Broker) URL() string { return "tcp://" + b.listener.Address() }

// Close ends every connection and frees the port. Later calls do nothing.
func (b *Broker) Close() error { return b.close() }

func (b *Broker) stop() error {
	if err := b.server.Close(); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	return nil
}

// endSessions tells every client that the broker goes. The server could do it
// itself, but takes the lock of its clients for reading twice in a row, and hangs
// for good when one that leaves waits for the same lock in between (mochi 2.7.9,
// Clients.GetByListener).
func (b *Broker) endSessions() {
	for _, c := range b.server.Clients.GetAll() {
		if c.Net.Listener == b.listener.ID() && !c.Closed() {
			_ = b.server.DisconnectClient(c, packets.ErrServerShuttingDown) // it is gone either way
		}
	}
}

// closeGrace is how long a connection may take to end by itself.
const closeGrace = 500 * time.Millisecond

func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("broker: address %q is not HOST:PORT: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("broker: address %q is not on loopback; the embedded broker asks for no password and serves this board only, use a broker such as mosquitto for a network", addr)
	}
	return nil
}

// anyone lets every program on this board in: the listener is on loopback.
type anyone struct{ mochi.HookBase }

func (*anyone) ID() string { return "anyone" }

func (*anyone) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

func (*anyone) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func (*anyone) OnACLCheck(*mochi.Client, string, bool) bool { return true }

// quiet turns the server's own log down: what it tells about each connection
// matters to someone who looks for a fault, not to the owner of the board.
func quiet(l *slog.Logger) *slog.Logger {
	return slog.New(demoting{l.Handler()}).With("part", "broker")
}

// demoting is a handler that lets errors through as warnings and everything
// else only as debug messages.
type demoting struct{ slog.Handler }

func demote(l slog.Level) slog.Level {
	if l >= slog.LevelError {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

func (d demoting) Enabled(ctx context.Context, l slog.Level) bool {
	return d.Handler.Enabled(ctx, demote(l))
}

func (d demoting) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	r.Level = demote(r.Level)
	if r.Message == "" { // how the server reports a connection that broke off
		r.Message = "connection ended"
	}
	return d.Handler.Handle(ctx, r)
}

func (d demoting) WithAttrs(a []slog.Attr) slog.Handler { return demoting{d.Handler.WithAttrs(a)} }
func (d demoting) WithGroup(g string) slog.Handler      { return demoting{d.Handler.WithGroup(g)} }
