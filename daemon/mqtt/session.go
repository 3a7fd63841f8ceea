package mqtt

import (
	"cmp"
	"context"
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
	// window is how many messages may be on their way; mosquitto takes 20.
	window = 16
	qos    = 1 // at least once

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
	number uint64
	Message
	handed chan paho.Token // receives the token once paho has taken the message
	token  paho.Token      // nil until then
}

// connect opens a connection, logs in and says that the node is online.
func (p *Publisher) connect(ctx context.Context) (*session, error) {
	s := &session{p: p, lost: make(chan error, 1), out: make(chan *flight, window)}
	var (
		opened  error
		release func() bool // lets the connection outlive ctx
	)
	o := paho.NewClientOptions().
		AddBroker(p.endpoint.url.String()).
		SetClientID(p.opts.ClientID).
		SetUsername(p.opts.Username).
		SetPassword(p.secret).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(false).
		SetConnectTimeout(dialTimeout).
		SetKeepAlive(keepAlive).
		SetPingTimeout(pingTimeout).
		SetWriteTimeout(writeTimeout).
		SetWill(StatusTopic(p.opts.Node), event.Offline, qos, true).
		SetConnectionLostHandler(func(_ paho.Client, err error) { s.lost <- err }).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			var conn net.Conn
			if conn, opened = p.endpoint.open(ctx, p.tls); opened != nil {
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
		return nil, ctx.Err()
	}
	if opened != nil {
		return nil, opened
	}
	if err := token.Error(); err != nil {
		release()
		if errors.Is(err, packets.ErrorNetworkError) {
			err = fmt.Errorf("%w: %w", errGreeting, cmp.Or(s.conn.why(), err))
		}
		return nil, err
	}
	if !release() {
		return nil, ctx.Err()
	}
	go s.hand()
	if err := s.greet(ctx); err != nil {
		s.abandon()
		return nil, err
	}
	return s, nil
}

// greet says that the node is online, over what the last will of an earlier
// session left behind, and repeats the states that a restarted broker may have
// forgotten.
func (s *session) greet(ctx context.Context) error {
	if err := s.say(ctx, StatusTopic(s.p.opts.Node), []byte(event.Online)); err != nil {
		return err
	}
	for topic, payload := range s.p.retained {
		if err := s.say(ctx, topic, payload); err != nil {
			return err
		}
	}
	return nil
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

// fill sends from the outbox while the window has room.
func (s *session) fill() {
	for len(s.flying) < window {
		number, m, ok := s.p.outbox.Peek(s.sent)
		if !ok {
			return
		}
		s.sent = number
		s.send(&flight{number: number, Message: m})
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
	var (
		handed chan paho.Token
		acked  <-chan struct{}
		late   <-chan time.Time
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
	}
	select {
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
	if f.number == 0 {
		return nil // said by the session itself
	}
	if f.Retain {
		s.p.retained[f.Topic] = f.Payload
	}
	held, err := s.p.outbox.Ack(f.number)
	if err != nil {
		return fmt.Errorf("the outbox cannot forget a delivered message: %w", err)
	}
	if held {
		s.p.delivered()
	}
	return nil
}
