package health

import (
	"strings"
	"testing"
	"time"
)

// stretch is some time during which a board says the same.
type stretch struct {
	long   time.Duration
	r      Reading
	m      Memory
	want   Level // at its end
	reason string
}

var (
	calm      = Reading{Temperature: celsius(60), Power: &Power{}}
	warm      = Reading{Temperature: celsius(79), Power: &Power{}} // neither hot nor cool
	hot       = Reading{Temperature: celsius(84), Power: &Power{}}
	throttled = Reading{Temperature: celsius(85.2), Power: &Power{Throttled: true}}
	weak      = Reading{Power: &Power{UnderVoltage: true}}
	plenty    = Memory{Total: 1000, Available: 700}
	scarce    = Memory{Total: 1000, Available: 40}
	hardly    = Memory{Total: 1000, Available: 20}
	enough    = Memory{Total: 1000, Available: 70}
	capped    = Memory{Total: 1000, Available: 900, Limit: 100, Left: 4}
	thrashing = Memory{Total: 1000, Available: 900, Stalled: celsius(40)}
)

func TestLoad(t *testing.T) {
	const s, m = time.Second, time.Minute
	for name, story := range map[string][]stretch{
		"a calm board":     {{time.Hour, calm, plenty, Normal, ""}},
		"an unknown board": {{time.Hour, Reading{}, Memory{}, Normal, ""}},
		"heat, step by step": {
			{14 * s, hot, plenty, Normal, ""}, {4 * s, hot, plenty, LessDetail, "hot (84.0 °C)"},
			{16 * s, throttled, plenty, LessOften, "throttled (85.2 °C)"}, {16 * s, throttled, plenty, NoCaptions, "throttled"},
			{16 * s, throttled, plenty, NoPictures, "throttled"}, {16 * s, throttled, plenty, Nothing, "throttled"},
			{time.Hour, throttled, plenty, Nothing, "throttled"},
		},
		"back, step by step": {
			{40 * s, hot, plenty, LessOften, "hot"}, {55 * s, calm, plenty, LessOften, "hot"}, {20 * s, calm, plenty, LessDetail, "hot"},
			{50 * s, calm, plenty, LessDetail, "hot"}, {20 * s, calm, plenty, Normal, ""},
		},
		"between hot and cool nothing changes": {{20 * s, hot, plenty, LessDetail, "hot"}, {time.Hour, warm, plenty, LessDetail, "hot"}, {2 * m, calm, plenty, Normal, ""}},
		"warm is not hot":                      {{time.Hour, warm, plenty, Normal, ""}},
		"a weak supply":                        {{20 * s, weak, plenty, LessDetail, "supply voltage"}},
		"short of memory":                      {{20 * s, calm, scarce, LessDetail, "memory (4% left)"}, {time.Hour, calm, enough, LessDetail, "memory"}, {2 * m, calm, plenty, Normal, ""}},
		"nearly no memory":                     {{10 * s, calm, hardly, Nothing, "memory (2% left)"}},
		"the service's limit":                  {{20 * s, calm, capped, LessDetail, "memory (4% left)"}},
		"all waits":                            {{20 * s, calm, thrashing, LessDetail, "40% of the time"}},
	} {
		t.Run(name, func(t *testing.T) {
			l, now := NewLoad(DefaultLimits()), time.Unix(1e9, 0)
			for i, x := range story {
				var level Level
				var why string
				for end := now.Add(x.long); now.Before(end); now = now.Add(2 * s) {
					level, why = l.Look(now, x.r, x.m)
				}
				if level != x.want || !strings.Contains(why, x.reason) || (why == "") != (level == Normal) {
					t.Fatalf("after stretch %d: %v (%q), want %v (%q)", i, level, why, x.want, x.reason)
				}
			}
		})
	}
}

// TestLoadDoesNotFlap: an alarm that comes and goes each few seconds is one
// shortage, and while it goes on no level is taken back.
func TestLoadDoesNotFlap(t *testing.T) {
	l, now := NewLoad(DefaultLimits()), time.Unix(1e9, 0)
	changes, last := 0, Normal
	for i := range 600 {
		r := calm
		if i%3 == 0 {
			r = weak
		}
		level, _ := l.Look(now, r, plenty)
		if level < last {
			t.Fatalf("after %d s the level fell from %v to %v", i, last, level)
		}
		if level != last {
			changes++
		}
		last = level
		now = now.Add(time.Second)
	}
	if last != Nothing || changes != int(Nothing) {
		t.Errorf("level %v after %d changes", last, changes)
	}
}
