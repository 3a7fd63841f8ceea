package config

import (
	"cmp"
	"fmt"
	"strings"
)

// position is a place in the file, both counted from 1; zero is unknown.
type position struct{ line, column int }

// Problem is one mistake.
type Problem struct {
	Line, Column int    // counted from 1; 0 when the file does not set the field
	Field        string // such as sources[0].tasks[1].kind; empty: the file as a whole
	What         string // what is wrong
	Hint         string // what to do
}

// String returns the problem in one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d: ", p.Line, p.Column)
	}
	if p.Field != "" {
		fmt.Fprintf(&b, "%s: ", p.Field)
	}
	b.WriteString(p.What)
	if p.Hint != "" {
		fmt.Fprintf(&b, "; %s", p.Hint)
	}
	return b.String()
}

func (p Problem) compare(q Problem) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// Error holds all mistakes of one file, in the order of their place.
type Error struct {
	Name     string // of the file
	Problems []Problem
}

// Error returns one line for each problem, as compilers do.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		sep := ": "
		if p.Line > 0 {
			sep = ":"
		}
		lines[i] = e.Name + sep + p.String()
	}
	return strings.Join(lines, "\n")
}

// suggest says which of the known words was probably meant, or else lists them.
func suggest(word string, known []string) string {
	best, distance := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(known) == 0 {
		return "there is none to choose from"
	}
	return "possible are " + strings.Join(known, ", ")
}

// edits counts the letters to insert, delete, replace or swap with their
// neighbour that turn a into b (Damerau-Levenshtein, optimal string alignment).
func edits(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return len(x) + len(y) // no typing mistake, and not worth the time
	}
	var before, last, row []int
	for j := range len(y) + 1 {
		last = append(last, j)
	}
	for i := 1; i <= len(x); i++ {
		row = append([]int(nil), i)
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, before[j-2]+1)
			}
			row = append(row, d)
		}
		before, last = last, row
	}
	return last[len(y)]
}
