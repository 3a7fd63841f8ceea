package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// checker collects what is wrong with the values of a Config.
type checker struct {
	c        *Config
	problems []Problem
}

// topicPart checks a name that becomes one level of an MQTT topic.
func (k *checker) topicPart(field, name string) {
	switch {
	case name == "":
		k.wrong(field, "it has no name", "write one, such as name: door")
	case strings.ContainsAny(name, "+#/") || strings.HasPrefix(name, "$"):
		k.wrong(field, fmt.Sprintf("%q has a character that MQTT topics use otherwise", name), "leave out + # / and a $ in front")
	case len(name) > maxName:
		k.wrong(field, fmt.Sprintf("the name is longer than %d bytes", maxName), "shorten it")
	case strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar
	}):
		k.wrong(field, fmt.Sprintf("%q has a space or a character that does not print", name), "use letters, digits and dashes")
	}
}

func (k *checker) pin(field, pin string) {
	if strings.ContainsFunc(pin, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-'
	}) || len(pin) > maxName {
		k.wrong(field, fmt.Sprintf("%q is not the name of a pin", pin), "write for example GPIO17 or 17")
	}
}

func (k *checker) oneOf(field, value string, words ...string) {
	if !slices.Contains(words, value) {
		k.wrong(field, fmt.Sprintf("%q is not possible here", value), suggest(value, words))
	}
}

func (k *checker) onlyFor(field string, set bool, kind string, kinds ...string) {
	if set && kind != "" && !slices.Contains(kinds, kind) {
		k.wrong(field, "it is of no use for "+kind, "it belongs to "+strings.Join(kinds, " and "))
	}
}

func (k *checker) within(field string, n, lo, hi int) {
	if n < lo || n > hi {
		k.wrong(field, fmt.Sprintf("%d is out of bounds", n), fmt.Sprintf("write a number from %d to %d", lo, hi))
	}
}

func (k *checker) share(field string, x float64) {
	if !(x >= 0 && x <= 1) { // NaN too
		k.wrong(field, fmt.Sprintf("%g is out of bounds", x), "write a number from 0 to 1")
	}
}

func (k *checker) between(field string, d, lo, hi time.Duration) {
	if d < lo || d > hi {
		k.wrong(field, fmt.Sprintf("%v is out of bounds", d), fmt.Sprintf("write a time from %v to %v", lo, hi))
	}
}

// wrong notes a problem at the field's place, or at that of the nearest
// mapping around it which the file has.
func (k *checker) wrong(field, what, hint string) {
	var at position
	for path := field; ; {
		if p, ok := k.c.where[path]; ok {
			at = p
			break
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			break
		}
		path = path[:i]
	}
	k.problems = append(k.problems, Problem{at.line, at.column, field, what, hint})
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
