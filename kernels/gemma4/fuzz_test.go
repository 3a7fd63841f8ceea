package gemma4

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"sensed/kernels/gguf"
)

// smallest is a decoder whose file is small enough to fuzz.
var smallest = testShape{hidden: 4, heads: 2, kvHeads: 1, headDim: 4, localDim: 2, ffn: 4, perLayer: 2, window: 3, context: 16,
	shared: 2, sliding: []bool{true, false, true, false}}

// Whatever is in a file, it either is an error or a model that answers, or a
// drafter that drafts.
func FuzzModelFile(f *testing.F) {
	for _, damage := range []func(f *testFile){
		func(*testFile) {},
		func(f *testFile) { f.put("gemma4.block_count", uint32(1<<31)) },
		func(f *testFile) { f.put("gemma4.attention.head_count_kv", []int32{1, 1, 1, -1}) },
		func(f *testFile) { f.put("gemma4.attention.sliding_window_pattern", uint32(2)) },
		func(f *testFile) { f.put("gemma4.embedding_length_per_layer_input", uint32(0)) },
		func(f *testFile) { f.put("tokenizer.ggml.padding_token_id", uint32(5000)) },
		func(f *testFile) { f.dropTensor("blk.1.attn_v.weight") },
	} {
		file := smallest.build(1)
		damage(file)
		f.Add(file.encode(f))
	}
	for _, damage := range drafterDamage {
		file := smallest.buildDrafter(1)
		damage.do(file)
		f.Add(file.encode(f))
	}
	target := smallest.build(1).open(f, Options{Threads: 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := gguf.Parse("fuzz.gguf", b)
		if err != nil {
			return
		}
		if err := target.AddDrafter(file); err == nil {
			s := target.NewSession()
			defer s.Close()
			if _, err := s.AppendLogits(t.Context(), Span{IDs: []int{2, 7, 300, 20}}); err != nil {
				t.Fatal(err)
			}
			if out, err := target.drafter.propose(t.Context(), s, 5, 3); err == nil && len(out) != 3 {
				t.Errorf("%d tokens were drafted, 3 are wanted", len(out))
			}
		}
		m, err := New(file, nil, Options{Threads: 1})
		if err != nil {
			return
		}
		defer m.Close()
		if m.Context() < 4 {
			return
		}
		ids := []int{0, 1, m.text.vocab - 1, m.text.vocab / 2}
		if out, err := m.Logits(t.Context(), ids); err != nil || len(out) != 4*m.text.vocab {
			t.Errorf("%d logits, error %v", len(out), err)
		}
	})
}

// Whatever the model writes, the text is valid, and what was streamed is the
// text.
func FuzzAnswer(f *testing.F) {
	tokens, _ := testWords()
	m := smallest.build(1).open(f, Options{Threads: 1})
	id := func(s string) byte { // every id fits: byte b stands for token b or b+256
		n, ok := m.words.ID(s)
		if !ok {
			f.Fatal(s)
		}
		return byte(n)
	}
	f.Add([]byte{id("a"), id("<0xF0>"), id("<0x9F>"), id("<0x99>"), id("<0x82>")}, true)
	f.Add([]byte{id("<|channel>"), id("a"), id("<channel|>"), id("b"), id("<0xC3>")}, false)
	f.Add([]byte{id("<0x80>"), id("<0xFF>"), id("<|image>"), id("<0xE2>"), id("<0x82>")}, false)
	f.Fuzz(func(t *testing.T, ids []byte, upper bool) {
		var streamed strings.Builder
		a := answer{words: m.words, control: &m.control, onText: func(s string) {
			if s == "" || !utf8.ValidString(s) {
				t.Errorf("%q was streamed", s)
			}
			streamed.WriteString(s)
		}}
		for _, b := range ids {
			id := int(b)
			if upper && id+256 < len(tokens) {
				id += 256
			}
			a.add(id)
			if len(a.pending) > utf8.UTFMax {
				t.Fatalf("%d bytes wait for more", len(a.pending))
			}
		}
		a.end()
		if streamed.String() != a.text.String() {
			t.Errorf("streamed %q, wrote %q", streamed.String(), a.text.String())
		}
		if bytes.ContainsAny([]byte(a.text.String()), "▁") {
			t.Errorf("%q has an unwritten space", a.text.String())
		}
	})
}
