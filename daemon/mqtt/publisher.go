// Package mqtt publishes events to an MQTT broker, at least once: an event
// leaves the outbox only when the broker has acknowledged that very
// publication in that very session, and is sent again in the next session
// otherwise. Subscribers tell duplicates by the event's id.
//
// The library below (paho) can reconnect and store messages by itself, but then
// completes tokens of messages that never arrived, drops QoS 0 messages with a
// successful token, and wipes its own store at a clean start. So it is used
// for one connection at a time and for nothing else: clean session, no
// reconnection, no store; reconnecting and remembering are done here.
package mqtt

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sensed/daemon/event"
)

// The bounds of the outbox that [New] makes when none is given, and of one
// message. An event with twenty boxes takes three kilobytes.
const (
	DefaultMessages = 4096
	DefaultBytes    = 8 << 20
	MaxPayload      = 128 << 10
)

// Options says where and as whom to publish. Zero times mean their defaults.
type Options struct {
	Node string
	// URL of the broker: mqtt://, mqtts://, ws:// and wss:// with HOST[:PORT],
	// or unix:///SOCKET.
	URL      string
	ClientID string // "": sensed-NODE
	Username string
	// PasswordFile holds the password in its first line.
	PasswordFile string
	CAFile       string // PEM certificates to trust instead of the system's
	CertFile     string // PEM certificate to show to the broker, with KeyFile
	KeyFile      string

	Outbox Outbox // nil: in memory
	Log    *slog.Logger

	RetryFirst time.Duration // first wait before trying again; 0.5 s
	RetryMax   time.Duration // longest such wait; 30 s
	AckTimeout time.Duration // how long the broker may take to acknowledge; 30 s
	Drain      time.Duration // how long the rest may take at the end; 1.5 s
}

// Publisher publishes the events of one node. Make it with [New]; its methods
// may be called from any goroutine.
type Publisher struct {
	opts     Options
	endpoint endpoint
	tls      *tls.Config
	secret   string
	outbox   Outbox
	log      *slog.Logger
	wake     chan struct{} // holds a token when the outbox may have something new

	// retained holds the last acknowledged payload of each retained topic, to
	// be said again after the broker forgot it. It belongs to Run.
	retained map[string][]byte

	mu    sync.Mutex
	stats Stats // guarded by mu
	full  bool  // guarded by mu: the outbox is dropping and that was logged
}

// Stats counts messages since the start.
type Stats struct {
	Connected bool
	Accepted  uint64 // taken by Publish
	Delivered uint64 // acknowledged by the broker
	Dropped   uint64 // given up because the outbox was full
}

// Waiting is how many messages are in the outbox.
func (s Stats) Waiting() uint64 { return s.Accepted - s.Delivered - s.Dropped }

// New checks the options and reads the secret files. It connects to nothing.
func New(o Options) (*Publisher, error) {
	if o.Log == nil {
		return nil, errors.New("mqtt: a log is required")
	}
	if err := CheckName(o.Node); err != nil {
		return nil, fmt.Errorf("mqtt: node name %q cannot be part of a topic: %w", o.Node, err)
	}
	e, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	conf, err := o.tlsConfig(e)
	if err != nil {
		return nil, err
	}
	secret, err := o.password()
	if err != nil {
		return nil, err
	}
	o.setDefaults()
	return &Publisher{
		opts: o, endpoint: e, tls: conf, secret: secret, outbox: o.Outbox,
		log:      o.Log.With("broker", e.url.Redacted()),
		wake:     make(chan struct{}, 1),
		retained: map[string][]byte{},
	}, nil
}

func (o *Options) setDefaults() {
	if o.ClientID == "" {
		o.ClientID = Root + "-" + o.Node
	}
	if o.Outbox == nil {
		o.Outbox = NewMemory(DefaultMessages, DefaultBytes)
	}
	for _, d := range []struct {
		set *time.Duration
		def time.Duration
	}{
		{&o.RetryFirst, 500 * time.Millisecond},
		{&o.RetryMax, 30 * time.Second},
		{&o.AckTimeout, 30 * time.Second},
		{&o.Drain, 1500 * time.Millisecond},
	} {
		if *d.set == 0 {
			*d.set = d.def
		}
	}
}

// Publish puts an event into the outbox; it does not wait for the network.
// Status events are retained by the broker.
func (p *Publisher) Publish(_ context.Context, e event.Event) error {
	if err := checkEvent(e, p.opts.Node); err != nil {
		return err
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("mqtt: an event of source %q cannot be written as JSON: %w", e.Source, err)
	}
	if len(payload) > MaxPayload {
		return fmt.Errorf("mqtt: an event of source %q takes %d bytes, over the limit of %d", e.Source, len(payload), MaxPayload)
	}
	dropped, err := p.outbox.Append(Message{
		Topic:   Topic(e),
		Payload: payload,
		Retain:  e.Kind == event.Status,
		Low:     e.Kind == event.Motion || e.Kind == event.Sound,
	})
	if err != nil {
		return fmt.Errorf("mqtt: an event of source %q could not be put into the outbox: %w", e.Source, err)
	}
	p.accepted(dropped)
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return nil
}

// Stats returns the present counts.
func (p *Publisher) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

func (p *Publisher) accepted(dropped int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Accepted++
	p.stats.Dropped += uint64(dropped)
	if dropped > 0 && !p.full {
		p.full = true
		p.log.Warn("the outbox is full; the oldest motion and sound messages are dropped first, then the oldest of the others",
			"waiting", p.stats.Waiting(), "dropped", p.stats.Dropped)
	}
}

func (p *Publisher) delivered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Delivered++
	if p.full && p.stats.Waiting() == 0 {
		p.full = false
		p.log.Warn("the outbox is empty again; messages were lost while it was full", "dropped", p.stats.Dropped)
	}
}

func (p *Publisher) setConnected(up bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Connected = up
}
