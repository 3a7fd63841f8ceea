package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sensed/daemon/command"
	"sensed/daemon/event"
	"sensed/daemon/health"
)

var update = flag.Bool("update", false, "write the schemas instead of comparing them")

// folder holds the schemas.
const folder = "../docs/schema"

// published are the payloads that have a schema.
func published() map[string]reflect.Type {
	return map[string]reflect.Type{
		"event":   reflect.TypeFor[event.Event](),
		"request": reflect.TypeFor[command.Request](),
		"reply":   reflect.TypeFor[command.Reply](),
		"health":  reflect.TypeFor[health.Snapshot](),
	}
}

// words are the texts that a type can be.
func words() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[event.Kind]():    texts(event.Kinds()),
		reflect.TypeFor[event.Outcome](): texts(event.Outcomes()),
		reflect.TypeFor[command.Name]():  texts(append(command.Names(), command.Set)),
	}
}

func texts[T ~string](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}

// TestSchemas compares the schemas with the types; with -update it writes them:
//
//	go test ./deploy/schematest -update
func TestSchemas(t *testing.T) {
	for name, typ := range published() {
		m := maker{
			comments: map[string]map[string]string{}, defs: map[string]any{}, at: "#/$defs/",
			name: func(t reflect.Type) string { return strings.ToLower(t.Name()) },
		}
		s := m.object(typ)
		s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		s["title"] = "sensed " + name + ", version " + fmt.Sprint(event.Version)
		if len(m.defs) > 0 {
			s["$defs"] = m.defs
		}
		if m.err != nil {
			t.Fatal(m.err)
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, name+".json")
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, b.Bytes()) {
			t.Errorf("%s is not what the type says; run go test ./deploy/schematest -update", path)
		}
	}
}

// maker makes schemas of types.
type maker struct {
	comments map[string]map[string]string // of the fields, by package and type
	defs     map[string]any
	at       string                    // where the definitions are
	name     func(reflect.Type) string // of a definition
	err      error
}

// schema says what a value of a type looks like in JSON.
func (m *maker) schema(t reflect.Type) map[string]any {
	if w, ok := words()[t]; ok {
		return map[string]any{"type": "string", "enum": w}
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	case reflect.TypeFor[health.Values]():
		return map[string]any{"type": "array", "items": map[string]any{"type": []string{"number", "null"}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return m.schema(t.Elem())
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": m.schema(t.Elem())}
	case reflect.Array:
		return map[string]any{"type": "array", "items": m.schema(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": m.schema(t.Elem())}
	case reflect.Struct:
		name := m.name(t)
		if _, done := m.defs[name]; !done {
			m.defs[name] = nil // it may hold itself
			m.defs[name] = m.object(t)
		}
		return map[string]any{"$ref": m.at + name}
	}
	m.err = fmt.Errorf("no schema for %v", t)
	return nil
}

// object is the schema of a struct. What is always there is required.
func (m *maker) object(t reflect.Type) map[string]any {
	fields := map[string]any{}
	required := []string{}
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		if !f.IsExported() || tag == "-" || f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		s := m.schema(f.Type)
		if what := m.comment(t, f.Name); what != "" && s != nil {
			s["description"] = what
		}
		fields[name] = s
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	out := map[string]any{"type": "object", "properties": fields}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// comment is the comment of a field in the source, in one line.
func (m *maker) comment(t reflect.Type, field string) string {
	key := t.PkgPath() + "." + t.Name()
	if m.comments[key] == nil {
		m.comments[key] = map[string]string{}
		files, err := filepath.Glob(filepath.Join("../..", strings.TrimPrefix(t.PkgPath(), "sensed/"), "*.go"))
		if err != nil || len(files) == 0 {
			m.err = fmt.Errorf("the source of %v is not there: %w", t, errors.Join(err, os.ErrNotExist))
			return ""
		}
		for _, file := range files {
			m.read(file, t.Name(), m.comments[key])
		}
	}
	return m.comments[key][field]
}

// read notes the comments of the fields of a type that a file declares.
func (m *maker) read(file, name string, to map[string]string) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		m.err = err
		return
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		s, ok := spec.Type.(*ast.StructType)
		if !ok {
			return false
		}
		for _, f := range s.Fields.List {
			text := f.Doc.Text()
			if text == "" {
				text = f.Comment.Text()
			}
			for _, n := range f.Names {
				to[n.Name] = strings.Join(strings.Fields(text), " ")
			}
		}
		return false
	})
}
