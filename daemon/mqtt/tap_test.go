package mqtt_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"sensed/daemon/event"
	"sensed/daemon/mqtt/mqtttest"
)

// tap stands between publishers and a broker, reads every packet, and knows what
// the broker has acknowledged: a broker that is killed forgets that itself. It
// can break connections after a number of bytes, wherever that is.
type tap struct {
	t      *testing.T
	l      net.Listener
	target string
	limit  func() int // bytes until the next connection breaks; <0: it does not

	mu      sync.Mutex
	acked   map[string]bool                // ids
	first   map[string][]string            // by topic: ids in the order in which they were first sent
	sent    map[string]event.Event         // by id, without what differs between copies
	seqs    map[uint64]string              // ids by number
	copies  int                            // sent again
	conns   int                            // so far
	open    map[net.Conn]struct{}          //
	pending map[net.Conn]map[uint16]string // ids by packet id
	changed chan struct{}                  // closed and replaced when acked grows
}

func newTap(t *testing.T, target string, limit func() int) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{
		t: t, l: l, target: strings.TrimPrefix(target, "mqtt://"), limit: limit,
		acked: map[string]bool{}, first: map[string][]string{}, sent: map[string]event.Event{}, seqs: map[uint64]string{},
		open: map[net.Conn]struct{}{}, pending: map[net.Conn]map[uint16]string{}, changed: make(chan struct{}),
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for c := range p.open {
			c.Close()
		}
		p.mu.Unlock()
		serving.Wait()
	})
	return p
}

func (p *tap) url() string { return "tcp://" + p.l.Addr().String() }

// serve carries packets both ways until one side ends or the limit is reached.
func (p *tap) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	p.conns++
	p.open[client] = struct{}{}
	p.pending[client] = map[uint16]string{}
	left := &budget{bytes: p.limit()}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.open, client)
		delete(p.pending, client)
		p.mu.Unlock()
	}()
	broker, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer broker.Close()
	var back sync.WaitGroup
	back.Go(func() {
		defer client.Close()
		p.carry(broker, client, left, func(c packets.ControlPacket) {
			if ack, ok := c.(*packets.PubackPacket); ok {
				p.acknowledged(client, ack.MessageID)
			}
		})
	})
	p.carry(client, broker, left, func(c packets.ControlPacket) {
		if m, ok := c.(*packets.PublishPacket); ok && strings.Count(m.TopicName, "/") == 3 {
			p.publication(client, m)
		}
	})
	broker.Close()
	back.Wait()
}

// budget is how many bytes a connection still carries.
type budget struct {
	mu    sync.Mutex
	bytes int
}

func (b *budget) take(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes < 0 {
		return n
	}
	n = min(n, b.bytes)
	b.bytes -= n
	return n
}

func (p *tap) carry(from io.Reader, to io.Writer, left *budget, look func(packets.ControlPacket)) {
	for {
		c, err := packets.ReadPacket(from)
		if err != nil {
			return
		}
		look(c)
		var b bytes.Buffer
		if c.Write(&b) != nil {
			return
		}
		n := left.take(b.Len())
		if _, err := to.Write(b.Bytes()[:n]); err != nil || n < b.Len() {
			return
		}
	}
}

func (p *tap) publication(client net.Conn, m *packets.PublishPacket) {
	var e event.Event
	if err := json.Unmarshal(m.Payload, &e); err != nil {
		p.t.Errorf("on %s: %v: %s", m.TopicName, err, m.Payload)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[client][m.MessageID] = e.ID
	e.Published, e.Replayed = time.Time{}, false
	before, again := p.sent[e.ID]
	switch {
	case !again:
		p.sent[e.ID] = e
		p.first[m.TopicName] = append(p.first[m.TopicName], e.ID)
		if other, taken := p.seqs[e.Seq]; taken {
			p.t.Errorf("%s and %s have the number %d", other, e.ID, e.Seq)
		}
		p.seqs[e.Seq] = e.ID
	default:
		p.copies++
		if before.Seq != e.Seq || before.Text != e.Text || before.Source != e.Source {
			p.t.Errorf("a copy differs: %+v and %+v", before, e)
		}
	}
}

func (p *tap) acknowledged(client net.Conn, packet uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, ok := p.pending[client][packet]
	if !ok {
		return // a state
	}
	p.acked[id] = true
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits until the broker has acknowledged all these ids.
func (p *tap) await(ids []string) {
	p.t.Helper()
	limit := time.After(2 * mqtttest.Patience)
	for {
		p.mu.Lock()
		missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return p.acked[id] })
		changed := p.changed
		p.mu.Unlock()
		if len(missing) == 0 {
			return
		}
		select {
		case <-changed:
		case <-limit:
			p.t.Fatalf("%d of %d messages were lost, the first is %s", len(missing), len(ids), missing[0])
		}
	}
}

// inOrder checks that ids, which grow, were first sent in their order on each
// topic.
func (p *tap) inOrder() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, ids := range p.first {
		for i := 1; i < len(ids); i++ {
			if ids[i] <= ids[i-1] {
				p.t.Errorf("on %s, %s came after %s", topic, ids[i], ids[i-1])
			}
		}
	}
}
