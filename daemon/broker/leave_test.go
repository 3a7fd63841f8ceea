package broker_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"sensed/daemon/broker"
)

// TestCloseWhileClientsLeave stops brokers at the moment at which their clients
// go. It is a net with wide meshes: the hang for which Broker.endSessions exists
// was seen once in a demonstration and not in thousands of rounds of this.
func TestCloseWhileClientsLeave(t *testing.T) {
	const rounds, clients = 300, 12
	for round := range rounds {
		b := start(t)
		leave := make(chan struct{})
		var gone sync.WaitGroup
		for i := range clients {
			c := session(t, b, byte('a'+i))
			gone.Go(func() {
				<-leave
				c.Close()
			})
		}
		closed := make(chan error, 1)
		close(leave)
		go func() { closed <- b.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatalf("round %d: the broker does not stop", round)
		}
		gone.Wait()
	}
}

// session is an MQTT 3.1.1 session of a client with a name of one letter.
func session(t *testing.T, b *broker.Broker, name byte) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(b.URL(), "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	connect := []byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, name}
	if _, err := c.Write(connect); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Fatalf("the broker answers no connection: %v", err)
	}
	return c
}
