package gate

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	type push struct {
		key     string
		at      time.Duration
		changed bool
		want    bool
	}
	for _, c := range []struct {
		name   string
		opts   RateOpts
		pushes []push
	}{
		{"no limit", RateOpts{}, []push{{"a", 0, false, true}, {"a", 0, false, true}}},
		{"burst of one, then the interval", RateOpts{Min: time.Second}, []push{
			{"a", 0, false, true}, {"a", 999 * time.Millisecond, true, false}, {"a", time.Second, false, true},
			{"a", 1500 * time.Millisecond, false, false},
			// A long pause earns one pass, not two.
			{"a", time.Minute, false, true}, {"a", time.Minute + time.Millisecond, false, false},
		}},
		{"each key alone", RateOpts{Min: time.Second}, []push{
			{"a", 0, false, true}, {"b", 0, false, true}, {"a", 1, false, false}, {"b", 1, false, false},
		}},
		{"only when changed", RateOpts{OnlyChanged: true}, []push{
			{"a", 0, true, true}, {"a", time.Hour, false, false}, {"a", time.Hour, true, true},
		}},
		{"nothing changed yet", RateOpts{OnlyChanged: true}, []push{{"a", 0, false, false}}},
		{"a change that came too early is not lost", RateOpts{Min: time.Second, OnlyChanged: true}, []push{
			{"a", 0, true, true}, {"a", 500 * time.Millisecond, true, false}, {"a", time.Second, false, true},
			{"a", 2 * time.Second, false, false},
		}},
		{"the clock is set back", RateOpts{Min: time.Second}, []push{
			{"a", time.Hour, true, true}, {"a", 0, true, false}, {"a", time.Second, true, true},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := NewRate(c.opts)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range c.pushes {
				if got := r.Allow(p.key, epoch.Add(p.at), p.changed); got != p.want {
					t.Errorf("push %d (%s at %v, changed %v): got %v, want %v", i, p.key, p.at, p.changed, got, p.want)
				}
			}
		})
	}
}

func TestRateNext(t *testing.T) {
	r, err := NewRate(RateOpts{Min: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Next("a"); !got.IsZero() {
		t.Errorf("before the first pass: %v", got)
	}
	r.Allow("a", epoch, true)
	if got, want := r.Next("a"), epoch.Add(time.Minute); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := NewRate(RateOpts{Min: -1}); err == nil {
		t.Error("a negative interval was taken")
	}
}
