package gguf

import "fmt"

// Type is the encoding of a tensor's elements, numbered as in the GGUF files.
type Type uint32

// The encodings that people ship Gemma 4 in.
const (
	F32   Type = 0
	F16   Type = 1
	Q4_0  Type = 2
	Q4_1  Type = 3
	Q5_0  Type = 6
	Q5_1  Type = 7
	Q8_0  Type = 8
	Q2_K  Type = 10
	Q3_K  Type = 11
	Q4_K  Type = 12
	Q5_K  Type = 13
	Q6_K  Type = 14
	IQ4NL Type = 20
	IQ4XS Type = 23
	BF16  Type = 30
)

// layout is how many elements one block holds and in how many bytes.
type layout struct {
	name            string
	elements, bytes int
}

func (t Type) layout() (layout, bool) {
	switch t {
	case F32:
		return layout{"F32", 1, 4}, true
	case F16:
		return layout{"F16", 1, 2}, true
	case BF16:
		return layout{"BF16", 1, 2}, true
	case Q4_0:
		return layout{"Q4_0", 32, 18}, true
	case Q4_1:
		return layout{"Q4_1", 32, 20}, true
	case Q5_0:
		return layout{"Q5_0", 32, 22}, true
	case Q5_1:
		return layout{"Q5_1", 32, 24}, true
	case Q8_0:
		return layout{"Q8_0", 32, 34}, true
	case Q2_K:
		return layout{"Q2_K", 256, 84}, true
	case Q3_K:
		return layout{"Q3_K", 256, 110}, true
	case Q4_K:
		return layout{"Q4_K", 256, 144}, true
	case Q5_K:
		return layout{"Q5_K", 256, 176}, true
	case Q6_K:
		return layout{"Q6_K", 256, 210}, true
	case IQ4NL:
		return layout{"IQ4_NL", 32, 18}, true
	case IQ4XS:
		return layout{"IQ4_XS", 256, 136}, true
	}
	return layout{}, false
}

// Known says whether the engine can read the encoding.
func (t Type) Known() bool { _, ok := t.layout(); return ok }

// String returns the encoding's usual name.
func (t Type) String() string {
	if l, ok := t.layout(); ok {
		return l.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Block returns how many elements one block holds and its size in bytes;
// zeros for an unknown encoding.
func (t Type) Block() (elements, bytes int) {
	l, _ := t.layout()
	return l.elements, l.bytes
}
