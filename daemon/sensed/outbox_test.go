package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sensed/daemon/event"
	"sensed/daemon/health"
	"sensed/daemon/mqtt/mqtttest"
)

// TestWhatWasSeenWhileTheBrokerWasAwaySurvivesAKill lets sensed answer without a
// broker, kills it, starts it again with one, and hears what the first had seen.
func TestWhatWasSeenWhileTheBrokerWasAwaySurvivesAKill(t *testing.T) {
	t.Parallel()
	broker := mqtttest.New(t, mqtttest.Options{})
	waiting := filepath.Join(t.TempDir(), "outbox")
	config := func(source string) string {
		return file(t, "sensed.yaml", fmt.Sprintf("outbox: {path: %s}\n%s", waiting, garden(source, "url: "+broker.URL())))
	}
	first := start(t, nil, "run", "--config", config("garden"))
	s := awaitStatus(t, first, "answers in the outbox", func(s health.Snapshot) bool { return s.Queue.Answered > 0 && s.Outbox.Messages >= 4 })
	if !s.Outbox.Durable || s.Outbox.Problem != "" || s.Broker.Connected || !strings.Contains(s.Broker.Problem, "no MQTT broker answers") {
		t.Errorf("outbox %+v, broker %+v", s.Outbox, s.Broker)
	}
	first.signal(syscall.SIGKILL)

	broker.Start()
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	second := start(t, nil, "run", "--config", config("yard"))
	all := heard.Await("words of both", func(m []mqtttest.Message) bool {
		return len(events(t, m, "garden", event.Caption)) >= 1 && len(events(t, m, "yard", event.Caption)) >= 1
	})
	var seqs []uint64 // of what the first process said
	for _, m := range all {
		if !strings.Contains(m.Payload, `"seq":`) {
			continue // a state
		}
		e := parse[event.Event](t, m.Payload)
		if e.Replayed != (e.Source == "garden") || !e.Published.After(e.Time) {
			t.Errorf("%s: %s", m.Topic, m.Payload)
		}
		if e.Source == "garden" {
			seqs = append(seqs, e.Seq)
		} else if e.Seq <= s.Outbox.Messages {
			t.Errorf("a number is used again: %s", m.Payload)
		}
	}
	slices.Sort(seqs)
	if uint64(len(seqs)) < s.Outbox.Messages || seqs[0] != 1 || seqs[len(seqs)-1] != uint64(len(seqs)) {
		t.Errorf("%d messages waited, these arrived: %v", s.Outbox.Messages, seqs)
	}
	awaitStatus(t, second, "an empty outbox", func(s health.Snapshot) bool { return s.Outbox.Messages == 0 && s.Outbox.Dropped == 0 })
}

// TestStatusSaysWhatKeepsEventsBack: a wrong password and a folder that cannot
// be used are states, and no reason to end.
func TestStatusSaysWhatKeepsEventsBack(t *testing.T) {
	t.Parallel()
	broker := mqtttest.Start(t, mqtttest.Options{User: "sensed", Password: "correct horse"})
	password := file(t, "password", "battery staple\n")
	if err := os.Chmod(password, 0o600); err != nil {
		t.Fatal(err)
	}
	inTheWay := file(t, "outbox", "")
	p := start(t, nil, "run", "--config", file(t, "sensed.yaml", fmt.Sprintf("outbox: {path: %s}\n%s", inTheWay,
		garden("garden", fmt.Sprintf("url: '%s', username: sensed, password_file: %s", broker.URL(), password)))))
	s := awaitStatus(t, p, "both problems", func(s health.Snapshot) bool { return s.Broker.Problem != "" && s.Outbox.Messages > 0 })
	if s.Broker.Connected || !strings.Contains(s.Broker.Problem, `refuses user "sensed" or the password`) {
		t.Errorf("%+v", s.Broker)
	}
	if s.Outbox.Durable || !strings.Contains(s.Outbox.Problem, "something else than a folder has that name") {
		t.Errorf("%+v", s.Outbox)
	}
	_, text, _ := call(t, "", "status", "--once", "--socket", p.socket())
	for _, want := range []string{"refuses user", "something else than a folder"} {
		if !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("sensed status does not say %q:\n%s", want, text)
		}
	}
	if code, took := p.signal(syscall.SIGTERM); code != 0 || took > stopLimit {
		t.Errorf("it ended with %d after %v", code, took)
	}
}
