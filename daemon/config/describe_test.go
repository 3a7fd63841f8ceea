package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var update = flag.Bool("update", false, "write the schema and the reference instead of comparing them")

func TestEveryKeyIsDescribed(t *testing.T) {
	keys := map[string]Key{}
	sections := map[string]bool{}
	for _, k := range Keys() {
		if _, twice := keys[k.Path]; twice {
			t.Errorf("%s is there twice", k.Path)
		}
		keys[k.Path] = k
		sections[strings.Split(k.Path, ".")[0]] = true
		if k.About == "" {
			t.Errorf("%s has no line in docs.go", k.Path)
		}
	}
	for path := range docs() {
		if _, ok := keys[path]; !ok && sections[strings.Split(path, ".")[0]] {
			t.Errorf("docs.go describes %s, which no file can have", path)
		}
	}
	for path, want := range map[string]Key{
		"broker.listen":                  {Type: TypeText, Default: "127.0.0.1:1883"},
		"sources[].gate.motion.min_area": {Type: TypeNumber, Default: "0.005"},
		"sources[].gate.speech.max":      {Type: TypeTime, Default: "28s"},
		"sources[].gate.motion":          {Type: TypeSwitch},
		"sources[].gate.motion.masks[]":  {Type: TypeArea},
		"sources[].tasks[].image_tokens": {Type: TypeWhole},
		"sources[].tasks":                {Type: TypeList},
		"switches[].press":               {Type: TypeText, Default: "hold"},
		"health.every":                   {Type: TypeTime, Default: "1m"},
		"model":                          {Type: TypeNamed},
		"node":                           {Type: TypeText},
		"version":                        {Type: TypeWhole, Default: "2"},
		"sources[].image":                {Type: TypeTruth, Default: "false"},
	} {
		if k := keys[path]; k.Type != want.Type || k.Default != want.Default {
			t.Errorf("%s: %+v, want %+v", path, k, want)
		}
	}
}

// at is a file that sets one key to a value.
func at(path, value string) string {
	parts := strings.Split(path, ".")
	text := value
	for _, p := range slices.Backward(parts) {
		name, isList := strings.CutSuffix(p, "[]")
		if isList {
			text = "[" + text + "]"
		}
		text = "{" + name + ": " + text + "}"
	}
	return text
}

var possible = regexp.MustCompile(`possible are (.*)$`)

// The words of a key are those that Validate proposes instead of another.
func TestWordsAreThoseThatAreAllowed(t *testing.T) {
	for _, k := range Keys() {
		if k.Type != TypeText || strings.HasSuffix(k.Path, "[]") {
			continue
		}
		_, err := Parse("f", []byte(at(k.Path, "zzzzzzzzzzzz")))
		field := strings.ReplaceAll(k.Path, "[]", "[0]")
		var allowed []string
		for line := range strings.Lines(fmt.Sprint(err)) {
			if _, rest, ok := strings.Cut(line, ": "+field+": "); ok && !strings.HasSuffix(k.Path, ".source") {
				if m := possible.FindStringSubmatch(strings.TrimSpace(rest)); m != nil {
					allowed = strings.Split(m[1], ", ")
				}
			}
		}
		if !slices.Equal(allowed, k.Words) {
			t.Errorf("%s: docs.go has %q, Validate allows %q", k.Path, k.Words, allowed)
		}
	}
}

func TestSchemaAndReferenceAreCurrent(t *testing.T) {
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"../../deploy/docs/schema/config.json": string(schema), "../../deploy/docs/configuration.md": Reference()} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(path)
		if err != nil || string(have) != want {
			t.Errorf("%s is not current (%v): go test ./daemon/config -update", path, err)
		}
	}
}

// The schema takes what sensed takes, and refuses what editors should mark.
func TestSchemaJudgesAsSensedDoes(t *testing.T) {
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	good := []string{string(Sample()), "model: current\n", "node: 5\nbroker:\n", "sources: [{name: a, source: 'scene:', gate: {motion: false}}]\n", "homeassistant: false\n", "log: {level:}\n"}
	for _, text := range good {
		if _, err := Parse("f", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if why := judge(schema, plain(t, text), ""); why != "" {
			t.Errorf("the schema refuses %q: %s", text[:min(60, len(text))], why)
		}
	}
	for _, text := range []string{
		"nod: x\n", "broker: {ur: x}\n", "broker: 5\n", "model: [x]\n", "unchanged: never\n", "health: {every: 60}\n", "health: {every: soon}\n",
		"sources: {name: a}\n", "sources: [{name: a}]\n", "sources: [{name: a, source: 'scene:', tasks: [{kind: sing}]}]\n",
		"sources: [{name: a, source: 'scene:', image: 1}]\n", "sources: [{name: a, source: 'scene:', tasks: [{kind: caption, image_tokens: 71}]}]\n",
		"sources: [{name: a, source: 'scene:', blackout: [5]}]\n", "triggers: [{edge: rising}]\n", "version: one\n",
	} {
		if _, err := Parse("f", []byte(text)); err == nil {
			t.Fatalf("sensed takes %q", text)
		}
		if judge(schema, plain(t, text), "") == "" {
			t.Errorf("the schema takes %q", text)
		}
	}
}

// plain is a file as a schema sees it.
func plain(t *testing.T, text string) (v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// judge applies the words of JSON Schema that Schema uses; it says what is wrong.
func judge(schema, v any, path string) string {
	s := schema.(map[string]any)
	for word, rule := range s {
		switch word {
		case "$schema", "title", "description", "default", "additionalProperties", "maxItems", "items", "required":
		case "type":
			if !slices.ContainsFunc(anyList(rule), func(name any) bool { return isType(v, name.(string)) }) {
				return fmt.Sprintf("%s is no %v", path, rule)
			}
		case "enum":
			if !slices.ContainsFunc(rule.([]any), func(x any) bool { return reflect.DeepEqual(x, v) }) {
				return fmt.Sprintf("%s is none of %v", path, rule)
			}
		case "anyOf":
			if !slices.ContainsFunc(rule.([]any), func(x any) bool { return judge(x, v, path) == "" }) {
				return path + " is none of several"
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(rule.(string)).MatchString(text) {
				return fmt.Sprintf("%s: %q has another form", path, text)
			}
		case "minItems":
			if list, ok := v.([]any); ok && (float64(len(list)) < rule.(float64) || float64(len(list)) > s["maxItems"].(float64)) {
				return path + " has another length"
			}
		case "properties":
			fields, _ := v.(map[string]any)
			for name, x := range fields {
				inner, known := rule.(map[string]any)[name]
				if !known {
					return path + "." + name + " is not known"
				}
				if why := judge(inner, x, path+"."+name); why != "" {
					return why
				}
			}
		default:
			return "the test does not know the word " + word
		}
	}
	if list, ok := v.([]any); ok && s["items"] != nil {
		for i, x := range list {
			if why := judge(s["items"], x, fmt.Sprintf("%s[%d]", path, i)); why != "" {
				return why
			}
		}
	}
	if fields, ok := v.(map[string]any); ok && s["required"] != nil {
		for _, name := range s["required"].([]any) {
			if _, ok := fields[name.(string)]; !ok {
				return path + " lacks " + name.(string)
			}
		}
	}
	return ""
}

func anyList(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

func isType(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}
