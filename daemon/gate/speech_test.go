package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
func speak(t testing.TB) [][]float32 {
	t.Helper()
	var clips [][]float32
	for i, s := range sayings {
		clips = append(clips, say(t, s.voice, s.text, 160, i))
	}
	return clips
}

func say(t testing.TB, voice, text string, speed, i int) []float32 {
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
		all.Noise = append(all.Noise, h.Noise...)
	}
	h := s.Flush()
	all.Segments = append(all.Segments, h.Segments...)
	all.Noise = append(all.Noise, h.Noise...)
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
				if lead > 0 && snr != 30 && snr != 10 && snr != 5 {
					continue // the noise before the first word is what differs
				}
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

// The shipped speech samples, one after the other as the demo plays them.
func TestSpeechFindsTheShippedSamples(t *testing.T) {
	paths, err := filepath.Glob("../../deploy/models/tiny/samples/*.wav")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples in deploy/models/tiny/samples: %v", err)
	}
	var clips [][]float32
	for _, p := range paths {
		x, _, err := wave.DecodeFile(p)
		if err != nil {
			t.Fatal(err)
		}
		clips = append(clips, x)
	}
	gap := sampleRate
	x, _ := track(clips, 0, gap)
	name := func(at int) string {
		for i, c := range clips {
			if at < len(c) {
				return filepath.Base(paths[i])
			}
			if at -= len(c) + gap; at < 0 {
				return ""
			}
		}
		return ""
	}
	h, _ := listen(t, SpeechOpts{}, x, 160, name)
	if len(h.Segments) != len(clips) || len(h.Onsets) != len(clips) {
		t.Fatalf("%d onsets and %d segments for %d samples", len(h.Onsets), len(h.Segments), len(clips))
	}
	at := 0
	for i, s := range h.Segments {
		from, to := span(s)
		// Two frames of grace: the first and last 40 ms may be breath.
		if from > at+2*frameLen || to < at+len(clips[i])-2*frameLen {
			t.Errorf("segment %d is %.2f..%.2f s, sample %.2f..%.2f s", i, sec(from), sec(to), sec(at), sec(at+len(clips[i])))
		}
		if want := []string{filepath.Base(paths[i])}; !slices.Equal(s.Names, want) || h.Onsets[i].Name != want[0] {
			t.Errorf("segment %d is named %v, its onset %q, want %v", i, s.Names, h.Onsets[i].Name, want)
		}
		if s.Part != 0 || !s.Final || s.Utterance != i+1 || h.Onsets[i].Utterance != i+1 {
			t.Errorf("segment %d: %d.%d final %v, onset %d", i, s.Utterance, s.Part, s.Final, h.Onsets[i].Utterance)
		}
		if want := decibels(power(clips[i])); math.Abs(s.Level-want) > 1.5 {
			t.Errorf("segment %d: level %.1f dBFS, want about %.1f", i, s.Level, want)
		}
		at += len(clips[i]) + gap
	}
}

// An onset is announced while the words are still being said.
func TestSpeechOnsetIsPrompt(t *testing.T) {
	clip := speak(t)[0]
	x, words := track([][]float32{clip}, 2*sampleRate, sampleRate)
	s, err := NewSpeech(SpeechOpts{})
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(x); at += 320 {
		h := s.Push(epoch.Add(time.Duration(at)*time.Second/sampleRate), x[at:min(len(x), at+320)], "")
		if len(h.Onsets) == 0 {
			continue
		}
		if late := at + 320 - words[0][0]; late < 0 || late > sampleRate/4 {
			t.Errorf("the onset came %.0f ms after the first word began", 1000*sec(late))
		}
		if d := h.Onsets[0].Time.Sub(epoch).Seconds() - sec(words[0][0]); math.Abs(d) > 0.1 {
			t.Errorf("the onset is timed %.0f ms after the first word", 1000*d)
		}
		return
	}
	t.Error("no onset")
}

func TestSpeechIsNotNoise(t *testing.T) {
	const n = 60 * sampleRate
	rng := rand.New(rand.NewPCG(3, 3))
	for name, c := range map[string]struct {
		sound  []float32
		onsets int // that may be announced and taken back
	}{
		"digital silence": {make([]float32, n), 0},
		"white":           {mix(make([]float32, n), white(rng, n), 0.03), 0},
		"loud white":      {mix(make([]float32, n), white(rng, n), 0.3), 0},
		"pink":            {mix(make([]float32, n), pink(rng, n), 0.03), 0},
		"faint pink":      {mix(make([]float32, n), pink(rng, n), 0.002), 0},
		"mains hum":       {hum(rng, n), 1},
		"a fan goes on":   {append(mix(make([]float32, n/2), white(rng, n), 0.001), mix(make([]float32, n/2), pink(rng, n), 0.05)...), 1},
		"noise and gaps":  {gaps(mix(make([]float32, n), white(rng, n), 0.03)), 2},
		"clicks":          {clicks(rng, n), 0},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := listen(t, SpeechOpts{}, c.sound, 320, nil)
			if len(h.Segments) != 0 {
				seg := h.Segments[0]
				from, to := span(seg)
				t.Errorf("%d segments in a minute without speech; the first %.2f..%.2f s at %.1f dBFS", len(h.Segments), sec(from), sec(to), seg.Level)
			}
			if len(h.Onsets) > c.onsets {
				t.Errorf("%d onsets, at most %d are excused", len(h.Onsets), c.onsets)
			}
			if len(h.Noise) != len(h.Onsets) {
				t.Errorf("of %d onsets %d were taken back", len(h.Onsets), len(h.Noise))
			}
			if s.speaking {
				t.Error("it is still listening to the noise")
			}
		})
	}
}

// hum is 50 Hz with harmonics over a little noise.
func hum(rng *rand.Rand, n int) []float32 {
	x := mix(make([]float32, n), white(rng, n), 0.001)
	for i := range x {
		for k := 1; k <= 6; k++ {
			x[i] += float32(0.02 / float64(k) * math.Sin(2*math.Pi*50*float64(k)*float64(i)/sampleRate))
		}
	}
	return x
}

// gaps silences every other three seconds.
func gaps(x []float32) []float32 {
	for i := range x {
		if i/(3*sampleRate)%2 == 1 {
			x[i] = 0
		}
	}
	return x
}

// clicks are short bursts, four a second, over a little noise.
func clicks(rng *rand.Rand, n int) []float32 {
	x := mix(make([]float32, n), white(rng, n), 0.001)
	for i := range x {
		if i%4000 < 100 {
			x[i] += 0.3 * float32(rng.NormFloat64())
		}
	}
	return x
}

// long is more than 40 s of speech.
func long(t *testing.T) []float32 {
	t.Helper()
	text := ""
	for i := range 14 {
		text += fmt.Sprintf("This is sentence number %d, which goes on for a while, as people do. ", i+1)
	}
	return say(t, "en-gb", text, 170, 99)
}

// Speech over 28 s comes in parts that lose nothing and are cut in pauses.
func TestSpeechCutsLongUtterances(t *testing.T) {
	clip := long(t)
	x, words := track([][]float32{clip}, sampleRate, 2*sampleRate)
	if d := sec(len(clip)); d < 40 {
		t.Fatalf("espeak-ng spoke for %.1f s only", d)
	}
	h, _ := listen(t, SpeechOpts{HangOver: 2 * time.Second}, x, 320, nil)
	if len(h.Onsets) != 1 || len(h.Segments) < 2 {
		t.Fatalf("%d onsets, %d segments", len(h.Onsets), len(h.Segments))
	}
	covered := 0
	for i, s := range h.Segments {
		from, to := span(s)
		if d := sec(to - from); d > 28 {
			t.Errorf("part %d lasts %.2f s", i, d)
		}
		if i == 0 && from > words[0][0] {
			t.Errorf("the first part begins %.2f s late", sec(from-words[0][0]))
		}
		if i > 0 && covered-from != sampleRate/2 {
			t.Errorf("parts %d and %d overlap by %.2f s, want 0.5", i-1, i, sec(covered-from))
		}
		if s.Utterance != 1 || s.Part != i || s.Final != (i == len(h.Segments)-1) {
			t.Errorf("part %d is called %d.%d, final %v", i, s.Utterance, s.Part, s.Final)
		}
		if !slices.Equal(s.Samples, x[from:to]) {
			t.Errorf("part %d is not what was said at that time", i)
		}
		if i > 0 { // the middle of the overlap is quiet
			mid := from + sampleRate/4
			if p := decibels(power(x[mid-800 : mid+800])); p > s.Level-20 {
				t.Errorf("part %d was cut at %.1f dBFS, speech has %.1f", i, p, s.Level)
			}
		}
		covered = to
	}
	if covered < words[0][1] {
		t.Errorf("the last part ends %.2f s early", sec(words[0][1]-covered))
	}
}

// An utterance that is cut in the pause in which it ends has no part without
// speech.
func TestSpeechCutInItsLastPause(t *testing.T) {
	clip := long(t)
	s, err := NewSpeech(SpeechOpts{HangOver: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	x := slices.Concat(make([]float32, sampleRate), clip[:26*sampleRate], make([]float32, 4*sampleRate))
	var got []Segment
	for at := 0; at < len(x); at += frameLen {
		got = append(got, s.Push(epoch.Add(time.Duration(at)*time.Second/sampleRate), x[at:at+frameLen], "").Segments...)
	}
	if len(got) != 1 || got[0].Final || s.speaking {
		t.Fatalf("%d segments, still speaking: %v; want the first part alone", len(got), s.speaking)
	}
}

// What is ongoing only grows and is the beginning of the segment that comes; of
// one that is not cut it is all, before the hang-over ends.
func TestSpeechOngoing(t *testing.T) {
	clips := append(speak(t)[:3], long(t))
	x, _ := track(clips, sampleRate, sampleRate)
	x = mix(x, white(rand.New(rand.NewPCG(5, 5)), len(x)), 0.003)
	s, err := NewSpeech(SpeechOpts{})
	if err != nil {
		t.Fatal(err)
	}
	segments, cuts := 0, 0
	var known Ongoing
	for at := 0; at+3777 <= len(x); at += 3777 {
		for _, g := range s.Push(epoch.Add(time.Duration(at)*time.Second/sampleRate), x[at:at+3777], "").Segments {
			segments++
			if g.Utterance != known.Utterance || g.Part != known.Part {
				t.Errorf("segment %d.%d came, %d.%d was ongoing", g.Utterance, g.Part, known.Utterance, known.Part)
			}
			if n := len(known.Samples); n > len(g.Samples) || !slices.Equal(known.Samples, g.Samples[:n]) {
				t.Errorf("segment %d.%d has not what was ongoing", g.Utterance, g.Part)
			} else if !g.Final {
				cuts++
			} else if n < len(g.Samples) && n < 14*sampleRate {
				t.Errorf("of segment %d.%d with %d samples only %d were ongoing", g.Utterance, g.Part, len(g.Samples), n)
			}
		}
		now, ok := s.Ongoing()
		if ok && now.Utterance == known.Utterance && now.Part == known.Part && !slices.Equal(known.Samples, now.Samples[:min(len(known.Samples), len(now.Samples))]) {
			t.Fatalf("what was ongoing of %d.%d is not any more", now.Utterance, now.Part)
		}
		if ok {
			now.Samples = slices.Clone(now.Samples)
			known = now
		}
	}
	if segments < 5 || cuts == 0 {
		t.Errorf("%d segments, %d of them cut", segments, cuts)
	}
	if _, ok := s.Ongoing(); ok {
		t.Error("a segment is ongoing in silence")
	}
}

// Nothing depends on how the sound is cut into chunks.
func TestSpeechChunking(t *testing.T) {
	x, _ := track(speak(t)[:2], 500, sampleRate)
	x = mix(x, white(rand.New(rand.NewPCG(5, 5)), len(x)), 0.003)
	want, _ := listen(t, SpeechOpts{}, x, 320, nil)
	if len(want.Segments) != 2 {
		t.Fatalf("%d segments", len(want.Segments))
	}
	for _, chunk := range []int{1, 77, 1000, 12345, len(x)} {
		got, _ := listen(t, SpeechOpts{}, x, chunk, nil)
		if len(got.Segments) != len(want.Segments) {
			t.Fatalf("chunks of %d: %d segments, want %d", chunk, len(got.Segments), len(want.Segments))
		}
		for i, g := range got.Segments {
			w := want.Segments[i]
			if !slices.Equal(g.Samples, w.Samples) || g.Start.Sub(w.Start).Abs() > time.Microsecond || g.Level != w.Level {
				t.Errorf("chunks of %d: segment %d begins at %v and has %d samples, want %v and %d", chunk, i, g.Start, len(g.Samples), w.Start, len(w.Samples))
			}
		}
	}
}

// A recording that breaks off ends its utterance; the next one does not get
// sound from before the break.
func TestSpeechTimeJump(t *testing.T) {
	clip := speak(t)[0]
	s, err := NewSpeech(SpeechOpts{})
	if err != nil {
		t.Fatal(err)
	}
	half := len(clip) / 2
	if h := s.Push(epoch, clip[:half], "a"); len(h.Onsets) != 1 || len(h.Segments) != 0 {
		t.Fatalf("first half: %d onsets, %d segments", len(h.Onsets), len(h.Segments))
	}
	later := epoch.Add(time.Hour)
	h := s.Push(later, clip[half:], "b")
	if len(h.Segments) != 1 || !h.Segments[0].Final || !slices.Equal(h.Segments[0].Names, []string{"a"}) {
		t.Fatalf("after the jump: %+v", h)
	}
	for _, seg := range s.Flush().Segments {
		if seg.Start.Before(later) {
			t.Errorf("a segment from before the jump: %v", seg.Start)
		}
	}
	// The samples that were given away stay as they are.
	kept := slices.Clone(h.Segments[0].Samples)
	for i := range 200 {
		s.Push(later.Add(time.Hour+time.Duration(i)*20*time.Millisecond), clip[:320], "")
	}
	if !slices.Equal(kept, h.Segments[0].Samples) {
		t.Error("a delivered segment was rewritten")
	}
}

// However long it listens, it holds no more than a segment.
func TestSpeechIsBounded(t *testing.T) {
	s, err := NewSpeech(SpeechOpts{})
	if err != nil {
		t.Fatal(err)
	}
	clip := say(t, "en-us", "one two three four five six seven eight nine ten", 200, 0)
	at := epoch
	for range 40 {
		for from := 0; from+320 <= len(clip); from += 320 {
			s.Push(at, clip[from:from+320], "")
			at = at.Add(20 * time.Millisecond)
		}
		if d := sec(len(s.samples)); d > 30 {
			t.Fatalf("it holds %.1f s", d)
		}
	}
	if n := len(s.runs); n > 30*50 {
		t.Errorf("it holds %d chunk times", n)
	}
}

func TestSpeechOptsAreChecked(t *testing.T) {
	for want, o := range map[string]SpeechOpts{
		"pre-roll":    {PreRoll: -1},
		"hang-over":   {HangOver: 30 * time.Millisecond},
		"longest":     {MaxSegment: time.Second},
		"sensitivity": {Sensitivity: 1.5},
		"level":       {MinLevel: 3},
	} {
		if _, err := NewSpeech(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v does not name the %s", o, err, want)
		}
	}
}

// The table of minimum biases holds for white noise.
func TestMinimumBias(t *testing.T) {
	a := newActivity(1e-9)
	rng := rand.New(rand.NewPCG(1, 1))
	var mean, floor [bands]float64
	for i := range 6000 {
		f := a.measure(mix(make([]float32, frameLen), white(rng, frameLen), 0.01))
		if i < floorBlocks*blockFrames {
			continue
		}
		now := a.floor()
		for b := range bands {
			mean[b] += float64(f.power[b])
			floor[b] += now[b]
		}
	}
	for b := range bands {
		if r := mean[b] / floor[b]; r < 0.9 || r > 1.1 {
			t.Errorf("band %d of %d bins: the floor is off by a factor of %.2f", b, bandEdges[b+1]-bandEdges[b], r)
		}
	}
}

func BenchmarkSpeech(b *testing.B) {
	s, err := NewSpeech(SpeechOpts{})
	if err != nil {
		b.Fatal(err)
	}
	x := mix(make([]float32, frameLen), white(rand.New(rand.NewPCG(1, 1)), frameLen), 0.01)
	at := epoch
	for b.Loop() {
		s.Push(at, x, "")
		at = at.Add(20 * time.Millisecond)
	}
}
