package gemma4

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// validate holds a value, its numbers as json.Number, against a schema: the
// rules once more, written another way round.
func (s *schema) validate(v any) error {
	if s.values != nil {
		for _, raw := range s.values {
			var want any
			if json.Unmarshal(raw, &want) == nil && fmt.Sprint(want) == fmt.Sprint(plainNumber(v)) {
				return nil
			}
		}
		return fmt.Errorf("%v is none of the values", v)
	}
	switch v := v.(type) {
	case nil:
		return s.wants("null")
	case bool:
		return s.wants("boolean")
	case string:
		if n := utf8.RuneCountInString(v); n < s.minLength || n > s.maxLength {
			return fmt.Errorf("%q has %d characters", v, n)
		}
		return s.wants("string")
	case json.Number:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err == nil && slices.Contains(s.types, "integer") {
			if s.minimum != nil && n < *s.minimum || s.maximum != nil && n > *s.maximum {
				return fmt.Errorf("%d is out of bounds", n)
			}
			return nil
		}
		if _, err := v.Float64(); err != nil {
			return err
		}
		return s.wants("number")
	case []any:
		if len(v) < s.minItems || len(v) > s.maxItems {
			return fmt.Errorf("%d elements", len(v))
		}
		for _, e := range v {
			if err := s.items.validate(e); err != nil {
				return err
			}
		}
		return s.wants("array")
	}
	o := v.(map[string]any)
	for _, p := range s.properties {
		value, there := o[p.name]
		if !there && p.required {
			return fmt.Errorf("%s is missing", p.name)
		}
		if there {
			if err := p.value.validate(value); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		delete(o, p.name)
	}
	if len(o) > 0 {
		return fmt.Errorf("%v is too much", o)
	}
	return s.wants("object")
}

func (s *schema) wants(t string) error {
	if !slices.Contains(s.types, t) {
		return fmt.Errorf("it is of the type %s and should be %v", t, s.types)
	}
	return nil
}

// plainNumber turns a number into what json makes of it by itself.
func plainNumber(v any) any {
	if n, ok := v.(json.Number); ok {
		f, _ := n.Float64()
		return f
	}
	return v
}
