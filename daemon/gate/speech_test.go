package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sensed/devices/wave"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// sayings are spoken by espeak-ng in several voices.
var sayings = []struct{ voice, text string }{
	{"en-gb", "Turn on the kitchen light."},
	{"en-us", "Stop."},
	{"en-gb+f3", "Is somebody at the front door?"},
	{"en-us+m3", "Set a timer for five minutes, please."},
	{"de", "Schließe das Tor hinter dem Haus."},
	{"en-gb+f5", "Five sheep are missing in the field."},
}

// speak lets espeak-ng say each text and returns them at 16 kHz.
func speak(t *testing.T) [][]float32 {
	t.Helper()
	var clips [][]float32
	for i, s := range sayings {
		clips = append(clips, say(t, s.voice, s.text, 160, i))
	}
	return clips
}

func say(t *testing.T, voice, text string, speed, i int) []float32 {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("say%d.wav", i))
	out, err := exec.Command("espeak-ng", "-v", voice, "-s", fmt.Sprint(speed), "-w", path, text).CombinedOutput()
	if err != nil {
		t.Fatalf("espeak-ng (Debian package espeak-ng) cannot speak: %v\n%s", err, out)
	}
	x, _, err := wave.DecodeFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// white and pink return n samples of noise with a mean square of one.
func white(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// pink sums octaves of held white noise (Voss and McCartney).
func pink(rng *rand.Rand, n int) []float32 {
	var rows [14]float64
	x := make([]float32, n)
	for i := range x {
		sum := 0.0
		for r := range rows {
			if i%(1<<r) == 0 {
				rows[r] = rng.NormFloat64()
			}
			sum += rows[r]
		}
		x[i] = float32(sum / math.Sqrt(float64(len(rows))))
	}
	return x
}

func power(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum / float64(max(1, len(x)))
}

func mix(x, noise []float32, gain float64) []float32 {
	y := slices.Clone(x)
	for i := range y {
		y[i] += noise[i] * float32(gain)
	}
	return y
}

// listen pushes x in chunks and collects everything.
func listen(t *testing.T, o SpeechOpts, x []float32, chunk int, name func(at int) string) (Heard, *Speech) {
	t.Helper()
	s, err := NewSpeech(o)
	if err != nil {
		t.Fatal(err)
	}
	var all Heard
	for at := 0; at < len(x); at += chunk {
		n := ""
		if name != nil {
			n = name(at)
		}
		h := s.Push(epoch.Add(time.Duration(at)*time.Second/sampleRate), x[at:min(len(x), at+chunk)], n)
		all.Onsets = append(all.Onsets, h.Onsets...)
		all.Segments = append(all.Segments, h.Segments...)
	}
	h := s.Flush()
	all.Segments = append(all.Segments, h.Segments...)
	return all, s
}

// span is the range of samples that a segment covers.
func span(s Segment) (from, to int) {
	from = int(s.Start.Sub(epoch).Seconds()*sampleRate + 0.5)
	return from, from + len(s.Samples)
}

// track lays the clips out with gaps between them; it returns the first and
// last sample of each that is within 35 dB of its loudest frame.
func track(clips [][]float32, lead, gap int) (x []float32, words [][2]int) {
	x = make([]float32, lead)
	for _, c := range clips {
		loudest := 0.0
		for at := 0; at+frameLen <= len(c); at += frameLen {
			loudest = max(loudest, power(c[at:at+frameLen]))
		}
		w := [2]int{-1, 0}
		for at := 0; at+frameLen <= len(c); at += frameLen {
			if power(c[at:at+frameLen]) > loudest*math.Pow(10, -3.5) {
				if w[0] < 0 {
					w[0] = len(x) + at
				}
				w[1] = len(x) + at + frameLen
			}
		}
		words = append(words, w)
		x = append(x, c...)
		x = append(x, make([]float32, gap)...)
	}
	return x, words
}

func TestSpeechFindsEveryUtterance(t *testing.T) {
	clips := speak(t)
	for _, lead := range []int{0, sampleRate / 20, 3 * sampleRate} {
		clean, words := track(clips, lead, 3*sampleRate/2)
		loud := power(clean)
		for _, noise := range []struct {
			name string
			make func(*rand.Rand, int) []float32
		}{{"white", white}, {"pink", pink}} {
			for _, snr := range []float64{100, 30, 20, 10, 5} {
				t.Run(fmt.Sprintf("%s %v dB, first word after %d ms", noise.name, snr, lead/16), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(1, uint64(snr)))
					x := clean
					if snr < 100 {
						x = mix(clean, noise.make(rng, len(clean)), math.Sqrt(loud/math.Pow(10, snr/10)))
					}
					h, _ := listen(t, SpeechOpts{}, x, 320, nil)
					for i, w := range words {
						covered := false
						for _, s := range h.Segments {
							from, to := span(s)
							covered = covered || from <= w[0] && to >= w[1]
						}
						if !covered {
							t.Errorf("clip %d (%q) at %.2f..%.2f s is not inside a segment", i, sayings[i].text, sec(w[0]), sec(w[1]))
						}
					}
					if len(h.Segments) != len(clips) || len(h.Onsets) != len(clips) || t.Failed() {
						for _, o := range h.Onsets {
							t.Logf("onset %+v at %.2f s", o, o.Time.Sub(epoch).Seconds())
						}
						for _, s := range h.Segments {
							from, to := span(s)
							t.Logf("segment %d/%d %.2f..%.2f s", s.Utterance, s.Part, sec(from), sec(to))
						}
						t.Errorf("%d onsets and %d segments for %d clips", len(h.Onsets), len(h.Segments), len(clips))
					}
				})
			}
		}
	}
}

func sec(sample int) float64 { return float64(sample) / sampleRate }
