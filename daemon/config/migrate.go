package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// migration leads from one version of the format to the next. What is written
// for the newer version it must leave alone, because a file that names no version
// may be of any. Paths are as in [Key].
type migration struct {
	renamed map[string]string // to a new name at the same place
	removed map[string]string // to what there is instead
}

// migrations has those of version 1 first.
func migrations() []migration {
	return []migration{{
		renamed: map[string]string{"led.pin": "model"},
		removed: map[string]string{"sources[].gate.speech.min": "how long speech must be at least, the gate knows itself"},
	}}
}

// hintMigrate is what to do about words of an earlier version.
const hintMigrate = "sensed config migrate rewrites the file, and keeps the old one"

// Migrate returns a file of an earlier version in the words of this one: keys
// that have another name are renamed, keys that are gone become comments, and
// the rest stays as it is to the letter, on the same lines. changes says what
// meant something else before; without them only the number of the version may
// have changed. From what is the number counts, and without one everything old is
// found. A text that is not YAML, of this version or of a newer one comes back
// unchanged. The text need not be right.
func Migrate(data []byte) (text []byte, from int, changes []Problem) {
	text, from = data, Version
	m := migrator{text: data}
	root, ok := m.root()
	if !ok {
		return data, from, nil
	}
	number := versionOf(root)
	if from = 1; number != nil {
		if from, ok = wholeOf(number); !ok || from < 1 || from >= Version {
			return data, from, nil
		}
		m.replace(start(number), number.GetToken().Value, strconv.Itoa(Version))
	}
	for i, step := range migrations()[from-1:] {
		m.step, m.to = step, from+i+1
		m.walk(root, "")
		m.apply()
		if root, ok = m.root(); !ok {
			return data, from, nil // the reader says what is wrong
		}
	}
	return m.text, from, m.changes
}

// migrator changes a text.
type migrator struct {
	text    []byte
	step    migration
	to      int // version to which step leads
	edits   []edit
	changes []Problem
}

// edit replaces the bytes from at to end.
type edit struct {
	at, end int
	by      string
}

// root returns the mapping of the only document.
func (m *migrator) root() (ast.Node, bool) {
	if len(m.text) > maxFile || tooDeep(m.text) > 0 {
		return nil, false
	}
	tree, err := parse(m.text)
	if err != nil {
		return nil, false
	}
	full := slices.DeleteFunc(tree.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(full) != 1 {
		return nil, false
	}
	return full[0].Body, true
}

// versionOf returns the value of the key version; nil: there is none.
func versionOf(root ast.Node) ast.Node {
	values, _ := entries(root)
	for _, v := range values {
		if _, isNull := v.Value.(*ast.NullNode); keyOf(v) == "version" && !isNull {
			return v.Value
		}
	}
	return nil
}

func wholeOf(n ast.Node) (int, bool) {
	if _, ok := n.(*ast.IntegerNode); !ok {
		return 0, false
	}
	i, err := strconv.Atoi(n.GetToken().Value)
	return i, err == nil
}

// walk looks for keys to change; path is as in Key.
func (m *migrator) walk(n ast.Node, path string) {
	if s, ok := n.(*ast.SequenceNode); ok {
		for _, v := range s.Values {
			m.walk(v, path+"[]")
		}
		return
	}
	values, ok := entries(n)
	if !ok {
		return
	}
	flow, ok := n.(*ast.MappingNode)
	inLine := ok && flow.IsFlowStyle
	left := len(values)
	for _, v := range values {
		full := join(path, keyOf(v))
		if name, ok := m.step.renamed[full]; ok {
			if m.replace(start(v.Key), keyOf(v), name) {
				m.changed(v, full, fmt.Sprintf("since version %d it is called %s", m.to, name))
			}
		} else if instead, ok := m.step.removed[full]; ok {
			if m.remove(v, inLine, left == 1) {
				left--
				m.changed(v, full, fmt.Sprintf("since version %d it is not needed: %s", m.to, instead))
			}
		} else if v.Value != nil {
			m.walk(v.Value, full)
		}
	}
}

func (m *migrator) changed(v *ast.MappingValueNode, field, what string) {
	at := start(v.Key)
	m.changes = append(m.changes, Problem{at.line, at.column, field, what, hintMigrate})
}

// replace exchanges a word, which may be in quotes. It tells whether the word is
// where it should be.
func (m *migrator) replace(at position, old, by string) bool {
	i, ok := m.offset(at)
	if !ok {
		return false
	}
	for _, word := range []string{old, `"` + old + `"`, `'` + old + `'`} {
		if strings.HasPrefix(string(m.text[i:]), word) {
			m.edits = append(m.edits, edit{i, i + len(word), by})
			return true
		}
	}
	return false
}

// remove takes a key out whose value is on the same line; last says that its
// mapping has nothing else.
func (m *migrator) remove(v *ast.MappingValueNode, inLine, last bool) bool {
	key, ok := m.offset(start(v.Key))
	if !ok {
		return false
	}
	before := m.text[:key]
	before = before[strings.LastIndexByte(string(before), '\n')+1:]
	line, _, _ := strings.Cut(string(m.text[key:]), "\n")
	if inLine {
		end := strings.IndexAny(line, ",}")
		if end < 0 || strings.ContainsAny(line[:end], `"'#[{`) {
			return false
		}
		if line[end] == ',' {
			end++
		}
		m.edits = append(m.edits, edit{key, key + end, ""})
		return true
	}
	_, value, _ := strings.Cut(line, ":")
	value, _, _ = strings.Cut(value, " #")
	if v.Value == nil || strings.TrimSpace(string(before)) != "" || strings.Trim(value, " \t\r\"'") != v.Value.GetToken().Value {
		return false
	}
	by := "# "
	if last {
		by = "{} # " // nothing at all would mean something else
	}
	m.edits = append(m.edits, edit{key, key, by})
	return true
}

// offset returns where in the text a place is.
func (m *migrator) offset(at position) (int, bool) {
	i := 0
	for range at.line - 1 {
		n := strings.IndexByte(string(m.text[i:]), '\n')
		if n < 0 {
			return 0, false
		}
		i += n + 1
	}
	line, _, _ := strings.Cut(string(m.text[i:]), "\n")
	column := 1
	for j := range line {
		if column == at.column {
			return i + j, true
		}
		column++
	}
	return 0, false
}

// apply makes the edits.
func (m *migrator) apply() {
	slices.SortFunc(m.edits, func(a, b edit) int { return b.at - a.at })
	for _, e := range m.edits {
		m.text = slices.Concat(m.text[:e.at], []byte(e.by), m.text[e.end:])
	}
	m.edits = nil
}
