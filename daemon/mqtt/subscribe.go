package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Received is a message from the broker.
type Received struct {
	Topic    string
	Payload  []byte
	Retained bool // the broker had kept it from before the subscription
}

// Subscriber listens to one topic filter over a connection of its own, as any
// other program would. It does not come back when the connection is lost.
type Subscriber struct {
	client paho.Client
}

// Subscribe connects to a broker without password or TLS, such as the embedded
// one, and hands everything that it then sends to hear, in order and with QoS 1:
// a message may come twice. A slow hear slows the connection down.
func Subscribe(ctx context.Context, brokerURL, clientID, filter string, hear func(Received)) (*Subscriber, error) {
	e, err := parseURL(brokerURL)
	if err != nil {
		return nil, err
	}
	if e.secure() {
		return nil, errors.New("mqtt: the subscriber does not speak TLS")
	}
	handler := func(_ paho.Client, m paho.Message) { hear(Received{m.Topic(), m.Payload(), m.Retained()}) }
	c := paho.NewClient(paho.NewClientOptions().
		AddBroker(brokerURL).
		SetClientID(clientID).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectTimeout(dialTimeout).
		SetDefaultPublishHandler(handler). // what is sent before the subscription is answered
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			return e.open(ctx, nil)
		}))
	s := &Subscriber{client: c}
	if err := await(ctx, c.Connect()); err != nil {
		return nil, fmt.Errorf("mqtt: connecting to %s: %w", brokerURL, err)
	}
	if err := await(ctx, c.Subscribe(filter, qos, handler)); err != nil {
		s.Close()
		return nil, fmt.Errorf("mqtt: subscribing to %s at %s: %w", filter, brokerURL, err)
	}
	return s, nil
}

// Close ends the connection.
func (s *Subscriber) Close() { s.client.Disconnect(100) }

func await(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}
