package bench

import (
	"fmt"
	"strings"
)

// The types of tokens, numbered as in GGUF files.
const (
	normalToken  = 1
	controlToken = 3
	definedToken = 4
	byteToken    = 6
)

// vocabulary is a made-up vocabulary with the size and the structure of Gemma
// 4's, so that tokenizers need as much memory and prompts become about as many
// tokens. Its words are not words of a language.
type vocabulary struct {
	tokens []string
	types  []int32
	merges []string
	taken  map[string]bool
}

// controls are the tokens that give prompts their form, with their ids in Gemma 4.
var controls = []struct {
	id   int
	text string
	kind int32
}{
	{0, "<pad>", controlToken}, {1, "<eos>", controlToken}, {2, "<bos>", controlToken}, {3, "<unk>", controlToken}, {4, "<mask>", controlToken},
	{46, "<|tool>", controlToken}, {47, "<tool|>", controlToken}, {48, "<|tool_call>", definedToken}, {49, "<tool_call|>", definedToken},
	{50, "<|tool_response>", definedToken}, {51, "<tool_response|>", definedToken}, {52, `<|"|>`, definedToken}, {98, "<|think|>", controlToken},
	{100, "<|channel>", definedToken}, {101, "<channel|>", definedToken}, {105, "<|turn>", controlToken}, {106, "<turn|>", controlToken},
	{255999, "<|image>", controlToken}, {256000, "<|audio>", controlToken}, {258880, "<|image|>", controlToken}, {258881, "<|audio|>", controlToken},
	{258882, "<image|>", controlToken}, {258883, "<audio|>", controlToken}, {258884, "<|video|>", controlToken},
}

const (
	firstNewlines = 107 // "\n", "\n\n", ...: the run of newlines in Gemma 4
	newlines      = 31
	firstByte     = 238
	fullSize      = 262144

	space = "\u2581" // stands for a space
)

// newVocabulary makes a vocabulary of n tokens. The control tokens have the
// ids of Gemma 4 when n is large enough for that, and follow each other
// otherwise.
func newVocabulary(n int) *vocabulary {
	v := &vocabulary{tokens: make([]string, n), types: make([]int32, n), taken: make(map[string]bool, n)}
	for i, c := range controls {
		at := c.id
		if n < fullSize && c.id > 255 {
			at = firstByte + 256 + i
		}
		v.put(at, c.text, c.kind)
	}
	for b := range 256 {
		v.put(firstByte+b, fmt.Sprintf("<0x%02X>", b), byteToken)
	}
	run := strings.Repeat("\n", newlines)
	for n := 1; n <= newlines; n++ {
		v.put(firstNewlines+n-1, run[:n], normalToken)
		for left := 1; left < n; left++ {
			v.merges = append(v.merges, run[:left]+" "+run[left:n])
		}
	}
	v.words()
	return v
}

func (v *vocabulary) put(id int, text string, kind int32) {
	v.tokens[id], v.types[id], v.taken[text] = text, kind, true
}

// words fills the ids that are free: single characters first, then pieces that
// begin with a space, shortest first, then pieces from inside words, then
// longer words. Merges are in the same order, which is how byte-pair encoding
// learns them.
func (v *vocabulary) words() {
	const small = "etaoinshrdlucmfwypvbgkjqxz" // by how common they are
	const letters = small + "ETAOINSHRDLUCMFWYPVBGKJQXZ"
	f := filler{v: v}
	for r := rune('!'); r <= '~'; r++ {
		f.add(string(r))
	}
	f.add(space)
	for r := rune(0xa1); r < 0x250; r++ { // the other letters of Europe
		f.add(string(r))
	}
	f.each(letters, func(a string) { f.merge(space, a, "") })
	f.each(letters, func(a string) {
		f.each(small, func(b string) { f.merge(space+a, b, "") })
	})
	f.each(letters, func(a string) {
		f.each(small, func(b string) { f.merge(a, b, "") })
	})
	for _, before := range []string{space, ""} {
		f.each(letters, func(a string) {
			f.each(small, func(b string) {
				f.each(small, func(c string) { f.merge(before+a+b, c, before+a) })
			})
		})
	}
	f.each(small, func(a string) {
		f.each(small, func(b string) {
			f.each(small, func(c string) {
				f.each(small, func(d string) { f.merge(space+a+b+c, d, space+a+b) })
			})
		})
	})
	for i := 0; f.next(); i++ { // an id must have a text
		f.add(fmt.Sprintf("<unused%d>", i))
	}
}

// filler puts pieces at free ids.
type filler struct {
	v  *vocabulary
	at int
}

// each calls f with each letter, until there is no free id.
func (f *filler) each(letters string, do func(letter string)) {
	for i := 0; i < len(letters) && f.next(); i++ {
		do(letters[i : i+1])
	}
}

// next finds the next free id.
func (f *filler) next() bool {
	for f.at < len(f.v.tokens) && f.v.tokens[f.at] != "" {
		f.at++
	}
	return f.at < len(f.v.tokens)
}

// add puts a piece at the next free id, if there is one.
func (f *filler) add(piece string) bool {
	if f.v.taken[piece] {
		return true
	}
	if !f.next() {
		return false
	}
	f.v.put(f.at, piece, normalToken)
	return true
}

// merge adds the piece left+right and its merge; and, as Gemma 4 has about two
// merges for each piece, the merge of other halves, of which head is the first.
func (f *filler) merge(left, right, head string) {
	whole := left + right
	if !f.v.taken[left] || !f.v.taken[right] || !f.add(whole) {
		return
	}
	f.v.merges = append(f.v.merges, left+" "+right)
	if head != "" && f.v.taken[whole[len(head):]] {
		f.v.merges = append(f.v.merges, head+" "+whole[len(head):])
	}
}
