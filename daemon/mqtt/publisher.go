// Package mqtt publishes to an MQTT broker, at least once: a message leaves the
// outbox only when the broker has acknowledged that very publication in that
// very session, and is sent again in the next session otherwise. Subscribers
// tell duplicates by the event's id.
//
// The library below (paho) can reconnect and store messages by itself, but then
// completes tokens of messages that never arrived, drops QoS 0 messages with a
// successful token, and wipes its own store at a clean start. So it is used
// for one connection at a time and for nothing else: clean session, no
// reconnection, no store; reconnecting and remembering are done here.
package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/outbox"
)

// Options says where and as whom to publish. Zero times mean their defaults.
type Options struct {
	Node string
	// URL of the broker: mqtt://, mqtts://, ws:// and wss:// with HOST[:PORT],
	// or unix:///SOCKET.
	URL string
	// Fallbacks are brokers to be tried, in this order, when the first cannot
	// be used. One that works is kept until the connection is lost; then the
	// first comes first again.
	Fallbacks []string
	ClientID  string // "": sensed-NODE
	Username  string
	// PasswordFile holds the password in its first line. It and the files below
	// are read anew for each connection, so they can be replaced.
	PasswordFile string
	CAFile       string // PEM certificates to trust instead of the system's
	CertFile     string // PEM certificate to show to the broker, with KeyFile
	KeyFile      string
	ServerName   string // name in the broker's certificate; "": the URL's host

	// Outbox keeps what was not acknowledged. It belongs to the caller and must
	// outlive Run.
	Outbox *outbox.Outbox
	// Subscribe are filters of messages that Hear gets, one after the other, in
	// the order in which they came, at least once. It runs in a goroutine of its
	// own and may publish. While it is busy with hearing 64 more, others are lost.
	Subscribe []string
	Hear      func(Received)
	Log       *slog.Logger

	RetryFirst time.Duration // first wait before trying again; 0.5 s
	RetryMax   time.Duration // longest such wait; 30 s
	AckTimeout time.Duration // how long the broker may take to acknowledge; 30 s
	Drain      time.Duration // how long the rest may take at the end; 1.5 s
}

// Validate checks the options, except for what only a running publisher needs,
// and tries to read the files. It connects to nothing.
func (o Options) Validate() error {
	if err := CheckName(o.Node); err != nil {
		return fmt.Errorf("mqtt: node name %q cannot be part of a topic: %w", o.Node, err)
	}
	endpoints, err := o.endpoints()
	if err != nil {
		return err
	}
	if err := o.checkFiles(endpoints); err != nil {
		return err
	}
	for _, f := range o.Subscribe {
		if f == "" {
			return errors.New("mqtt: a filter to subscribe to is empty")
		}
	}
	if len(o.Subscribe) > 0 && o.Hear == nil {
		return errors.New("mqtt: filters are given, but nobody who hears")
	}
	return nil
}

// Publisher publishes what one node says. Make it with [New]; its methods may
// be called from any goroutine.
type Publisher struct {
	opts      Options
	endpoints []endpoint
	outbox    *outbox.Outbox
	states    *states
	log       *slog.Logger
	wake      chan struct{} // holds a token when there may be something new to send
	heard     chan Received // to the goroutine that calls Hear
	restored  uint64        // number of the newest message of an earlier process
	suspect   suspect       // belongs to Run

	mu    sync.Mutex
	stats Stats // guarded by mu
}

// Stats says how a publisher is, and counts messages since the start.
type Stats struct {
	Connected bool   `json:"connected"`
	Broker    string `json:"broker,omitempty"` // URL of the one that is connected
	// Problem says in a sentence why there is no connection; "" when there is
	// one, or nothing was tried yet.
	Problem string    `json:"problem,omitempty"`
	Since   time.Time `json:"since,omitzero"` // of Connected

	Accepted  uint64       `json:"accepted"`          // taken by Publish and Send
	Delivered uint64       `json:"delivered"`         // acknowledged by the broker
	Turns     uint64       `json:"turns"`             // grows while Run gets on, at least every minute when messages wait
	Unheard   uint64       `json:"unheard,omitempty"` // received, but lost because Hear was busy
	Outbox    outbox.State `json:"outbox"`
}

// Waiting is how many messages are in the outbox.
func (s Stats) Waiting() int { return s.Outbox.Messages }

// Dropped is how many messages the outbox gave up.
func (s Stats) Dropped() uint64 { return s.Outbox.Dropped() }

// New checks the options. It connects to nothing.
func New(o Options) (*Publisher, error) {
	if o.Log == nil || o.Outbox == nil {
		return nil, errors.New("mqtt: a log and an outbox are required")
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	endpoints, err := o.endpoints()
	if err != nil {
		return nil, err
	}
	o.setDefaults()
	return &Publisher{
		opts: o, endpoints: endpoints, outbox: o.Outbox, states: newStates(), log: o.Log,
		wake: make(chan struct{}, 1), heard: make(chan Received, 64),
		restored: o.Outbox.State().Last,
	}, nil
}

func (o *Options) setDefaults() {
	if o.ClientID == "" {
		o.ClientID = Root + "-" + o.Node
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
// Status events are retained by the broker. The members seq, published and
// replayed are added when the event is sent.
func (p *Publisher) Publish(ctx context.Context, e event.Event) error {
	if err := checkEvent(e, p.opts.Node); err != nil {
		return err
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("mqtt: an event of source %q cannot be written as JSON: %w", e.Source, err)
	}
	return p.Send(ctx, Message{
		Topic:    Topic(e),
		Payload:  payload,
		Retain:   e.Kind == event.Status,
		Priority: priority(e),
		Stamp:    true,
	})
}

// priority says what an event is worth when the outbox is full: announcements
// and copies little without the words that go with them, what somebody did most.
func priority(e event.Event) outbox.Priority {
	switch {
	case e.EventType != "", e.Kind == event.Motion, e.Kind == event.Sound, e.Kind == event.Level:
		return outbox.Low
	case e.Kind == event.Pin, e.Kind == event.Status:
		return outbox.High
	}
	return outbox.Normal
}

// Send puts a message into the outbox; it does not wait for the network. The
// outbox promises that it then survives the process, see there.
func (p *Publisher) Send(_ context.Context, m Message) error {
	if err := m.check(); err != nil {
		return err
	}
	if err := p.outbox.Append(outbox.Message{Priority: m.Priority, Body: m.encode()}); err != nil {
		return fmt.Errorf("mqtt: a message on %s could not be put into the outbox: %w", m.Topic, err)
	}
	p.mu.Lock()
	p.stats.Accepted++
	p.mu.Unlock()
	p.wakeUp()
	return nil
}

// Retain says the present value of a topic, which the broker keeps; an empty
// payload makes it forget. Only the newest value is sent, now or when there is
// a connection, and again after each connect. It does not survive the process.
// The payload must not be changed afterwards.
func (p *Publisher) Retain(topic string, payload []byte) error {
	if err := (Message{Topic: topic, Payload: payload}).check(); err != nil {
		return err
	}
	p.states.set(topic, payload)
	p.wakeUp()
	return nil
}

// Repeat says all values of [Publisher.Retain] again, in the order in which their
// topics were first used: somebody may have missed them.
func (p *Publisher) Repeat() {
	p.states.again()
	p.wakeUp()
}

// Said tells whether the broker has acknowledged the newest value of a topic that
// [Publisher.Retain] was given.
func (p *Publisher) Said(topic string) bool { return p.states.said(topic) }

func (p *Publisher) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Stats returns the present state and counts.
func (p *Publisher) Stats() Stats {
	p.mu.Lock()
	s := p.stats
	p.mu.Unlock()
	s.Outbox = p.outbox.State()
	return s
}

// turn shows that Run gets on.
func (p *Publisher) turn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Turns++
}

func (p *Publisher) delivered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Delivered++
}

// setConnected notes which broker is connected, "" for none.
func (p *Publisher) setConnected(broker string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Connected, p.stats.Broker, p.stats.Since = broker != "", broker, time.Now()
	if broker != "" {
		p.stats.Problem = ""
	}
}

func (p *Publisher) setProblem(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Problem = what
}
