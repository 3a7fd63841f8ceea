package broker_test

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"sensed/daemon/broker"
)

// patience bounds waits for things that happen in milliseconds; it decides
// only how long a failing test takes.
const patience = 20 * time.Second

func start(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.Start(broker.Options{Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func connect(t *testing.T, b *broker.Broker, id string, change func(*paho.ClientOptions)) paho.Client {
	t.Helper()
	o := paho.NewClientOptions().AddBroker(b.URL()).SetClientID(id).SetAutoReconnect(false).SetOrderMatters(false)
	if change != nil {
		change(o)
	}
	c := paho.NewClient(o)
	wait(t, c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func wait(t *testing.T, tok paho.Token) {
	t.Helper()
	if !tok.WaitTimeout(patience) {
		t.Fatal("the broker does not answer")
	}
	if err := tok.Error(); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c <-chan paho.Message) paho.Message {
	t.Helper()
	select {
	case m := <-c:
		return m
	case <-time.After(patience):
		t.Fatal("no message arrived")
		return nil
	}
}

func TestDeliversAndRetains(t *testing.T) {
	b := start(t)
	got := make(chan paho.Message, 10)
	sub := connect(t, b, "sub", nil)
	wait(t, sub.Subscribe("sensed/#", 1, func(_ paho.Client, m paho.Message) { got <- m }))

	pub := connect(t, b, "pub", nil)
	wait(t, pub.Publish("sensed/porch/status", 1, true, "online"))
	wait(t, pub.Publish("sensed/porch/door/caption", 1, false, "A cat."))
	// OrderMatters is off, so the handlers may run in any order, and the server
	// may hand a message that is retained just after a subscription over twice.
	payloads := map[string]string{}
	for len(payloads) < 2 {
		m := receive(t, got)
		payloads[m.Topic()] = string(m.Payload())
	}
	if payloads["sensed/porch/status"] != "online" || payloads["sensed/porch/door/caption"] != "A cat." {
		t.Errorf("received %v", payloads)
	}

	late := make(chan paho.Message, 10)
	wait(t, connect(t, b, "late", nil).Subscribe("sensed/#", 1, func(_ paho.Client, m paho.Message) { late <- m }))
	if m := receive(t, late); m.Topic() != "sensed/porch/status" || !m.Retained() {
		t.Errorf("late subscriber received %s (retained %t)", m.Topic(), m.Retained())
	}
}

func TestPublishesTheWillOfABrokenConnection(t *testing.T) {
	b := start(t)
	got := make(chan paho.Message, 1)
	wait(t, connect(t, b, "sub", nil).Subscribe("will", 1, func(_ paho.Client, m paho.Message) { got <- m }))

	broken := make(chan net.Conn, 1)
	connect(t, b, "dying", func(o *paho.ClientOptions) {
		o.SetWill("will", "gone", 1, false)
		o.SetCustomOpenConnectionFn(dialInto(broken))
	})
	(<-broken).Close()
	if m := receive(t, got); string(m.Payload()) != "gone" {
		t.Errorf("will says %q", m.Payload())
	}
}

func TestDisconnectsAClientWithAHugePacket(t *testing.T) {
	b := start(t)
	lost := make(chan error, 1)
	c := connect(t, b, "huge", func(o *paho.ClientOptions) {
		o.SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	})
	c.Publish("x", 1, false, strings.Repeat("x", broker.MaxPacket+1))
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatal("a packet over the limit was taken")
	}
}

func TestRefusesMoreConnectionsThanItsLimit(t *testing.T) {
	b := start(t)
	addr := strings.TrimPrefix(b.URL(), "tcp://")
	for range broker.MaxClients {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("reading from a connection over the limit: %v, want it closed", err)
	}
}

func TestCloseEndsEveryConnectionAndFreesThePort(t *testing.T) {
	b := start(t)
	addr := strings.TrimPrefix(b.URL(), "tcp://")
	lost := make(chan error, 1)
	connect(t, b, "c", func(o *paho.ClientOptions) {
		o.SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	})
	silent, err := net.Dial("tcp", addr) // never says CONNECT
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience / 2): // the server's own limit for a silent client is 15 s
		t.Fatal("Close hangs on a connection that says nothing")
	}
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatal("the client still believes that it is connected")
	}
	if err := b.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	again, err := broker.Start(broker.Options{Addr: addr, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	again.Close()
}

func TestRefusesWrongAddresses(t *testing.T) {
	held := start(t)
	for _, tc := range []struct{ addr, want string }{
		{"0.0.0.0:0", "not on loopback"},
		{"192.0.2.7:1883", "not on loopback"},
		{":1883", "not on loopback"},
		{"127.0.0.1", "HOST:PORT"},
		{strings.TrimPrefix(held.URL(), "tcp://"), "choose another port"},
	} {
		b, err := broker.Start(broker.Options{Addr: tc.addr, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			b.Close()
			t.Errorf("%s: started", tc.addr)
		} else if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %q does not say %q", tc.addr, err, tc.want)
		}
	}
}

func TestOwnLogStaysQuiet(t *testing.T) {
	var out strings.Builder
	b, err := broker.Start(broker.Options{Addr: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.Contains(out.String(), b.URL()) {
		t.Errorf("log at level info:\n%s", out.String())
	}
}
