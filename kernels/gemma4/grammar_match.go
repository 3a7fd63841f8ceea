package gemma4

import (
	"errors"
	"slices"

	"sensed/kernels/tokenizer"
)

// matcher follows answers through a grammar, token by token. Its states are
// numbers: remembering one and returning to it costs nothing.
//
// Tokens and grammar never share their boundaries, so a token may be written
// when its bytes can be taken one by one; where the grammar has only one way to
// go on, that way is written at once, in the tokens that the tokenizer makes of
// the text ([matcher.forced]).
//
// It is not safe for concurrent use.
type matcher struct {
	auto    *automaton
	start   int32
	words   *tokenizer.Tokenizer
	list    *wordList
	stops   []int32           // tokens that end an answer
	allowed map[int32][]int32 // by clipped state, see [matcher.choices]
	held    int               // ids in allowed
}

// Bounds on what a matcher remembers. Beyond the first it forgets the lists,
// beyond the second it is not used for another answer.
const (
	maxHeldChoices = 1 << 21 // ids of allowed tokens, 4 bytes each
	maxHeldStates  = 1 << 17
	maxRun         = 1 << 12 // symbols written at once
)

var errGrammarMute = errors.New("gemma4: the grammar cannot be written with the vocabulary of this model: a control token that it needs is missing")

func newMatcher(g *Grammar, words *tokenizer.Tokenizer, list *wordList, stops []int) (*matcher, error) {
	id := func(text string) int {
		if id, ok := words.ID(text); ok && words.IsControl(id) {
			return id
		}
		return -1
	}
	m := &matcher{words: words, list: list, allowed: map[int32][]int32{}}
	for _, id := range stops {
		if id >= 0 {
			m.stops = append(m.stops, int32(id))
		}
	}
	if m.auto, m.start = newAutomaton(g.root, id); m.start == deadState {
		return nil, errGrammarMute
	}
	return m, nil
}

// worn says that so much is remembered that starting anew is better.
func (m *matcher) worn() bool { return len(m.auto.nodes) > maxHeldStates }

// next returns the state after a token, deadState if it may not stand there.
func (m *matcher) next(state int32, id int) int32 {
	if m.words.IsControl(id) {
		return m.auto.derive(state, tokenSymbol(id))
	}
	piece := m.words.Piece(id)
	if len(piece) == 0 {
		return deadState
	}
	for _, b := range piece {
		if state = m.auto.step(state, b); state == deadState {
			break
		}
	}
	return state
}

// choices returns the tokens that may follow, in rising order; those that end
// the answer are among them where it may end. The list is not to be changed.
func (m *matcher) choices(state int32) []int32 {
	state = m.auto.clip(state, m.list.longest)
	if ids, ok := m.allowed[state]; ok {
		return ids
	}
	var next byteSet
	tokens := m.auto.first(state, &next, nil)
	ids := []int32{}
	for _, t := range tokens {
		ids = append(ids, int32(t-256))
	}
	for b := range 256 {
		if next.has(byte(b)) {
			m.list.accepted(m.auto, state, int(m.list.first[b]), int(m.list.first[b+1]), 0, func(id int32) bool {
				ids = append(ids, id)
				return true
			})
		}
	}
	if m.auto.nodes[state].nullable {
		ids = append(ids, m.stops...)
	}
	slices.Sort(ids)
	ids = slices.Clip(slices.Compact(ids))
	if m.held += len(ids); m.held > maxHeldChoices {
		clear(m.allowed)
		m.held = len(ids)
	}
	m.allowed[state] = ids
	return ids
}

// run is what must follow a state: texts and control tokens by turns.
type run struct {
	parts []runPart
	ends  bool // nothing follows the run
}

// runPart is a text or, when that is empty, a control token. state is the one
// after it.
type runPart struct {
	text  string
	id    int
	state int32
}

// runFrom works out the run of a state and remembers it.
func (m *matcher) runFrom(state int32) *run {
	if r := m.auto.nodes[state].run; r != nil {
		return r
	}
	r := &run{}
	var text []byte
	at := state
	flush := func() {
		if len(text) > 0 {
			r.parts = append(r.parts, runPart{text: string(text), state: at})
			text = text[:0]
		}
	}
	for range maxRun {
		if m.auto.nodes[at].nullable {
			break
		}
		var next byteSet
		tokens := m.auto.first(at, &next, nil)
		b, one := next.only()
		if one && len(tokens) == 0 {
			text = append(text, b)
			at = m.auto.step(at, b)
			continue
		}
		if next != (byteSet{}) || len(tokens) != 1 {
			break
		}
		flush()
		at = m.auto.derive(at, tokens[0])
		r.parts = append(r.parts, runPart{id: int(tokens[0] - 256), state: at})
	}
	flush()
	r.ends = at == emptyState
	m.auto.nodes[state].run = r
	return r
}

// only returns the byte of a set of one.
func (s *byteSet) only() (b byte, ok bool) {
	n := 0
	for i := range 256 {
		if s.has(byte(i)) {
			b = byte(i)
			n++
		}
	}
	return b, n == 1
}

// forced returns the tokens that must come next, because the grammar knows only
// one way to go on behind the tokens written so far, and the state after them.
// ends says that the answer is then complete.
//
// The tokens are those that the tokenizer makes of the text, behind the tokens
// that stand there already. Where the text is followed by a choice, its end is
// left to the model as far as one token could reach over it: behind `"label": `
// the model may want a token that begins with the quotation mark.
func (m *matcher) forced(state int32, written []int) (ids []int, next int32, ends bool) {
	r := m.runFrom(state)
	next = state
	for i, p := range r.parts {
		if p.text == "" {
			ids = append(ids, p.id)
			next = p.state
			continue
		}
		var before []int
		if i == 0 {
			before = written
		}
		more := m.encode(before, p.text)
		if i == len(r.parts)-1 && !r.ends {
			more = m.cutOpenEnd(more, p.state)
		}
		for _, id := range more {
			ids = append(ids, id)
			next = m.next(next, id)
		}
	}
	return ids, next, r.ends
}

// joined is how many tokens in front of a text may change how it is parted.
const joined = 4

// encode returns the tokens of a text that stands behind the written tokens.
func (m *matcher) encode(written []int, text string) []int {
	from := len(written)
	for from > 0 && len(written)-from < joined && !m.words.IsControl(written[from-1]) {
		from--
	}
	var all []byte
	for _, id := range written[from:] {
		all = append(all, m.words.Piece(id)...)
	}
	ids := m.words.Encode(string(append(all, text...)), false)
	if n := len(written) - from; n <= len(ids) && slices.Equal(ids[:n], written[from:]) {
		return ids[n:]
	}
	return m.words.Encode(text, false) // nobody would part it so; the text alone then
}

// cutOpenEnd leaves out the tokens at the end from the first on from which one
// token could reach beyond the text, into what may follow in state.
func (m *matcher) cutOpenEnd(ids []int, state int32) []int {
	var tail []byte
	cut := len(ids)
	for i := len(ids) - 1; i >= 0; i-- {
		tail = append(slices.Clone(m.words.Piece(ids[i])), tail...)
		if len(tail) >= m.list.longest {
			break
		}
		from, to := m.list.under(tail)
		for from < to && len(m.list.piece(from)) == len(tail) {
			from++ // the text itself
		}
		m.list.accepted(m.auto, state, from, to, len(tail), func(int32) bool {
			cut = i
			return false
		})
	}
	return ids[:cut]
}
