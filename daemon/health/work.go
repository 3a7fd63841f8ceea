package health

import (
	"sync"
	"time"
)

// Answer is what one question to the model took.
type Answer struct {
	Prompt, Tokens int // read, written
	Stages         Stages
}

// work adds up answers. All methods may be called concurrently.
type work struct {
	mu  sync.Mutex
	sum tally
}

// tally is the sum of some answers.
type tally struct {
	answers, prompt, tokens int
	stages                  Stages
}

func (w *work) add(a Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sum.add(tally{1, a.Prompt, a.Tokens, a.Stages})
}

// take returns what came since the last call.
func (w *work) take() tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.sum
	w.sum = tally{}
	return t
}

func (t *tally) add(o tally) {
	t.answers += o.answers
	t.prompt += o.prompt
	t.tokens += o.tokens
	t.stages.Wait += o.stages.Wait
	t.stages.Encode += o.stages.Encode
	t.stages.Prefill += o.stages.Prefill
	t.stages.Decode += o.stages.Decode
	t.stages.Total += o.stages.Total
}

// speed returns the mean of the stages and the rate of writing.
func (t tally) speed() Speed {
	if t.answers == 0 {
		return Speed{}
	}
	n := float64(t.answers)
	s := t.stages
	out := Speed{Latency: Stages{s.Wait / n, s.Encode / n, s.Prefill / n, s.Decode / n, s.Total / n}}
	if s.Decode > 0 {
		out.TokensPerSecond = float64(t.tokens) / (s.Decode / 1000)
	}
	return out
}

// recent keeps the tallies of the last minutes.
type recent struct {
	at  []time.Time
	sum []tally
}

// recently is how long an answer counts for [Speed].
const recently = 5 * time.Minute

func (r *recent) add(now time.Time, t tally) {
	if t.answers > 0 {
		r.at, r.sum = append(r.at, now), append(r.sum, t)
	}
	old := 0
	for old < len(r.at) && now.Sub(r.at[old]) > recently {
		old++
	}
	r.at, r.sum = r.at[old:], r.sum[old:]
}

func (r *recent) speed() Speed {
	var all tally
	for _, t := range r.sum {
		all.add(t)
	}
	return all.speed()
}
