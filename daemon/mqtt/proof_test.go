package mqtt_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
	"sensed/daemon/outbox"
)

// rounds is how often something is killed: few, and many with SENSED_PROOF=full.
func rounds(few, many int) int {
	if os.Getenv("SENSED_PROOF") == "full" {
		return many
	}
	return few
}

// TestPublishingProcess is no test: it is the program that the tests below
// kill. It publishes on three topics and says each id when it was accepted.
func TestPublishingProcess(t *testing.T) {
	url, dir, name := os.Getenv("SENSED_TEST_URL"), os.Getenv("SENSED_TEST_DIR"), os.Getenv("SENSED_TEST_NAME")
	if url == "" {
		return
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	box, err := outbox.Open(outbox.Options{Dir: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	p, err := mqtt.New(mqtt.Options{
		Node: "porch", URL: url, Outbox: box, Log: log,
		RetryFirst: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	go p.Run(context.Background())
	for i := 0; ; i++ {
		e := caption(i)
		e.ID = fmt.Sprintf("%s-%06d", name, i)
		e.Source = []string{"door", "hall", "yard"}[i%3]
		if err := p.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		fmt.Println(e.ID)
		time.Sleep(200 * time.Microsecond) // a load that the broker follows
	}
}

// process is one life of the program above.
type process struct {
	cmd      *exec.Cmd
	accepted chan string // closed when the process has ended
	errors   *strings.Builder
}

func start(t *testing.T, url, dir, name string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], "-test.run=^TestPublishingProcess$"), accepted: make(chan string, 1<<16), errors: &strings.Builder{}}
	p.cmd.Env = append(os.Environ(), "SENSED_TEST_URL="+url, "SENSED_TEST_DIR="+dir, "SENSED_TEST_NAME="+name)
	p.cmd.Stderr = p.errors
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.accepted)
		for s := bufio.NewScanner(out); s.Scan(); {
			if strings.HasPrefix(s.Text(), name+"-") && len(s.Text()) == len(name)+7 { // the last line may be cut
				p.accepted <- s.Text()
			}
		}
	}()
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// some returns the next n accepted ids.
func (p *process) some(t *testing.T, n int) (ids []string) {
	t.Helper()
	for range n {
		select {
		case id, ok := <-p.accepted:
			if !ok {
				t.Fatalf("the process ended by itself: %v\n%s", p.cmd.Wait(), p.errors.String())
			}
			ids = append(ids, id)
		case <-time.After(mqtttest.Patience):
			t.Fatalf("the process accepts nothing any more")
		}
	}
	return ids
}

// kill ends the process without a word and returns what else it had accepted.
func (p *process) kill() (ids []string) {
	p.cmd.Process.Kill()
	for id := range p.accepted {
		ids = append(ids, id)
	}
	p.cmd.Wait()
	return ids
}

// TestKilledAtRandomPoints kills sensed's publisher, the broker, or both, under
// load, at random points. Whatever was accepted must be acknowledged by the
// broker in the end; copies have the id and number of the original; on each
// topic the order is kept.
func TestKilledAtRandomPoints(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	broker := mqtttest.Start(t, mqtttest.Options{})
	tap := newTap(t, broker.URL(), func() int { return -1 })
	dir := t.TempDir()
	var accepted []string
	var killed, broken int
	life := 0
	name := func() string { life++; return fmt.Sprintf("r%04d", life) }
	p := start(t, tap.url(), dir, name())
	n := rounds(8, 200)
	for range n {
		accepted = append(accepted, p.some(t, 1+r.IntN(200))...)
		which := r.IntN(3)
		if which != 0 {
			broken++
			broker.Kill()
			accepted = append(accepted, p.some(t, r.IntN(50))...) // goes on without
		}
		if which != 1 {
			killed++
			accepted = append(accepted, p.kill()...)
			p = start(t, tap.url(), dir, name())
		}
		if which != 0 {
			broker.Start()
		}
	}
	accepted = append(accepted, p.some(t, 100)...)
	tap.await(accepted)
	p.kill()
	tap.inOrder()
	tap.mu.Lock()
	defer tap.mu.Unlock()
	t.Logf("seed %d: %d rounds, sensed killed %d times, mosquitto %d times; %d messages accepted, none lost, %d copies in %d connections",
		seed, n, killed, broken, len(accepted), tap.copies, tap.conns)
}

// TestSubscriberHearsEverythingOfAKilledProcess is the same seen by a real
// subscriber of a broker that lives.
func TestSubscriberHearsEverythingOfAKilledProcess(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	broker := mqtttest.Start(t, mqtttest.Options{})
	heard := hearIDs(t, broker.URL())
	dir := t.TempDir()
	var accepted []string
	n := rounds(5, 100)
	for i := range n {
		p := start(t, broker.URL(), dir, fmt.Sprintf("s%04d", i))
		accepted = append(accepted, p.some(t, 1+r.IntN(200))...)
		accepted = append(accepted, p.kill()...)
	}
	last := start(t, broker.URL(), dir, "s9999")
	accepted = append(accepted, last.some(t, 10)...)
	heard.await(t, accepted)
	t.Logf("seed %d: %d rounds, %d messages accepted, all heard, %d copies", seed, n, len(accepted), heard.copies())
}

// ids is a subscriber that remembers only ids.
type heardIDs struct {
	mu      sync.Mutex
	seen    map[string]int
	changed chan struct{}
}

func hearIDs(t *testing.T, url string) *heardIDs {
	t.Helper()
	h := &heardIDs{seen: map[string]int{}, changed: make(chan struct{})}
	c := paho.NewClient(paho.NewClientOptions().AddBroker(url).SetClientID("ids"))
	for _, token := range []func() paho.Token{c.Connect, func() paho.Token {
		return c.Subscribe("sensed/porch/+/caption", 1, func(_ paho.Client, m paho.Message) {
			var e event.Event
			if err := json.Unmarshal(m.Payload(), &e); err != nil {
				t.Errorf("%v: %s", err, m.Payload())
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.seen[e.ID]++
			close(h.changed)
			h.changed = make(chan struct{})
		})
	}} {
		if tok := token(); !tok.WaitTimeout(mqtttest.Patience) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return h
}

func (h *heardIDs) await(t *testing.T, ids []string) {
	t.Helper()
	limit := time.After(2 * mqtttest.Patience)
	for {
		h.mu.Lock()
		missing := 0
		for _, id := range ids {
			if h.seen[id] == 0 {
				missing++
			}
		}
		changed := h.changed
		h.mu.Unlock()
		if missing == 0 {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%d of %d messages were not heard", missing, len(ids))
		}
	}
}

func (h *heardIDs) copies() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.seen {
		n += c - 1
	}
	return n
}

// TestFlappingNetwork cuts the line at random bytes, of either direction.
func TestFlappingNetwork(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 2))
	broker := mqtttest.Start(t, mqtttest.Options{})
	breaks := rounds(60, 2000)
	cuts := 0
	tap := newTap(t, broker.URL(), func() int { // called with the lock held
		if cuts++; cuts > breaks {
			return -1
		}
		return r.IntN(4000)
	})
	p := run(t, mqtt.Options{
		URL: tap.url(), RetryMax: 6 * time.Millisecond,
		Outbox: box(t, outbox.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}),
	})
	var accepted []string
	for i := 0; ; i++ {
		tap.mu.Lock()
		done := tap.conns > breaks
		tap.mu.Unlock()
		if done && i >= 100 {
			break
		}
		e := caption(i)
		e.ID = fmt.Sprintf("f%06d", i)
		p.publish(t, e)
		accepted = append(accepted, e.ID)
		time.Sleep(time.Millisecond)
	}
	tap.await(accepted)
	tap.inOrder()
	tap.mu.Lock()
	defer tap.mu.Unlock()
	t.Logf("seed %d: %d messages over a line that broke %d times; none lost, %d copies", seed, len(accepted), breaks, tap.copies)
}
