package tokenizer

import (
	"math"
	"strings"
	"unicode/utf8"
)

// Encode returns the ids of the text; it adds nothing in front or behind. With
// special, control tokens that are written out in the text become their ids;
// without, the text is plain whatever it contains. Bytes that are not valid
// UTF-8 become byte tokens.
//
// It takes time n log n in the length of the text, whatever the text is.
func (t *Tokenizer) Encode(text string, special bool) []int {
	var out []int
	var s sequence
	for text != "" {
		at, id := len(text), int32(-1)
		if special {
			at, id = t.nextSpecial(text)
		}
		if at > 0 {
			s.load(t, text[:at])
			s.mergeAll(t)
			out = s.appendTo(out)
		}
		text = text[at:]
		if id >= 0 {
			out = append(out, int(id))
			text = text[len(t.tokens[id]):]
		}
	}
	return out
}

// nextSpecial returns where the first control token begins and its id, or the
// length of the text and -1. Of several at one place the longest counts.
func (t *Tokenizer) nextSpecial(text string) (at int, id int32) {
	for at = range len(text) {
		for _, id := range t.special[text[at]] {
			if strings.HasPrefix(text[at:], t.tokens[id]) {
				return at, id
			}
		}
	}
	return len(text), -1
}

// sequence is a piece of text while its tokens are merged: a list, linked in
// arrays, whose elements disappear into their left neighbours, and a heap of
// the pairs that could be merged next.
type sequence struct {
	ids        []int32 // token at each place
	prev, next []int32 // neighbours of each place that is still there; -1 at the ends
	rank       []int32 // rank of the pair that begins at each place; none when it cannot be merged
	heap       pairHeap
}

const none = math.MaxInt32

// load sets one token for each character, or one for each byte of a character
// that the vocabulary lacks.
func (s *sequence) load(t *Tokenizer, text string) {
	s.ids = s.ids[:0]
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		character := text[:n]
		text = text[n:]
		if r == ' ' {
			r, character = spaceRune, space
		}
		id, ok := t.chars[r]
		if ok && (r != utf8.RuneError || n > 1) {
			s.ids = append(s.ids, id)
			continue
		}
		for _, b := range []byte(character) {
			s.ids = append(s.ids, t.bytes[b])
		}
	}
}

// mergeAll merges pairs, the lowest rank first and of equal ones the leftmost,
// until none is left.
func (s *sequence) mergeAll(t *Tokenizer) {
	n := len(s.ids)
	s.prev, s.next, s.rank = resize(s.prev, n), resize(s.next, n), resize(s.rank, n)
	s.heap = s.heap[:0]
	for i := range s.ids {
		s.prev[i], s.next[i] = int32(i-1), int32(i+1)
	}
	s.next[n-1] = -1
	for i := range s.ids {
		s.consider(t, int32(i))
	}
	for len(s.heap) > 0 {
		rank, left := s.heap.pop()
		if s.rank[left] != rank {
			continue // one of the two was merged with somebody else meanwhile
		}
		right := s.next[left]
		both, _ := t.merge(pair{s.ids[left], s.ids[right]})
		s.ids[left] = both.id
		s.rank[right] = none
		after := s.next[right]
		s.next[left] = after
		if after >= 0 {
			s.prev[after] = left
		}
		s.consider(t, left)
		if before := s.prev[left]; before >= 0 {
			s.consider(t, before)
		}
	}
}

// consider looks up the pair that begins at i and queues it.
func (s *sequence) consider(t *Tokenizer, i int32) {
	s.rank[i] = none
	if s.next[i] < 0 {
		return
	}
	m, ok := t.merge(pair{s.ids[i], s.ids[s.next[i]]})
	if !ok {
		return
	}
	s.rank[i] = m.rank
	s.heap.push(m.rank, i)
}

// appendTo adds the tokens that are left to out.
func (s *sequence) appendTo(out []int) []int {
	for i := int32(0); i >= 0; i = s.next[i] {
		out = append(out, int(s.ids[i]))
	}
	return out
}

func resize(s []int32, n int) []int32 {
	if cap(s) < n {
		return make([]int32, n)
	}
	return s[:n]
}

// pairHeap is a binary heap of rank and place, packed into one number each so
// that the smallest is the lowest rank and then the leftmost.
type pairHeap []uint64

func (h *pairHeap) push(rank, place int32) {
	*h = append(*h, uint64(rank)<<32|uint64(place))
	a := *h
	for i := len(a) - 1; i > 0; {
		up := (i - 1) / 2
		if a[up] <= a[i] {
			break
		}
		a[up], a[i] = a[i], a[up]
		i = up
	}
}

func (h *pairHeap) pop() (rank, place int32) {
	a := *h
	top, last := a[0], len(a)-1
	a[0] = a[last]
	a = a[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			break
		}
		if down+1 < last && a[down+1] < a[down] {
			down++
		}
		if a[i] <= a[down] {
			break
		}
		a[i], a[down] = a[down], a[i]
		i = down
	}
	*h = a
	return int32(top >> 32), int32(uint32(top))
}
