package gemma4

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sensed/kernels/gguf"
	"sensed/kernels/tokenizer"
)

// someGrammars are of each kind.
func someGrammars(tb testing.TB) map[string]*Grammar {
	return map[string]*Grammar{
		"boxes":      tinyBoxes(tb),
		"real boxes": must(Boxes([]string{"car", "cart", "dog"}, 3, realForms...)),
		"free boxes": must(Boxes(nil, 2, tinyForm)),
		"set":        must(OneOf("a dog", "a door", "a cat and a dog", "no")),
		"one":        must(OneOf("nothing but this")),
		"schema": must(Schema([]byte(`{"type":"object","properties":{"open":{"type":"boolean"},"count":{"type":"integer","minimum":0,"maximum":99},
			"words":{"type":"array","items":{"type":"string","maxLength":12},"maxItems":3},"kind":{"enum":["door","dog","lamp",null]}},"required":["count","words"]}`))),
		"numbers": must(Schema([]byte(`{"type":"array","items":{"type":"number"},"maxItems":5}`))),
	}
}

// A vocabulary is in order and finds each token by its bytes.
func TestWordList(t *testing.T) {
	m := bundled(t, Options{})
	l := newWordList(m.words)
	seen := map[int32]bool{}
	for i, id := range l.ids {
		seen[id] = true
		if i > 0 && string(l.piece(i-1)) > string(l.piece(i)) {
			t.Fatalf("%q comes before %q", l.piece(i-1), l.piece(i))
		}
		if string(l.piece(i)) != string(m.words.Piece(int(id))) {
			t.Errorf("token %d is %q, want %q", id, l.piece(i), m.words.Piece(int(id)))
		}
		if from, to := l.under(l.piece(i)); i < from || i >= to {
			t.Errorf("%q is not among the tokens %d..%d that begin so", l.piece(i), from, to)
		}
	}
	for id := range m.words.Len() {
		piece := m.words.Piece(id)
		if !seen[int32(id)] && !m.words.IsControl(id) && (len(piece) != 1 || piece[0] >= 0x80) {
			t.Errorf("%q is missing", piece)
		}
	}
	for _, ids := range [][]int{m.words.Encode("A person and a dog.\n\t{\"x\": 1}", false), m.words.Encode("naïve 日本 \xff", false)} {
		for _, id := range ids {
			if !seen[int32(id)] {
				t.Errorf("the tokenizer writes %q, which is missing", m.words.Piece(id))
			}
		}
	}
}

// The choices at a state are the tokens whose bytes can be taken one by one,
// found the slow way, also where clipping joins states.
func TestChoices(t *testing.T) {
	m := bundled(t, Options{})
	list := newWordList(m.words)
	rng := rand.New(rand.NewPCG(5, 6))
	for name, g := range someGrammars(t) {
		x, err := newMatcher(g, m.words, list, []int{m.control.endTurn, m.control.eos, -1})
		if err != nil {
			t.Fatal(err)
		}
		state, steps := x.start, 0
		for range 60 {
			var want []int32
			for _, id := range list.ids {
				if x.next(state, int(id)) != deadState {
					want = append(want, id)
				}
			}
			if x.auto.nodes[state].nullable {
				want = append(want, int32(m.control.endTurn), int32(m.control.eos))
			}
			slices.Sort(want)
			got := x.choices(state)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d choices after %d tokens, want %d", name, len(got), steps, len(want))
				break
			}
			id := int(got[rng.IntN(len(got))])
			if m.control.stops(id) {
				state, steps = x.start, 0
				continue
			}
			state = x.next(state, id)
			steps++
		}
	}
}

// What is forced is what the tokenizer writes, and never longer than the
// grammar is sure.
func TestForced(t *testing.T) {
	m := bundled(t, Options{})
	list := newWordList(m.words)
	for name, g := range someGrammars(t) {
		x, err := newMatcher(g, m.words, list, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := newReader(g)
		rng := rand.New(rand.NewPCG(7, 8))
		for range 10 {
			text := r.write(rng, 40)
			state, written := x.start, []int(nil)
			for {
				ids, next, ends := x.forced(state, written)
				written = append(written, ids...)
				if so := string(pieces(m.words, written)); !strings.HasPrefix(text, so) {
					t.Fatalf("%s: %q is forced, but %q is possible", name, so, text)
				}
				if ends {
					break
				}
				state = next
				rest := text[len(pieces(m.words, written)):]
				if rest == "" {
					break
				}
				id := m.words.Encode(rest, false)[0]
				if state = x.next(state, id); state == deadState {
					t.Fatalf("%s: %q cannot go on behind %q", name, rest, pieces(m.words, written))
				}
				written = append(written, id)
			}
			if got := string(pieces(m.words, written)); got != text {
				t.Errorf("%s: wrote %q, want %q", name, got, text)
			}
		}
	}
	// Nothing is to be chosen.
	x, err := newMatcher(must(OneOf("nothing but this")), m.words, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ids, _, ends := x.forced(x.start, nil); !ends || !slices.Equal(ids, m.words.Encode("nothing but this", false)) {
		t.Errorf("forced %q, ends %v", pieces(m.words, ids), ends)
	}
}

func pieces(words *tokenizer.Tokenizer, ids []int) []byte {
	var out []byte
	for _, id := range ids {
		out = append(out, words.Piece(id)...)
	}
	return out
}

// Under a grammar the answer is the one that masking all logits gives, and
// needs fewer passes and fewer rows of the head.
func TestGrammarIsMasking(t *testing.T) {
	m := bundled(t, Options{})
	_, detect, _ := bundledPrompts(t)
	picture := bundledImage(t, "scene2.png")
	for name, g := range someGrammars(t) {
		for _, question := range []string{detect, "What is there?"} {
			r := Request{ImageTokens: 70, MaxTokens: 80, Parts: []Part{{Image: picture}, {Text: question}}, Grammar: g}
			want := plainly(t, m, r)
			for _, plain := range []bool{true, false} {
				r.Plain = plain
				got := ask(t, m, r)
				sameAnswer(t, name, got, want, false)
				if got.Stopped {
					if ok, at := newReader(g).accepts(got.Text); !ok {
						t.Errorf("%s: %q is refused at %d", name, got.Text, at)
					}
				}
				if plain && got.Work.Passes+got.Work.Forced > len(got.Tokens)+1 {
					t.Errorf("%s: %d passes and %d forced of %d tokens", name, got.Work.Passes, got.Work.Forced, len(got.Tokens))
				}
			}
		}
	}
	free := ask(t, m, Request{ImageTokens: 70, Plain: true, Parts: []Part{{Image: picture}, {Text: detect}}})
	held := ask(t, m, Request{ImageTokens: 70, Plain: true, Parts: []Part{{Image: picture}, {Text: detect}}, Grammar: tinyBoxes(t)})
	if free.Text != held.Text {
		t.Errorf("held to a grammar that it keeps anyway, the model says %q instead of %q", held.Text, free.Text)
	}
	if held.Work.Passes*3 > free.Work.Passes*2 || held.Work.HeadRows*10 > free.Work.HeadRows {
		t.Errorf("with a grammar %+v, without %+v", held.Work, free.Work)
	}
	one := ask(t, m, Request{Parts: []Part{{Text: "Say it."}}, Grammar: must(OneOf("nothing but this"))})
	if one.Text != "nothing but this" || !one.Stopped || one.Work.Passes+one.Work.HeadRows > 0 || slices.ContainsFunc(one.Probs, func(p float64) bool { return p != 1 }) {
		t.Errorf("an answer without choice: %+v", one)
	}
}

// Answers by chance keep to the grammar too.
func TestGrammarByChance(t *testing.T) {
	m := bundled(t, Options{})
	for name, g := range someGrammars(t) {
		for seed := range uint64(5) {
			got := ask(t, m, Request{MaxTokens: 200, Grammar: g, Sampling: Sampling{Temperature: 2, Seed: seed}})
			ok, at := newReader(g).accepts(got.Text)
			if got.Stopped && !ok || !got.Stopped && at != len(got.Text) {
				t.Errorf("%s, seed %d: %q is refused at %d", name, seed, got.Text, at)
			}
		}
	}
}

// The bundled model knows the tokens of tool calls but not what they are for.
func TestToolCallsAreWritten(t *testing.T) {
	m := bundled(t, Options{})
	g := must(ToolCalls(Tool{"light", []byte(`{"type":"object","properties":{"on":{"type":"boolean"},"room":{"type":"string","maxLength":8}},"required":["on","room"]}`)}))
	for _, hint := range [][]int{nil, m.words.Encode(`<|tool_call>call:light{on:true,room:<|"|>a<|"|>}<tool_call|>`, true)} {
		r := Request{MaxTokens: 300, Parts: []Part{{Text: "Turn on the camera."}}, Grammar: g, Hint: hint}
		got := ask(t, m, r)
		sameAnswer(t, "tool call", got, plainly(t, m, r), false)
		text := m.words.Decode(got.Tokens)
		if ok, at := newReader(g).accepts(text); got.Stopped && !ok {
			t.Errorf("%q is refused at %d", text, at)
		}
		if !strings.HasPrefix(text, "<|tool_call>call:light{on:") {
			t.Errorf("calls %q", text)
		}
	}
}

// TestRealVocabularyUnderGrammar measures a list of the published models'
// tokens; see TestRealVocabulary of package tokenizer for the folder.
func TestRealVocabularyUnderGrammar(t *testing.T) {
	dir := os.Getenv("SENSED_VOCAB")
	if dir == "" {
		t.Log("SENSED_VOCAB is not set: only small vocabularies were checked")
		return
	}
	f, err := gguf.Open(filepath.Join(dir, "ggml-vocab-gemma-4.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	words, err := tokenizer.New(f)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	list := newWordList(words)
	t.Logf("%d tokens in %v, %d KB", len(list.ids), time.Since(start), (len(list.text)+5*len(list.ids)+4*len(list.at))>>10)
	x, err := newMatcher(must(Boxes([]string{"car", "person", "delivery truck"}, 25, realForms...)), words, list, []int{106, 1})
	if err != nil {
		t.Fatal(err)
	}
	text := "```json\n[\n  {\"box_2d\": [12, 345, 1000, 7], \"label\": \"car\"},\n  {\"box_2d\": [1, 2, 30, 4], \"label\": \"person\"}\n]\n```"
	want := words.Encode(text, false)
	start = time.Now()
	var written []int
	state, chosen, rows := x.start, 0, 0
	for {
		ids, next, ends := x.forced(state, written)
		written, state = append(written, ids...), next
		if ends {
			break
		}
		rows += len(x.choices(state))
		id := want[len(written)]
		state = x.next(state, id)
		written = append(written, id)
		chosen++
	}
	t.Logf("%d of %d tokens chosen, %d rows, in %v", chosen, len(written), rows, time.Since(start))
	if !slices.Equal(written, want) {
		t.Errorf("wrote %q, want %q", words.Decode(written), text)
	}
	start = time.Now()
	x, err = newMatcher(must(Schema([]byte(`{"type":"string"}`))), words, list, []int{106, 1})
	if err != nil {
		t.Fatal(err)
	}
	quote := words.Encode(`"`, false)[0]
	state = x.next(x.start, quote)
	for range 20 {
		state = x.next(state, words.Encode(" word", false)[0])
		x.choices(state)
	}
	t.Logf("a free string: %d choices, 20 states in %v", len(x.choices(state)), time.Since(start))
}

// FuzzSchema wants of every schema an error or a grammar whose texts are JSON,
// read by the rules of the schema.
func FuzzSchema(f *testing.F) {
	for _, s := range []string{
		`{"type":"object","properties":{"a":{"type":"integer","minimum":-5,"maximum":12},"b":{"type":["string","null"],"minLength":1,"maxLength":3}},"required":["b"]}`,
		`{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":3}`,
		`{"enum":["a",3,-2.50,true,null]}`, `{"const":"\ud800"}`, `{"type":"object"}`, `{"type":"boolean"}`,
		`{"type":"array","items":{"type":"array","items":{"type":"string"},"maxItems":2},"maxItems":2}`, `{"type":"strin`, `[`, `{"required":[null]}`,
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		s, err := parseSchema(data)
		if err != nil {
			return
		}
		g, err := Schema(data)
		if err != nil {
			t.Fatal(err)
		}
		r := newReader(g)
		rng := rand.New(rand.NewPCG(seed, 1))
		for range 3 {
			text := r.write(rng, rng.IntN(50))
			var v any
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if err := s.validate(v); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}

// FuzzGrammarBytes reads bytes of any kind by grammars: what one accepts is
// JSON of its schema.
func FuzzGrammarBytes(f *testing.F) {
	schemas := []string{
		`{"type":"object","properties":{"a":{"type":"integer","minimum":-5,"maximum":12},"b":{"type":["string","null"],"minLength":1,"maxLength":3}},"required":["b"]}`,
		`{"type":"array","items":{"type":"number"},"maxItems":3}`,
		`{"type":"string","maxLength":6}`,
	}
	var readers []*reader
	var parsed []*schema
	for _, text := range schemas {
		s, err := parseSchema([]byte(text))
		if err != nil {
			f.Fatal(err)
		}
		readers, parsed = append(readers, newReader(must(Schema([]byte(text))))), append(parsed, s)
	}
	for _, s := range []string{`{"a": 1, "b": "x"}`, `{"b": null}`, `[1, 2.5e-3]`, `"a\u00e4\n"`, "\"\xed\xa0\x80\"", `"\ud800"`, `""`, `[]`, `-`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, r := range readers {
			if ok, _ := r.accepts(string(data)); !ok {
				continue
			}
			var v any
			d := json.NewDecoder(strings.NewReader(string(data)))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
			if err := parsed[i].validate(v); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
		}
	})
}
