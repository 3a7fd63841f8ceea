package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sensed/daemon/health"
	"sensed/daemon/web"
)

// openAPI is the description of the page's API, as web embeds it.
const openAPI = "../../daemon/web/openapi.json"

// TestOpenAPI compares the description of the API with its types; with -update
// it writes it:
//
//	go test ./deploy/schematest -update && go build ./daemon/web
func TestOpenAPI(t *testing.T) {
	want := describe(t)
	if *update {
		if err := os.WriteFile(openAPI, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(web.Description(), want) {
		t.Errorf("%s is not what the types say; run go test ./deploy/schematest -update", openAPI)
	}
}

// TestOpenAPIRefersToWhatIsThere follows every reference of the description.
func TestOpenAPIRefersToWhatIsThere(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(web.Description(), &doc); err != nil {
		t.Fatal(err)
	}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	seen := map[string]bool{}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				follow(x)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				name := strings.TrimPrefix(ref, "#/components/schemas/")
				seen[name] = true
				if schemas[name] == nil {
					t.Errorf("%s is not there", ref)
				}
			}
			for _, x := range v {
				follow(x)
			}
		}
	}
	follow(doc)
	for name := range schemas {
		if !seen[name] {
			t.Errorf("nothing refers to %s", name)
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d types are described", len(seen))
	}
}

// describe makes the description of all routes in OpenAPI 3.1.
func describe(t *testing.T) []byte {
	t.Helper()
	m := maker{
		comments: map[string]map[string]string{}, defs: map[string]any{}, at: "#/components/schemas/",
		// Types of several packages have one name.
		name: func(t reflect.Type) string { return path.Base(t.PkgPath()) + "." + t.Name() },
	}
	failure := m.schema(reflect.TypeFor[web.Failure]())
	paths := map[string]map[string]any{}
	for _, r := range web.Routes() {
		where := "/" + r.Path
		if paths[where] == nil {
			paths[where] = map[string]any{}
		}
		paths[where][strings.ToLower(r.Method)] = m.operation(r, failure)
	}
	if m.err != nil {
		t.Fatal(m.err)
	}
	doc := map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "sensed", "version": "1", "license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "What a node sees, hears and thinks, and what it may be asked. deploy/docs/web.md tells the rest.",
		},
		"servers":  []any{map[string]any{"url": "/api/v1", "description": "below web.prefix, when there is one"}},
		"paths":    paths,
		"security": []any{map[string]any{"session": []string{}}},
		"components": map[string]any{
			"schemas": m.defs,
			"securitySchemes": map[string]any{"session": map[string]any{
				"type": "apiKey", "in": "cookie", "name": "sensed_PORT",
				"description": "From POST session. What changes something also needs the header Sensed-CSRF, whose value GET session tells.",
			}},
		},
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(doc); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// operation describes a route.
func (m *maker) operation(r web.Route, failure map[string]any) map[string]any {
	op := map[string]any{"summary": r.Summary, "operationId": id(r)}
	if params := parameters(r); len(params) > 0 {
		op["parameters"] = params
	}
	if r.Body != nil {
		op["requestBody"] = map[string]any{"required": true, "content": content("application/json", m.schema(r.Body))}
	}
	if r.Open() {
		op["security"] = []any{}
	}
	good := map[string]any{"description": "done"}
	answers := map[string]any{}
	switch {
	case r.Answer != nil:
		answers = content("application/json", m.schema(r.Answer))
	case r.Type == "application/json":
		answers = content(r.Type, map[string]any{"type": "object"})
	case r.Type != "" && r.Events == nil:
		answers = content(r.Type, map[string]any{"type": "string", "contentMediaType": r.Type})
	}
	if r.Events != nil {
		// OpenAPI 3.1 has no words for server-sent events: each has a name, and its
		// data is one of these.
		events := map[string]any{}
		for name, t := range r.Events {
			events[name] = m.schema(t)
		}
		answers["text/event-stream"] = map[string]any{"schema": map[string]any{
			"type": "object", "description": "the data of the events by their name", "properties": events,
		}}
	}
	if len(answers) > 0 {
		good["content"] = answers
	}
	code := r.Code
	if code == 0 {
		code = 200
	}
	responses := map[string]any{strconv.Itoa(code): good}
	errors := append([]int{400, 401, 403, 421}, r.Errors...)
	if r.Body != nil {
		errors = append(errors, 413, 415)
	}
	slices.Sort(errors)
	for _, code := range slices.Compact(errors) {
		responses[strconv.Itoa(code)] = map[string]any{"description": "no, and why", "content": content("application/json", failure)}
	}
	op["responses"] = responses
	return op
}

func content(kind string, schema map[string]any) map[string]any {
	return map[string]any{kind: map[string]any{"schema": schema}}
}

// id names a route for those who make clients of the description.
func id(r web.Route) string {
	name := strings.ToLower(r.Method)
	for part := range strings.FieldsFuncSeq(r.Path, func(c rune) bool { return strings.ContainsRune("/{}.", c) }) {
		name += strings.ToUpper(part[:1]) + part[1:]
	}
	return name
}

// parameters are those of the path and of the query.
func parameters(r web.Route) []any {
	var out []any
	for part := range strings.SplitSeq(r.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			out = append(out, map[string]any{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
		}
	}
	for _, p := range r.Query {
		s := map[string]any{"type": p.Type}
		if p.Type == "date-time" {
			s = map[string]any{"type": "string", "format": p.Type}
		}
		if p.Many {
			s = map[string]any{"type": "array", "items": s}
		}
		out = append(out, map[string]any{"name": p.Name, "in": "query", "description": p.About, "schema": s})
	}
	return out
}

// TestValuesCanBeUnknown keeps the one type whose JSON is not what its kind says.
func TestValuesCanBeUnknown(t *testing.T) {
	if got := fmt.Sprint(new(maker).schema(reflect.TypeFor[health.Values]())); got != "map[items:map[type:[number null]] type:array]" {
		t.Errorf("health.Values: %s", got)
	}
}
