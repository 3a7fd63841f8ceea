package npy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxDims is NumPy's own limit.
const maxDims = 64

// header is what the text at the start of a file says.
type header struct {
	descr   string
	fortran bool
	shape   []int
}

// parseHeader reads a Python literal such as
//
//	{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
//
// whose keys may come in any order, each exactly once.
func parseHeader(text string) (header, error) {
	var h header
	p := &literal{rest: text}
	seen := map[string]bool{}
	if !p.take("{") {
		return h, errors.New("its header is not a dictionary")
	}
	for !p.take("}") {
		key, err := p.quoted()
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, fmt.Errorf("its header has %q twice", key)
		}
		seen[key] = true
		if !p.take(":") {
			return h, fmt.Errorf("its header lacks a colon after %q", key)
		}
		switch key {
		case "descr":
			h.descr, err = p.quoted()
		case "fortran_order":
			h.fortran, err = p.truth()
		case "shape":
			h.shape, err = p.tuple()
		default:
			err = fmt.Errorf("its header has the unknown key %q", key)
		}
		if err != nil {
			return h, err
		}
		if !p.take(",") && !strings.HasPrefix(p.rest, "}") {
			return h, fmt.Errorf("its header lacks a comma after %q", key)
		}
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return h, fmt.Errorf("its header lacks %q", key)
		}
	}
	if strings.TrimSpace(p.rest) != "" {
		return h, errors.New("its header has something after the dictionary")
	}
	return h, nil
}

// literal is the part of the text that was not read yet; white space before
// what is looked for is skipped.
type literal struct{ rest string }

func (p *literal) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take steps over a symbol when it comes next, and over the white space behind.
func (p *literal) take(symbol string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, symbol)
	if ok {
		p.rest = rest
		p.skip()
	}
	return ok
}

// quoted reads 'text' or "text" without escapes.
func (p *literal) quoted() (string, error) {
	for _, quote := range []string{"'", `"`} {
		if rest, ok := strings.CutPrefix(p.rest, quote); ok {
			text, rest, ok := strings.Cut(rest, quote)
			if !ok {
				break
			}
			p.rest = rest
			return text, nil
		}
	}
	return "", errors.New("its header lacks a quoted word where one is needed (types with fields are not supported)")
}

func (p *literal) truth() (bool, error) {
	switch {
	case p.take("True"):
		return true, nil
	case p.take("False"):
		return false, nil
	}
	return false, errors.New("its header says neither True nor False for fortran_order")
}

// tuple reads (), (3,) or (2, 3).
func (p *literal) tuple() ([]int, error) {
	bad := errors.New("its shape is not a list of whole numbers in parentheses")
	if !p.take("(") {
		return nil, bad
	}
	shape := []int{}
	for !p.take(")") {
		digits := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
		n, err := strconv.ParseUint(p.rest[:digits], 10, 64)
		if err != nil || n > math.MaxInt || len(shape) == maxDims {
			return nil, bad
		}
		p.rest = p.rest[digits:]
		shape = append(shape, int(n))
		p.skip()
		if !p.take(",") && !strings.HasPrefix(p.rest, ")") {
			return nil, bad
		}
	}
	return shape, nil
}
