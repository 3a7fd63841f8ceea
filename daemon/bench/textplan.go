package bench

import (
	"fmt"

	"sensed/kernels/gguf"
)

// textPlan plans the file of a text decoder.
func textPlan(s Shape, m Mix) *plan {
	p := &plan{}
	p.put("general.architecture", "gemma4")
	p.put("general.name", fmt.Sprintf("%s-random-%s", s.Name, m.Name))
	p.put("general.file_type", m.file)
	p.put("general.quantization_version", uint32(2))
	s.describe(p)
	describeWords(p, newVocabulary(s.Vocabulary))

	// A quarter of the pairs of the layers that see everything rotates.
	factors := make([]float32, s.HeadDim/2)
	for i := range factors {
		factors[i] = 1
		if i >= len(factors)/4 {
			factors[i] = 1e30
		}
	}
	p.values("rope_freqs.weight", factors...)
	p.matrix("token_embd.weight", m.embed, s.Vocabulary, s.Hidden)
	p.matrix("per_layer_token_embd.weight", m.perLayer, s.Vocabulary, s.Layers*s.PerLayer)
	p.matrix("per_layer_model_proj.weight", gguf.F16, s.Layers*s.PerLayer, s.Hidden)
	p.norm("per_layer_proj_norm.weight", s.PerLayer)
	p.norm("output_norm.weight", s.Hidden)
	for i := range s.Layers {
		s.layer(p, m, i)
	}
	return p
}

// describe writes the metadata of the decoder.
func (s Shape) describe(p *plan) {
	ffn, sliding := make([]int32, s.Layers), make([]bool, s.Layers)
	for i := range ffn {
		ffn[i], sliding[i] = int32(s.FFN), s.slides(i)
		if i >= s.own() {
			ffn[i] = int32(s.SharedFFN)
		}
	}
	for _, k := range []struct {
		key   string
		value int
	}{
		{"block_count", s.Layers}, {"context_length", s.Context}, {"embedding_length", s.Hidden},
		{"embedding_length_per_layer_input", s.PerLayer},
		{"attention.head_count", s.Heads}, {"attention.head_count_kv", s.KVHeads},
		{"attention.shared_kv_layers", s.Shared}, {"attention.sliding_window", s.Window},
		{"attention.key_length", s.HeadDim}, {"attention.value_length", s.HeadDim},
		{"attention.key_length_swa", s.LocalDim}, {"attention.value_length_swa", s.LocalDim},
		{"rope.dimension_count", s.HeadDim}, {"rope.dimension_count_swa", s.LocalDim},
	} {
		p.put("gemma4."+k.key, uint32(k.value))
	}
	p.put("gemma4.feed_forward_length", ffn)
	p.put("gemma4.attention.sliding_window_pattern", sliding)
	p.put("gemma4.rope.freq_base", float32(1e6))
	p.put("gemma4.rope.freq_base_swa", float32(1e4))
	p.put("gemma4.attention.layer_norm_rms_epsilon", float32(1e-6))
	p.put("gemma4.final_logit_softcapping", float32(30))
}

// describeWords writes the vocabulary.
func describeWords(p *plan, v *vocabulary) {
	p.put("tokenizer.ggml.model", "gemma4")
	p.put("tokenizer.ggml.tokens", v.tokens)
	p.put("tokenizer.ggml.scores", make([]float32, len(v.tokens)))
	p.put("tokenizer.ggml.token_type", v.types)
	p.put("tokenizer.ggml.merges", v.merges)
	for i, name := range []string{"padding", "eos", "bos", "unknown", "mask"} {
		p.put("tokenizer.ggml."+name+"_token_id", uint32(i))
	}
	p.put("tokenizer.ggml.add_space_prefix", false)
	p.put("tokenizer.ggml.add_bos_token", true)
}

// layer plans the tensors of decoder layer i.
func (s Shape) layer(p *plan, m Mix, i int) {
	dim, ffn, better := s.HeadDim, s.FFN, m.base
	if s.slides(i) {
		dim = s.LocalDim
	}
	if i >= s.own() {
		ffn = s.SharedFFN
	}
	if important(i, s.Layers) {
		better = m.better
	}
	name := func(n string) string { return fmt.Sprintf("blk.%d.%s.weight", i, n) }
	for _, n := range []string{"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "post_norm"} {
		p.norm(name(n), s.Hidden)
	}
	p.matrix(name("attn_q"), m.base, s.Heads*dim, s.Hidden)
	p.norm(name("attn_q_norm"), dim)
	if i < s.own() {
		p.matrix(name("attn_k"), m.base, s.KVHeads*dim, s.Hidden)
		p.matrix(name("attn_v"), better, s.KVHeads*dim, s.Hidden)
		p.norm(name("attn_k_norm"), dim)
	}
	p.matrix(name("attn_output"), m.base, s.Hidden, s.Heads*dim)
	p.matrix(name("ffn_gate"), m.base, ffn, s.Hidden)
	p.matrix(name("ffn_up"), m.base, ffn, s.Hidden)
	p.matrix(name("ffn_down"), better, s.Hidden, ffn)
	p.matrix(name("inp_gate"), m.base, s.PerLayer, s.Hidden)
	p.matrix(name("proj"), m.base, s.Hidden, s.PerLayer)
	p.values(name("layer_output_scale"), 0.8)
}
