package gemma4

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/deploy/models/tiny"
	"sensed/kernels/gguf"
)

// A file whose parts do not fit is an error that names the key or tensor.
func TestDamagedModels(t *testing.T) {
	cases := map[string]struct {
		damage func(f *testFile)
		want   string
	}{
		"another architecture": {func(f *testFile) { f.put("general.architecture", "llama") }, `"llama"`},
		"no architecture":      {func(f *testFile) { f.drop("general.architecture") }, "general.architecture"},
		"no layers":            {func(f *testFile) { f.put("gemma4.block_count", uint32(0)) }, "gemma4.block_count"},
		"too many layers":      {func(f *testFile) { f.put("gemma4.block_count", uint32(100000)) }, "gemma4.block_count"},
		"all layers share":     {func(f *testFile) { f.put("gemma4.attention.shared_kv_layers", uint32(6)) }, "shared_kv_layers"},
		"nothing to share":     {func(f *testFile) { f.put("gemma4.attention.shared_kv_layers", uint32(5)) }, "layer 2 has no earlier layer of its kind"},
		"sharing different heads": {func(f *testFile) { f.put("gemma4.attention.head_count_kv", []uint32{1, 1, 1, 2, 1, 1}) },
			"shares those of layer 1"},
		"heads do not divide": {func(f *testFile) { f.put("gemma4.attention.head_count_kv", uint32(3)) }, "head_count_kv"},
		"no heads":            {func(f *testFile) { f.put("gemma4.attention.head_count_kv", uint32(0)) }, "head_count_kv"},
		"short list of heads": {func(f *testFile) { f.put("gemma4.attention.head_count_kv", []uint32{1}) }, "head_count_kv"},
		"width of text":       {func(f *testFile) { f.put("gemma4.embedding_length", "wide") }, "gemma4.embedding_length"},
		"huge width":          {func(f *testFile) { f.put("gemma4.embedding_length", uint64(1)<<40) }, "gemma4.embedding_length"},
		"negative width":      {func(f *testFile) { f.put("gemma4.embedding_length", int32(-8)) }, "gemma4.embedding_length"},
		"another width":       {func(f *testFile) { f.put("gemma4.embedding_length", uint32(25)) }, "token_embd.weight"},
		"values unlike keys":  {func(f *testFile) { f.put("gemma4.attention.value_length", uint32(8)) }, "value_length"},
		"odd rotation":        {func(f *testFile) { f.put("gemma4.rope.dimension_count", uint32(3)) }, "rope.dimension_count"},
		"wide rotation":       {func(f *testFile) { f.put("gemma4.rope.dimension_count_swa", uint32(10)) }, "rope.dimension_count_swa"},
		"no base":             {func(f *testFile) { f.put("gemma4.rope.freq_base", float32(0)) }, "rope.freq_base"},
		"no epsilon":          {func(f *testFile) { f.put("gemma4.attention.layer_norm_rms_epsilon", float32(0)) }, "layer_norm_rms_epsilon"},
		"negative softcap":    {func(f *testFile) { f.put("gemma4.final_logit_softcapping", float32(-1)) }, "softcapping"},
		"no pattern":          {func(f *testFile) { f.drop("gemma4.attention.sliding_window_pattern") }, "sliding_window_pattern"},
		"short pattern":       {func(f *testFile) { f.put("gemma4.attention.sliding_window_pattern", []bool{true}) }, "sliding_window_pattern"},
		"pattern of zero":     {func(f *testFile) { f.put("gemma4.attention.sliding_window_pattern", uint32(0)) }, "sliding_window_pattern"},
		"experts":             {func(f *testFile) { f.put("gemma4.expert_count", uint32(128)) }, "experts"},
		"no window":           {func(f *testFile) { f.drop("gemma4.attention.sliding_window") }, "sliding_window"},
		"no embedding":        {func(f *testFile) { f.dropTensor("token_embd.weight") }, "token_embd.weight"},
		"flat embedding":      {func(f *testFile) { f.tensor("token_embd.weight", make([]float32, 24), 24) }, "token_embd.weight"},
		"short embedding":     {func(f *testFile) { f.tensor("token_embd.weight", make([]float32, 24*24), 24, 24) }, "token_embd.weight"},
		"no layer embedding":  {func(f *testFile) { f.dropTensor("per_layer_token_embd.weight") }, "per_layer_token_embd.weight"},
		"narrow projection":   {func(f *testFile) { f.tensor("per_layer_model_proj.weight", make([]float32, 24), 1, 24) }, "per_layer_model_proj.weight"},
		"a layer's norm":      {func(f *testFile) { f.dropTensor("blk.3.post_norm.weight") }, "blk.3.post_norm.weight"},
		"no keys":             {func(f *testFile) { f.dropTensor("blk.2.attn_k.weight") }, "blk.2.attn_k.weight"},
		"wrong queries":       {func(f *testFile) { f.tensor("blk.5.attn_q.weight", make([]float32, 48), 2, 24) }, "blk.5.attn_q.weight"},
		"vector of a scale":   {func(f *testFile) { f.tensor("blk.0.layer_output_scale.weight", make([]float32, 2), 2) }, "blk.0.layer_output_scale.weight"},
		"no factors":          {func(f *testFile) { f.dropTensor("rope_freqs.weight") }, "rope_freqs.weight"},
		"a factor of zero":    {func(f *testFile) { f.find("rope_freqs.weight").data[1] = 0 }, "rope_freqs.weight"},
		"no vocabulary":       {func(f *testFile) { f.drop("tokenizer.ggml.tokens") }, "tokenizer.ggml.tokens"},
	}
	for name, c := range cases {
		f := likeE2B.build(1)
		c.damage(f)
		m, err := New(f.parse(t), nil, Options{})
		if err == nil {
			t.Errorf("%s: no error", name)
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "test.gguf") {
			t.Errorf("%s: error %q does not contain %q and the name of the file", name, err, c.want)
		}
	}
}

// What files may leave out or write in another way.
func TestVariants(t *testing.T) {
	cases := map[string]func(f *testFile){
		"lists":         func(f *testFile) { f.put("gemma4.attention.head_count_kv", []int32{1, 1, 1, 1, 1, 1}) },
		"period":        func(f *testFile) { f.put("gemma4.attention.sliding_window_pattern", uint32(3)) },
		"no dimensions": func(f *testFile) { f.drop("gemma4.attention.value_length") },
		"head of its own": func(f *testFile) {
			e := f.find("token_embd.weight")
			f.tensor("output.weight", e.data, e.shape...)
		},
	}
	plain := likeE2B.build(1).open(t, Options{})
	want, err := plain.Logits(t.Context(), []int{2, 30, 40, 50})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range cases {
		f := likeE2B.build(1)
		change(f)
		got, err := f.open(t, Options{}).Logits(t.Context(), []int{2, 30, 40, 50})
		if err != nil {
			t.Fatal(err)
		}
		near(t, name, got, want, 0)
	}

	f := likeE2B.build(1)
	f.drop("gemma4.final_logit_softcapping")
	for i := range 6 {
		f.dropTensor("blk." + string(rune('0'+i)) + ".layer_output_scale.weight")
	}
	if _, err := f.open(t, Options{}).Logits(t.Context(), []int{2, 30}); err != nil {
		t.Errorf("without softcap and output scales: %v", err)
	}
}

func TestContextSize(t *testing.T) {
	file := likeE2B.build(1)
	if m := file.open(t, Options{}); m.Context() != 96 {
		t.Errorf("context %d, want the 96 of the file", m.Context())
	}
	if m := file.open(t, Options{Context: 10}); m.Context() != 10 {
		t.Errorf("context %d, want 10", m.Context())
	}
	for _, n := range []int{97, -1} {
		if _, err := New(file.parse(t), nil, Options{Context: n}); err == nil {
			t.Errorf("a context of %d passes", n)
		}
	}
	file.put("gemma4.context_length", uint32(131072))
	if m := file.open(t, Options{}); m.Context() != defaultContext {
		t.Errorf("context %d, want %d", m.Context(), defaultContext)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := write("text.gguf", readBundled(t, tiny.Text))
	senses := write("mmproj.gguf", readBundled(t, tiny.Projector))
	m, err := Open(text, senses, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !m.HasVision() || !m.HasAudio() {
		t.Error("the model is blind or deaf")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	deaf, err := Open(text, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if deaf.HasVision() || deaf.HasAudio() {
		t.Error("a model without a projector has senses")
	}
	if err := deaf.Close(); err != nil {
		t.Error(err)
	}

	half := write("half.gguf", readBundled(t, tiny.Text)[:1<<20])
	junk := write("junk.gguf", []byte("this is no model"))
	for name, c := range map[string]struct{ text, projector, want string }{
		"missing":           {filepath.Join(dir, "none.gguf"), "", "none.gguf"},
		"cut short":         {half, "", "half.gguf"},
		"not a model":       {junk, "", "junk.gguf"},
		"swapped":           {senses, text, `"clip"`},
		"missing projector": {text, filepath.Join(dir, "none.gguf"), "none.gguf"},
		"text as projector": {text, text, "text.gguf"},
	} {
		if m, err := Open(c.text, c.projector, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not contain %q", name, err, c.want)
			if err == nil {
				t.Error(m.Close())
			}
		}
	}

	other, err := gguf.Open(senses)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := New(likeE2B.build(1).parse(t), other, Options{}); err == nil || !strings.Contains(err.Error(), "belongs to another model") {
		t.Errorf("the projector of another model: %v", err)
	}
}
