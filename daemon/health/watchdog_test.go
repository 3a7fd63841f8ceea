package health

import (
	"slices"
	"testing"
	"time"
)

func TestWatchdog(t *testing.T) {
	var w Watchdog
	now := time.Unix(1e9, 0)
	look := func(after time.Duration, workers ...Worker) []string {
		now = now.Add(after)
		return w.Look(now, workers)
	}
	model := func(steps uint64, busy bool) Worker { return Worker{"the model", steps, busy, time.Minute} }
	camera := func(steps uint64) Worker { return Worker{"source door", steps, true, time.Minute} }
	for i, tt := range []struct {
		after time.Duration
		got   []Worker
		want  []string
	}{
		{0, []Worker{model(1, true), camera(1)}, nil},
		{50 * time.Second, []Worker{model(2, true), camera(1)}, nil},
		{50 * time.Second, []Worker{model(2, true), camera(1)}, []string{"source door has not moved for 1m40s"}},
		{50 * time.Second, []Worker{model(2, true), camera(2)}, []string{"the model has not moved for 1m40s"}},
		{time.Hour, []Worker{model(2, false), camera(3)}, nil}, // it has nothing to do
		{50 * time.Second, []Worker{model(2, true), camera(4)}, nil},
		{50 * time.Second, []Worker{model(2, true), camera(5)}, []string{"the model has not moved for 1m40s"}},
		{time.Hour, []Worker{camera(6)}, nil}, // gone
		{time.Second, []Worker{model(2, true), camera(6)}, nil},
		{0, nil, nil},
	} {
		if got := look(tt.after, tt.got...); !slices.Equal(got, tt.want) {
			t.Errorf("look %d: %q, want %q", i, got, tt.want)
		}
	}
}
