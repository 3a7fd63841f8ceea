package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"sensed/daemon/pipeline"
	"sensed/devices"
)

const house = `
sources:
  - {name: door, source: "scene:"}
  - {name: yard, source: "scene:"}
  - {name: hall, source: "portaudio:"}
switches:
  - {pin: TEST5, role: privacy}
  - {pin: TEST6, role: mute, press: toggle, active: high, pull: down}
  - {pin: TEST7, role: talk}
led: {microphone: TEST23, camera: TEST24}
`

func TestIndicatorsShowWhatIsOpen(t *testing.T) {
	c := parseConfig(t, house)
	lamps := map[string]*fakeLamp{}
	i := newIndicators(c, func(pin string) (lamp, error) {
		lamps[pin] = &fakeLamp{did: make(chan string, 10)}
		return lamps[pin], nil
	}, slog.New(slog.DiscardHandler))
	i.opened("hall", true)
	i.opened("door", true)
	i.opened("yard", true)
	i.opened("door", false)
	i.opened("hall", false)
	i.opened("yard", false)
	i.opened("nobody", true)
	i.close()
	for pin, want := range map[string][]string{"TEST23": {"on", "off", "halt"}, "TEST24": {"on", "on", "on", "off", "halt"}} {
		close(lamps[pin].did)
		var did []string
		for s := range lamps[pin].did {
			did = append(did, s)
		}
		if !slices.Equal(did, want) {
			t.Errorf("%s: %v, want %v", pin, did, want)
		}
	}
}

func TestIndicatorThatIsAbsentOrFailsStopsNothing(t *testing.T) {
	var log strings.Builder
	i := newIndicators(parseConfig(t, house), func(pin string) (lamp, error) {
		if pin == "TEST23" {
			return nil, devices.ErrAbsent
		}
		return &fakeLamp{did: make(chan string, 1), err: errors.New("broken wire")}, nil
	}, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		i.opened("hall", true)
		i.opened("door", true)
		i.opened("hall", false)
		i.opened("door", false)
	}
	i.close()
	if n := strings.Count(log.String(), "WARN"); n != 2 || !strings.Contains(log.String(), "TEST23") || !strings.Contains(log.String(), "broken wire") {
		t.Errorf("log:\n%s", &log)
	}
}

// The first edge of a switch is how it stands, which is off: the resistor pulls it
// there. Low is on where it is wired so.
func TestSwitchesAreMadeFromTheConfiguration(t *testing.T) {
	got, err := switches(parseConfig(t, house))
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []pipeline.Switch{
		{Name: "TEST5", Role: pipeline.Privacy, Sources: []string{"door", "yard", "hall"}},
		{Name: "TEST6", Role: pipeline.Mute, Toggle: true, Sources: []string{"hall"}},
		{Name: "TEST7", Role: pipeline.Talk, Sources: []string{"hall"}},
	} {
		g := got[i]
		if g.Name != want.Name || g.Role != want.Role || g.Toggle != want.Toggle || !slices.Equal(g.Sources, want.Sources) {
			t.Errorf("%+v, want %+v", g, want)
		}
	}
	for i, low := range []bool{true, false} {
		p := &gpiotest.Pin{N: got[i].Name, Num: 100 + i, EdgesChan: make(chan gpio.Level, 1)}
		if err := gpioreg.Register(p); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := gpioreg.Unregister(got[i].Name); err != nil {
				t.Error(err)
			}
		}()
		pin, err := got[i].Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e, err := pin.Next(t.Context()); err != nil || e.High || e.Time.IsZero() {
			t.Errorf("%s stands at %+v, %v", got[i].Name, e, err)
		}
		p.EdgesChan <- gpio.Level(!low)
		if e, err := pin.Next(t.Context()); err != nil || !e.High {
			t.Errorf("%s goes to %+v, %v", got[i].Name, e, err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := pin.Next(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
		if err := pin.Close(); err != nil {
			t.Error(err)
		}
	}
}
