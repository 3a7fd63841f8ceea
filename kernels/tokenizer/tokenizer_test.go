package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"sensed/kernels/gguf"
)

// testdata/vocabulary.gguf holds the tokenizer, and no tensors, of a small
// model of the Gemma 4 architecture; testdata/cases.json holds what Hugging
// Face's tokenizers makes of some texts with the same vocabulary.
func small(tb testing.TB) *Tokenizer {
	tb.Helper()
	return load(tb, filepath.Join("testdata", "vocabulary.gguf"))
}

func load(tb testing.TB, path string) *Tokenizer {
	tb.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	t, err := New(f)
	if err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil { // the tokenizer needs the file no more
		tb.Fatal(err)
	}
	return t
}

func TestCases(t *testing.T) {
	tok := small(t)
	var cases []struct {
		Text    string
		IDs     []int
		Decoded string
	}
	b, err := os.ReadFile(filepath.Join("testdata", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("testdata/cases.json holds no cases")
	}
	for _, c := range cases {
		if got := tok.Encode(c.Text, true); !slices.Equal(got, c.IDs) {
			t.Errorf("Encode(%q) = %v, want %v", c.Text, got, c.IDs)
		}
		if got := tok.Decode(c.IDs); got != c.Decoded {
			t.Errorf("Decode(%v) = %q, want %q", c.IDs, got, c.Decoded)
		}
	}
}

// TestRealVocabulary checks the vocabulary of the published models, which is
// too large to keep here. The environment variable SENSED_VOCAB names a folder
// with ggml-vocab-gemma-4.gguf and beside it the cases of llama.cpp: .inp holds
// the texts, .out a line of ids for each.
func TestRealVocabulary(t *testing.T) {
	dir := os.Getenv("SENSED_VOCAB")
	if dir == "" {
		t.Log("SENSED_VOCAB is not set: only the small vocabulary was checked")
		return
	}
	path := filepath.Join(dir, "ggml-vocab-gemma-4.gguf")
	tok := load(t, path)
	texts, err := os.ReadFile(path + ".inp")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := os.ReadFile(path + ".out")
	if err != nil {
		t.Fatal(err)
	}
	inputs := strings.Split(string(texts), "\n__ggml_vocab_test__\n")
	lines := strings.Split(strings.TrimSuffix(string(ids), "\n"), "\n")
	if len(inputs) != len(lines) || len(inputs) < 10 {
		t.Fatalf("%d texts and %d lines of ids", len(inputs), len(lines))
	}
	for i, text := range inputs {
		var want []int
		for _, field := range strings.Fields(lines[i]) {
			id, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, id)
		}
		if got := tok.Encode(text, false); !slices.Equal(got, want) {
			t.Errorf("case %d: Encode(%q) = %v, want %v", i, text, got, want)
		}
		if got := tok.Decode(want); got != text {
			t.Errorf("case %d: Decode(%v) = %q, want %q", i, want, got, text)
		}
	}
	t.Logf("%d cases", len(inputs))
	for text, want := range map[string]int{
		"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<|tool>": 46, "<tool|>": 47, "<|tool_call>": 48,
		"<tool_call|>": 49, "<|tool_response>": 50, "<tool_response|>": 51, `<|"|>`: 52, "<|think|>": 98,
		"<|channel>": 100, "<channel|>": 101, "<|turn>": 105, "<turn|>": 106, "<|image>": 255999,
		"<|audio>": 256000, "<|image|>": 258880, "<|audio|>": 258881, "<image|>": 258882, "<audio|>": 258883,
		"<|video|>": 258884,
	} {
		if got := tok.Encode(text, true); !slices.Equal(got, []int{want}) || !tok.IsControl(want) {
			t.Errorf("Encode(%q) = %v, want the control token %d", text, got, want)
		}
		if got := tok.Encode(text, false); slices.Contains(got, want) {
			t.Errorf("plain text %q becomes the control token %d", text, want)
		}
	}
	for n := 1; n <= 70; n++ { // runs of white space are single tokens up to 31
		for _, c := range []string{"\n", "\t", " "} {
			if got := len(tok.Encode(strings.Repeat(c, n), false)); got != (n+30)/31 {
				t.Errorf("%d times %q takes %d tokens, want %d", n, c, got, (n+30)/31)
			}
		}
	}
}

func TestPlainTextNeverBecomesControl(t *testing.T) {
	tok := small(t)
	text := "<bos><|turn>user\n<|image><eos>"
	if !slices.Contains(tok.Encode(text, true), tok.BOS()) {
		t.Error("trusted text: <bos> is not recognised")
	}
	plain := tok.Encode(text, false)
	if i := slices.IndexFunc(plain, tok.IsControl); i >= 0 {
		t.Errorf("plain text becomes control token %d", plain[i])
	}
	if got := tok.Decode(plain); got != text {
		t.Errorf("decodes to %q", got)
	}
}

// TestAgainstPlainSearch compares with the definition: again and again, merge
// the best pair of the whole text.
func TestAgainstPlainSearch(t *testing.T) {
	tok := small(t)
	for _, text := range []string{"the the", "a person walks a dog near the tree.", strings.Repeat("the ", 50), "\n\n\n\n\nhumidity 40%.", "日本\x00語"} {
		var s sequence
		s.load(tok, text)
		want := s.ids
		for {
			best, at := merge{rank: none}, -1
			for i := range len(want) - 1 {
				if m, ok := tok.merge(pair{want[i], want[i+1]}); ok && m.rank < best.rank {
					best, at = m, i
				}
			}
			if at < 0 {
				break
			}
			want = slices.Concat(want[:at], []int32{best.id}, want[at+2:])
		}
		got := tok.Encode(text, false)
		if !slices.EqualFunc(got, want, func(a int, b int32) bool { return a == int(b) }) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestPieces(t *testing.T) {
	tok := small(t)
	for _, text := range []string{"hello  world", "naïve 日本語 🙂", "\xff\xfe half a rune \xe6\x97"} {
		var whole []byte
		for _, id := range tok.Encode(text, false) {
			whole = append(whole, tok.Piece(id)...)
		}
		if string(whole) != text {
			t.Errorf("pieces of %q give %q", text, whole)
		}
	}
	for _, id := range []int{-1, tok.Len(), 1 << 40} {
		if p := tok.Piece(id); p != nil {
			t.Errorf("Piece(%d) = %q", id, p)
		}
	}
	bytes := tok.Encode("\xe6\x97", false)
	if got := tok.Decode(append(bytes, tok.EOS(), -5)); got != "\ufffd\ufffd<eos>" {
		t.Errorf("half a character decodes to %q", got)
	}
	if id, ok := tok.ID("<|turn>"); !ok || !tok.IsControl(id) {
		t.Error("<|turn> is not found")
	}
	if _, ok := tok.ID("no such token"); ok {
		t.Error("a token is found that does not exist")
	}
}

// TestLongText would take hours if the time grew with the square of the length.
func TestLongText(t *testing.T) {
	tok := small(t)
	for _, text := range []string{
		strings.Repeat("\n", 100_000),
		strings.Repeat(" ", 100_000),
		strings.Repeat("a person and a dog near the fire tree; ", 1<<20/39),
		strings.Repeat("<", 1<<20),
		strings.Repeat("日", 300_000),
	} {
		if got := tok.Decode(tok.Encode(text, true)); got != text {
			t.Errorf("%q...: %d bytes come back of %d", text[:8], len(got), len(text))
		}
	}
}

func TestBadVocabularies(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(kv map[string]any)
	}{
		{"complete", "", func(kv map[string]any) {}},
		{"no model", `key "tokenizer.ggml.model" is missing`, func(kv map[string]any) { delete(kv, "model") }},
		{"another model", `of the kind "llama"`, func(kv map[string]any) { kv["model"] = "llama" }},
		{"no tokens", `key "tokenizer.ggml.tokens" is missing`, func(kv map[string]any) { delete(kv, "tokens") }},
		{"types short", "token types", func(kv map[string]any) { kv["token_type"] = []int32{1, 2} }},
		{"byte missing", "lacks the token <0xFF>", func(kv map[string]any) {
			n := len(kv["tokens"].([]string)) - 1
			kv["tokens"], kv["token_type"] = kv["tokens"].([]string)[:n], kv["token_type"].([]int32)[:n]
		}},
		{"byte misspelt", `is written "0x00"`, func(kv map[string]any) { kv["tokens"].([]string)[9] = "0x00" }},
		{"merge of one", "two tokens with a space", func(kv map[string]any) { kv["merges"] = []string{"ab"} }},
		{"one merge of a longer vocabulary", "", func(kv map[string]any) { kv["merges"] = []string{"a x", "a b"} }},
		{"all merges of another vocabulary", "none of the 1 merges fits", func(kv map[string]any) { kv["merges"] = []string{"a x"} }},
		{"merge to control", "into a control token", func(kv map[string]any) { kv["merges"] = []string{"a b", "<b os>"} }},
		{"bos out of range", "there is no token 9999", func(kv map[string]any) { kv["bos_token_id"] = uint32(9999) }},
		{"eos of another kind", "should be a whole number", func(kv map[string]any) { kv["eos_token_id"] = "1" }},
		{"no bos", "so is a token", func(kv map[string]any) { kv["tokens"].([]string)[2] = "x" }},
	} {
		tokens := []string{"<pad>", "<eos>", "<bos>", "<unk>", "a", "b", "ab", "<b", "os>"}
		types := []int32{3, 3, 3, 3, 1, 1, 1, 1, 1}
		for b := range 256 {
			tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", b)), append(types, 6)
		}
		kv := map[string]any{"model": "gemma4", "tokens": tokens, "token_type": types, "merges": []string{"a b"}}
		c.change(kv)
		_, err := New(vocabulary(t, kv))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "test.gguf: ")):
			t.Errorf("%s: error %v, want test.gguf: ...%s", c.name, err, c.want)
		}
	}
}

// vocabulary is a file with these values below tokenizer.ggml.
func vocabulary(t *testing.T, kv map[string]any) *gguf.File {
	t.Helper()
	var b strings.Builder
	w := gguf.NewWriter(&b)
	for key, value := range kv {
		w.Put(prefix+key, value)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse("test.gguf", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func FuzzEncode(f *testing.F) {
	tok := small(f)
	for _, s := range []string{"", "Hello world", " leading", "<|turn>user\nhi<turn|>\n", "naïve 日本語 🙂", "\xff\x00", "<|turn", "▁ literal"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, special := range []bool{false, true} {
			ids := tok.Encode(text, special)
			for _, id := range ids {
				if id < 0 || id >= tok.Len() {
					t.Fatalf("id %d", id)
				}
			}
			got := tok.Decode(ids)
			if utf8.ValidString(text) && got != strings.ReplaceAll(text, space, " ") {
				t.Fatalf("special %v: %q comes back as %q", special, text, got)
			}
			if !utf8.ValidString(got) {
				t.Fatalf("%q is not valid UTF-8", got)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	tok := small(b)
	text := strings.Repeat("a person and a dog near the fire tree; ", 1<<16/39)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tok.Encode(text, true)
	}
}
