package config

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// durationForm is what times look like.
const durationForm = `^[+-]?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`

// Schema returns a JSON Schema (draft 7, which editors of YAML know best) of the
// configuration: keys, types, words and their meaning. Bounds, and what belongs
// together, only sensed itself checks.
func Schema() ([]byte, error) {
	root := map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"title":   "configuration of sensed, version " + strconv.Itoa(Version),
	}
	nodes := map[string]map[string]any{"": object(root)}
	for _, k := range Keys() {
		node := schemaOf(k)
		nodes[k.Path] = node.inner
		if list, isEntry := strings.CutSuffix(k.Path, "[]"); isEntry {
			nodes[list]["items"] = node.outer
			continue
		}
		parent, name := "", k.Path
		if i := strings.LastIndexByte(k.Path, '.'); i >= 0 {
			parent, name = k.Path[:i], k.Path[i+1:]
		}
		in := nodes[parent]
		in["properties"].(map[string]any)[name] = node.outer
		if k.Required {
			required, _ := in["required"].([]string)
			in["required"] = append(required, name)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(root)
	return b.Bytes(), err
}

// object makes a schema one of a mapping.
func object(s map[string]any) map[string]any {
	s["type"], s["additionalProperties"], s["properties"] = []string{"object", "null"}, false, map[string]any{}
	return s
}

// schemaNode is the schema of a key, and the part of it that takes its fields.
type schemaNode struct{ outer, inner map[string]any }

func schemaOf(k Key) schemaNode {
	s := map[string]any{}
	inner := s
	switch k.Type {
	case TypeMapping:
		object(s)
	case TypeSwitch:
		inner = object(map[string]any{})
		s["anyOf"] = []any{map[string]any{"type": "boolean"}, inner}
	case TypeNamed:
		inner = object(map[string]any{})
		s["anyOf"] = []any{map[string]any{"type": "string"}, inner}
	case TypeList:
		s["type"] = []string{"array", "null"}
	case TypeArea:
		corner := map[string]any{"type": "array", "items": map[string]any{"type": "integer"}, "minItems": 2, "maxItems": 2}
		s["type"], s["items"] = "array", map[string]any{"anyOf": []any{map[string]any{"type": "integer"}, corner}}
	case TypeText:
		s["type"] = []string{"string", "number", "boolean", "null"} // a name may look like a number
	case TypeWhole:
		s["type"] = []string{"integer", "null"}
	case TypeNumber:
		s["type"] = []string{"number", "null"}
	case TypeTruth:
		s["type"] = []string{"boolean", "null"}
	case TypeTime:
		s["type"], s["pattern"] = []string{"string", "null"}, durationForm
	}
	if len(k.Words) > 0 {
		words := []any{nil}
		for _, w := range k.Words {
			if n, err := strconv.Atoi(w); err == nil && k.Type == TypeWhole {
				words = append(words, n)
			} else {
				words = append(words, w)
			}
		}
		delete(s, "type")
		s["enum"] = words
	}
	if k.About != "" {
		s["description"] = k.About
	}
	if v := k.value(); v != nil {
		s["default"] = v
	}
	return schemaNode{s, inner}
}

// value is the default as JSON has it; nil: none.
func (k Key) value() any {
	if k.Default == "" {
		return nil
	}
	switch k.Type {
	case TypeWhole, TypeNumber, TypeTruth:
		return json.RawMessage(k.Default)
	}
	return k.Default
}
