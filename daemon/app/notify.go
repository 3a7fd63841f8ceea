package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/daemon/pipeline"
)

// statusEvery is how often the service manager's status line is looked at; it
// is sent only when it has changed.
const statusEvery = 2 * time.Second

// notifier tells systemd how the daemon is. Without NOTIFY_SOCKET in the
// environment it tells nobody.
type notifier struct {
	log  *slog.Logger
	last string
}

func newNotifier(log *slog.Logger) *notifier { return &notifier{log: log} }

func (n *notifier) send(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		n.log.Warn("systemd could not be told", "state", state, "err", err)
	}
}

func (n *notifier) status(s string) { n.send("STATUS=" + s) }
func (n *notifier) ready()          { n.send(sd.SdNotifyReady) }
func (n *notifier) stopping()       { n.send(sd.SdNotifyStopping) }

// reloading must be followed by ready.
func (n *notifier) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		n.log.Warn("there is no monotonic clock, so systemd cannot be told of a reload", "err", err)
		return
	}
	n.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, now.Nano()/1000))
}

// keep sends the status line until ctx ends.
func (n *notifier) keep(ctx context.Context, p *pipeline.Pipeline, m *mqtt.Publisher) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		if s := statusLine(p.Stats(), m.Stats()); s != n.last {
			n.last = s
			n.status(s)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// statusLine says in one line what the owner wants to know first.
func statusLine(p pipeline.Stats, m mqtt.Stats) string {
	var parts []string
	broker := "broker connected"
	if !m.Connected {
		broker = fmt.Sprintf("broker absent, %d events wait", m.Waiting())
	}
	parts = append(parts, broker)
	for _, s := range p.Sources {
		state := s.State
		if state == "" {
			state = "starting"
		}
		if state != event.OK && s.Why != "" {
			state += " (" + s.Why + ")"
		}
		parts = append(parts, s.Name+" "+state)
	}
	parts = append(parts, fmt.Sprintf("%d answers, %d questions wait", p.Answered, p.Waiting))
	return strings.ReplaceAll(strings.Join(parts, "; "), "\n", " ")
}
