package gemma4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// beyondASCII is one character of two to four bytes, well-formed as Unicode's
// table 3-7 says.
func beyondASCII() *expr {
	tail := oneByte(0x80, 0xbf)
	return either(
		seq(oneByte(0xc2, 0xdf), tail),
		seq(oneByte(0xe0, 0xe0), oneByte(0xa0, 0xbf), tail),
		seq(oneByte(0xe1, 0xec, 0xee, 0xef), tail, tail),
		seq(oneByte(0xed, 0xed), oneByte(0x80, 0x9f), tail),
		seq(oneByte(0xf0, 0xf0), oneByte(0x90, 0xbf), tail, tail),
		seq(oneByte(0xf1, 0xf3), tail, tail, tail),
		seq(oneByte(0xf4, 0xf4), oneByte(0x80, 0x8f), tail, tail),
	)
}

// plainCharacter is one character that stands for itself in a JSON string.
func plainCharacter() *expr {
	return either(oneByte(0x20, '"'-1, '"'+1, '\\'-1, '\\'+1, 0x7f), beyondASCII())
}

// jsonCharacter is one character of a JSON string, perhaps escaped. Halves of
// surrogate pairs, which are no characters, are left out.
func jsonCharacter() *expr {
	hex := oneByte('0', '9', 'a', 'f', 'A', 'F')
	code := either(
		seq(oneByte('0', '9', 'a', 'c', 'e', 'f', 'A', 'C', 'E', 'F'), hex, hex, hex),
		seq(oneByte('d', 'd', 'D', 'D'), oneByte('0', '7'), hex, hex),
	)
	escaped := seq(lit(`\`), either(oneByte('"', '"', '\\', '\\', '/', '/', 'b', 'b', 'f', 'f', 'n', 'n', 'r', 'r', 't', 't'), seq(lit("u"), code)))
	return either(plainCharacter(), escaped)
}

// anyCharacter is one character of a text that is quoted by control tokens.
func anyCharacter() *expr { return either(oneByte('\n', '\n', '\t', '\t', 0x20, 0x7f), beyondASCII()) }

// quote returns a text as a JSON string.
func quote(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%q is no text", s)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// maxDigits bounds numbers, so that they fit 64 bits.
const maxDigits = 18

// anyWhole is a whole number of JSON.
func anyWhole() *expr {
	return seq(optional(lit("-")), either(lit("0"), seq(oneByte('1', '9'), repeat(oneByte('0', '9'), 0, maxDigits-1))))
}

// anyNumber is a number of JSON that fits 64 bits.
func anyNumber() *expr {
	digit := oneByte('0', '9')
	fraction := seq(lit("."), repeat(digit, 1, maxDigits))
	power := seq(oneByte('e', 'e', 'E', 'E'), optional(oneByte('+', '+', '-', '-')), repeat(digit, 1, 2))
	return seq(anyWhole(), optional(fraction), optional(power))
}

// wholeNumber is a whole number from..to, without a sign in front of zero and
// without zeros in front.
func wholeNumber(from, to int64) *expr {
	var parts []*expr
	if from < 0 {
		parts = append(parts, seq(lit("-"), natural(max(1, -to), -from)))
	}
	if to >= 0 {
		parts = append(parts, natural(max(0, from), to))
	}
	return either(parts...)
}

// natural is a whole number from..to, neither negative.
func natural(from, to int64) *expr {
	var parts []*expr
	for low, high := int64(0), int64(9); low <= to; low, high = high+1, high*10+9 { // all of one length
		if a, b := max(from, low), min(to, high); a <= b {
			parts = append(parts, digitsBetween(strconv.FormatInt(a, 10), strconv.FormatInt(b, 10)))
		}
	}
	return either(parts...)
}

// digitsBetween is a number of as many digits as a and b have, a..b.
func digitsBetween(a, b string) *expr {
	n := len(a) - 1
	switch {
	case a == b:
		return lit(a)
	case n == 0:
		return oneByte(a[0], b[0])
	case a[0] == b[0]:
		return seq(lit(a[:1]), digitsBetween(a[1:], b[1:]))
	}
	zeros, nines := strings.Repeat("0", n), strings.Repeat("9", n)
	low, high := a[0], b[0]
	var parts []*expr
	if a[1:] != zeros {
		parts = append(parts, seq(lit(a[:1]), digitsBetween(a[1:], nines)))
		low++
	}
	if b[1:] != nines {
		parts = append(parts, seq(lit(b[:1]), digitsBetween(zeros, b[1:])))
		high--
	}
	if low <= high {
		parts = append(parts, seq(oneByte(low, high), repeat(oneByte('0', '9'), n, n)))
	}
	return either(parts...)
}
