package gemma4

import (
	"strings"
	"unicode/utf8"

	"sensed/kernels/tokenizer"
)

// answer turns the tokens that the model writes into text, piece by piece.
// Control tokens are left out, and so is everything between <|channel> and
// <channel|>, which is the model thinking. Characters are handed on whole: the
// bytes of one that is spread over several tokens wait for the last of them.
type answer struct {
	words    *tokenizer.Tokenizer
	control  *controlTokens
	onText   func(string) // may be nil
	text     strings.Builder
	pending  []byte // the start of a character
	thinking bool
}

// add takes the next token.
func (a *answer) add(id int) {
	if a.words.IsControl(id) {
		a.end()
		switch id {
		case a.control.channel:
			a.thinking = true
		case a.control.endChannel:
			a.thinking = false
		}
		return
	}
	if a.thinking {
		return
	}
	a.pending = append(a.pending, a.words.Piece(id)...)
	n := whole(a.pending)
	a.write(a.pending[:n])
	a.pending = append(a.pending[:0], a.pending[n:]...)
}

// end writes what is left of a character that never became whole.
func (a *answer) end() {
	a.write(a.pending)
	a.pending = a.pending[:0]
}

// write hands on text; each byte that is no part of a character becomes U+FFFD.
func (a *answer) write(b []byte) {
	if len(b) == 0 {
		return
	}
	s := string(b)
	if !utf8.Valid(b) {
		s = string([]rune(s))
	}
	a.text.WriteString(s)
	if a.onText != nil {
		a.onText(s)
	}
}

// whole returns the length of b without the start of a character at its end.
func whole(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				return len(b)
			}
			return i
		}
	}
	return len(b)
}
