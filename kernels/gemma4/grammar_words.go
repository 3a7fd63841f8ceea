package gemma4

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"sensed/kernels/tokenizer"
)

// wordList is a vocabulary in the order of its bytes, in which all tokens that
// begin alike stand together: a tree of pieces in four flat lists, of some 5 MB
// for the 262144 tokens of the published models. It never changes.
//
// Left out are control tokens, which no bytes stand for; the token of a byte
// that is a character with a token of its own, which the tokenizer never
// writes; and pieces of more than maxPiece bytes.
type wordList struct {
	ids     []int32
	text    []byte   // the pieces, one behind the other
	at      []uint32 // where each begins, and the end
	shared  []uint8  // bytes that each has in common with the one before
	first   [257]int32
	longest int
}

const maxPiece = 255

func newWordList(t *tokenizer.Tokenizer) *wordList {
	type word struct {
		head  uint64 // the first eight bytes, which tell most words apart
		piece []byte
		id    int32
	}
	words := make([]word, 0, t.Len())
	for id := range t.Len() {
		if t.IsControl(id) {
			continue
		}
		piece := t.Piece(id)
		if len(piece) == 0 || len(piece) > maxPiece || len(piece) == 1 && isSpareByte(t, id, piece[0]) {
			continue
		}
		var head [8]byte
		copy(head[:], piece)
		words = append(words, word{binary.BigEndian.Uint64(head[:]), piece, int32(id)})
	}
	slices.SortFunc(words, func(a, b word) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return cmp.Or(bytes.Compare(a.piece, b.piece), cmp.Compare(a.id, b.id))
	})

	l := &wordList{}
	var last []byte
	for _, w := range words {
		n := 0
		for n < len(last) && n < len(w.piece) && last[n] == w.piece[n] {
			n++
		}
		l.ids = append(l.ids, w.id)
		l.at = append(l.at, uint32(len(l.text)))
		l.text = append(l.text, w.piece...)
		l.shared = append(l.shared, uint8(n))
		l.longest = max(l.longest, len(w.piece))
		l.first[int(w.piece[0])+1]++
		last = w.piece
	}
	l.at = append(l.at, uint32(len(l.text)))
	for b := range 256 {
		l.first[b+1] += l.first[b]
	}
	return l
}

// isSpareByte says that the token of one byte is written by nobody, because
// the same character has a token of its own.
func isSpareByte(t *tokenizer.Tokenizer, id int, b byte) bool {
	if raw, ok := t.ID(fmt.Sprintf("<0x%02X>", b)); !ok || raw != id {
		return false
	}
	ids := t.Encode(string(rune(b)), false)
	return b < 0x80 && len(ids) == 1 && ids[0] != id
}

// piece returns the bytes of the i-th token.
func (l *wordList) piece(i int) []byte { return l.text[l.at[i]:l.at[i+1]] }

// under returns which tokens begin with prefix: from..to-1.
func (l *wordList) under(prefix []byte) (from, to int) {
	from = l.search(func(p []byte) bool { return bytes.Compare(p, prefix) >= 0 })
	to = from + l.searchFrom(from, func(p []byte) bool { return !bytes.HasPrefix(p, prefix) })
	return from, to
}

func (l *wordList) search(f func(piece []byte) bool) int { return l.searchFrom(0, f) }

// searchFrom returns how many tokens from the given one on come before the
// first of which f is true.
func (l *wordList) searchFrom(from int, f func(piece []byte) bool) int {
	low, high := from, len(l.ids)
	for low < high {
		if middle := (low + high) / 2; f(l.piece(middle)) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low - from
}

// accepted calls yield for each of the tokens from..to-1 whose bytes behind the
// first skip, which they have in common, the automaton takes from state on. It
// ends when yield returns false.
func (l *wordList) accepted(a *automaton, state int32, from, to, skip int, yield func(id int32) bool) {
	var states [maxPiece + 1]int32 // after each byte of the last token looked at
	states[skip] = state
	good := skip // bytes of it that were taken
	for i := from; i < to; i++ {
		n := int(l.shared[i])
		if i == from {
			n = skip
		}
		if n > good {
			continue // it begins with what was refused
		}
		p := l.piece(i)
		s := states[n]
		for ; n < len(p); n++ {
			if s = a.step(s, p[n]); s == deadState {
				break
			}
			states[n+1] = s
		}
		good = n
		if n == len(p) && !yield(l.ids[i]) {
			return
		}
	}
}
