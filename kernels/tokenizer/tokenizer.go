// Package tokenizer is the tokenizer of the Gemma 4 family: byte-pair encoding
// on raw UTF-8 whose spaces are written as U+2581, with tokens for single
// bytes where the vocabulary knows no better.
//
// There is no splitting into words before the merges. Control tokens such as
// <|turn> are cut out of the text first, but only where the caller vouches for
// the text: words from outside must never become control tokens.
//
// The vocabulary is read from the metadata of a model file. The truth about
// ids is the tokenizer.json of the published models as Hugging Face's
// tokenizers reads it.
package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"sensed/kernels/gguf"
)

const (
	model  = "gemma4" // tokenizer.ggml.model
	prefix = "tokenizer.ggml."

	// What stands for a space inside the vocabulary.
	space     = "\u2581"
	spaceRune = '\u2581'
)

// The types of tokens, numbered as in the files; every other type is handled
// as normal.
const (
	typeControl     = 3
	typeUserDefined = 4
	typeByte        = 6
)

// Tokenizer turns text into ids and back. It never changes after [New] and may
// be used from any goroutine.
type Tokenizer struct {
	tokens []string       // text of each id as stored in the vocabulary
	types  []uint8        // type of each id
	sorted []int32        // ids in the order of their texts, then of the ids
	bytes  [256]int32     // id of the token for one byte
	chars  map[rune]int32 // id of a single character
	merges []merge        // in the order of their pairs: a map would take twice the memory

	// special holds the tokens that are cut out of trusted text, longest first,
	// in a list for each first byte.
	special [256][]int32

	bos, eos, pad, unk int
}

// pair is two neighbouring tokens.
type pair struct{ left, right int32 }

func (p pair) compare(o pair) int {
	return cmp.Or(cmp.Compare(p.left, o.left), cmp.Compare(p.right, o.right))
}

// merge is what becomes of a pair; a lower rank is merged earlier.
type merge struct {
	pair
	rank, id int32
}

// merge returns what becomes of a pair.
func (t *Tokenizer) merge(p pair) (merge, bool) {
	i, ok := slices.BinarySearchFunc(t.merges, p, func(m merge, p pair) int { return m.compare(p) })
	if !ok {
		return merge{}, false
	}
	return t.merges[i], true
}

// New reads the vocabulary from the metadata of a model file.
func New(f *gguf.File) (*Tokenizer, error) {
	name, err := f.String(prefix + "model")
	if err != nil {
		return nil, err
	}
	if name != model {
		return nil, fmt.Errorf("%s: the tokenizer is of the kind %q; only %q is supported", f.Name(), name, model)
	}
	t := &Tokenizer{}
	if err := t.readTokens(f); err != nil {
		return nil, err
	}
	if err := t.readMerges(f); err != nil {
		return nil, err
	}
	for _, s := range []struct {
		id        *int
		key, text string
	}{
		{&t.bos, "bos_token_id", "<bos>"},
		{&t.eos, "eos_token_id", "<eos>"},
		{&t.pad, "padding_token_id", "<pad>"},
		{&t.unk, "unknown_token_id", "<unk>"},
	} {
		if *s.id, err = t.named(f, prefix+s.key, s.text); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// readTokens fills everything that follows from the list of tokens.
func (t *Tokenizer) readTokens(f *gguf.File) error {
	tokens, err := f.Strings(prefix + "tokens")
	if err != nil {
		return err
	}
	types, err := f.Ints(prefix + "token_type")
	if err != nil {
		return err
	}
	if len(tokens) != len(types) {
		return fmt.Errorf("%s: the vocabulary has %d tokens and %d token types", f.Name(), len(tokens), len(types))
	}
	t.tokens = tokens
	t.types = make([]uint8, len(tokens))
	t.sorted = make([]int32, len(tokens))
	t.chars = map[rune]int32{}
	for i := range t.bytes {
		t.bytes[i] = -1
	}
	for id, text := range tokens {
		t.types[id] = uint8(types[id])
		t.sorted[id] = int32(id)
		switch types[id] {
		case typeByte:
			b, ok := parseByte(text)
			if !ok {
				return fmt.Errorf("%s: token %d is a byte and is written %q instead of <0x00> to <0xFF>", f.Name(), id, text)
			}
			t.bytes[b] = int32(id)
		case typeControl, typeUserDefined:
			if text == "" {
				return fmt.Errorf("%s: control token %d is empty", f.Name(), id)
			}
			t.special[text[0]] = append(t.special[text[0]], int32(id))
		default:
			if r, n := utf8.DecodeRuneInString(text); n == len(text) && n > 0 && (r != utf8.RuneError || n > 1) {
				t.chars[r] = int32(id)
			}
		}
	}
	slices.SortFunc(t.sorted, func(a, b int32) int { return cmp.Or(strings.Compare(tokens[a], tokens[b]), cmp.Compare(a, b)) })
	for b, id := range t.bytes {
		if id < 0 {
			return fmt.Errorf("%s: the vocabulary lacks the token <0x%02X>", f.Name(), b)
		}
	}
	for _, list := range t.special {
		slices.SortStableFunc(list, func(a, b int32) int { return len(tokens[b]) - len(tokens[a]) })
	}
	return nil
}

// readMerges reads the list of pairs, each written as two tokens with a space
// between, best first. Pairs of tokens that the vocabulary lacks can never
// meet and are passed over: files with a shortened vocabulary have them.
func (t *Tokenizer) readMerges(f *gguf.File) error {
	lines, err := f.Strings(prefix + "merges")
	if err != nil {
		return err
	}
	ids := make(map[string]int32, len(t.tokens)) // half a million lines are looked up: once, so it is not kept
	for id, text := range slices.Backward(t.tokens) {
		ids[text] = int32(id) // of equal ones the first
	}
	t.merges = make([]merge, 0, len(lines))
	var joined []byte
	for rank, line := range lines {
		left, right, ok := strings.Cut(line, " ")
		if !ok {
			return fmt.Errorf("%s: merge %d is %q and should be two tokens with a space between", f.Name(), rank, line)
		}
		l, okLeft := ids[left]
		r, okRight := ids[right]
		joined = append(append(joined[:0], left...), right...)
		id, okJoined := ids[string(joined)]
		if !okLeft || !okRight || !okJoined {
			continue
		}
		if t.IsControl(int(id)) {
			return fmt.Errorf("%s: merge %d, %q, would turn plain text into a control token", f.Name(), rank, line)
		}
		t.merges = append(t.merges, merge{pair{l, r}, int32(rank), id})
	}
	slices.SortFunc(t.merges, func(a, b merge) int { return cmp.Or(a.compare(b.pair), cmp.Compare(a.rank, b.rank)) })
	t.merges = slices.CompactFunc(t.merges, func(a, b merge) bool { return a.pair == b.pair })
	if len(t.merges) == 0 && len(lines) > 0 {
		return fmt.Errorf("%s: none of the %d merges fits the vocabulary", f.Name(), len(lines))
	}
	return nil
}

// named returns the id that the file gives under key or, without the key, the
// id of the token with that text.
func (t *Tokenizer) named(f *gguf.File, key, text string) (int, error) {
	if !f.Has(key) {
		if id, ok := t.ID(text); ok {
			return id, nil
		}
		return 0, fmt.Errorf("%s: key %q is missing and so is a token %q", f.Name(), key, text)
	}
	id, err := f.Int(key)
	if err == nil && (id < 0 || id >= len(t.tokens)) {
		err = fmt.Errorf("%s: key %q: there is no token %d", f.Name(), key, id)
	}
	return id, err
}

// parseByte reads the text of a byte token.
func parseByte(text string) (byte, bool) {
	const digits = "0123456789ABCDEF"
	if len(text) != 6 || text[:3] != "<0x" || text[5] != '>' {
		return 0, false
	}
	high, low := strings.IndexByte(digits, text[3]), strings.IndexByte(digits, text[4])
	return byte(high<<4 | low), high >= 0 && low >= 0
}

// Len returns the size of the vocabulary: ids are below it.
func (t *Tokenizer) Len() int { return len(t.tokens) }

// BOS returns the id that starts every prompt.
func (t *Tokenizer) BOS() int { return t.bos }

// EOS returns the id that ends a text.
func (t *Tokenizer) EOS() int { return t.eos }

// PAD returns the id of the padding token.
func (t *Tokenizer) PAD() int { return t.pad }

// UNK returns the id of the unknown token. Encode never writes it, because
// every byte has a token.
func (t *Tokenizer) UNK() int { return t.unk }

// ID returns the id of the token that is written exactly like this in the
// vocabulary, a space as U+2581; of two equal ones, the first.
func (t *Tokenizer) ID(text string) (int, bool) {
	i, ok := slices.BinarySearchFunc(t.sorted, text, func(id int32, text string) int { return strings.Compare(t.tokens[id], text) })
	if !ok {
		return 0, false
	}
	return int(t.sorted[i]), true
}

// IsControl says whether the id is a control token or one that the model's
// makers defined for its prompts, such as <bos>, <|turn> or <|"|>.
func (t *Tokenizer) IsControl(id int) bool {
	return id >= 0 && id < len(t.types) && (t.types[id] == typeControl || t.types[id] == typeUserDefined)
}

// Piece returns the bytes that one token stands for, nil for an id outside the
// vocabulary. Characters may be spread over several byte tokens, so a piece
// alone need not be valid UTF-8.
func (t *Tokenizer) Piece(id int) []byte {
	switch {
	case id < 0 || id >= len(t.tokens):
		return nil
	case t.types[id] == typeByte:
		b, _ := parseByte(t.tokens[id])
		return []byte{b}
	case t.IsControl(id):
		return []byte(t.tokens[id])
	}
	return []byte(strings.ReplaceAll(t.tokens[id], space, " "))
}

// Decode returns the text of the ids, control tokens as they are written. A
// run of byte tokens that is not valid UTF-8 becomes one U+FFFD for each byte.
// Ids outside the vocabulary are left out.
func (t *Tokenizer) Decode(ids []int) string {
	var out strings.Builder
	var run []byte // byte tokens that were not written yet
	flush := func() {
		if utf8.Valid(run) {
			out.Write(run)
		} else {
			out.WriteString(strings.Repeat("\ufffd", len(run)))
		}
		run = run[:0]
	}
	for _, id := range ids {
		piece := t.Piece(id)
		if piece != nil && t.types[id] == typeByte {
			run = append(run, piece...)
			continue
		}
		flush()
		out.Write(piece)
	}
	flush()
	return out.String()
}
