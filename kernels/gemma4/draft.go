package gemma4

import (
	"context"
	"sync"
	"time"
)

// Speculation: tokens that an answer may go on with are guessed and read along
// with the last one that is certain, in one pass, which takes little longer
// than reading that one alone. At each place the model then chooses as always;
// as long as it chooses what was guessed, the next place has been read already.
// A row of activations gives the same bits whatever else is in the batch, so a
// greedy answer and its probabilities are the same with and without guesses.
// Answers that are drawn by chance are written without.

const (
	maxDraft  = 32 // guessed tokens in one pass
	maxSuffix = 8  // tokens by which a place in an earlier text is recognised
)

// source guesses the next token of an answer and keeps account of how often it
// was right of late.
type source struct {
	// guess returns the token that may come behind those written, -1: no idea.
	guess func(written []int) int
	// prior is how often it is right before that is known.
	prior        float64
	hits, tries  float64 // those of late count more
	right, asked int     // in all
}

const (
	priorWeight = 2   // guesses that the prior counts for
	forgetting  = 0.9 // what a guess is worth when the next one is made
)

func (s *source) observe(hit bool) {
	s.hits, s.tries = s.hits*forgetting, s.tries*forgetting+1
	s.asked++
	if hit {
		s.hits++
		s.right++
	}
}

// rate is the share of guesses expected to be right.
func (s *source) rate() float64 {
	return (s.hits + priorWeight*s.prior) / (s.tries + priorWeight)
}

// fromHint guesses that the answer is an earlier one again, or takes up one of
// its turns of phrase.
func fromHint(hint []int, prior float64) *source {
	return &source{prior: prior, guess: func(written []int) int {
		if n := len(written); n < len(hint) && startsWith(hint, written) {
			return hint[n]
		}
		return following(hint, written, 2, len(written))
	}}
}

func startsWith(a, b []int) bool {
	for i := range b {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// fromContext guesses that the answer repeats something of the prompt or of
// itself.
func fromContext(prompt []int) *source {
	all := append([]int(nil), prompt...)
	return &source{prior: 0.4, guess: func(written []int) int {
		all = append(all[:len(prompt)], written...)
		return following(all, all, 3, len(all))
	}}
}

// following finds the place in text in front of which the most of the last
// tokens of written stand, at least least of them, and returns the token there;
// of equal places the one nearest to near.
func following(text, written []int, least, near int) int {
	best, length := -1, least-1
	for i := 1; i < len(text); i++ {
		n := 0
		for n < min(i, len(written), maxSuffix) && text[i-1-n] == written[len(written)-1-n] {
			n++
		}
		if n > length || n == length && best >= 0 && distance(i, near) < distance(best, near) {
			best, length = i, n
		}
	}
	if best < 0 {
		return -1
	}
	return text[best]
}

func distance(a, b int) int { return max(a-b, b-a) }

// fromTokens guesses what follows the first tokens of an answer, given in
// advance.
func fromTokens(begun int, tokens []int) func([]int) int {
	return func(written []int) int {
		if i := len(written) - begun; i >= 0 && i < len(tokens) {
			return tokens[i]
		}
		return -1
	}
}

// gain is how many tokens a pass of n positions with k guesses writes per cost
// of a pass without, which reads base positions; rate is the share of guesses
// that are right. A pass without guesses gains 1.
func gain(p *pace, rate float64, k, n, base int) float64 {
	tokens, right := 1.0, 1.0
	for range k {
		right *= rate
		tokens += right
	}
	return tokens * p.cost(base) / p.cost(n)
}

// pace is how long passes take, measured as they run: a pass of n positions
// costs 1 + slope*(n-1) passes of one, a token of the drafter model costs draft
// of them.
type pace struct {
	mu      sync.Mutex
	fixed   bool          // never changes, for tests
	single  time.Duration // a pass of one position
	slope   float64
	draft   float64
	hint    float64 // share of the hints of late that were right
	started bool
}

const (
	usualSlope = 0.15
	usualDraft = 0.06
	usualHint  = 0.8
	adapting   = 0.2 // weight of the newest measurement
)

func (p *pace) init() {
	if !p.started {
		p.started = true
		if p.slope == 0 {
			p.slope = usualSlope
		}
		if p.draft == 0 {
			p.draft = usualDraft
		}
		p.hint = usualHint
	}
}

// cost of a pass of n positions.
func (p *pace) cost(n int) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	return 1 + p.slope*float64(max(n, 1)-1)
}

// guessCost is the cost of one token of the drafter model.
func (p *pace) guessCost() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	return p.draft
}

// passed takes account of a pass of n positions.
func (p *pace) passed(n int, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	switch {
	case p.fixed || took <= 0:
	case n == 1 && p.single == 0:
		p.single = took
	case n == 1:
		p.single += time.Duration(adapting * float64(took-p.single))
	case p.single > 0:
		slope := (float64(took)/float64(p.single) - 1) / float64(n-1)
		p.slope += adapting * (min(max(slope, 0.01), 1.5) - p.slope)
	}
}

// guessed takes account of a draft of n tokens by the drafter model.
func (p *pace) guessed(n int, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	if !p.fixed && n > 0 && p.single > 0 {
		p.draft += adapting * (min(float64(took)/float64(n)/float64(p.single), 1) - p.draft)
	}
}

// hintRate is how much of a hint is right by experience.
func (p *pace) hintRate() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	return p.hint
}

// hinted takes account of an answer with a hint.
func (p *pace) hinted(right, asked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	if !p.fixed && asked > 0 {
		share := float64(right) / float64(asked)
		p.hint += adapting * (min(max(share, 0.2), 0.98) - p.hint)
	}
}

// plan is what the next pass reads and where the model chooses in it.
type plan struct {
	draft  []int   // guessed tokens, and between them those that a grammar forces
	points []point // at least one: behind everything that is certain
	by     *source // who guessed
}

// point is a place where the model chooses.
type point struct {
	row   int   // how much of the draft stands before it
	state int32 // of the grammar
}

// plan decides what to guess. Of the sources the one with the highest gain is
// taken, and of its guesses as many as gain most.
func (w *writer) plan(ctx context.Context) (plan, error) {
	none := plan{points: []point{{0, w.state}}}
	room := min(maxDraft, w.m.batch-len(w.unread)-1, w.room()-1, w.m.context-w.prompt-len(w.reply.Tokens))
	if w.Plain || w.Sampling.Temperature > 0 || room <= 0 {
		return none, nil
	}
	best, most := none, 1.0
	for _, s := range w.sources {
		if p, g := w.draft(s, s.guess, room); g > most {
			best, most = p, g
		}
	}
	guesses, g := w.wanted(room)
	if g <= most {
		return best, nil
	}
	start := time.Now()
	tokens, err := w.m.drafter.propose(ctx, w.s, w.unread[0], guesses)
	if err != nil {
		return none, err
	}
	w.m.pace.guessed(len(tokens), time.Since(start))
	if p, _ := w.draft(w.model, fromTokens(len(w.reply.Tokens), tokens), room); len(p.draft) > len(best.draft) || len(best.draft) == 0 {
		return p, nil
	}
	return best, nil
}

// wanted is how many tokens the drafter model should guess, and the gain of it.
// It can guess only behind the place that was read last.
func (w *writer) wanted(room int) (n int, most float64) {
	if w.m.drafter == nil || w.s == nil || len(w.unread) != 1 {
		return 0, 0
	}
	for k := 1; k <= room; k++ {
		g := gain(&w.m.pace, w.model.rate(), k, 1+k, 1)
		g /= 1 + float64(k)*w.m.pace.guessCost()/w.m.pace.cost(1+k)
		if g > most {
			n, most = k, g
		}
	}
	return n, most
}

// draft lays out the guesses of one source, at most room tokens with what the
// grammar forces between them, and cuts them where the gain is highest.
func (w *writer) draft(s *source, guess func([]int) int, room int) (best plan, most float64) {
	p := plan{points: []point{{0, w.state}}, by: s}
	best = p
	certain := max(1, len(w.unread))
	written := append([]int(nil), w.reply.Tokens...)
	state := w.state
	for k := 1; len(p.draft) < room; k++ {
		id := guess(written)
		if id < 0 || id >= w.m.text.vocab || w.m.control.stops(id) {
			break
		}
		more, ends := []int{id}, false
		written = append(written, id)
		if w.rule != nil {
			if state = w.rule.next(state, id); state == deadState {
				break
			}
			var forced []int
			forced, state, ends = w.rule.forced(state, written)
			more, written = append(more, forced...), append(written, forced...)
		}
		if ends || len(p.draft)+len(more) > room {
			break // nothing is left to choose, or to read
		}
		p.draft = append(p.draft, more...)
		p.points = append(p.points, point{len(p.draft), state})
		if g := gain(&w.m.pace, s.rate(), k, certain+len(p.draft), certain); g > most {
			most = g
			best = plan{p.draft[:len(p.draft):len(p.draft)], p.points[:len(p.points):len(p.points)], s}
		}
	}
	return best, most
}
