package gemma4

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// spelling is a way to write values: that of JSON, or that of tool calls.
type spelling interface {
	// text writes a string of characters between its quotation marks: the
	// characters are those of character, or s when that is nil.
	text(s string, length func(character *expr) *expr) *expr
	// key writes the name of a member and what parts it from its value; comma
	// is what stands between members and elements.
	key(name string) *expr
	comma() string
	// order says in which order members are written.
	order(p []property) []property
}

// jsonSpelling is JSON in one line.
type jsonSpelling struct{}

func (jsonSpelling) text(s string, length func(*expr) *expr) *expr {
	if length != nil {
		return seq(lit(`"`), length(jsonCharacter()), lit(`"`))
	}
	quoted, _ := quote(s) // it came out of JSON
	return lit(quoted)
}

func (j jsonSpelling) key(name string) *expr       { return seq(j.text(name, nil), lit(": ")) }
func (jsonSpelling) comma() string                 { return ", " }
func (jsonSpelling) order(p []property) []property { return p }

// toolSpelling is how Gemma 4 writes the arguments of a call: no spaces, bare
// names in the order of the alphabet, and strings between <|"|>.
type toolSpelling struct{}

const toolQuote = `<|"|>`

func (toolSpelling) text(s string, length func(*expr) *expr) *expr {
	inside := lit(s)
	if length != nil {
		inside = length(anyCharacter())
	}
	return seq(mark(toolQuote), inside, mark(toolQuote))
}

func (toolSpelling) key(name string) *expr { return lit(name + ":") }
func (toolSpelling) comma() string         { return "," }

func (toolSpelling) order(p []property) []property {
	return slices.SortedStableFunc(slices.Values(p), func(a, b property) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), strings.Compare(a.name, b.name))
	})
}

// write turns a schema into an expression.
func (s *schema) write(as spelling) *expr {
	var parts []*expr
	for _, v := range s.values {
		parts = append(parts, writeValue(v, as))
	}
	if s.values != nil {
		return either(parts...)
	}
	for _, t := range s.types {
		switch t {
		case "object":
			parts = append(parts, s.writeObject(as))
		case "array":
			parts = append(parts, s.writeArray(as))
		case "string":
			parts = append(parts, as.text("", func(c *expr) *expr { return repeat(c, s.minLength, s.maxLength) }))
		case "integer":
			parts = append(parts, s.writeInteger())
		case "number":
			parts = append(parts, anyNumber())
		case "boolean":
			parts = append(parts, lit("true"), lit("false"))
		case "null":
			parts = append(parts, lit("null"))
		}
	}
	return either(parts...)
}

// writeValue writes a plain value of JSON.
func writeValue(v json.RawMessage, as spelling) *expr {
	var text string
	if v[0] == '"' && json.Unmarshal(v, &text) == nil {
		return as.text(text, nil)
	}
	return lit(string(v))
}

func (s *schema) writeInteger() *expr {
	if s.minimum == nil && s.maximum == nil {
		return anyWhole()
	}
	from, to := int64(-maxSchemaNumber), int64(maxSchemaNumber)
	if s.minimum != nil {
		from = *s.minimum
	}
	if s.maximum != nil {
		to = *s.maximum
	}
	return wholeNumber(from, to)
}

func (s *schema) writeArray(as spelling) *expr {
	if s.maxItems == 0 {
		return lit("[]")
	}
	item := s.items.write(as)
	full := seq(lit("["), item, repeat(seq(lit(as.comma()), item), max(0, s.minItems-1), s.maxItems-1), lit("]"))
	if s.minItems > 0 {
		return full
	}
	return either(lit("[]"), full)
}

// writeObject writes the members in order, each that is not required or not.
func (s *schema) writeObject(as spelling) *expr {
	// From the last member to the first: the rest of the object when nothing
	// stands before it, and when something does.
	atStart, later := lit("}"), lit("}")
	for _, p := range slices.Backward(as.order(s.properties)) {
		value := seq(as.key(p.name), p.value.write(as))
		begun, joined := seq(value, later), seq(lit(as.comma()), value, later)
		if p.required {
			atStart, later = begun, joined
		} else {
			atStart, later = either(begun, atStart), either(joined, later)
		}
	}
	return seq(lit("{"), atStart)
}

// Tool is a function that the model may call.
type Tool struct {
	Name string
	// Parameters is the JSON schema of the arguments, an object; see [Schema].
	Parameters []byte
}

// maxCalls bounds the calls of one answer.
const maxCalls = 8

// ToolCalls is the grammar of one or more calls of the tools, as Gemma 4 writes
// them: <|tool_call>call:NAME{name:value}<tool_call|>. The names of tools and
// arguments are letters, digits and the signs _ - and a full stop.
func ToolCalls(tools ...Tool) (*Grammar, error) {
	if len(tools) == 0 {
		return nil, errors.New("gemma4: there is no tool to call")
	}
	var calls []*expr
	for _, t := range tools {
		s, err := parseSchema(t.Parameters)
		if err == nil {
			err = t.check(s)
		}
		if err != nil {
			return nil, fmt.Errorf("gemma4: tool %.40q: %w", t.Name, err)
		}
		calls = append(calls, seq(lit("call:"+t.Name), s.write(toolSpelling{})))
	}
	call := seq(mark("<|tool_call>"), either(calls...), mark("<tool_call|>"))
	return &Grammar{root: repeat(call, 1, maxCalls)}, nil
}

func (t Tool) check(s *schema) error {
	if !isName(t.Name) {
		return errors.New("its name is none")
	}
	if len(s.types) != 1 || s.types[0] != "object" || s.values != nil {
		return errors.New("its parameters are no object")
	}
	return s.checkNames()
}

// checkNames wants names that can stand bare.
func (s *schema) checkNames() error {
	if s == nil {
		return nil
	}
	for _, p := range s.properties {
		if !isName(p.name) {
			return fmt.Errorf("the parameter %.40q has a name that cannot be written", p.name)
		}
		if err := p.value.checkNames(); err != nil {
			return err
		}
	}
	return s.items.checkNames()
}

func isName(s string) bool {
	return s != "" && len(s) <= 128 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}
