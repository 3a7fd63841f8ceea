package event_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"sensed/daemon/event"
)

func warmth(w *event.Warmth) event.Event {
	return event.Event{
		Version: event.Version, ID: "1", Kind: event.Temperature, Node: "porch", Source: "roof",
		Time: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Status: event.Done, Temperature: w,
	}
}

func TestTemperature(t *testing.T) {
	e := warmth(&event.Warmth{Min: -5.2, Max: 36.5, Mean: 20, Hottest: [2]float64{0.25, 1}})
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	b, err := json.Marshal(e)
	if want := `"temperature":{"min":-5.2,"max":36.5,"mean":20,"hottest":[0.25,1]}`; err != nil || !strings.Contains(string(b), want) {
		t.Errorf("%s, %v lacks %s", b, err, want)
	}
	nan := math.NaN()
	for want, w := range map[string]*event.Warmth{
		"a temperature belongs to":            nil,
		"min NaN":                             {Min: nan},
		"max +Inf":                            {Max: math.Inf(1)},
		"min 3, mean 2 and max 4":             {Min: 3, Mean: 2, Max: 4},
		"min 3, mean 5 and max 4":             {Min: 3, Mean: 5, Max: 4},
		"min -300":                            {Min: -300},
		"hottest [0 1.5] is not [x, y]":       {Hottest: [2]float64{0, 1.5}},
		"hottest [-0.5 0] is not [x, y]":      {Hottest: [2]float64{-0.5, 0}},
		"hottest [NaN 0] is not [x, y] in 0.": {Hottest: [2]float64{nan, 0}},
	} {
		e := warmth(w)
		if err := e.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	e = warmth(&event.Warmth{})
	e.Kind, e.Text = event.Caption, "x"
	if err := e.Validate(); err == nil || !strings.Contains(err.Error(), "a temperature belongs to") {
		t.Errorf("a caption with a temperature: %v", err)
	}
}
