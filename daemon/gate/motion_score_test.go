package gate

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"sensed/devices/devicetest"
	"sensed/devices/scene"
)

// tally counts frames by what a gate said and what was true.
type tally struct{ hit, miss, falseAlarm, quiet int }

func (s *tally) add(o tally) {
	s.hit, s.miss, s.falseAlarm, s.quiet = s.hit+o.hit, s.miss+o.miss, s.falseAlarm+o.falseAlarm, s.quiet+o.quiet
}

func (s tally) precision() float64 { return float64(s.hit) / float64(max(1, s.hit+s.falseAlarm)) }
func (s tally) recall() float64    { return float64(s.hit) / float64(max(1, s.hit+s.miss)) }

// situations are what the synthetic camera shows; in each somebody walks by now
// and then.
var situations = []struct {
	name   string
	script scene.Script
	night  bool
}{
	{"walks", scene.Walks, false},
	{"walks at night", scene.Walks, true},
	{"light flicker", scene.Flicker, false},
	{"rain", scene.Rain, false},
	{"rain at night", scene.Rain, true},
	{"day to night", scene.Dusk, false},
}

// judge shows a gate one minute and compares frame by frame. What counts is the
// frame alone: there is no cool-down. A thing less than half in the picture
// counts neither way.
func judge(tb testing.TB, script scene.Script, night bool, seed uint64) (s tally) {
	tb.Helper()
	rng := rand.New(rand.NewPCG(seed, 99))
	var walks []scene.Walk
	who := []string{"person", "dog", "cat", "cow", "bicycle", "car", "truck", "bus", "bird"}
	for at := 4 + 3*rng.Float64(); at < 52; {
		d := 3 + 5*rng.Float64()
		walks = append(walks, scene.Walk{
			Label: who[rng.IntN(len(who))], Left: rng.IntN(2) == 0,
			Start: time.Duration(at * float64(time.Second)), Duration: time.Duration(d * float64(time.Second)),
		})
		at += d + 2 + 5*rng.Float64()
	}
	src, err := scene.New(scene.Opts{
		Seed: seed, Script: script, Night: night, Walks: walks, Width: 320, Height: 240, FPS: 5, Clock: devicetest.NewClock(epoch),
	})
	if err != nil {
		tb.Fatal(err)
	}
	opened, err := src.Open(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	cam := opened.(*scene.Camera)
	defer cam.Close()
	m, err := NewMotion(MotionOpts{CoolDown: time.Nanosecond})
	if err != nil {
		tb.Fatal(err)
	}
	for range 300 {
		f, err := cam.Glance(context.Background())
		if err != nil {
			tb.Fatal(err)
		}
		got := m.Push(f.Time, f.Image)
		walker, whole := false, false
		for _, o := range cam.Truth(f.Time).Objects {
			walker = walker || o.Moving
			whole = whole || o.Moving && o.Visible >= 0.5
		}
		switch {
		case whole && got.Moving:
			s.hit++
		case whole:
			s.miss++
		case walker: // it comes or goes
		case got.Moving:
			s.falseAlarm++
		default:
			s.quiet++
		}
	}
	return s
}

// TestMotionScore: precision and recall are at least 95 %, in each situation by
// day and over all. By night in the rain a thing may be as grey as the meadow.
func TestMotionScore(t *testing.T) {
	var all tally
	for _, s := range situations {
		var sum tally
		for seed := range uint64(3) {
			sum.add(judge(t, s.script, s.night, 11+seed))
		}
		t.Logf("%-15s precision %.3f, recall %.3f %+v", s.name, sum.precision(), sum.recall(), sum)
		least := 0.95
		if s.night {
			least = 0.9
		}
		if sum.precision() < least || sum.recall() < least {
			t.Errorf("%s: precision %.3f, recall %.3f, at least %.2f are wanted (%+v)", s.name, sum.precision(), sum.recall(), least, sum)
		}
		if sum.hit+sum.miss < 100 || sum.falseAlarm+sum.quiet < 100 {
			t.Errorf("%s shows nothing: %+v", s.name, sum)
		}
		all.add(sum)
	}
	t.Logf("%-15s precision %.3f, recall %.3f", "all", all.precision(), all.recall())
	if all.precision() < 0.95 || all.recall() < 0.95 {
		t.Errorf("over all: precision %.3f, recall %.3f, at least 0.95 are wanted", all.precision(), all.recall())
	}
}

// BenchmarkMotionScore prints precision and recall, for other seeds than those
// of the test.
func BenchmarkMotionScore(b *testing.B) {
	for _, s := range situations {
		b.Run(s.name, func(b *testing.B) {
			var sum tally
			for seed := uint64(100); b.Loop(); seed++ {
				sum.add(judge(b, s.script, s.night, seed))
			}
			b.ReportMetric(sum.precision(), "precision")
			b.ReportMetric(sum.recall(), "recall")
			b.ReportMetric(float64(sum.hit+sum.miss+sum.falseAlarm+sum.quiet), "frames")
			b.ReportMetric(0, "ns/op")
		})
	}
}
