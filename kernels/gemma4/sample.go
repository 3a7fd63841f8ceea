package gemma4

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// errNotNumbers says that the decoder computed something that is not a number.
var errNotNumbers = errors.New("gemma4: the model computed logits that are not numbers: its file is damaged")

// check returns an error for settings that mean nothing.
func (s Sampling) check() error {
	switch {
	case !(s.Temperature >= 0) || math.IsInf(s.Temperature, 1):
		return fmt.Errorf("gemma4: a temperature of %g makes no sense; 0 is greedy, 1 is the model's own", s.Temperature)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("gemma4: top-p is %g and should be between 0 and 1", s.TopP)
	case s.TopK < 0:
		return fmt.Errorf("gemma4: top-k is %d and should be 0 (off) or more", s.TopK)
	}
	return nil
}

// sampler chooses tokens. For one seed and one series of logits its choices
// are always the same.
type sampler struct {
	Sampling
	banned   []int
	rng      *rand.Rand
	parallel func(n int, body func(i int)) // runs body(0) ... body(n-1) on several threads
	sums     []float64
	heap     candidates
}

func newSampler(s Sampling, parallel func(int, func(int)), banned ...int) *sampler {
	return &sampler{Sampling: s, banned: banned, rng: rand.New(rand.NewPCG(s.Seed, 0)), parallel: parallel}
}

// next chooses a token by its logits, [vocab], and returns its probability
// under the model, which no setting changes.
//
// Greedy is the largest logit, of equal ones the lowest id. Otherwise the
// logits are divided by the temperature, cut down to the TopK largest, then to
// the fewest whose probabilities reach TopP, and one of those is drawn.
func (s *sampler) next(logits []float32) (id int, p float64, err error) {
	id = s.best(logits)
	if id < 0 {
		return 0, 0, errNotNumbers
	}
	top := logits[id]
	total := s.sum(logits, top)
	if math.IsNaN(total) {
		return 0, 0, errNotNumbers
	}
	if s.Temperature > 0 {
		id = s.draw(logits, top)
	}
	return id, math.Exp(float64(logits[id]-top)) / total, nil
}

// best returns the largest logit that is not banned, -1 if there is none.
func (s *sampler) best(logits []float32) int {
	id := -1
	for i, l := range logits {
		if (id < 0 || l > logits[id]) && l == l && !slices.Contains(s.banned, i) {
			id = i
		}
	}
	return id
}

// sum returns the sum of e^(l-top) over all logits l. It adds blocks in a fixed
// order, so that the number of threads does not change it.
func (s *sampler) sum(logits []float32, top float32) float64 {
	const block = 4096
	s.sums = slices.Grow(s.sums[:0], (len(logits)+block-1)/block)[:(len(logits)+block-1)/block]
	s.parallel(len(s.sums), func(b int) {
		var sum float64
		for _, l := range logits[b*block : min(len(logits), (b+1)*block)] {
			sum += math.Exp(float64(l - top))
		}
		s.sums[b] = sum
	})
	var total float64
	for _, v := range s.sums {
		total += v
	}
	return total
}

// candidate is a token that may be drawn.
type candidate struct {
	id    int
	logit float32
}

// draw chooses by chance. top is the largest allowed logit.
func (s *sampler) draw(logits []float32, top float32) int {
	weight := func(logit float32) float64 { return math.Exp(float64(logit-top) / s.Temperature) }
	all := s.heap[:0]
	for id, l := range logits {
		if !slices.Contains(s.banned, id) {
			all = append(all, candidate{id, l})
		}
	}
	s.heap = all
	nucleus := s.TopP > 0 && s.TopP < 1

	var chosen candidates
	switch k := s.TopK; {
	case k > 0 && k < len(all):
		all.heapify()
		for range k {
			chosen = append(chosen, all.pop())
		}
	case nucleus:
		all.heapify()
	default:
		chosen = all
	}

	var total float64
	if chosen == nil { // all of them, but in order and only as many as are needed
		for _, c := range all {
			total += weight(c.logit)
		}
		for sum := 0.0; sum < s.TopP*total && len(all) > 0; {
			chosen = append(chosen, all.pop())
			sum += weight(chosen[len(chosen)-1].logit)
		}
	} else if nucleus {
		for _, c := range chosen {
			total += weight(c.logit)
		}
		n := 0
		for sum := 0.0; sum < s.TopP*total && n < len(chosen); n++ {
			sum += weight(chosen[n].logit)
		}
		chosen = chosen[:n]
	}

	total = 0
	for _, c := range chosen {
		total += weight(c.logit)
	}
	at := s.rng.Float64() * total
	for _, c := range chosen {
		if at -= weight(c.logit); at < 0 {
			return c.id
		}
	}
	return chosen[len(chosen)-1].id
}

// candidates is a binary heap: the largest logit comes out first, of equal
// ones the lowest id.
type candidates []candidate

func (a candidate) before(b candidate) bool {
	return a.logit > b.logit || a.logit == b.logit && a.id < b.id
}

func (h candidates) heapify() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h candidates) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

func (h *candidates) pop() candidate {
	old := *h
	first, last := old[0], len(old)-1
	old[0] = old[last]
	*h = old[:last]
	h.down(0)
	return first
}
