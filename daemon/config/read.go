package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reader walks the syntax tree of a file into a Config and notes the place of
// every field and each mistake. It goes on after a mistake.
type reader struct {
	problems []Problem
	where    map[string]position
	keys     *[]Key // not nil: nothing is read, and the keys are noted here
}

// field is one key that a mapping may have and what to do with its value.
type field struct {
	name string
	read func(n ast.Node, path string)
}

func (r *reader) file(data []byte, c *Config) {
	if len(data) > maxFile {
		r.problem(position{}, "", fmt.Sprintf("the file is larger than %d bytes", maxFile), "is it the right file?")
		return
	}
	if line := tooDeep(data); line > 0 {
		r.problem(position{line, 1}, "", fmt.Sprintf("more than %d brackets are open here", maxDepth), "is it the right file?")
		return
	}
	data, _, c.outdated = Migrate(data)
	tree, err := parse(data)
	if err != nil {
		r.syntax(err)
		return
	}
	docs := 0
	for _, d := range tree.Docs {
		if d.Body == nil {
			continue
		}
		if docs++; docs > 1 {
			r.problem(start(d.Body), "", "the file has a second document", "remove the line --- and what follows")
			return
		}
		r.config(d.Body, c)
	}
}

// maxDepth is how many brackets may be open: for each of them the parser looks
// at the rest of the file again.
const maxDepth = 100

// tooDeep returns the line in which more brackets than maxDepth are open, or 0.
// It counts those in texts and comments, too: nobody has so many.
func tooDeep(data []byte) (line int) {
	line = 1
	depth := 0
	for _, b := range data {
		switch b {
		case '\n':
			line++
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		}
		if depth > maxDepth {
			return line
		}
	}
	return 0
}

// parse turns the text into a tree. A panic of the parser is an error of the
// text: it comes from outside.
func parse(data []byte) (tree *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is not YAML (%v)", p)
		}
	}()
	// Keys that are there twice are reported by the reader, with everything else.
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
}

func (r *reader) syntax(err error) {
	var at position
	what := err.Error()
	var e yaml.Error
	if errors.As(err, &e) {
		what = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			at = position{t.Position.Line, t.Position.Column}
		}
	}
	hint := "look at this line and the one before it: indentation is by spaces, a colon is followed by a space"
	r.problem(at, "", "the file is not YAML: "+what, hint)
}

// mapping reads a mapping with the given keys.
func (r *reader) mapping(n ast.Node, path string, fields []field) {
	if r.describeAll(path, TypeMapping, fields) {
		return
	}
	values, ok := entries(n)
	if !ok {
		r.problem(start(n), path, "here must be a mapping, not "+describe(n), "write keys and values, one a line: "+names(fields))
		return
	}
	seen := map[string]bool{}
	for _, v := range values {
		key := keyOf(v)
		at := start(v.Key)
		f := find(fields, key)
		full := join(path, key)
		switch {
		case f == nil:
			hint := suggest(key, split(names(fields)))
			r.problem(at, full, fmt.Sprintf("the key %q is not known here", key), hint)
		case seen[key]:
			r.problem(at, full, fmt.Sprintf("the key %q is here twice", key), "keep one of them")
		default:
			seen[key] = true
			r.where[full] = at
			if _, isNull := v.Value.(*ast.NullNode); v.Value == nil || isNull {
				continue // a key without a value keeps its default
			}
			f.read(v.Value, full)
		}
	}
}

// orSwitch reads a mapping, or true or false in its place.
func (r *reader) orSwitch(n ast.Node, path string, fields []field) (on bool) {
	if r.describeAll(path, TypeSwitch, fields) {
		return true
	}
	if b, ok := n.(*ast.BoolNode); ok {
		return b.Value
	}
	r.mapping(n, path, fields)
	return true
}

// orName reads a mapping, or in its place the value of its key name.
func (r *reader) orName(n ast.Node, path string, name *string, fields []field) {
	if r.describeAll(path, TypeNamed, fields) {
		return
	}
	if _, ok := n.(*ast.StringNode); ok {
		r.text(name)(n, path)
		return
	}
	r.mapping(n, path, fields)
}

// list returns a reader of a sequence.
func (r *reader) list(item func(n ast.Node, path string)) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		if r.describes(path, TypeList, "") {
			item(nil, path+"[]")
			return
		}
		s, ok := n.(*ast.SequenceNode)
		if !ok {
			r.problem(start(n), path, "here must be a list, not "+describe(n), "begin each entry with a dash, or write [a, b]")
			return
		}
		for i, v := range s.Values {
			p := fmt.Sprintf("%s[%d]", path, i)
			if v == nil {
				r.problem(start(n), p, "the entry is empty", "write a value or remove the dash")
				continue
			}
			r.where[p] = start(v)
			item(v, p)
		}
	}
}

func (r *reader) text(to *string) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		if r.describes(path, TypeText, written(*to)) {
			return
		}
		switch v := n.(type) {
		case *ast.StringNode:
			*to = v.Value
		case *ast.LiteralNode:
			*to = v.Value.Value
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
			*to = n.GetToken().Value // a name may look like a number
		default:
			r.problem(start(n), path, "here must be a text, not "+describe(n), "put it in quotes if it is one")
			return
		}
		r.where[path] = start(n)
	}
}

func (r *reader) whole(to *int) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		if r.describes(path, TypeWhole, written(*to)) {
			return
		}
		r.where[path] = start(n)
		if v, ok := n.(*ast.IntegerNode); ok {
			switch x := v.Value.(type) {
			case int64:
				if int64(int(x)) == x {
					*to = int(x)
					return
				}
			case uint64:
				if x < 1<<31 {
					*to = int(x)
					return
				}
			}
		}
		r.problem(start(n), path, "here must be a whole number, not "+describe(n), "write digits only")
	}
}

func (r *reader) number(to *float64) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		if r.describes(path, TypeNumber, written(*to)) {
			return
		}
		r.where[path] = start(n)
		switch v := n.(type) {
		case *ast.FloatNode:
			*to = v.Value
			return
		case *ast.IntegerNode:
			switch x := v.Value.(type) {
			case int64:
				*to = float64(x)
				return
			case uint64:
				*to = float64(x)
				return
			}
		}
		r.problem(start(n), path, "here must be a number, not "+describe(n), "write digits and a point, such as 0.5")
	}
}

func (r *reader) truth(to *bool) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		if r.describes(path, TypeTruth, written(*to)) {
			return
		}
		r.where[path] = start(n)
		if v, ok := n.(*ast.BoolNode); ok {
			*to = v.Value
			return
		}
		r.problem(start(n), path, "here must be true or false, not "+describe(n), "write true or false")
	}
}

func (r *reader) duration(to *time.Duration) func(ast.Node, string) {
	return func(n ast.Node, path string) {
		if r.describes(path, TypeTime, written(*to)) {
			return
		}
		r.where[path] = start(n)
		if v, ok := n.(*ast.StringNode); ok {
			if d, err := time.ParseDuration(v.Value); err == nil {
				*to = d
				return
			}
		}
		hint := "write number and unit, such as 500ms, 30s or 5m"
		if _, ok := n.(*ast.IntegerNode); ok {
			hint = fmt.Sprintf("write the unit, such as %ss", n.GetToken().Value)
		}
		r.problem(start(n), path, "here must be a time, not "+describe(n), hint)
	}
}

func (r *reader) problem(at position, field, what, hint string) {
	r.problems = append(r.problems, Problem{at.line, at.column, field, what, hint})
}

// entries returns the keys and values of a mapping; nothing at all is an empty one.
func entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch v := n.(type) {
	case *ast.MappingNode:
		return v.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{v}, true
	case *ast.NullNode:
		return nil, true
	}
	return nil, false
}

func keyOf(v *ast.MappingValueNode) string {
	if s, ok := v.Key.(*ast.StringNode); ok {
		return s.Value
	}
	if t := v.Key.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// start returns where a node begins for a reader of the file: a mapping at its
// first key, not at the colon.
func start(n ast.Node) position {
	switch v := n.(type) {
	case *ast.MappingNode:
		if len(v.Values) > 0 && !v.IsFlowStyle {
			return start(v.Values[0])
		}
	case *ast.MappingValueNode:
		return start(v.Key)
	}
	if n == nil {
		return position{}
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return position{t.Position.Line, t.Position.Column}
	}
	return position{}
}

// describe says what a node is.
func describe(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		return "an anchor, alias or tag (this file does without them)"
	}
	text := n.GetToken().Value
	if len(text) > 40 {
		text = strings.ToValidUTF8(text[:40], "") + "..."
	}
	return fmt.Sprintf("%q", text)
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func names(fields []field) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return strings.Join(out, ", ")
}

func split(list string) []string { return strings.Split(list, ", ") }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
