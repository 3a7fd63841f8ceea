package app

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/health"
)

// A model that takes long to load keeps systemd patient, one that never comes
// does not for ever.
func TestLoadingAsksForPatience(t *testing.T) {
	for took, want := range map[time.Duration]int{time.Second: 1, 150 * time.Second: 3, 10 * time.Hour: 30} {
		synctest.Test(t, func(t *testing.T) {
			said := 0
			n := &notifier{log: slog.New(slog.DiscardHandler), sent: func(state string) error {
				if state == "EXTEND_TIMEOUT_USEC=120000000" {
					said++
				}
				return nil
			}}
			loaded := n.loading()
			time.Sleep(took)
			synctest.Wait()
			loaded()
			time.Sleep(time.Hour)
			if said != want {
				t.Errorf("a model that loads for %v asked %d times for two minutes, want %d", took, said, want)
			}
		})
	}
}

func TestStatusLineNamesTheDemonstrationModel(t *testing.T) {
	s := health.Snapshot{Broker: health.Broker{Address: "mqtt://a", Connected: true}}
	const words = "demonstration model"
	if line := statusLine(s); !strings.Contains(line, words) {
		t.Errorf("%s", line)
	}
	s.Model.File = "/m.gguf"
	if line := statusLine(s); strings.Contains(line, words) {
		t.Errorf("%s", line)
	}
}
