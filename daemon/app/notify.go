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
	"sensed/daemon/health"
)

// notifier tells systemd how the daemon is. Without NOTIFY_SOCKET in the
// environment it tells nobody.
type notifier struct {
	log      *slog.Logger
	sent     func(state string) error
	watchdog bool   // systemd wants to be told that all is well
	last     string // status line
}

func newNotifier(log *slog.Logger) *notifier {
	every, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog of systemd is set in a way that sensed does not understand", "err", err)
	}
	send := func(state string) error {
		_, err := sd.SdNotify(false, state)
		return err
	}
	n := &notifier{log: log, sent: send, watchdog: every > 0}
	if n.watchdog && every < 2*health.Tick {
		log.Warn("WatchdogSec is shorter than sensed looks after itself", "watchdog", every, "at_least", 2*health.Tick)
	}
	return n
}

func (n *notifier) send(state string) {
	if err := n.sent(state); err != nil {
		n.log.Warn("systemd could not be told", "state", state, "err", err)
	}
}

// A model is read from a slow card as a whole, and its packed weights are written
// to it, before the daemon can say that it is ready.
const (
	loadingStep  = time.Minute
	loadingLimit = 30 * time.Minute
)

// loading asks systemd for patience, beyond TimeoutStartSec if need be, until
// loaded is called, but not for ever.
func (n *notifier) loading() (loaded func()) {
	n.status("loading the model; the first time its weights are packed, too, which may take minutes")
	return inBackground(func(ctx context.Context) {
		every := time.NewTicker(loadingStep)
		defer every.Stop()
		for range loadingLimit / loadingStep {
			n.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (2 * loadingStep).Microseconds()))
			select {
			case <-every.C:
			case <-ctx.Done():
				return
			}
		}
	})
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
	n.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, time.Duration(now.Nano()).Microseconds()))
}

// looked follows each look of the monitor, in its goroutine: it feeds the
// watchdog while nothing hangs, and says in one line what has changed.
func (n *notifier) looked(s health.Snapshot, hangs []string) {
	line := statusLine(s)
	if len(hangs) > 0 {
		line = "hangs: " + strings.Join(hangs, "; ")
	} else if n.watchdog {
		n.send(sd.SdNotifyWatchdog)
	}
	if line != n.last {
		n.last = line
		n.status(line)
	}
}

// statusLine says in one line what the owner wants to know first.
func statusLine(s health.Snapshot) string {
	if len(s.Sources) == 0 && s.Broker.Address == "" {
		if s.Model.Name == "" {
			return "loading the model"
		}
		return "starting"
	}
	broker := "broker connected"
	if !s.Broker.Connected {
		broker = fmt.Sprintf("broker absent, %d events wait", s.Outbox.Messages)
	}
	parts := []string{broker}
	if s.Model.File == "" {
		parts = append(parts, "demonstration model")
	}
	for _, src := range s.Sources {
		state := src.State
		if state != event.OK && src.Why != "" {
			state += " (" + src.Why + ")"
		}
		parts = append(parts, src.Name+" "+state)
	}
	if s.Load.Level != health.Normal {
		parts = append(parts, s.Load.Name+" ("+s.Load.Why+")")
	}
	parts = append(parts, fmt.Sprintf("%d answers, %d questions wait", s.Queue.Answered, s.Queue.Waiting))
	return strings.ReplaceAll(strings.Join(parts, "; "), "\n", " ")
}
