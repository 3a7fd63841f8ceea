package gemma4

import (
	"encoding/binary"
	"slices"
)

// A symbol is what an automaton reads: a byte, or a control token.
type symbol int32

func tokenSymbol(id int) symbol { return symbol(256 + id) }

// automaton reads an expression symbol by symbol. A state is what is left to be
// read, itself an expression: the derivative of the one before by the symbol.
// Equal expressions are kept once, so that a state is a number, the states are
// few, and what was worked out about one is there the next time. States are
// made as they are reached.
//
// It is not safe for concurrent use.
type automaton struct {
	nodes []node
	known map[string]int32
	key   []byte // scratch

	groups [256]uint8 // bytes that every part of the grammar treats alike
	count  int        // number of groups
	sets   []*byteSet
}

// node is an expression in normal form. Sequences are pairs whose first part is
// no sequence; the parts of a choice are sorted and no choices themselves.
type node struct {
	kind     exprKind
	text     string
	set      int32
	id       symbol
	a, b     int32 // sequence: the two; repetition: a is the body
	parts    []int32
	min, max int32

	nullable bool  // may end here
	shortest int32 // fewest bytes to an end, control tokens not counted

	steps   []int32 // by group of bytes; unknownState where nobody went yet
	clipped int32   // see automaton.clip
	run     *run    // see matcher.run
}

const (
	deadState    = -1 // nothing can follow
	unknownState = -2
	emptyState   = 0 // the end: everything has been read
)

// newAutomaton compiles e; id tells the number of a control token, -1 when the
// vocabulary lacks it, whose branch is then dead.
func newAutomaton(e *expr, id func(text string) int) (a *automaton, start int32) {
	a = &automaton{known: map[string]int32{}}
	a.group(e)
	a.literal("") // emptyState
	return a, a.load(e, id, map[*expr]int32{})
}

// group parts the bytes into groups: each byte of a literal is one, the others
// are told apart by the classes that they are in.
func (a *automaton) group(e *expr) {
	var literals byteSet
	seen := map[*expr]bool{}
	var visit func(e *expr)
	visit = func(e *expr) {
		if seen[e] {
			return
		}
		seen[e] = true
		for i := range len(e.text) {
			if e.kind == literal {
				literals.add(e.text[i], e.text[i])
			}
		}
		if e.kind == class && !slices.ContainsFunc(a.sets, func(s *byteSet) bool { return *s == *e.set }) {
			a.sets = append(a.sets, e.set)
		}
		for _, p := range e.parts {
			visit(p)
		}
	}
	visit(e)

	groups := map[string]uint8{}
	for b := range 256 {
		a.key = a.key[:0]
		if literals.has(byte(b)) {
			a.key = append(a.key, byte(b))
		}
		a.key = append(a.key, 0)
		for _, s := range a.sets {
			bit := byte(0)
			if s.has(byte(b)) {
				bit = 1
			}
			a.key = append(a.key, bit)
		}
		g, ok := groups[string(a.key)]
		if !ok {
			g = uint8(len(groups))
			groups[string(a.key)] = g
		}
		a.groups[b] = g
	}
	a.count = len(groups)
}

// load turns an expression into a node. done holds what was loaded, since
// parts may be shared many times over.
func (a *automaton) load(e *expr, id func(string) int, done map[*expr]int32) int32 {
	if n, ok := done[e]; ok {
		return n
	}
	n := int32(deadState)
	switch e.kind {
	case literal:
		n = a.literal(e.text)
	case class:
		n = a.intern(node{kind: class, set: int32(slices.IndexFunc(a.sets, func(s *byteSet) bool { return *s == *e.set })), shortest: 1})
	case control:
		if i := id(e.text); i >= 0 {
			n = a.intern(node{kind: control, id: tokenSymbol(i)})
		}
	case sequence:
		n = emptyState
		for _, p := range slices.Backward(e.parts) {
			n = a.sequence(a.load(p, id, done), n)
		}
	case choice:
		parts := make([]int32, 0, len(e.parts))
		for _, p := range e.parts {
			parts = append(parts, a.load(p, id, done))
		}
		n = a.choice(parts)
	case repetition:
		n = a.repetition(a.load(e.parts[0], id, done), int32(e.min), int32(e.max))
	}
	done[e] = n
	return n
}

func (a *automaton) literal(text string) int32 {
	return a.intern(node{kind: literal, text: text, nullable: text == "", shortest: int32(len(text))})
}

func (a *automaton) sequence(first, then int32) int32 {
	switch {
	case first == deadState || then == deadState:
		return deadState
	case first == emptyState:
		return then
	case then == emptyState:
		return first
	}
	if f := &a.nodes[first]; f.kind == sequence {
		first, then = f.a, a.sequence(f.b, then)
	}
	f, t := &a.nodes[first], &a.nodes[then]
	return a.intern(node{kind: sequence, a: first, b: then, nullable: f.nullable && t.nullable, shortest: sum(f.shortest, t.shortest)})
}

func (a *automaton) choice(parts []int32) int32 {
	flat := make([]int32, 0, len(parts))
	for _, p := range parts {
		switch {
		case p == deadState:
		case a.nodes[p].kind == choice:
			flat = append(flat, a.nodes[p].parts...)
		default:
			flat = append(flat, p)
		}
	}
	slices.Sort(flat)
	flat = slices.Compact(flat)
	switch len(flat) {
	case 0:
		return deadState
	case 1:
		return flat[0]
	}
	n := node{kind: choice, parts: flat, shortest: a.nodes[flat[0]].shortest}
	for _, p := range flat {
		n.nullable = n.nullable || a.nodes[p].nullable
		n.shortest = min(n.shortest, a.nodes[p].shortest)
	}
	return a.intern(n)
}

func (a *automaton) repetition(body, least, most int32) int32 {
	if most == 0 || body == emptyState {
		return emptyState
	}
	if body == deadState {
		if least > 0 {
			return deadState
		}
		return emptyState
	}
	if a.nodes[body].nullable {
		least = 0
	}
	if least == 1 && most == 1 {
		return body
	}
	n := node{kind: repetition, a: body, min: least, max: most, nullable: least == 0}
	if least > 0 {
		n.shortest = int32(min(int64(least)*int64(a.nodes[body].shortest), farAway))
	}
	return a.intern(n)
}

// farAway bounds lengths, so that they do not overflow.
const farAway = 1 << 28

func sum(a, b int32) int32 { return min(a+b, farAway) }

// intern returns the number of a node, a new one if it is new.
func (a *automaton) intern(n node) int32 {
	k := append(a.key[:0], byte(n.kind))
	for _, v := range []int32{n.set, int32(n.id), n.a, n.b, n.min, n.max} {
		k = binary.LittleEndian.AppendUint32(k, uint32(v))
	}
	for _, p := range n.parts {
		k = binary.LittleEndian.AppendUint32(k, uint32(p))
	}
	k = append(k, n.text...)
	a.key = k
	if at, ok := a.known[string(k)]; ok {
		return at
	}
	at := int32(len(a.nodes))
	n.clipped = unknownState
	a.nodes = append(a.nodes, n)
	a.known[string(k)] = at
	return at
}

// step returns the state after a byte, deadState if it cannot stand there.
func (a *automaton) step(state int32, b byte) int32 {
	g := a.groups[b]
	if s := a.nodes[state].steps; s != nil && s[g] != unknownState {
		return s[g]
	}
	next := a.derive(state, symbol(b))
	n := &a.nodes[state]
	if n.steps == nil {
		n.steps = make([]int32, a.count)
		for i := range n.steps {
			n.steps[i] = unknownState
		}
	}
	n.steps[g] = next
	return next
}

// derive returns what may follow the symbol in an expression.
func (a *automaton) derive(at int32, s symbol) int32 {
	n := a.nodes[at] // a copy: the list may move below
	switch n.kind {
	case literal:
		if n.text == "" || symbol(n.text[0]) != s {
			return deadState
		}
		return a.literal(n.text[1:])
	case class:
		if s >= 256 || !a.sets[n.set].has(byte(s)) {
			return deadState
		}
		return emptyState
	case control:
		if n.id != s {
			return deadState
		}
		return emptyState
	case sequence:
		next := a.sequence(a.derive(n.a, s), n.b)
		if a.nodes[n.a].nullable {
			next = a.choice([]int32{next, a.derive(n.b, s)})
		}
		return next
	case choice:
		parts := make([]int32, 0, len(n.parts))
		for _, p := range n.parts {
			parts = append(parts, a.derive(p, s))
		}
		return a.choice(parts)
	default: // repetition
		most := n.max
		if most != endless {
			most--
		}
		next := a.derive(n.a, s)
		if next == deadState {
			return deadState
		}
		return a.sequence(next, a.repetition(n.a, max(0, n.min-1), most))
	}
}

// first adds the symbols that may stand next to the set and the list.
func (a *automaton) first(at int32, bytes *byteSet, tokens []symbol) []symbol {
	n := &a.nodes[at]
	switch n.kind {
	case literal:
		if n.text != "" {
			bytes.add(n.text[0], n.text[0])
		}
	case class:
		for i, w := range a.sets[n.set] {
			bytes[i] |= w
		}
	case control:
		if !slices.Contains(tokens, n.id) {
			tokens = append(tokens, n.id)
		}
	case sequence:
		tokens = a.first(n.a, bytes, tokens)
		if a.nodes[n.a].nullable {
			tokens = a.first(n.b, bytes, tokens)
		}
	case choice:
		for _, p := range n.parts {
			tokens = a.first(p, bytes, tokens)
		}
	case repetition:
		tokens = a.first(n.a, bytes, tokens)
	}
	return tokens
}

// clip returns a state that takes the same strings of up to the given number
// of bytes as state does: what lies further away is forgotten, and counts that
// cannot run out on the way are made endless. States that differ only there,
// such as before the third and the fourth object of a list, become one.
func (a *automaton) clip(state int32, length int) int32 {
	if c := a.nodes[state].clipped; c != unknownState {
		return c
	}
	c := a.clipTo(state, int32(length))
	a.nodes[state].clipped = c
	return c
}

func (a *automaton) clipTo(at, length int32) int32 {
	n := a.nodes[at] // a copy: the list may move below
	switch n.kind {
	case sequence:
		first := a.clipTo(n.a, length)
		rest := length - a.nodes[n.a].shortest
		if rest < 0 { // nobody gets so far
			return first
		}
		return a.sequence(first, a.clipTo(n.b, rest))
	case choice:
		parts := make([]int32, 0, len(n.parts))
		for _, p := range n.parts {
			parts = append(parts, a.clipTo(p, length))
		}
		return a.choice(parts)
	case repetition:
		limit := length/max(1, a.nodes[n.a].shortest) + 1 // how many can be begun
		body := a.clipTo(n.a, length)
		most := n.max
		if most > limit {
			most = endless
		}
		return a.repetition(body, min(n.min, limit), most)
	}
	return at
}
