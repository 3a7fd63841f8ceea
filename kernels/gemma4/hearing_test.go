package gemma4

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"sensed/deploy/models/tiny"
)

// feed gives a tower a sound in pieces and encodes whatever is ready after each;
// size returns the length of the next piece.
func feed(t testing.TB, a *audioTower, pcm []float32, size func() int) []float32 {
	t.Helper()
	h := a.listen()
	var out []float32
	encode := func(end bool) {
		for h.ready(end) > 0 {
			soft, err := h.encode(t.Context(), end)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, soft...)
		}
	}
	for len(pcm) > 0 {
		n := min(max(size(), 1), len(pcm))
		h.take(pcm[:n])
		pcm = pcm[n:]
		encode(false)
	}
	encode(true)
	return out
}

// inPieces are ways to cut a sound.
func inPieces(seed uint64) map[string]func() int {
	rng := rand.New(rand.NewPCG(seed, 1))
	always := func(n int) func() int { return func() int { return n } }
	return map[string]func() int{
		"1": always(1), "7": always(7), "160": always(160), "1000": always(1000), "all": always(math.MaxInt),
		"random":  func() int { return rng.IntN(6000) },
		"extreme": func() int { return int(math.Exp(rng.Float64() * 11)) },
	}
}

// rounded opens the small tower with all of its linears rounded to 8 bits, as
// those of the published towers are.
func rounded(t testing.TB) *audioTower {
	a := openMini(t, 2).audio
	for i := range a.layers {
		l := &a.layers[i]
		for _, w := range []*linear{&l.before.up, &l.before.down, &l.q, &l.k, &l.v, &l.out, &l.convIn, &l.convOut, &l.after.up, &l.after.down} {
			w.w = w.w.Rounded()
		}
	}
	return a
}

// A sound in pieces becomes bit for bit what it becomes as a whole.
func TestHearingInPieces(t *testing.T) {
	towers := map[string]*audioTower{
		"float":     openMini(t, 2).audio,
		"rounded":   rounded(t),
		"quantised": bundled(t, Options{Threads: 2}).senses.audio,
	}
	sounds := map[string][]float32{
		"golden":  readWAV(t, filepath.Join("testdata", "mini", "cases", "aud0.wav")),
		"bundled": parseWAV(t, "speech0.wav", readBundled(t, tiny.Samples+"/speech0.wav")),
		"12 s":    testSound(12 * sampleRate), // more than hearingTokens
	}
	for _, n := range []int{161, 320, 321, 481, 640, 641, 642, 1281, 2000, 7777, 10240, 10241, 10401} {
		sounds[fmt.Sprint(n, " samples")] = testSound(n)
	}
	for name, a := range towers {
		for what, pcm := range sounds {
			whole, err := a.encode(t.Context(), pcm)
			if err != nil {
				t.Fatal(err)
			}
			for cut, size := range inPieces(uint64(len(pcm))) {
				if len(pcm) > sampleRate && slices.Contains([]string{"1", "7", "160"}, cut) {
					continue // says nothing new and takes long
				}
				if got := feed(t, a, pcm, size); !slices.Equal(got, whole) {
					t.Errorf("%s tower, %s in pieces of %s: %d values, or other ones than the %d of the whole", name, what, cut, len(got), len(whole))
				}
			}
		}
	}
}

// Two sounds that are heard at the same time do not mix.
func TestHearingsSideBySide(t *testing.T) {
	a := openMini(t, 2).audio
	sounds := [][]float32{testSound(20000), readWAV(t, filepath.Join("testdata", "mini", "cases", "aud1.wav"))}
	hearings := []*hearing{a.listen(), a.listen()}
	got := make([][]float32, 2)
	for at := 0; at < 40000; at += 3000 {
		for i, h := range hearings {
			pcm := sounds[i]
			end := at+3000 >= len(pcm)
			h.take(pcm[min(at, len(pcm)):min(at+3000, len(pcm))])
			for h.ready(end) > 0 {
				soft, err := h.encode(t.Context(), end)
				if err != nil {
					t.Fatal(err)
				}
				got[i] = append(got[i], soft...)
			}
		}
	}
	for i, pcm := range sounds {
		want, err := a.encode(t.Context(), pcm)
		if err != nil || !slices.Equal(got[i], want) {
			t.Errorf("sound %d differs beside the other: %d and %d values, %v", i, len(got[i]), len(want), err)
		}
	}
}

// What is kept of a sound does not grow with its length.
func TestHearingIsBounded(t *testing.T) {
	a := openMini(t, 2).audio
	h := a.listen()
	kept := func() int {
		n := len(h.pcm) + len(h.mel.values) + len(h.half.values) + len(h.quarter.values)
		for _, p := range h.past {
			n += len(p.k) + len(p.v) + len(p.gated)
		}
		return n
	}
	held := func() int {
		n := cap(h.pcm) + cap(h.mel.values) + cap(h.half.values) + cap(h.quarter.values) + cap(h.x) + cap(h.norm) + cap(a.work)
		for _, p := range h.past {
			n += cap(p.k) + cap(p.v) + cap(p.gated)
		}
		return n
	}
	second, limit, memory := testSound(sampleRate), 0, 0
	for i := range maxAudioSeconds {
		h.take(second)
		for h.ready(false) > 0 {
			if _, err := h.encode(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		switch {
		case i == 1: // the past is full
			limit, memory = kept()+3*hopSize+5*(h.mel.frameSize()+h.half.frameSize()), held()
		case i > 1 && (kept() > limit || held() > 2*memory):
			t.Fatalf("after %d s %d values are kept in room for %d; after 2 s at most %d, in room for %d", i+1, kept(), held(), limit, memory)
		}
	}
	var rows int
	for i, p := range h.past {
		rows = (audioReach-1)*2 + len(a.layers[i].taps)/a.hidden - 1
		if n := len(p.k) + len(p.v) + len(p.gated); n != rows*a.hidden {
			t.Errorf("layer %d keeps %d values, want %d frames", i, n, rows)
		}
	}
}

// A hearing that was stopped within its layers does not go on as if nothing
// had happened.
func TestHearingStops(t *testing.T) {
	h := openMini(t, 1).audio.listen()
	h.take(testSound(9000))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.encode(ctx, false); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped with %v", err)
	}
	if _, err := h.encode(t.Context(), false); !errors.Is(err, context.Canceled) {
		t.Errorf("went on with %v", err)
	}
}
