package gemma4

import (
	"math"
	"math/rand/v2"
	"testing"
)

func inOrder(n int, body func(int)) {
	for i := range n {
		body(i)
	}
}

// distribution draws n tokens and returns how often each came.
func distribution(t *testing.T, s Sampling, logits []float32, n int, banned ...int) []float64 {
	t.Helper()
	choose := newSampler(s, inOrder, banned...)
	out := make([]float64, len(logits))
	for range n {
		id, _, err := choose.next(logits)
		if err != nil {
			t.Fatal(err)
		}
		out[id] += 1 / float64(n)
	}
	return out
}

// The frequencies must be the wanted probabilities within 5 standard
// deviations of the mean of the draws; the seed is fixed.
func TestSampling(t *testing.T) {
	const draws = 20000
	p := []float64{0.1, 0.4, 0.02, 0.25, 0.15, 0.08}
	logits := make([]float32, len(p))
	for i := range p {
		logits[i] = float32(math.Log(p[i]) + 3)
	}
	squares := make([]float64, len(p))
	var norm float64
	for i := range p {
		squares[i] = p[i] * p[i]
		norm += squares[i]
	}
	for i := range squares {
		squares[i] /= norm
	}
	cases := map[string]struct {
		s      Sampling
		banned []int
		want   []float64
	}{
		"greedy":              {s: Sampling{}, want: []float64{0, 1, 0, 0, 0, 0}},
		"greedy, banned":      {s: Sampling{}, banned: []int{1}, want: []float64{0, 0, 0, 1, 0, 0}},
		"temperature 1":       {s: Sampling{Temperature: 1}, want: p},
		"temperature 1/2":     {s: Sampling{Temperature: 0.5}, want: squares},
		"top 2":               {s: Sampling{Temperature: 1, TopK: 2}, want: []float64{0, 0.4 / 0.65, 0, 0.25 / 0.65, 0, 0}},
		"top 100":             {s: Sampling{Temperature: 1, TopK: 100}, want: p},
		"top-p 0.6":           {s: Sampling{Temperature: 1, TopP: 0.6}, want: []float64{0, 0.4 / 0.65, 0, 0.25 / 0.65, 0, 0}},
		"top-p 0.66":          {s: Sampling{Temperature: 1, TopP: 0.66}, want: []float64{0, 0.5, 0, 0.25 / 0.8, 0.15 / 0.8, 0}},
		"top-p 0.01":          {s: Sampling{Temperature: 1, TopP: 0.01}, want: []float64{0, 1, 0, 0, 0, 0}},
		"top-p of top 3":      {s: Sampling{Temperature: 1, TopK: 3, TopP: 0.8}, want: []float64{0, 0.4 / 0.65, 0, 0.25 / 0.65, 0, 0}},
		"top-p 1":             {s: Sampling{Temperature: 1, TopP: 1}, want: p},
		"top 2, one banned":   {s: Sampling{Temperature: 1, TopK: 2}, banned: []int{1}, want: []float64{0, 0, 0, 0.25 / 0.4, 0.15 / 0.4, 0}},
		"temperature of 1e-9": {s: Sampling{Temperature: 1e-9}, want: []float64{0, 1, 0, 0, 0, 0}},
	}
	for name, c := range cases {
		c.s.Seed = 42
		got := distribution(t, c.s, logits, draws, c.banned...)
		for i, w := range c.want {
			if math.Abs(got[i]-w) > 5*math.Sqrt(w*(1-w)/draws)+1e-9 {
				t.Errorf("%s: token %d came with frequency %.4f, want %.4f", name, i, got[i], w)
			}
		}
	}
}

func TestSamplingIsDeterministic(t *testing.T) {
	logits := make([]float32, 5000)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range logits {
		logits[i] = float32(rng.NormFloat64())
	}
	series := func(seed uint64) (ids []int) {
		choose := newSampler(Sampling{Temperature: 1, TopK: 64, TopP: 0.95, Seed: seed}, inOrder)
		for range 50 {
			id, _, err := choose.next(logits)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		return ids
	}
	a, b, c := series(1), series(1), series(2)
	same, other := true, false
	for i := range a {
		same = same && a[i] == b[i]
		other = other || a[i] != c[i]
	}
	if !same || !other {
		t.Errorf("seed 1 gives %v and %v, seed 2 gives %v", a, b, c)
	}
}

func TestProbabilityIsTheModels(t *testing.T) {
	logits := make([]float32, 10000) // several blocks
	logits[7777] = 5
	want := math.Exp(5) / (9999 + math.Exp(5))
	for _, s := range []Sampling{{}, {Temperature: 0.01, TopK: 3}} {
		id, p, err := newSampler(s, inOrder).next(logits)
		if err != nil || id != 7777 || math.Abs(p-want) > 1e-12 {
			t.Errorf("%+v: token %d with %.15g (%v), want 7777 with %.15g", s, id, p, err, want)
		}
	}
}

func TestSamplingErrors(t *testing.T) {
	nan := float32(math.NaN())
	for _, logits := range [][]float32{{nan, nan}, {1, nan, 2}, {}} {
		for _, s := range []Sampling{{}, {Temperature: 1, TopK: 2}} {
			if _, _, err := newSampler(s, inOrder).next(logits); err == nil {
				t.Errorf("%+v: no error for logits %v", s, logits)
			}
		}
	}
	for _, s := range []Sampling{{Temperature: -1}, {Temperature: math.NaN()}, {Temperature: math.Inf(1)}, {TopP: 1.5}, {TopP: -0.1}, {TopP: math.NaN()}, {TopK: -1}} {
		if s.check() == nil {
			t.Errorf("%+v passes for sensible", s)
		}
	}
	if err := (Sampling{Temperature: 1, TopP: 0.95, TopK: 64}).check(); err != nil {
		t.Error(err)
	}
}
