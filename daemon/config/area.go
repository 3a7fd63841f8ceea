package config

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// Area is a part of a picture: the corners [y, x] of a polygon on a grid of 1000
// by 1000. A file may also give a rectangle, [y1, x1, y2, x2] as boxes have it.
type Area [][2]int

// grid is the size of the picture in the numbers of an [Area].
const grid = 1000

const areaHint = "write corners, such as [[0, 0], [0, 500], [400, 250]] (y before x, of 1000), or a rectangle [y1, x1, y2, x2]"

// areas returns a reader of a list of areas.
func (r *reader) areas(to *[]Area) func(ast.Node, string) {
	return r.list(func(n ast.Node, path string) {
		if a, ok := r.area(n, path); ok {
			*to = append(*to, a)
		}
	})
}

// area reads one; ok is false when something is wrong with it, which was said.
func (r *reader) area(n ast.Node, path string) (a Area, ok bool) {
	if r.describes(path, TypeArea, "") {
		return nil, false
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.problem(start(n), path, "here must be a list of corners, not "+describe(n), areaHint)
		return nil, false
	}
	if len(s.Values) > 0 {
		if _, corners := s.Values[0].(*ast.SequenceNode); !corners {
			return r.rectangle(n, path)
		}
	}
	before := len(r.problems)
	r.list(func(n ast.Node, path string) {
		v := r.numbers(n, path)
		if len(v) != 2 {
			r.problem(start(n), path, fmt.Sprintf("a corner has two numbers, this one has %d", len(v)), "write [y, x]")
			return
		}
		a = append(a, [2]int{v[0], v[1]})
	})(n, path)
	return a, len(r.problems) == before
}

func (r *reader) rectangle(n ast.Node, path string) (Area, bool) {
	before := len(r.problems)
	v := r.numbers(n, path)
	switch {
	case len(r.problems) > before:
		return nil, false
	case len(v) != 4:
		r.problem(start(n), path, fmt.Sprintf("a rectangle has four numbers, this one has %d", len(v)), areaHint)
		return nil, false
	case v[0] >= v[2] || v[1] >= v[3]:
		r.problem(start(n), path, fmt.Sprintf("%v is no rectangle", v), "write [y1, x1, y2, x2] from 0 to 1000, y1 < y2 and x1 < x2")
		return nil, false
	}
	return Area{{v[0], v[1]}, {v[0], v[3]}, {v[2], v[3]}, {v[2], v[1]}}, true
}

func (r *reader) numbers(n ast.Node, path string) (v []int) {
	r.list(func(n ast.Node, path string) {
		var x int
		r.whole(&x)(n, path)
		v = append(v, x)
	})(n, path)
	return v
}

// areas checks that the areas of a field lie in the picture.
func (k *checker) areas(field string, areas []Area) {
	for i, a := range areas {
		at := fmt.Sprintf("%s[%d]", field, i)
		if len(a) < 3 {
			k.wrong(at, fmt.Sprintf("a polygon has at least 3 corners, this one has %d", len(a)), areaHint)
			continue
		}
		outside := false
		twice := 0 // the size of what a simple polygon encloses
		for j, c := range a {
			if c[0] < 0 || c[1] < 0 || c[0] > grid || c[1] > grid {
				k.wrong(fmt.Sprintf("%s[%d]", at, j), fmt.Sprintf("the corner [%d, %d] lies outside of the picture", c[0], c[1]), "write numbers from 0 to 1000, y before x")
				outside = true
			}
			d := a[(j+1)%len(a)]
			twice += c[1]*d[0] - d[1]*c[0]
		}
		if !outside && twice == 0 && len(a) == 3 {
			k.wrong(at, "its corners lie on one line and enclose nothing", areaHint)
		}
	}
}
