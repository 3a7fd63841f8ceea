package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"sensed/daemon/event"
)

const (
	// maxWindow is how many messages may be on their way.
	maxWindow = 64
	qos       = 1 // at least once

	keepAlive    = 30 * time.Second
	pingTimeout  = 10 * time.Second
	writeTimeout = 5 * time.Second
)

var (
	errGreeting = errors.New("connection ended before the greeting")
	errLost     = errors.New("connection lost")
	errNoAck    = errors.New("no acknowledgement")
)

// session is one connection to the broker, from CONNECT to its end; a new
// connection is a new session with a new paho client. It belongs to Run.
type session struct {
	p      *Publisher
	at     endpoint
	mark   uint64 // messages up to this number waited for a connection
	client paho.Client
	conn   *watched
	lost   chan error // receives why paho gave the connection up

	out    chan *flight // to the goroutine that hands messages to paho
	flying []*flight    // sent and not acknowledged, in the order of sending
	sent   uint64       // number of the newest message sent

	progress time.Time // when the oldest message became the oldest
}

// flight is one publication on its way.
type flight struct {
	number uint64 // in the outbox; 0 for what does not come from there
	Message
	handed chan paho.Token // receives the token once paho has taken the message
	token  paho.Token      // nil until then
	state  *state          // what a retained message from the outbox says; else nil
	// version of the value that it says; 0 for what is no state.
	version uint64
}

// connect opens a connection, logs in, subscribes and says that the node is
// online.
func (p *Publisher) connect(ctx context.Context, e endpoint) (*session, error) {
	s := &session{p: p, at: e, lost: make(chan error, 1), out: make(chan *flight, maxWindow)}
	o := paho.NewClientOptions().
		SetOrderMatters(len(p.opts.Subscribe) > 0). // what is heard never blocks and never publishes in paho's goroutine
		SetWill(StatusTopic(p.opts.Node), event.Offline, qos, true).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { p.hear(m) })
	if err := s.login(ctx, o); err != nil {
		return nil, err
	}
	go s.hand()
	err := s.subscribe(ctx)
	if err == nil {
		err = s.greet(ctx)
	}
	if err != nil {
		s.abandon()
		return nil, err
	}
	return s, nil
}

// login opens the connection and shows who the node is.
func (s *session) login(ctx context.Context, o *paho.ClientOptions) error {
	p, e := s.p, s.at
	password, err := p.opts.password()
	if err != nil {
		return secretError{err}
	}
	var conf *tls.Config
	if e.secure() {
		if conf, err = p.opts.tlsConfig(e.url.Hostname()); err != nil {
			return secretError{err}
		}
	}
	var (
		opened  error
		release func() bool // lets the connection outlive ctx
	)
	o = o.AddBroker(e.url.String()).
		SetClientID(p.opts.ClientID).
		SetUsername(p.opts.Username).
		SetPassword(password).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetConnectTimeout(dialTimeout).
		SetKeepAlive(keepAlive).
		SetPingTimeout(pingTimeout).
		SetWriteTimeout(writeTimeout).
		SetConnectionLostHandler(func(_ paho.Client, err error) { s.lost <- err }).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			var conn net.Conn
			if conn, opened = e.open(ctx, conf); opened != nil {
				return nil, opened
			}
			s.conn = &watched{Conn: conn}
			release = context.AfterFunc(ctx, func() { conn.Close() })
			return s.conn, nil
		})
	s.client = paho.NewClient(o)

	token := s.client.Connect()
	select {
	case <-token.Done():
	case <-ctx.Done():
		// The attempt has ended or is about to: its connection is closed.
		go func() {
			<-token.Done()
			s.client.Disconnect(0)
		}()
		return ctx.Err()
	}
	if opened != nil {
		return opened
	}
	if err := token.Error(); err != nil {
		release()
		if errors.Is(err, packets.ErrorNetworkError) {
			err = fmt.Errorf("%w: %w", errGreeting, cmp.Or(s.conn.why(), err))
		}
		return err
	}
	if !release() {
		return ctx.Err()
	}
	return nil
}

// subscribe asks for what Hear wants. A broker that refuses a filter is told
// about and does not keep the node from publishing.
func (s *session) subscribe(ctx context.Context) error {
	if len(s.p.opts.Subscribe) == 0 {
		return nil
	}
	filters := map[string]byte{}
	for _, f := range s.p.opts.Subscribe {
		filters[f] = qos
	}
	token := s.client.SubscribeMultiple(filters, nil)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-s.lost:
		return fmt.Errorf("%w: %w", errLost, err)
	case <-time.After(s.p.opts.AckTimeout):
		return errNoAck
	case <-token.Done():
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	if t, ok := token.(*paho.SubscribeToken); ok {
		for f, granted := range t.Result() {
			if granted > 2 {
				s.p.log.Warn("the MQTT broker refuses a subscription, so commands on it are not heard; check its access list", "filter", f)
			}
		}
	}
	return nil
}

// hear takes a message from the broker. It must not wait.
func (p *Publisher) hear(m paho.Message) {
	select {
	case p.heard <- Received{m.Topic(), m.Payload(), m.Retained()}:
		return
	default:
	}
	p.mu.Lock()
	p.stats.Unheard++
	first := p.stats.Unheard == 1
	p.mu.Unlock()
	if first {
		p.log.Warn("more messages come from the MQTT broker than can be heard; some are lost", "topic", m.Topic())
	}
}

// greet says that the node is online, over what the last will of an earlier
// session left behind; then all states are repeated, which a restarted broker
// may have forgotten.
func (s *session) greet(ctx context.Context) error {
	s.p.states.again()
	return s.say(ctx, StatusTopic(s.p.opts.Node), []byte(event.Online))
}

// say publishes a retained message that is not from the outbox and waits until
// it and everything before it is acknowledged.
func (s *session) say(ctx context.Context, topic string, payload []byte) error {
	s.send(&flight{Message: Message{Topic: topic, Payload: payload, Retain: true}})
	for len(s.flying) > 0 {
		if err := s.step(ctx.Done(), nil); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// serve sends what is in the outbox until the connection ends, which is an
// error, or ctx does; then it ends the session in good order.
func (s *session) serve(ctx context.Context) error {
	for ctx.Err() == nil {
		s.fill()
		if err := s.step(ctx.Done(), s.p.wake); err != nil {
			s.abandon()
			return err
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.p.opts.Drain)
	defer cancel()
	if err := s.finish(ending); err != nil {
		s.abandon() // without DISCONNECT, so that the last will says offline
		return err
	}
	close(s.out)
	s.client.Disconnect(uint(s.p.opts.Drain / 4 / time.Millisecond))
	return nil
}

// finish empties the outbox and says goodbye.
func (s *session) finish(ctx context.Context) error {
	for s.fill(); len(s.flying) > 0; s.fill() {
		if err := s.step(ctx.Done(), nil); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return s.say(ctx, StatusTopic(s.p.opts.Node), []byte(event.Offline))
}

// abandon breaks the connection off. Paho's goroutines end with it.
func (s *session) abandon() {
	close(s.out)
	s.conn.Close()
}

// fill sends states that changed, then from the outbox, while the window has
// room.
func (s *session) fill() {
	for len(s.flying) < s.p.window() {
		topic, v, ok := s.p.states.next()
		if !ok {
			break
		}
		f := &flight{Message: Message{Topic: topic, Payload: v.payload, Retain: true}, version: v.version}
		if v.stamp {
			f.Payload = stamped(v.payload, v.number, time.Now(), false)
		}
		s.send(f)
	}
	for len(s.flying) < s.p.window() {
		e, ok := s.p.outbox.Peek(s.sent)
		if !ok && len(s.flying) == 0 && s.sent > 0 {
			// What failed to be read before may be readable now.
			s.sent = 0
			e, ok = s.p.outbox.Peek(0)
		}
		if !ok {
			return
		}
		s.sent = e.Number
		m, err := decode(e.Body)
		if err != nil {
			s.p.outbox.Quarantine(e.Number, err)
			continue
		}
		f := &flight{number: e.Number, Message: m}
		if m.Retain {
			f.state = &state{payload: m.Payload, stamp: m.Stamp, number: e.Number}
		}
		if m.Stamp {
			f.Payload = stamped(m.Payload, e.Number, time.Now(), e.Number <= s.mark)
		}
		s.send(f)
	}
}

// send never blocks: out has room for the whole window.
func (s *session) send(f *flight) {
	f.handed = make(chan paho.Token, 1)
	if len(s.flying) == 0 {
		s.progress = time.Now()
	}
	s.flying = append(s.flying, f)
	s.out <- f
}

// hand gives messages to paho in their order. Paho may block for as long as a
// write may take, which is why this is a goroutine; it ends with the session.
func (s *session) hand() {
	for f := range s.out {
		f.handed <- s.client.Publish(f.Topic, qos, f.Retain, f.Payload)
	}
}

// step waits for one thing to happen: stop, more to send, or the
// acknowledgement of the oldest message on its way. Brokers acknowledge in the
// order of publication (MQTT 3.1.1, section 4.6), so no other is waited for.
func (s *session) step(stop, more <-chan struct{}) error {
	s.p.turn()
	var (
		handed chan paho.Token
		acked  <-chan struct{}
		late   <-chan time.Time
		again  <-chan time.Time
	)
	if len(s.flying) > 0 {
		if t := s.flying[0].token; t == nil {
			handed = s.flying[0].handed
		} else {
			acked = t.Done()
		}
		t := time.NewTimer(time.Until(s.progress.Add(s.p.opts.AckTimeout)))
		defer t.Stop()
		late = t.C
	} else if more != nil && s.p.outbox.Len() > 0 { // some of it could not be read
		t := time.NewTimer(s.p.opts.RetryMax)
		defer t.Stop()
		again = t.C
	}
	select {
	case <-again:
	case <-stop:
	case <-more:
	case err := <-s.lost:
		return fmt.Errorf("%w: %w", errLost, err)
	case token := <-handed:
		s.flying[0].token = token
	case <-acked:
		return s.acknowledged()
	case <-late:
		return errNoAck
	}
	return nil
}

// acknowledged takes the oldest message off the list, and out of the outbox if
// its token was completed by the broker and not by the end of the connection.
func (s *session) acknowledged() error {
	f := s.flying[0]
	if err := f.token.Error(); err != nil {
		select {
		case why := <-s.lost: // paho tells the reason a moment after it failed the tokens
			err = why
		case <-time.After(time.Second):
		}
		return fmt.Errorf("%w: %w", errLost, err)
	}
	s.flying = s.flying[1:]
	s.progress = time.Now()
	s.p.cleared(f)
	if f.number == 0 { // not from the outbox
		s.p.states.acknowledged(f.Topic, f.version)
		return nil
	}
	if f.state != nil {
		s.p.states.remember(f.Topic, *f.state)
	}
	if s.p.outbox.Ack(f.number) {
		s.p.delivered()
	}
	return nil
}
