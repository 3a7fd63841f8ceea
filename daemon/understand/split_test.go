package understand

import (
	"math"
	"math/rand/v2"
	"testing"
)

// tone is a sound of some seconds that swells eight times a second, as
// syllables do, up to a level; level 0 is silence.
func tone(seconds, level float64) []float32 {
	out := make([]float32, int(seconds*sampleRate))
	for i := range out {
		swell := 0.1 + 0.9*math.Abs(math.Sin(8*math.Pi*float64(i)/sampleRate))
		out[i] = float32(level * swell * math.Sin(float64(i)*0.3))
	}
	return out
}

func concat(parts ...[]float32) []float32 {
	var out []float32
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func hiss(sound []float32, level float64) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]float32, len(sound))
	for i, v := range sound {
		out[i] = v + float32(rng.NormFloat64()*level)
	}
	return out
}

func TestSplit(t *testing.T) {
	talk := func(n int) []float32 { // n times 3 s of speech and half a second of quiet
		var out []float32
		for range n {
			out = concat(out, tone(3, 0.3), tone(0.5, 0))
		}
		return out
	}
	tests := []struct {
		name         string
		sound        []float32
		limit, pause float64
		want         int // stretches
		again        int // of which begin within the one before
	}{
		{"short", tone(2, 0.3), 30, 0, 1, 0},
		{"just the limit", tone(30, 0.3), 30, 0, 1, 0},
		{"40 s with gaps", talk(12), 30, 0, 2, 0},
		{"40 s with gaps in noise", hiss(talk(12), 0.01), 30, 0, 2, 0},
		{"40 s without a gap", tone(40, 0.3), 30, 0, 2, 1},
		{"100 s without a gap", tone(100, 0.3), 30, 0, 5, 4},
		{"70 s of silence", tone(70, 0), 30, 0, 3, 0},
		{"pauses", talk(5), 30, 0.4, 5, 0},
		{"pauses too short", talk(5), 30, 0.6, 1, 0},
		{"pauses in noise", hiss(talk(5), 0.01), 30, 0.4, 5, 0},
		{"quiet at both ends is no pause", concat(tone(2, 0), tone(3, 0.3), tone(2, 0)), 30, 0.4, 1, 0},
		{"noise alone", hiss(tone(3, 0), 0.05), 30, 0.4, 1, 0},
		{"pauses and a long speech", concat(tone(2, 0.3), tone(1, 0), tone(9, 0.3)), 5, 0.4, 4, 2},
		{"one sample", make([]float32, 1), 30, 0.4, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := split(tt.sound, tt.limit, tt.pause)
			again := 0
			for i, s := range got {
				if length := s.to - s.from; length <= 0 || float64(length) > tt.limit*sampleRate {
					t.Errorf("stretch %d has %d samples", i, length)
				}
				switch {
				case i == 0 && s.from != 0, i > 0 && s.again && s.from >= got[i-1].to, i > 0 && !s.again && s.from != got[i-1].to:
					t.Errorf("stretch %d begins at %d: %v", i, s.from, got)
				}
				if s.again {
					again++
				}
			}
			if got[len(got)-1].to != len(tt.sound) {
				t.Errorf("the end is lost: %v of %d", got, len(tt.sound))
			}
			if len(got) != tt.want || again != tt.again {
				t.Errorf("%d stretches, %d of them again; want %d, %d: %v", len(got), again, tt.want, tt.again, got)
			}
		})
	}
}

// TestSplitCutsInQuiet says that a cut does not touch speech where there is a gap.
func TestSplitCutsInQuiet(t *testing.T) {
	sound := concat(tone(25, 0.3), tone(0.6, 0.0001), tone(20, 0.3))
	got := split(sound, 30, 0)
	if len(got) != 2 || got[1].again {
		t.Fatalf("stretches are %v, want two that touch", got)
	}
	if at := float64(got[0].to) / sampleRate; at < 25.1 || at > 25.5 {
		t.Errorf("cut at %.2f s, want it in the quiet from 25 s to 25.6 s", at)
	}
}

func TestJoinWords(t *testing.T) {
	tests := []struct {
		name, a, b string
		again      bool
		want       string
	}{
		{"plain", "one two", "three", false, "one two three"},
		{"plain keeps what is said twice", "stop stop", "stop now", false, "stop stop stop now"},
		{"shared words", "open the front door", "front door and wait", true, "open the front door and wait"},
		{"shared but for case and stops", "It is the Front door.", "the front door, and wait", true, "It is the Front door. and wait"},
		{"nothing shared", "open the door", "and wait", true, "open the door and wait"},
		{"last word cut in two", "what is the temperature in the ha", "temperature in the hallway now", true, "what is the temperature in the hallway now"},
		{"first word cut in two", "what is the temperature in", "ture the temperature in the hall", true, "what is the temperature in the hall"},
		{"one shared word beside a cut one is chance", "see the do", "the cat", true, "see the do the cat"},
		{"first empty", "", "and wait", true, "and wait"},
		{"second empty", "open", "", true, "open"},
		{"both empty", "", "", true, ""},
		{"all shared", "a b c", "b c", true, "a b c"},
	}
	for _, tt := range tests {
		if got := joinWords(tt.a, tt.b, tt.again); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
