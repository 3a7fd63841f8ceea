package gate

import (
	"bufio"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sensed/devices/wave"
)

// The noises in which speech is looked for, each of n samples, and the mean area
// that WebRTC's detector reached in them (webrtcvad-wheels 2.0.14, by
// deploy/bench/vad.py with the same synthetic voices).
var noises = []struct {
	name string
	peer float64
	make func(t testing.TB, rng *rand.Rand, n int) []float32
}{
	{"white", 0.816, func(_ testing.TB, rng *rand.Rand, n int) []float32 { return white(rng, n) }},
	{"pink", 0.782, func(_ testing.TB, rng *rand.Rand, n int) []float32 { return pink(rng, n) }},
	{"hum", 0.742, func(_ testing.TB, rng *rand.Rand, n int) []float32 { return hum(rng, n) }},
	{"rain", 0.662, func(_ testing.TB, rng *rand.Rand, n int) []float32 { return raindrops(rng, n) }},
	{"keyboard", 0.815, func(_ testing.TB, rng *rand.Rand, n int) []float32 { return keyboard(rng, n) }},
	{"babble", 0.705, babble},
}

// ratios of speech to noise, in dB.
var ratios = []float64{-5, 0, 5, 10, 15, 20}

// raindrops is a hiss of many drops, with near ones in it.
func raindrops(rng *rand.Rand, n int) []float32 {
	x := mix(make([]float32, n), pink(rng, n), 0.3)
	for at := 0; at < n; at += 1 + int(rng.ExpFloat64()*sampleRate/300) {
		loud := math.Exp(1.2 * rng.NormFloat64())
		f := 800 + 5000*rng.Float64()
		for i := 0; i < 80 && at+i < n; i++ {
			x[at+i] += float32(loud * math.Exp(-float64(i)/15) * math.Sin(2*math.Pi*f*float64(i)/sampleRate))
		}
	}
	return x
}

// keyboard is typing: a down and an up for each key, over a faint hiss.
func keyboard(rng *rand.Rand, n int) []float32 {
	x := mix(make([]float32, n), pink(rng, n), 0.02)
	for at := 0; at < n; at += int((0.06 + 0.25*rng.ExpFloat64()) * sampleRate) {
		for _, stroke := range []struct {
			late int
			loud float64
		}{{0, 1}, {1000 + rng.IntN(800), 0.4}} {
			loud := stroke.loud * (0.5 + rng.Float64())
			for i := 0; i < 400 && at+stroke.late+i < n; i++ {
				x[at+stroke.late+i] += float32(loud * math.Exp(-float64(i)/60) * rng.NormFloat64())
			}
		}
	}
	return x
}

// babble is eight people who speak at the same time.
func babble(t testing.TB, rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range 8 {
		text := "the weather is fine today and nobody knows what tomorrow brings so we had better go for a walk along the river before it rains again"
		clip := say(t, []string{"en-us", "en-gb+f2", "de+m2", "en-us+f4", "en-gb+m5", "de+f3", "en-us+m7", "en-gb+f1"}[i], text, 140+10*i, 200+i)
		level := float32(1 / math.Sqrt(power(clip)))
		at := rng.IntN(len(clip))
		for j := range x {
			x[j] += clip[(at+j)%len(clip)] * level
		}
	}
	return x
}

// passage is speech with pauses, and which of its frames are speech: those not
// more than 40 dB below the loud ones of their clip, and holes of up to three
// frames between them.
func passage(t testing.TB) (x []float32, spoken []bool) {
	t.Helper()
	clips := speak(t)
	if dir := os.Getenv("SENSED_SPEECH"); dir != "" { // recordings of people
		files, err := filepath.Glob(filepath.Join(dir, "*.wav"))
		if err != nil || len(files) == 0 {
			t.Fatalf("SENSED_SPEECH=%s holds no .wav file (%v)", dir, err)
		}
		clips = clips[:0]
		for _, f := range files {
			c, _, err := wave.DecodeFile(f)
			if err != nil {
				t.Fatal(err)
			}
			clips = append(clips, c)
		}
	}
	for i, c := range clips {
		level := float32(0.05 / math.Sqrt(power(c)))
		pause := make([]float32, (12+4*(i%3))*sampleRate/10/frameLen*frameLen)
		x = append(x, pause...)
		spoken = append(spoken, make([]bool, len(pause)/frameLen)...)
		c = c[:len(c)/frameLen*frameLen]
		var levels []float64
		for at := 0; at < len(c); at += frameLen {
			levels = append(levels, power(c[at:at+frameLen])*float64(level*level))
		}
		sorted := slices.Sorted(slices.Values(levels))
		least := sorted[len(sorted)*9/10] * 1e-4
		for at := range levels {
			spoken = append(spoken, levels[at] > least)
		}
		for _, v := range c {
			x = append(x, v*level)
		}
	}
	for i, last := 0, -10; i < len(spoken); i++ {
		if spoken[i] {
			if i-last <= 4 {
				for j := last + 1; j < i; j++ {
					spoken[j] = true
				}
			}
			last = i
		}
	}
	return x, spoken
}

// in puts speech into a noise, dB above it while somebody speaks, at a level that
// does not clip.
func in(x []float32, spoken []bool, noise []float32, dB float64) []float32 {
	var sum float64
	n := 0
	for i, s := range spoken {
		if s {
			sum += power(x[i*frameLen : (i+1)*frameLen])
			n++
		}
	}
	gain := math.Sqrt(sum / float64(n) / power(noise) / math.Pow(10, dB/10))
	return mix(x, noise, gain)
}

// area is that under the curve of hits over false alarms when the threshold on
// values goes from high to low: the chance that a frame of speech has a higher
// value than one without.
func area(values []float64, spoken []bool) float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	var ranks float64
	n := 0
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			if spoken[k] {
				ranks += float64(i+j+1) / 2
				n++
			}
		}
		i = j
	}
	rest := len(values) - n
	return (ranks - float64(n)*float64(n+1)/2) / (float64(n) * float64(rest))
}

// presences runs a gate over x and returns by what it decides: the presence of
// speech at each frame, which it knows half of presenceFrames later.
func presences(t *testing.T, x []float32, frames int) []float64 {
	t.Helper()
	s, err := NewSpeech(SpeechOpts{})
	if err != nil {
		t.Fatal(err)
	}
	x = append(slices.Clone(x), make([]float32, presenceFrames*frameLen)...)
	var out []float64
	for at := 0; at+frameLen <= len(x); at += frameLen {
		s.Push(epoch.Add(time.Duration(at)*time.Second/sampleRate), x[at:at+frameLen], "")
		out = append(out, s.presence[len(s.presence)-1])
	}
	return out[presenceFrames/2:][:frames]
}

// TestSpeechCurve measures how well single frames are told apart, in noises from
// -5 to 20 dB. With SENSED_VAD it writes the sounds, the truth and what the gate
// says into that folder, for deploy/bench/vad.py, which asks other detectors.
func TestSpeechCurve(t *testing.T) {
	x, spoken := passage(t)
	dir, synthetic := os.Getenv("SENSED_VAD"), os.Getenv("SENSED_SPEECH") == ""
	var all float64
	for k, noise := range noises {
		line := ""
		var sum float64
		sound := noise.make(t, rand.New(rand.NewPCG(uint64(k), 5)), len(x))
		for _, dB := range ratios {
			y := in(x, spoken, sound, dB)
			values := presences(t, y, len(spoken))
			a := area(values, spoken)
			line += fmt.Sprintf(" %.3f", a)
			sum += a / float64(len(ratios))
			if dir != "" {
				record(t, filepath.Join(dir, fmt.Sprintf("%s%+03.0f", noise.name, dB)), y, spoken, values)
			}
		}
		t.Logf("%-9s%s  mean %.3f", noise.name, line, sum)
		if synthetic && sum < noise.peer {
			t.Errorf("%s: the mean area is %.3f, that of WebRTC's detector %.3f", noise.name, sum, noise.peer)
		}
		all += sum / float64(len(noises))
	}
	t.Logf("mean of all %.3f", all)
	if synthetic && all < 0.94 {
		t.Errorf("the mean area over all noises is %.3f, at least 0.94 is wanted", all)
	}
}

// record writes a sound and, a line each frame, truth and value.
func record(t *testing.T, path string, y []float32, spoken []bool, values []float64) {
	t.Helper()
	f, err := os.Create(path + ".wav")
	if err != nil {
		t.Fatal(err)
	}
	if err := wave.Encode(f, y); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = os.Create(path + ".txt"); err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i, s := range spoken {
		fmt.Fprintf(w, "%t %g\n", s, values[i])
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
