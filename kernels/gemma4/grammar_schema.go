package gemma4

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Limits of a schema, and of what an answer holds where the schema sets none.
const (
	maxSchema       = 64 << 10 // bytes
	maxSchemaDepth  = 16
	maxSchemaParts  = 1024 // types, properties and values in all
	maxSchemaCount  = 4096 // minItems, maxItems, minLength, maxLength
	usualMaxItems   = 64
	usualMaxLength  = 1024
	maxSchemaNumber = 1e15 // of minimum and maximum
)

// Schema is the grammar of a JSON text of a schema, in one line, with a space
// behind each comma and colon and the properties in the order of the schema.
//
// Of JSON Schema it knows: type (object, array, string, integer, number,
// boolean, null, or a list of them), properties, required,
// additionalProperties (false, which is also what its absence means), items,
// minItems, maxItems, minLength, maxLength, minimum and maximum of integers,
// enum and const of plain values; title and description are passed over. Any
// other word is an error that names the place, because a rule that is not
// kept is worse than none. Arrays without maxItems hold at most 64 elements,
// strings without maxLength at most 1024 characters.
func Schema(schema []byte) (*Grammar, error) {
	s, err := parseSchema(schema)
	if err != nil {
		return nil, fmt.Errorf("gemma4: schema: %w", err)
	}
	return &Grammar{root: s.write(jsonSpelling{})}, nil
}

// schema is one type of a JSON schema, read and checked.
type schema struct {
	types                []string
	values               []json.RawMessage // enum or const: one of these instead of the types
	properties           []property        // object
	items                *schema           // array
	minItems, maxItems   int
	minLength, maxLength int
	minimum, maximum     *int64 // integer
}

type property struct {
	name     string
	required bool
	value    *schema
}

func parseSchema(data []byte) (*schema, error) {
	if len(data) > maxSchema {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(data), maxSchema)
	}
	p := schemaParser{left: maxSchemaParts}
	return p.parse(data, "$", 0)
}

type schemaParser struct{ left int } // parts that may still come

func (p *schemaParser) take(n int, path string) error {
	if p.left -= n; p.left < 0 {
		return fmt.Errorf("%s: there are more than %d types, properties and values in all", path, maxSchemaParts)
	}
	return nil
}

// parse reads the schema at a path.
func (p *schemaParser) parse(data []byte, path string, depth int) (*schema, error) {
	if depth > maxSchemaDepth {
		return nil, fmt.Errorf("%s: it is nested more than %d deep", path, maxSchemaDepth)
	}
	if err := p.take(1, path); err != nil {
		return nil, err
	}
	fields, err := members(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &schema{maxItems: usualMaxItems, maxLength: usualMaxLength}
	var required []string
	for _, f := range fields {
		if err := p.field(s, f, path, depth, &required); err != nil {
			return nil, err
		}
	}
	for i := range s.properties {
		s.properties[i].required = slices.Contains(required, s.properties[i].name)
	}
	for _, name := range required {
		if !slices.ContainsFunc(s.properties, func(p property) bool { return p.name == name }) {
			return nil, fmt.Errorf("%s.required: there is no property %q", path, name)
		}
	}
	return s, s.check(path)
}

// member is one member of an object, in the order in which it was written.
type member struct {
	name  string
	value json.RawMessage
}

// members reads a JSON object.
func members(data []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	var out []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, cutOff(err)
		}
		m := member{name: t.(string)} // nothing else can stand here
		if slices.ContainsFunc(out, func(o member) bool { return o.name == m.name }) {
			return nil, fmt.Errorf("%q is there twice", m.name)
		}
		if err := d.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		out = append(out, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, cutOff(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the closing brace")
	}
	return out, nil
}

// cutOff makes an error of the end of a text that should go on.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// field reads one member of a schema into s.
func (p *schemaParser) field(s *schema, f member, path string, depth int, required *[]string) error {
	at := path + "." + f.name
	var err error
	switch f.name {
	case "title", "description":
	case "type":
		if json.Unmarshal(f.value, &s.types) == nil {
			break
		}
		s.types = []string{""}
		err = json.Unmarshal(f.value, &s.types[0])
	case "properties":
		return p.properties(s, f.value, at, depth)
	case "required":
		err = json.Unmarshal(f.value, required)
	case "additionalProperties":
		if string(f.value) != "false" {
			return fmt.Errorf("%s is %.40s; only false is possible", at, f.value)
		}
	case "items":
		s.items, err = p.parse(f.value, at, depth+1)
		return err
	case "minItems":
		err = count(f.value, &s.minItems)
	case "maxItems":
		err = count(f.value, &s.maxItems)
	case "minLength":
		err = count(f.value, &s.minLength)
	case "maxLength":
		err = count(f.value, &s.maxLength)
	case "minimum":
		s.minimum, err = bound(f.value)
	case "maximum":
		s.maximum, err = bound(f.value)
	case "enum":
		err = json.Unmarshal(f.value, &s.values)
		if err == nil && len(s.values) == 0 {
			err = errors.New("there is no value in it")
		}
	case "const":
		s.values = []json.RawMessage{f.value}
	default:
		return fmt.Errorf("%s: this word is not known", at)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}

func (p *schemaParser) properties(s *schema, data []byte, path string, depth int) error {
	fields, err := members(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range fields {
		value, err := p.parse(f.value, path+"."+f.name, depth+1)
		if err != nil {
			return err
		}
		s.properties = append(s.properties, property{name: f.name, value: value})
	}
	return nil
}

// count reads a number of things.
func count(data []byte, n *int) error {
	if err := json.Unmarshal(data, n); err != nil {
		return err
	}
	if *n < 0 || *n > maxSchemaCount {
		return fmt.Errorf("it is %d and should be 0 to %d", *n, maxSchemaCount)
	}
	return nil
}

// bound reads a limit of integers.
func bound(data []byte) (*int64, error) {
	var f float64
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	if f != math.Trunc(f) || math.Abs(f) > maxSchemaNumber || string(data) == "null" {
		return nil, fmt.Errorf("it is %.40s and should be a whole number of at most %g", data, float64(maxSchemaNumber))
	}
	n := int64(f)
	return &n, nil
}

// check holds what was read at a path against itself.
func (s *schema) check(path string) error {
	if s.values == nil && len(s.types) == 0 {
		return fmt.Errorf("%s: type is missing", path)
	}
	for _, t := range s.types {
		if !slices.Contains([]string{"object", "array", "string", "integer", "number", "boolean", "null"}, t) {
			return fmt.Errorf("%s.type: there is no type %.40q", path, t)
		}
	}
	for i, v := range s.values {
		if !json.Valid(v) || strings.ContainsAny(string(v[:1]), "[{") {
			return fmt.Errorf("%s: value %d, %.40s, is no plain value", path, i+1, v)
		}
		if len(s.types) > 0 && !slices.ContainsFunc(typesOf(v), func(t string) bool { return slices.Contains(s.types, t) }) {
			return fmt.Errorf("%s: value %d, %.40s, is not of the type", path, i+1, v)
		}
	}
	if len(s.values) > maxSchemaParts {
		return fmt.Errorf("%s: %d values are more than %d", path, len(s.values), maxSchemaParts)
	}
	has := func(t string) bool { return slices.Contains(s.types, t) }
	switch {
	case has("array") && s.items == nil:
		return fmt.Errorf("%s: items is missing, so the elements of the array may be anything", path)
	case s.minItems > s.maxItems:
		return fmt.Errorf("%s: minItems is %d and maxItems %d", path, s.minItems, s.maxItems)
	case s.minLength > s.maxLength:
		return fmt.Errorf("%s: minLength is %d and maxLength %d", path, s.minLength, s.maxLength)
	case (s.minimum != nil || s.maximum != nil) && (has("number") || !has("integer")):
		return fmt.Errorf("%s: minimum and maximum are possible for integers only", path)
	case s.minimum != nil && s.maximum != nil && *s.minimum > *s.maximum:
		return fmt.Errorf("%s: minimum is %d and maximum %d", path, *s.minimum, *s.maximum)
	}
	return nil
}

// typesOf returns the types that a plain value has.
func typesOf(v json.RawMessage) []string {
	switch {
	case v[0] == '"':
		return []string{"string"}
	case v[0] == 't' || v[0] == 'f':
		return []string{"boolean"}
	case v[0] == 'n':
		return []string{"null"}
	case strings.ContainsAny(string(v), ".eE"):
		return []string{"number"}
	}
	return []string{"number", "integer"}
}
