package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"sensed/devices"
)

// fakeLamp tells what is done with it.
type fakeLamp struct {
	did chan string
	err error
}

func (l *fakeLamp) Set(on bool) error {
	if l.err != nil {
		return l.err
	}
	if on {
		l.did <- "on"
	} else {
		l.did <- "off"
	}
	return nil
}

func (l *fakeLamp) Halt() error {
	l.did <- "halt"
	return nil
}

func next(t *testing.T, did <-chan string) string {
	t.Helper()
	select {
	case s := <-did:
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("nothing happens to the lamp")
		return ""
	}
}

func TestLightFollowsTheModel(t *testing.T) {
	did := make(chan string)
	l := newLight("GPIO27", func(name string) (lamp, error) {
		if name != "GPIO27" {
			t.Errorf("opened %s", name)
		}
		return &fakeLamp{did: did}, nil
	}, slog.New(slog.DiscardHandler))
	l.set(true)
	if s := next(t, did); s != "on" {
		t.Errorf("first %s", s)
	}
	// While the lamp is slow, only the last wish counts. Each set returns at
	// once or this test hangs.
	for _, on := range []bool{true, false, true, false} {
		l.set(on)
	}
	var last []string
	for {
		s := next(t, did)
		last = append(last, s)
		if s == "off" && len(l.wanted) == 0 {
			break
		}
	}
	if n := len(last); n > 4 || slices.Index(last, "off") < 0 {
		t.Errorf("then %v", last)
	}
	go l.close()
	if s := next(t, did); s != "halt" {
		t.Errorf("at the end %s", s)
	}
}

func TestLightThatIsAbsentOrFailsStopsNothing(t *testing.T) {
	for name, open := range map[string]func(string) (lamp, error){
		"absent": func(string) (lamp, error) { return nil, devices.ErrAbsent },
		"failing": func(string) (lamp, error) {
			return &fakeLamp{did: make(chan string, 1), err: errors.New("broken wire")}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			l := newLight("GPIO27", open, slog.New(slog.NewTextHandler(&log, nil)))
			for range 10 {
				l.set(true)
				l.set(false)
			}
			l.close()
			if name == "absent" && !strings.Contains(log.String(), "GPIO27") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
	l := newLight("", nil, slog.New(slog.DiscardHandler)) // none is configured
	l.set(true)
	l.close()
}

func TestTriggersAreMadeFromTheConfiguration(t *testing.T) {
	c := parseConfig(t, `
sources:
  - name: door
    source: scene:?seed=1
    tasks:
      - kind: caption
triggers:
  - pin: GPIO17
    edge: falling
    pull: up
    debounce: 20ms
    starts: [door]
`)
	got, err := triggers(c)
	if err != nil || len(got) != 1 || got[0].Name != "GPIO17" || !slices.Equal(got[0].Starts, []string{"door"}) {
		t.Fatalf("%+v, %v", got, err)
	}
	// The pin is looked for when the pipeline opens it, not before.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := got[0].Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("opening with a context that has ended: %v", err)
	}
	c.Triggers[0].Edge = "sideways"
	if _, err := triggers(c); ClassOf(err) != BadConfig || !strings.Contains(err.Error(), "sideways") {
		t.Errorf("a wrong edge: %v", err)
	}
}
