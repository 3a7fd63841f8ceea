package gemma4

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// drafterWidth is the width of the drafters of test models.
const drafterWidth = 6

// buildDrafter makes the file of a drafter with random weights for a model of
// the shape: a layer of each kind that the model has, and a second of the first.
func (s testShape) buildDrafter(seed uint64) *testFile {
	rng := rand.New(rand.NewPCG(seed, 11))
	kinds := []bool{s.sliding[0], s.sliding[0]}
	for _, sliding := range s.sliding {
		if sliding != s.sliding[0] {
			kinds = append(kinds, sliding)
			break
		}
	}
	f := &testFile{values: map[string]any{}}
	tokens, _ := testWords()
	put := func(key string, value any) { f.put(drafterArchitecture+"."+key, value) }
	f.put("general.architecture", drafterArchitecture)
	f.put(vocabularyKey, tokens)
	put("block_count", uint32(len(kinds)))
	put("embedding_length", uint32(drafterWidth))
	put("embedding_length_out", uint32(s.hidden))
	put("feed_forward_length", uint32(8))
	put("attention.head_count", uint32(s.heads))
	put("attention.head_count_kv", uint32(s.kvHeads))
	put("attention.key_length", uint32(s.headDim))
	put("attention.key_length_swa", uint32(s.localDim))
	put("attention.sliding_window", uint32(s.window))
	put("attention.sliding_window_pattern", kinds)
	put("attention.shared_kv_layers", uint32(len(kinds)))
	put("attention.layer_norm_rms_epsilon", float32(1e-6))
	put("rope.freq_base", float32(1e6))
	put("rope.freq_base_swa", float32(1e4))

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
	factors := make([]float32, s.headDim/2)
	for i := range factors {
		factors[i] = 1
		if i >= len(factors)/4 {
			factors[i] = 1e30
		}
	}
	f.tensor("rope_freqs.weight", factors, len(factors))
	matrix("token_embd.weight", len(tokens), drafterWidth)
	vector("output_norm.weight", drafterWidth)
	matrix("nextn.pre_projection.weight", drafterWidth, 2*s.hidden)
	matrix("nextn.post_projection.weight", s.hidden, drafterWidth)
	for i, sliding := range kinds {
		p := fmt.Sprintf("blk.%d.", i)
		dim := s.headDim
		if sliding {
			dim = s.localDim
		}
		for _, n := range []string{"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"} {
			vector(p+n+".weight", drafterWidth)
		}
		matrix(p+"attn_q.weight", s.heads*dim, drafterWidth)
		vector(p+"attn_q_norm.weight", dim)
		matrix(p+"attn_output.weight", drafterWidth, s.heads*dim)
		matrix(p+"ffn_gate.weight", 8, drafterWidth)
		matrix(p+"ffn_up.weight", 8, drafterWidth)
		matrix(p+"ffn_down.weight", drafterWidth, 8)
		f.tensor(p+"layer_output_scale.weight", []float32{0.9}, 1)
	}
	return f
}

// drafterDamage is what can be wrong with the file of a drafter, and the words
// that the error must have; none: it is right.
var drafterDamage = []struct {
	name string
	do   func(f *testFile)
	want []string
}{
	{"whole", func(*testFile) {}, nil},
	{"no vocabulary", func(f *testFile) { f.drop(vocabularyKey) }, nil},
	{"a text model", func(f *testFile) { f.put("general.architecture", "gemma4") }, []string{`"gemma4"`, "not a drafter"}},
	{"no architecture", func(f *testFile) { f.drop("general.architecture") }, []string{"general.architecture"}},
	{"another width", func(f *testFile) { f.put("gemma4-assistant.embedding_length_out", uint32(2560)) }, []string{"gemma4-assistant.embedding_length_out", "2560", "another model"}},
	{"no width", func(f *testFile) { f.drop("gemma4-assistant.embedding_length_out") }, []string{"gemma4-assistant.embedding_length_out"}},
	{"other keys", func(f *testFile) { f.put("gemma4-assistant.attention.key_length", uint32(8)) }, []string{"gemma4-assistant.attention.key_length", "another model"}},
	{"other local keys", func(f *testFile) { f.put("gemma4-assistant.attention.key_length_swa", uint32(6)) }, []string{"gemma4-assistant.attention.key_length_swa", "another model"}},
	{"other key heads", func(f *testFile) { f.put("gemma4-assistant.attention.head_count_kv", uint32(2)) }, []string{"gemma4-assistant.attention.head_count_kv", "another model"}},
	{"another base", func(f *testFile) { f.put("gemma4-assistant.rope.freq_base_swa", float32(5)) }, []string{"gemma4-assistant.rope.freq_base_swa", "another model"}},
	{"another rotation", func(f *testFile) { f.put("gemma4-assistant.rope.dimension_count", uint32(2)) }, []string{"gemma4-assistant.rope.dimension_count", "another model"}},
	{"layers that do not share", func(f *testFile) { f.put("gemma4-assistant.attention.shared_kv_layers", uint32(1)) }, []string{"gemma4-assistant.attention.shared_kv_layers"}},
	{"per-layer embeddings", func(f *testFile) { f.put("gemma4-assistant.embedding_length_per_layer_input", uint32(2)) }, []string{"embedding_length_per_layer_input"}},
	{"too many layers", func(f *testFile) { f.put("gemma4-assistant.block_count", uint32(1<<20)) }, []string{"gemma4-assistant.block_count"}},
	{"no layers", func(f *testFile) { f.put("gemma4-assistant.block_count", uint32(0)) }, []string{"gemma4-assistant.block_count"}},
	{"no epsilon", func(f *testFile) { f.put("gemma4-assistant.attention.layer_norm_rms_epsilon", float32(math.NaN())) }, []string{"layer_norm_rms_epsilon"}},
	{"fewer words", func(f *testFile) {
		tokens, _ := testWords()
		f.put(vocabularyKey, tokens[:20])
	}, []string{vocabularyKey, "20 tokens"}},
	{"other words", func(f *testFile) {
		tokens, _ := testWords()
		tokens[20], tokens[21] = tokens[21], tokens[20]
		f.put(vocabularyKey, tokens)
	}, []string{vocabularyKey, "token 20"}},
	{"a new name for a word", func(f *testFile) {
		tokens, _ := testWords()
		tokens[20] = "<a new name>"
		f.put(vocabularyKey, tokens)
	}, nil},
	{"numbers for words", func(f *testFile) { f.put(vocabularyKey, []int32{1}) }, []string{vocabularyKey}},
	{"no first projection", func(f *testFile) { f.dropTensor("nextn.pre_projection.weight") }, []string{"nextn.pre_projection.weight"}},
	{"no last projection", func(f *testFile) { f.dropTensor("nextn.post_projection.weight") }, []string{"nextn.post_projection.weight"}},
	{"a narrow projection", func(f *testFile) { f.tensor("nextn.pre_projection.weight", make([]float32, 24), drafterWidth, 4) }, []string{"nextn.pre_projection.weight"}},
	{"fewer embeddings", func(f *testFile) { f.tensor("token_embd.weight", make([]float32, 12), 2, drafterWidth) }, []string{"token_embd.weight"}},
	{"no queries", func(f *testFile) { f.dropTensor("blk.1.attn_q.weight") }, []string{"blk.1.attn_q.weight"}},
	{"no factors", func(f *testFile) { f.dropTensor("rope_freqs.weight") }, []string{"rope_freqs.weight"}},
	{"another turn", func(f *testFile) { f.find("rope_freqs.weight").data[0] = 2 }, []string{"rope_freqs.weight", "another model"}},
}
