package understand

import (
	"fmt"
	"strings"
	"unicode"
)

const (
	maxLabels     = 64 // in one task
	maxLabelRunes = 48
)

// cleanLabel makes words fit for a prompt and for a topic's JSON: one line,
// single spaces, without the characters that quote, fence or mark control
// tokens. It may return "".
func cleanLabel(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case strings.ContainsRune("\"`<>|{}[]\\", r), !unicode.IsPrint(r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxLabelRunes {
		s = strings.TrimSpace(string(r[:maxLabelRunes]))
	}
	return strings.Trim(s, " ,.;:")
}

// cleanLabels cleans each label and drops what is then said twice.
func cleanLabels(labels []string) ([]string, error) {
	if len(labels) > maxLabels {
		return nil, fmt.Errorf("%d labels; one task takes at most %d", len(labels), maxLabels)
	}
	var out []string
	seen := map[string]bool{}
	for _, l := range labels {
		c := cleanLabel(l)
		if c == "" {
			return nil, fmt.Errorf("label %q has no words", l)
		}
		if key := singular(c); !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	return out, nil
}

// joinLabels lists labels as a person would: "a", "a and b", "a, b and c".
func joinLabels(labels []string) string {
	if len(labels) < 2 {
		return strings.Join(labels, "")
	}
	last := len(labels) - 1
	return strings.Join(labels[:last], ", ") + " and " + labels[last]
}

// matchLabel finds the asked label that a model's label means: the same words
// but for case, hyphens and plural, or more words that end with them
// ("delivery truck" means truck). It returns "" when there is none.
func matchLabel(said string, asked []string) string {
	said = singular(said)
	best := ""
	for _, a := range asked {
		s := singular(a)
		if s == said {
			return a
		}
		if strings.HasSuffix(said, " "+s) && len(s) > len(singular(best)) {
			best = a
		}
	}
	return best
}

// singular is the form in which labels are compared.
func singular(s string) string {
	s = strings.ToLower(cleanLabel(s))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '-' || r == '_' }), " ")
	s = strings.TrimPrefix(s, "a ")
	s = strings.TrimPrefix(s, "an ")
	s = strings.TrimPrefix(s, "the ")
	switch {
	case s == "people" || s == "persons":
		return "person"
	case strings.HasSuffix(s, "ss"):
		return s
	case strings.HasSuffix(s, "ches"), strings.HasSuffix(s, "shes"), strings.HasSuffix(s, "xes"), strings.HasSuffix(s, "sses"), strings.HasSuffix(s, "buses"):
		return strings.TrimSuffix(s, "es")
	case strings.HasSuffix(s, "ies") && len(s) > 4:
		return strings.TrimSuffix(s, "ies") + "y"
	case strings.HasSuffix(s, "s") && s != "bus" && !strings.HasSuffix(s, " bus"):
		return strings.TrimSuffix(s, "s")
	}
	return s
}
