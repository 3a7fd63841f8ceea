package gemma4

// expr is a piece of a grammar: a regular expression over bytes and control
// tokens. It is never changed once made, so parts may be shared.
type expr struct {
	kind     exprKind
	text     string   // literal: the bytes; control: the token as it is written
	set      *byteSet // class
	parts    []*expr  // sequence, choice; the body of a repetition is parts[0]
	min, max int      // repetition; max endless: as often as one likes
}

type exprKind uint8

const (
	literal exprKind = iota
	class            // one byte of a set
	control          // one control token
	sequence
	choice
	repetition
)

const endless = -1

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 == 1 }

func (s *byteSet) add(from, to byte) {
	for b := int(from); b <= int(to); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

// lit writes the text as it is.
func lit(text string) *expr { return &expr{kind: literal, text: text} }

// mark writes a control token.
func mark(text string) *expr { return &expr{kind: control, text: text} }

// oneByte writes one byte of the ranges, given as pairs of first and last.
func oneByte(ranges ...byte) *expr {
	var s byteSet
	for i := 0; i < len(ranges); i += 2 {
		s.add(ranges[i], ranges[i+1])
	}
	return &expr{kind: class, set: &s}
}

// seq writes the parts one after the other.
func seq(parts ...*expr) *expr { return &expr{kind: sequence, parts: parts} }

// either writes one of the parts.
func either(parts ...*expr) *expr { return &expr{kind: choice, parts: parts} }

// repeat writes the body min to max times.
func repeat(body *expr, min, max int) *expr {
	return &expr{kind: repetition, parts: []*expr{body}, min: min, max: max}
}

func optional(body *expr) *expr { return repeat(body, 0, 1) }
