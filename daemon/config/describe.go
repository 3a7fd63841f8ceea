package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Key is one key that a configuration may have, for documents and editors.
type Key struct {
	// Path is as in sources[].tasks[].kind; an entry of a list ends with [].
	Path    string
	Type    Type
	Default string // as it is written in the file; "": none, or Doc says it
	Doc
}

// Type says what may stand behind a key.
type Type string

// The types.
const (
	TypeText    Type = "text"
	TypeWhole   Type = "whole number"
	TypeNumber  Type = "number"
	TypeTruth   Type = "true or false"
	TypeTime    Type = "time"
	TypeList    Type = "list"
	TypeArea    Type = "area"
	TypeMapping Type = "mapping"
	TypeSwitch  Type = "mapping, or true or false"
	TypeNamed   Type = "mapping, or a name"
)

// Doc is what people are told about a key.
type Doc struct {
	About    string   // one sentence or two
	Words    []string // the only values, for keys that have such
	Required bool
}

// Keys returns every key in the order of the file, as the reader knows them.
func Keys() []Key {
	c := Default()
	c.Node = "" // it would be this machine's
	r := &reader{where: map[string]position{}, keys: &[]Key{}}
	r.config(nil, c)
	table := docs()
	for i := range *r.keys {
		k := &(*r.keys)[i]
		k.Doc = table[k.Path]
	}
	return *r.keys
}

// describes notes a key if the reader is asked for keys rather than for a file's
// values.
func (r *reader) describes(path string, t Type, value string) bool {
	if r.keys == nil {
		return false
	}
	if path != "" {
		*r.keys = append(*r.keys, Key{Path: path, Type: t, Default: value})
	}
	return true
}

// describeAll notes a mapping with its fields.
func (r *reader) describeAll(path string, t Type, fields []field) bool {
	if !r.describes(path, t, "") {
		return false
	}
	for _, f := range fields {
		f.read(nil, join(path, f.name))
	}
	return true
}

// written is a default as the file would have it; what is zero is none.
func written(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		if v != 0 {
			return strconv.Itoa(v)
		}
	case float64:
		if v != 0 {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	case bool:
		return fmt.Sprint(v)
	case time.Duration:
		if v != 0 {
			return shortTime(v)
		}
	}
	return ""
}

// shortTime is 1m for 1m0s.
func shortTime(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
