package web

import (
	"slices"
	"strings"
)

const (
	// diffContext is how many lines that stay are shown around a change.
	diffContext = 3
	// maxDiff bounds the work of a difference: lines of one text times lines of the
	// other, between their common beginning and end.
	maxDiff = 4 << 20
)

// Diff tells how one text becomes another, line by line: a longest common
// subsequence stays.
func Diff(before, after string) []Edit {
	a, b := linesOf(before), linesOf(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var all []Edit
	stay := func(i, j int) { all = append(all, Edit{" ", i + 1, j + 1, a[i]}) }
	for i := range head {
		stay(i, i)
	}
	middle(a[head:len(a)-tail], b[head:len(b)-tail], func(op string, i, j int) {
		switch op {
		case "-":
			all = append(all, Edit{"-", head + i + 1, 0, a[head+i]})
		case "+":
			all = append(all, Edit{"+", 0, head + j + 1, b[head+j]})
		default:
			stay(head+i, head+j)
		}
	})
	for k := range tail {
		stay(len(a)-tail+k, len(b)-tail+k)
	}
	return around(all)
}

// linesOf splits a text; whether its last line ends with a line feed does not
// matter.
func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	if last := len(lines) - 1; lines[last] == "" {
		return lines[:last]
	}
	return lines
}

// middle tells step by step how a becomes b.
func middle(a, b []string, step func(op string, i, j int)) {
	i, j := 0, 0
	if len(a)*len(b) <= maxDiff {
		// length[i][j] is that of the longest common subsequence of a[i:] and b[j:].
		width := len(b) + 1
		length := make([]uint16, (len(a)+1)*width)
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					length[i*width+j] = length[(i+1)*width+j+1] + 1
				} else {
					length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
				}
			}
		}
		for i < len(a) && j < len(b) {
			switch {
			case a[i] == b[j]:
				step(" ", i, j)
				i++
				j++
			case length[(i+1)*width+j] >= length[i*width+j+1]:
				step("-", i, j)
				i++
			default:
				step("+", i, j)
				j++
			}
		}
	}
	for ; i < len(a); i++ {
		step("-", i, j)
	}
	for ; j < len(b); j++ {
		step("+", i, j)
	}
}

// around leaves out what stays far from every change.
func around(all []Edit) []Edit {
	out := []Edit{}
	gap := false
	for i, e := range all {
		near := all[max(0, i-diffContext):min(len(all), i+diffContext+1)]
		if !slices.ContainsFunc(near, func(e Edit) bool { return e.Op != " " }) {
			gap = true
			continue
		}
		if gap && len(out) > 0 {
			out = append(out, Edit{Op: "@"})
		}
		gap = false
		out = append(out, e)
	}
	return out
}
