package gemma4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sensed/kernels/gguf"
)

// testShape describes a small decoder with random weights.
type testShape struct {
	hidden, heads, kvHeads, headDim, localDim int
	ffn, perLayer, window, context            int
	shared                                    int
	sliding                                   []bool
}

// likeE2B and likeE4B have the traits of the two models in a few kilobytes.
var (
	likeE2B = testShape{hidden: 24, heads: 4, kvHeads: 1, headDim: 16, localDim: 8, ffn: 20, perLayer: 6, window: 5, context: 96,
		shared: 3, sliding: []bool{true, true, false, true, true, false}}
	likeE4B = testShape{hidden: 20, heads: 4, kvHeads: 2, headDim: 12, localDim: 4, ffn: 28, perLayer: 4, window: 7, context: 96,
		shared: 2, sliding: []bool{true, false, true, false}}
	// noSharing has neither sharing layers nor per-layer embeddings.
	noSharing = testShape{hidden: 16, heads: 2, kvHeads: 2, headDim: 8, localDim: 8, ffn: 16, window: 4, context: 96,
		sliding: []bool{true, false, true}}
	// oneOwn has a trunk of no layers.
	oneOwn = testShape{hidden: 16, heads: 2, kvHeads: 1, headDim: 8, localDim: 8, ffn: 16, perLayer: 4, window: 4, context: 96,
		shared: 2, sliding: []bool{false, false, false}}
)

// testFile is a model file in the making.
type testFile struct {
	keys    []string
	values  map[string]any
	tensors []testTensor
}

type testTensor struct {
	name  string
	shape []int
	data  []float32
}

func (f *testFile) put(key string, value any) {
	if _, ok := f.values[key]; !ok {
		f.keys = append(f.keys, key)
	}
	f.values[key] = value
}

func (f *testFile) drop(key string) {
	f.keys = slices.DeleteFunc(f.keys, func(k string) bool { return k == key })
	delete(f.values, key)
}

// tensor adds a tensor or replaces the one of that name.
func (f *testFile) tensor(name string, data []float32, shape ...int) {
	f.dropTensor(name)
	f.tensors = append(f.tensors, testTensor{name, shape, data})
}

func (f *testFile) dropTensor(name string) {
	f.tensors = slices.DeleteFunc(f.tensors, func(t testTensor) bool { return t.name == name })
}

func (f *testFile) find(name string) *testTensor {
	i := slices.IndexFunc(f.tensors, func(t testTensor) bool { return t.name == name })
	return &f.tensors[i]
}

// encode writes the file.
func (f *testFile) encode(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gguf.NewWriter(&b)
	for _, k := range f.keys {
		w.Put(k, f.values[k])
	}
	for _, t := range f.tensors {
		w.Declare(t.name, gguf.F32, t.shape...)
	}
	for _, t := range f.tensors {
		if err := binary.Write(w, binary.LittleEndian, t.data); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// parse writes the file and reads it.
func (f *testFile) parse(tb testing.TB) *gguf.File {
	tb.Helper()
	out, err := gguf.Parse("test.gguf", f.encode(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// open makes a model of the file.
func (f *testFile) open(tb testing.TB, o Options) *Model {
	tb.Helper()
	m, err := New(f.parse(tb), nil, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
	return m
}

// testWords is the vocabulary of the test models: control tokens, one token
// for each byte, and single characters.
func testWords() (tokens []string, types []int32) {
	const normal, control, userDefined, byteToken = 1, 3, 4, 6
	for _, s := range []string{"<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>",
		"<|image>", "<|image|>", "<image|>", "<|audio>", "<|audio|>", "<audio|>", "<|video|>"} {
		tokens, types = append(tokens, s), append(types, control)
	}
	for _, s := range []string{"<|channel>", "<channel|>", "<|tool_response>"} {
		tokens, types = append(tokens, s), append(types, userDefined)
	}
	for b := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", b)), append(types, byteToken)
	}
	for _, r := range "▁\nabcdefghijklmnopqrstuvwxyz<>|:0123456789éß" {
		tokens, types = append(tokens, string(r)), append(types, normal)
	}
	return tokens, types
}

// build makes a file of the shape with random weights; one seed, one file.
func (s testShape) build(seed uint64) *testFile {
	rng := rand.New(rand.NewPCG(seed, 7))
	f := &testFile{values: map[string]any{}}
	tokens, types := testWords()
	f.put("general.architecture", "gemma4")
	f.put("general.name", "test model")
	f.put("tokenizer.ggml.model", "gemma4")
	f.put("tokenizer.ggml.tokens", tokens)
	f.put("tokenizer.ggml.token_type", types)
	f.put("tokenizer.ggml.merges", []string{})
	f.put("gemma4.block_count", uint32(len(s.sliding)))
	f.put("gemma4.context_length", uint32(s.context))
	f.put("gemma4.embedding_length", uint32(s.hidden))
	f.put("gemma4.embedding_length_per_layer_input", uint32(s.perLayer))
	f.put("gemma4.attention.head_count", uint32(s.heads))
	f.put("gemma4.attention.head_count_kv", uint32(s.kvHeads))
	f.put("gemma4.attention.key_length", uint32(s.headDim))
	f.put("gemma4.attention.value_length", uint32(s.headDim))
	f.put("gemma4.attention.key_length_swa", uint32(s.localDim))
	f.put("gemma4.attention.value_length_swa", uint32(s.localDim))
	f.put("gemma4.attention.sliding_window", uint32(s.window))
	f.put("gemma4.attention.sliding_window_pattern", s.sliding)
	f.put("gemma4.attention.shared_kv_layers", uint32(s.shared))
	f.put("gemma4.attention.layer_norm_rms_epsilon", float32(1e-6))
	f.put("gemma4.rope.freq_base", float32(1e6))
	f.put("gemma4.rope.freq_base_swa", float32(1e4))
	f.put("gemma4.final_logit_softcapping", float32(30))

	matrix := func(name string, rows, cols int) {
		data := make([]float32, rows*cols)
		for i := range data {
			data[i] = float32(rng.NormFloat64() / math.Sqrt(float64(cols)))
		}
		f.tensor(name, data, rows, cols)
	}
	vector := func(name string, n int) {
		data := make([]float32, n)
		for i := range data {
			data[i] = float32(1 + 0.2*rng.NormFloat64())
		}
		f.tensor(name, data, n)
	}
	vocab, layers := len(tokens), len(s.sliding)
	factors := make([]float32, s.headDim/2)
	for i := range factors {
		factors[i] = 1
		if i >= len(factors)/4 {
			factors[i] = 1e30
		}
	}
	f.tensor("rope_freqs.weight", factors, len(factors))
	matrix("token_embd.weight", vocab, s.hidden)
	vector("output_norm.weight", s.hidden)
	if s.perLayer > 0 {
		matrix("per_layer_token_embd.weight", vocab, layers*s.perLayer)
		matrix("per_layer_model_proj.weight", layers*s.perLayer, s.hidden)
		vector("per_layer_proj_norm.weight", s.perLayer)
	}
	for i, sliding := range s.sliding {
		p := fmt.Sprintf("blk.%d.", i)
		dim := s.headDim
		if sliding {
			dim = s.localDim
		}
		for _, n := range []string{"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"} {
			vector(p+n+".weight", s.hidden)
		}
		matrix(p+"attn_q.weight", s.heads*dim, s.hidden)
		vector(p+"attn_q_norm.weight", dim)
		if i < layers-s.shared {
			matrix(p+"attn_k.weight", s.kvHeads*dim, s.hidden)
			matrix(p+"attn_v.weight", s.kvHeads*dim, s.hidden)
			vector(p+"attn_k_norm.weight", dim)
		}
		matrix(p+"attn_output.weight", s.hidden, s.heads*dim)
		matrix(p+"ffn_gate.weight", s.ffn, s.hidden)
		matrix(p+"ffn_up.weight", s.ffn, s.hidden)
		matrix(p+"ffn_down.weight", s.hidden, s.ffn)
		if s.perLayer > 0 {
			matrix(p+"inp_gate.weight", s.perLayer, s.hidden)
			matrix(p+"proj.weight", s.hidden, s.perLayer)
			vector(p+"post_norm.weight", s.hidden)
		}
		f.tensor(p+"layer_output_scale.weight", []float32{0.9}, 1)
	}
	f.put("gemma4.feed_forward_length", uint32(s.ffn))
	return f
}

// scripted makes a file of a model whose logits depend on the last token only:
// after the token from it gives each token of next[from] the logit there (at
// most 25 or so, they are capped at 30), and all others -25.
func scripted(next map[int]map[int]float64) *testFile {
	tokens, _ := testWords()
	vocab := len(tokens)
	s := testShape{hidden: vocab, heads: 1, kvHeads: 1, headDim: 2, localDim: 2, ffn: 1, window: 4, context: 200, sliding: []bool{false}}
	f := s.build(1)
	// The layer adds nothing, the embedding is one hot, and the head reads the
	// answer off: what the norm makes of it is sqrt(hidden) at the token.
	for _, name := range []string{"blk.0.attn_output.weight", "blk.0.ffn_down.weight"} {
		clear(f.find(name).data)
	}
	norm := f.find("output_norm.weight").data
	for i := range norm {
		norm[i] = 1
	}
	embed := f.find("token_embd.weight").data
	clear(embed)
	head := make([]float32, vocab*vocab)
	for from := range vocab {
		embed[from*vocab+from] = 1
		for to := range vocab {
			logit, ok := next[from][to]
			if !ok {
				logit = -25
			}
			head[to*vocab+from] = float32(30 * math.Atanh(logit/30) / math.Sqrt(float64(vocab)))
		}
	}
	f.tensor("output.weight", head, vocab, vocab)
	return f
}

// script makes the rules of a model that writes the tokens one after the other
// behind a prompt. No token may occur twice.
func script(tb testing.TB, m interface{ ID(string) (int, bool) }, tokens ...string) map[int]map[int]float64 {
	tb.Helper()
	next := map[int]map[int]float64{}
	last := "\n" // what every prompt ends with
	for _, s := range tokens {
		from, ok := m.ID(last)
		to, ok2 := m.ID(s)
		if !ok || !ok2 || next[from] != nil {
			tb.Fatalf("the script %q does not work", tokens)
		}
		next[from] = map[int]float64{to: 20}
		last = s
	}
	return next
}
