package understand

import (
	"math"
	"strings"

	"sensed/kernels/gemma4"
)

// ruler finds the tokens that wrote a stretch of an answer, and from their
// probabilities how sure the model was of it.
type ruler struct {
	starts []int // where each token's text begins in the answer; may be below 0
	ends   []int
	probs  []float64
}

// newRuler lays the tokens of a reply along its text. The pieces may hold more
// than the text (thinking in front of it). ok is false when they do not hold it
// at all; there is then nothing to measure with.
func newRuler(r gemma4.Reply) (ruler, bool) {
	if len(r.Pieces) != len(r.Probs) {
		return ruler{}, false
	}
	offset := strings.LastIndex(strings.Join(r.Pieces, ""), r.Text)
	if offset < 0 || r.Text == "" {
		return ruler{}, false
	}
	l := ruler{probs: r.Probs}
	at := -offset
	for _, piece := range r.Pieces {
		l.starts = append(l.starts, at)
		at += len(piece)
		l.ends = append(l.ends, at)
	}
	return l, true
}

// score is the geometric mean of the probabilities of all tokens that have a
// byte in [start, end) of the answer: 0..1, and 0 when there are none.
//
// The plain product would be the probability of the words, but it falls with
// their number: a box with more digits or a longer label would count as less
// sure. The mean per token can be held against one threshold for all labels.
//
// In an answer that was held to a grammar, tokens that had no alternative count
// with probability 1, the others with their share among those allowed: the
// marks of JSON, of which a free model is nearly as sure, weigh the same in both.
func (l ruler) score(start, end int) float64 {
	sum, n := 0.0, 0
	for i, p := range l.probs {
		if l.starts[i] < end && l.ends[i] > start {
			sum += math.Log(p)
			n++
		}
	}
	return geometric(sum, n)
}

// meanProb is the geometric mean of the probabilities of all tokens of a reply.
func meanProb(probs []float64) float64 {
	sum := 0.0
	for _, p := range probs {
		sum += math.Log(p)
	}
	return geometric(sum, len(probs))
}

// geometric turns a sum of n logarithms into their mean, kept within 0..1.
func geometric(sum float64, n int) float64 {
	if n == 0 || math.IsNaN(sum) {
		return 0
	}
	return min(1, math.Exp(sum/float64(n)))
}
