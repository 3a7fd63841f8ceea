package gemma4

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// writer writes one answer, in passes: it plans what to guess, reads the newest
// tokens together with the guesses, and chooses at each place that was read.
type writer struct {
	Request
	m      *Model
	s      *Session // nil until the prompt is read
	prompt int      // positions of it
	reply  *Reply
	text   answer
	choose *sampler
	done   bool

	unread []int // tokens of the answer that the session has not read

	rule  *matcher // nil: anything may be written
	state int32    // of the rule

	sources []*source // of guesses
	hint    *source   // one of them, or nil
	model   *source   // account of the drafter model

	rows   []int     // of the head, see logits
	values []float32 // logits of the allowed tokens
	full   fullLogits
}

// fullLogits are the logits of all tokens at some points of a plan.
type fullLogits struct {
	first, n int // points first..first+n-1
	outputs  []float32
	values   []float32 // [n][vocab]
}

const (
	// headPoints is for how many places the whole head is computed at once.
	headPoints = 8
	// sparse is the share of the vocabulary, one part in so many, above which
	// the whole head is computed although a grammar forbids the rest: it reads
	// the rows in order.
	sparse = 8
)

func (m *Model) newWriter(r Request, prompt Prompt, reply *Reply) (*writer, error) {
	w := &writer{
		Request: r, m: m, prompt: len(prompt.IDs), reply: reply,
		text:   answer{words: m.words, control: &m.control, onText: r.OnText},
		choose: newSampler(r.Sampling, m.parallel),
		model:  &source{prior: 0.6},
	}
	if r.Grammar != nil {
		rule, err := r.Grammar.matcher(m)
		if err != nil {
			return nil, err
		}
		w.rule, w.state = rule, rule.start
	}
	if len(r.Hint) > 0 {
		w.hint = fromHint(r.Hint, m.pace.hintRate())
		w.sources = append(w.sources, w.hint)
	}
	w.sources = append(w.sources, fromContext(prompt.IDs))
	return w, nil
}

// close ends the answer and gives back what it borrowed.
func (w *writer) close() {
	w.text.end()
	w.reply.Text = w.text.text.String()
	if w.hint != nil {
		w.m.pace.hinted(w.hint.right, w.hint.asked)
	}
	if w.rule != nil {
		w.Grammar.giveBack(w.m, w.rule)
	}
	if w.s != nil {
		w.s.Close()
	}
}

// begin reads the prompt, and with it what the grammar forces the answer to
// begin with. When something can be guessed already, the last token of the
// prompt is left to the pass that reads the guesses.
func (w *writer) begin(ctx context.Context, prompt Prompt, begin beginner) (plan, error) {
	w.force()
	if w.done { // the grammar knows one answer only
		return plan{}, nil
	}
	p, err := w.plan(ctx)
	if err != nil {
		return plan{}, err
	}
	last := len(prompt.Spans) - 1
	if ids := prompt.Spans[last].IDs; len(ids) > 0 { // always so: a turn was opened
		if len(p.draft) == 0 {
			ids, w.unread = append(slices.Clip(ids), w.unread...), nil
		} else {
			ids, w.unread = ids[:len(ids)-1], append(ids[len(ids)-1:len(ids):len(ids)], w.unread...)
		}
		prompt.Spans = append(slices.Clone(prompt.Spans[:last]), Span{IDs: ids})
	}
	w.s, err = begin(ctx, prompt, w.MaxTokens)
	return p, err
}

// write makes pass after pass until one of the reasons to stop; p is the plan
// of the first.
func (w *writer) write(ctx context.Context, p plan) error {
	for !w.done {
		outputs, err := w.read(ctx, p)
		if err != nil {
			return fmt.Errorf("gemma4: writing token %d of the answer: %w", len(w.reply.Tokens)+1, err)
		}
		if err := w.settle(p, outputs); err != nil || w.done {
			return err
		}
		if p, err = w.plan(ctx); err != nil {
			return fmt.Errorf("gemma4: guessing token %d of the answer: %w", len(w.reply.Tokens)+1, err)
		}
	}
	return nil
}

// read reads the newest tokens and the draft and returns the outputs behind
// the last certain token and behind each token of the draft, [1+draft][hidden].
func (w *writer) read(ctx context.Context, p plan) ([]float32, error) {
	ids := append(w.unread, p.draft...)
	if len(ids) == 0 { // only the prompt was read
		return w.s.lastOutput(ctx)
	}
	start := time.Now()
	outputs, err := w.s.advance(ctx, ids, len(w.unread)-1)
	if err != nil {
		return nil, err
	}
	w.m.pace.passed(len(ids), time.Since(start))
	w.reply.Work.Passes++
	w.reply.Work.Positions += len(ids)
	w.unread = w.unread[:0]
	return outputs, nil
}

// settle chooses at the points of the plan, one after the other, as long as
// the draft has guessed what is chosen.
func (w *writer) settle(p plan, outputs []float32) error {
	w.full.n = 0
	certain := w.s.Len() - len(p.draft)
	for i, at := range p.points {
		id, prob, err := w.chooseAt(p, i, outputs)
		if err != nil {
			return err
		}
		if i == 0 {
			w.keepAccount(p.by, id)
		}
		guessed := i+1 < len(p.points)
		right := guessed && p.draft[at.row] == id
		if guessed {
			w.reply.Work.Drafted++
			p.by.observe(right)
		}
		if right {
			w.reply.Work.Accepted++
		}
		if w.m.control.stops(id) {
			w.reply.Stopped, w.done = true, true
			return nil
		}
		w.put(id, prob)
		w.force()
		if w.done {
			return nil
		}
		if !right {
			if guessed {
				w.s.Truncate(certain + at.row)
			}
			return nil
		}
		w.unread = w.unread[:0] // the draft held the same
	}
	return nil
}

// keepAccount lets the sources that were not asked for the draft know whether
// they would have been right.
func (w *writer) keepAccount(asked *source, id int) {
	if w.Plain || w.Sampling.Temperature > 0 {
		return
	}
	for _, s := range w.sources {
		if s == asked {
			continue
		}
		if guess := s.guess(w.reply.Tokens); guess >= 0 {
			s.observe(guess == id)
		}
	}
}

// put writes a token.
func (w *writer) put(id int, prob float64) {
	r := w.reply
	r.Tokens = append(r.Tokens, id)
	r.Pieces = append(r.Pieces, string(w.m.words.Piece(id)))
	r.Probs = append(r.Probs, prob)
	w.text.add(id)
	w.unread = append(w.unread, id)
	if w.rule != nil {
		w.state = w.rule.next(w.state, id)
	}
	w.done = w.room() == 0 || w.prompt+len(r.Tokens) > w.m.context
}

// room is how many tokens may still be written.
func (w *writer) room() int { return w.MaxTokens - len(w.reply.Tokens) }

// force writes what the grammar leaves no choice about.
func (w *writer) force() {
	if w.rule == nil {
		return
	}
	ids, _, ends := w.rule.forced(w.state, w.reply.Tokens)
	for _, id := range ids {
		if w.done {
			return
		}
		w.put(id, 1)
		w.reply.Work.Forced++
	}
	if ends {
		w.reply.Stopped, w.done = true, true
	}
}

// chooseAt chooses a token at a point and tells its probability.
func (w *writer) chooseAt(p plan, i int, outputs []float32) (id int, prob float64, err error) {
	if w.rule == nil {
		values, err := w.logits(p, i, outputs)
		if err != nil {
			return 0, 0, err
		}
		return w.choose.next(values)
	}
	allowed := w.rule.choices(p.points[i].state)
	switch len(allowed) {
	case 0:
		return 0, 0, errGrammarMute
	case 1:
		return int(allowed[0]), 1, nil
	}
	values, err := w.allowedLogits(p, i, outputs, allowed)
	if err != nil {
		return 0, 0, err
	}
	at, prob, err := w.choose.next(values)
	if err != nil {
		return 0, 0, err
	}
	return int(allowed[at]), prob, nil
}

// output returns the output before a point.
func (w *writer) output(outputs []float32, at point) []float32 {
	return row(outputs, at.row, w.m.text.hidden)
}

// allowedLogits returns the logits of the allowed tokens at point i.
func (w *writer) allowedLogits(p plan, i int, outputs []float32, allowed []int32) ([]float32, error) {
	w.values = grow(w.values, len(allowed))
	if !w.isSparse(allowed) {
		all, err := w.logits(p, i, outputs)
		for k, id := range allowed {
			if err == nil {
				w.values[k] = all[id]
			}
		}
		return w.values, err
	}
	w.rows = w.rows[:0]
	for _, id := range allowed {
		w.rows = append(w.rows, int(id))
	}
	w.reply.Work.HeadRows += len(allowed)
	return w.values, w.m.rowLogitsOf(w.output(outputs, p.points[i]), w.rows, w.values)
}

func (w *writer) isSparse(allowed []int32) bool { return len(allowed) < w.m.text.vocab/sparse }

// logits returns all logits at point i, and computes those of the next points
// along with them where they will be needed too if the draft is right.
func (w *writer) logits(p plan, i int, outputs []float32) ([]float32, error) {
	f, vocab := &w.full, w.m.text.vocab
	if i < f.first || i >= f.first+f.n {
		f.first, f.n, f.outputs = i, 0, f.outputs[:0]
		for _, at := range p.points[i:min(len(p.points), i+headPoints)] {
			if f.n > 0 && w.rule != nil && w.isSparse(w.rule.choices(at.state)) {
				break
			}
			f.outputs = append(f.outputs, w.output(outputs, at)...)
			f.n++
		}
		f.values = grow(f.values, f.n*vocab)
		w.reply.Work.HeadRows += f.n * vocab
		if err := w.m.logitsOf(f.outputs, f.values); err != nil {
			f.n = 0
			return nil, err
		}
	}
	return row(f.values, i-f.first, vocab), nil
}
