package gemma4

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var negativeInfinity = float32(math.Inf(-1))

var tinyForm = BoxForm{Open: "[", Object: `{"box_2d": [{y1}, {x1}, {y2}, {x2}], "label": "{label}"}`, Between: ", ", Close: "]", Empty: "[]"}

// tinyBoxes is the grammar of the boxes that the bundled model writes.
func tinyBoxes(tb testing.TB) *Grammar {
	tb.Helper()
	var profile struct{ Labels []string }
	if err := json.Unmarshal(readBundled(tb, "profile.json"), &profile); err != nil {
		tb.Fatal(err)
	}
	return must(Boxes(profile.Labels, 64, tinyForm))
}

// must is for grammars that cannot fail.
func must(g *Grammar, err error) *Grammar {
	if err != nil {
		panic(err)
	}
	return g
}

// reader reads texts by a grammar alone, without a vocabulary. Control tokens
// have the numbers of their order in the grammar.
type reader struct {
	auto  *automaton
	start int32
	names []string
}

func newReader(g *Grammar) *reader {
	r := &reader{}
	r.auto, r.start = newAutomaton(g.root, func(text string) int {
		i := slices.Index(r.names, text)
		if i < 0 {
			i = len(r.names)
			r.names = append(r.names, text)
		}
		return i
	})
	return r
}

// accepts says whether the grammar holds the text, in which control tokens are
// as they are written, and how many bytes of it can be taken.
func (r *reader) accepts(text string) (ok bool, taken int) {
	state := r.start
	for at := 0; at < len(text); {
		next, n := r.auto.step(state, text[at]), 1
		for i, name := range r.names {
			if strings.HasPrefix(text[at:], name) {
				if s := r.auto.derive(state, tokenSymbol(i)); s != deadState {
					next, n = s, len(name)
				}
			}
		}
		if next == deadState {
			return false, at
		}
		state = next
		at += n
	}
	return r.auto.nodes[state].nullable, len(text)
}

// write writes a text of the grammar by chance, of at least the given length
// where that is possible.
func (r *reader) write(rng *rand.Rand, length int) string {
	var out strings.Builder
	for state := r.start; ; {
		var bytes byteSet
		tokens := r.auto.first(state, &bytes, nil)
		var next []symbol
		for b := range 256 {
			if bytes.has(byte(b)) {
				next = append(next, symbol(b))
			}
		}
		next = append(next, tokens...)
		if r.auto.nodes[state].nullable && (len(next) == 0 || out.Len() >= length) {
			return out.String()
		}
		if out.Len() > length { // home on the shortest way
			slices.SortFunc(next, func(a, b symbol) int {
				return int(r.auto.nodes[r.auto.derive(state, a)].shortest - r.auto.nodes[r.auto.derive(state, b)].shortest)
			})
			next = next[:1]
		}
		s := next[rng.IntN(len(next))]
		state = r.auto.derive(state, s)
		if s < 256 {
			out.WriteByte(byte(s))
		} else {
			out.WriteString(r.names[s-256])
		}
	}
}

var realForms = []BoxForm{
	{"```json\n[\n  ", `{"box_2d": [{y1}, {x1}, {y2}, {x2}], "label": "{label}"}`, ",\n  ", "\n]\n```", "```json\n[]\n```"},
	{"[", `{"label": "{label}", "box_2d": [{y1},{x1},{y2},{x2}]}`, ",", "]", "[]"},
}

func TestGrammars(t *testing.T) {
	cases := map[string]struct {
		g       *Grammar
		yes, no []string
	}{
		"one of": {must(OneOf("yes", "no", "not sure", "no way")),
			[]string{"yes", "no", "not sure", "no way"}, []string{"", "y", "yesno", "no w", "maybe", "Yes"}},
		"boxes": {must(Boxes([]string{"car", "cart", "red \"x\""}, 2, realForms...)),
			[]string{"```json\n[]\n```", "[]",
				"```json\n[\n  {\"box_2d\": [0, 10, 999, 1000], \"label\": \"car\"}\n]\n```",
				"```json\n[\n  {\"box_2d\": [0, 10, 999, 1000], \"label\": \"cart\"},\n  {\"box_2d\": [5, 5, 5, 5], \"label\": \"red \\\"x\\\"\"}\n]\n```",
				`[{"label": "car", "box_2d": [1,2,3,4]},{"label": "cart", "box_2d": [1,2,3,400]}]`},
			[]string{"[", "```json\n[]", `[{"label": "bus", "box_2d": [1,2,3,4]}]`, `[{"label": "car", "box_2d": [1,2,3,1001]}]`,
				`[{"label": "car", "box_2d": [1,2,3,04]}]`, `[{"label": "car", "box_2d": [1,2,3]}]`, `[{"label": "car", "box_2d": [1,2,3,-4]}]`,
				`[{"label": "car", "box_2d": [1,2,3,4]},{"label": "car", "box_2d": [1,2,3,4]},{"label": "car", "box_2d": [1,2,3,4]}]`,
				"```json\n[\n  {\"label\": \"car\", \"box_2d\": [1,2,3,4]}\n]\n```"}},
		"boxes of anything": {must(Boxes(nil, 9, realForms[1])),
			[]string{`[{"label": "a blue Käfer 🙂", "box_2d": [1,2,3,4]}]`},
			[]string{`[{"label": "", "box_2d": [1,2,3,4]}]`, `[{"label": "a"b", "box_2d": [1,2,3,4]}]`, "[{\"label\": \"a\nb\", \"box_2d\": [1,2,3,4]}]"}},
		"object": {must(Schema([]byte(`{"title":"x","type":"object","properties":{"a":{"type":"integer","minimum":-5,"maximum":12},"b":{"type":["string","null"],"minLength":1,"maxLength":3},"c":{"type":"boolean"}},"required":["b"],"additionalProperties":false}`))),
			[]string{`{"b": null}`, `{"a": -5, "b": "xyz"}`, `{"a": 0, "b": "\u00e4\"\\", "c": true}`, `{"b": "é", "c": false}`, `{"a": 12, "b": "🙂🙂🙂"}`},
			[]string{`{}`, `{"a": 1}`, `{"b": ""}`, `{"b": "wxyz"}`, `{"a": 13, "b": null}`, `{"a": -6, "b": null}`, `{"a": -0, "b": null}`, `{"a": 01, "b": null}`,
				`{"b": null, "a": 1}`, `{"b": null, }`, `{"b": "\ud83d"}`, `{"b": "a` + "\n" + `"}`, `{"b":null}`, `{"b": null, "b": null}`}},
		"empty object": {must(Schema([]byte(`{"type":"object"}`))), []string{`{}`}, []string{`{"a": 1}`, ``}},
		"array": {must(Schema([]byte(`{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":3}`))),
			[]string{`[1]`, `[-1.5, 0, 2e-10]`, `[0.25E+3, 1, 1]`}, []string{`[]`, `[1, 1, 1, 1]`, `[1,1]`, `[.5]`, `[1.]`, `[--1]`, `[1e]`, `[1e999]`, `[+1]`, `[00]`}},
		"perhaps nothing": {must(Schema([]byte(`{"type":"array","items":{"type":"null"},"maxItems":2}`))), []string{`[]`, `[null]`, `[null, null]`}, []string{`[null, null, null]`}},
		"no elements":     {must(Schema([]byte(`{"type":"array","items":{"type":"null"},"maxItems":0}`))), []string{`[]`}, []string{`[null]`}},
		"values": {must(Schema([]byte(`{"enum":["a","b\"<c",3,-2.50,true,null]}`))),
			[]string{`"a"`, `"b\"<c"`, `3`, `-2.50`, `true`, `null`}, []string{`"b"`, `4`, `false`, `a`}},
		"constant": {must(Schema([]byte(`{"type":"string","const":"x"}`))), []string{`"x"`}, []string{`"y"`, `""`}},
		"calls": {must(ToolCalls(Tool{"light.on", []byte(`{"type":"object","properties":{"room":{"type":"string","enum":["hall","attic"]},"Level":{"type":"integer","minimum":1,"maximum":10}},"required":["room"]}`)},
			Tool{"say", []byte(`{"type":"object","properties":{"words":{"type":"array","items":{"type":"string"}}},"required":["words"]}`)})),
			[]string{`<|tool_call>call:light.on{Level:10,room:<|"|>hall<|"|>}<tool_call|>`, `<|tool_call>call:light.on{room:<|"|>attic<|"|>}<tool_call|><|tool_call>call:say{words:[<|"|>"a", {é}<|"|>,<|"|><|"|>]}<tool_call|>`,
				`<|tool_call>call:say{words:[]}<tool_call|>`},
			[]string{``, `call:say{words:[]}`, `<|tool_call>call:light.on{room:<|"|>cellar<|"|>}<tool_call|>`, `<|tool_call>call:light.on{Level:10}<tool_call|>`,
				`<|tool_call>call:light.on{room:<|"|>hall<|"|>,Level:10}<tool_call|>`, `<|tool_call>call:quit{}<tool_call|>`, `<|tool_call>call:say{words:[<|"|>a]}<tool_call|>`}},
	}
	for name, c := range cases {
		r := newReader(c.g)
		for _, text := range c.yes {
			if ok, at := r.accepts(text); !ok {
				t.Errorf("%s: %q is refused at %d", name, text, at)
			}
		}
		for _, text := range c.no {
			if ok, _ := r.accepts(text); ok {
				t.Errorf("%s: %q is accepted", name, text)
			}
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			if text := r.write(rng, rng.IntN(60)); text == "" {
				t.Errorf("%s: writes nothing", name)
			} else if ok, at := r.accepts(text); !ok {
				t.Errorf("%s: writes %q and refuses it at %d", name, text, at)
			}
		}
	}
}

func TestWholeNumbers(t *testing.T) {
	for _, c := range [][2]int64{{0, 0}, {0, 1000}, {7, 7}, {-3, -1}, {-120, 34}, {9, 10}, {99, 1001}, {-10, 0}, {123, 456}, {100, 999}} {
		r := newReader(&Grammar{root: wholeNumber(c[0], c[1])})
		for n := int64(-1200); n <= 1200; n++ {
			text := fmt.Sprint(n)
			if ok, _ := r.accepts(text); ok != (n >= c[0] && n <= c[1]) {
				t.Errorf("%d..%d: %s is accepted: %v", c[0], c[1], text, ok)
			}
			if ok, _ := r.accepts("0" + text); ok {
				t.Errorf("%d..%d: 0%s is accepted", c[0], c[1], text)
			}
		}
	}
}

func TestGrammarErrors(t *testing.T) {
	schema := func(s string) func() error {
		return func() error { _, err := Schema([]byte(s)); return err }
	}
	form := tinyForm
	form.Object = "{y1} {x1} {y2} {label}"
	cases := []struct {
		make func() error
		want string
	}{
		{func() error { _, err := OneOf(); return err }, "a choice of 0"},
		{func() error { _, err := OneOf("a", ""); return err }, "is empty"},
		{func() error { _, err := OneOf("\xff"); return err }, "no text"},
		{func() error { _, err := Boxes(nil, 0, tinyForm); return err }, "at most 0 boxes"},
		{func() error { _, err := Boxes(nil, 3); return err }, "0 forms"},
		{func() error { _, err := Boxes([]string{""}, 3, tinyForm); return err }, "label"},
		{func() error { _, err := Boxes(nil, 3, tinyForm, form); return err }, "form 2 of the boxes: object"},
		{func() error { _, err := Boxes(nil, 3, BoxForm{Object: tinyForm.Object}); return err }, "is missing"},
		{schema(``), "no JSON object"},
		{schema(`[]`), "no JSON object"},
		{schema(`{`), "unexpected EOF"},
		{schema(`{"type":"string"} x`), "follows"},
		{schema(`{"type":"string","type":"null"}`), `"type" is there twice`},
		{schema(`{}`), "$: type is missing"},
		{schema(`{"type":"date"}`), `$.type: there is no type "date"`},
		{schema(`{"type":7}`), "$.type"},
		{schema(`{"type":"array"}`), "items is missing"},
		{schema(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"x"}}}}`), "$.properties.a.items.type"},
		{schema(`{"type":"object","required":["a"]}`), `there is no property "a"`},
		{schema(`{"type":"object","additionalProperties":true}`), "only false"},
		{schema(`{"type":"string","pattern":"a"}`), "$.pattern: this word is not known"},
		{schema(`{"type":"string","minLength":3,"maxLength":2}`), "minLength is 3"},
		{schema(`{"type":"string","maxLength":100000}`), "$.maxLength"},
		{schema(`{"type":"array","items":{"type":"null"},"minItems":65}`), "maxItems 64"},
		{schema(`{"type":"number","minimum":1}`), "integers only"},
		{schema(`{"type":"integer","minimum":0.5}`), "$.minimum"},
		{schema(`{"type":"integer","minimum":3,"maximum":2}`), "minimum is 3"},
		{schema(`{"enum":[]}`), "no value"},
		{schema(`{"enum":[{}]}`), "no plain value"},
		{schema(`{"type":"integer","enum":["a"]}`), "not of the type"},
		{schema(strings.Repeat(`{"type":"array","items":`, 20) + `{"type":"null"}` + strings.Repeat(`}`, 20)), "nested"},
		{schema(`{"type":"object","properties":{` + strings.Repeat(`"a":{"type":"null"},`, 2) + `"b":{"type":"null"}}}`), `"a" is there twice`},
		{schema(strings.Repeat(" ", maxSchema+1)), "bytes"},
		{func() error { _, err := ToolCalls(); return err }, "no tool"},
		{func() error { _, err := ToolCalls(Tool{"a b", []byte(`{"type":"object"}`)}); return err }, "its name"},
		{func() error { _, err := ToolCalls(Tool{"a", []byte(`{"type":"null"}`)}); return err }, "no object"},
		{func() error {
			_, err := ToolCalls(Tool{"a", []byte(`{"type":"object","properties":{"x:":{"type":"null"}}}`)})
			return err
		}, `"x:"`},
	}
	for i, c := range cases {
		if err := c.make(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("case %d: error is %v and should hold %q", i, err, c.want)
		}
	}
	// A model without the tokens of a tool call.
	m := likeE2B.build(1).open(t, Options{})
	g := must(ToolCalls(Tool{"a", []byte(`{"type":"object"}`)}))
	if _, err := m.Generate(t.Context(), Request{Grammar: g}); err == nil || !strings.Contains(err.Error(), "control token") {
		t.Errorf("a tool call without its tokens: %v", err)
	}
}
