//go:build linux

package execpcm

import (
	"fmt"
	"strings"
	"unicode"
)

// Split cuts a line into words at white space. Single or double quotes hold
// words together; within them everything stands for itself but the quote. There
// is nothing else that a shell would do.
func Split(line string) ([]string, error) {
	var (
		words []string
		word  strings.Builder
		in    bool // a word
		quote rune // that is open, or 0
	)
	for _, r := range line {
		switch {
		case r == quote && quote != 0:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, in = r, true
		case unicode.IsSpace(r):
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("exec: a quote (%c) is not closed", quote)
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}
