package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/mqtt/mqtttest"
)

// TestKilledDaemonLosesNothing kills the whole program at random points, three
// times, or two hundred with SENSED_PROOF=full. What it has numbered was accepted,
// so a subscriber must hear every number, and the same message under it each time.
func TestKilledDaemonLosesNothing(t *testing.T) {
	t.Parallel()
	rounds := 3
	if os.Getenv("SENSED_PROOF") == "full" {
		rounds = 200
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	broker := mqtttest.Start(t, mqtttest.Options{})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/porch/#", nil)
	text := fmt.Sprintf(watched, fmt.Sprintf("{url: %q}", broker.URL()), samplesFolder(t, ".wav"))
	config := file(t, "sensed.yaml", strings.ReplaceAll(strings.ReplaceAll(text, "every: 1s", "every: 100ms"), "fps=4", "fps=20"))
	state := "STATE_DIRECTORY=" + t.TempDir()
	numbered := map[uint64]string{}
	var copies, read int
	var newest uint64
	hear := func(all []mqtttest.Message) {
		for _, m := range all[read:] {
			if strings.Contains(m.Payload, `"seq":`) && !m.Retained {
				e := parse[event.Event](t, m.Payload)
				what := fmt.Sprintf("%s %s %s %s %s", m.Topic, e.ID, e.Status, e.State, e.Text)
				if first, again := numbered[e.Seq]; again {
					copies++
					if first != what {
						t.Fatalf("seed %d: message %d is %s, and before %s", seed, e.Seq, what, first)
					}
				}
				numbered[e.Seq] = what
				newest = max(newest, e.Seq)
			}
		}
		read = len(all)
	}
	for range rounds {
		p := start(t, []string{state}, "run", "--config", config)
		goal := newest + 1 + random.Uint64N(20)
		heard.Await(fmt.Sprintf("message %d", goal), func(all []mqtttest.Message) bool {
			hear(all)
			return newest >= goal
		})
		p.signal(syscall.SIGKILL)
	}
	// One more life brings what was left behind, and ends in good order.
	p := start(t, []string{state}, "run", "--config", config)
	goal := newest + 20
	heard.Await("the rest", func(all []mqtttest.Message) bool {
		hear(all)
		return newest >= goal
	})
	if code, _ := p.signal(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
	heard.AwaitMessage("sensed/porch/status", event.Offline)
	for n := uint64(1); n <= newest; n++ {
		if _, ok := numbered[n]; !ok {
			t.Errorf("seed %d: message %d of %d is lost", seed, n, newest)
		}
	}
	t.Logf("seed %d: %d rounds, %d messages, none lost, %d copies", seed, rounds, newest, copies)
}
