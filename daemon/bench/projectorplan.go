package bench

import (
	"fmt"
	"math"

	"sensed/kernels/gguf"
)

const (
	patch    = 16  // side of a patch of a picture
	melBands = 128 // of the spectrogram
	kernel   = 5   // frames that the light convolution of the conformer sees
	limit    = 40  // of the activations of a linear
)

// projectorPlan plans the file of the eyes and ears of a text decoder, in F16.
func projectorPlan(s Shape) *plan {
	p := &plan{}
	p.put("general.architecture", "clip")
	p.put("general.type", "mmproj")
	p.put("general.name", s.Name+"-random mmproj")
	p.put("general.file_type", uint32(1))
	p.put("general.quantization_version", uint32(2))
	s.Vision.plan(p, s.Hidden)
	s.Audio.plan(p, s.Hidden)
	return p
}

// linear adds a matrix with the limits of its input and output.
func (p *plan) linear(name string, rows, cols int) {
	p.matrix(name+".weight", gguf.F16, rows, cols)
	for _, side := range []string{"input", "output"} {
		p.values(name+"."+side+"_min", -limit)
		p.values(name+"."+side+"_max", limit)
	}
}

func (v Vision) plan(p *plan, width int) {
	for _, k := range []struct {
		key   string
		value any
	}{
		{"projector_type", "gemma4v"}, {"projection_dim", uint32(width)}, {"image_size", uint32(224)}, {"patch_size", uint32(patch)},
		{"embedding_length", uint32(v.Hidden)}, {"feed_forward_length", uint32(v.FFN)}, {"block_count", uint32(v.Layers)},
		{"attention.head_count", uint32(v.Heads)}, {"attention.layer_norm_epsilon", float32(1e-6)},
		{"image_mean", make([]float32, 3)}, {"image_std", []float32{1, 1, 1}},
	} {
		p.put("clip.vision."+k.key, k.value)
	}
	p.put("clip.has_vision_encoder", true)
	p.matrix("v.patch_embd.weight", gguf.F16, v.Hidden, 3, patch, patch)
	p.add(tensorPlan{name: "v.position_embd.weight", typ: gguf.F32, shape: []int{2, v.Places, v.Hidden}, deviation: 1 / math.Sqrt(float64(v.Hidden))})
	p.matrix("mm.input_projection.weight", gguf.F16, width, v.Hidden)
	for i := range v.Layers {
		name := fmt.Sprintf("v.blk.%d.", i)
		for _, n := range []string{"ln1", "attn_post_norm", "ln2", "ffn_post_norm"} {
			p.norm(name+n+".weight", v.Hidden)
		}
		for _, n := range []string{"attn_q", "attn_k"} {
			p.norm(name+n+"_norm.weight", v.Hidden/v.Heads)
		}
		for _, n := range []string{"attn_q", "attn_k", "attn_v", "attn_out"} {
			p.linear(name+n, v.Hidden, v.Hidden)
		}
		p.linear(name+"ffn_gate", v.FFN, v.Hidden)
		p.linear(name+"ffn_up", v.FFN, v.Hidden)
		p.linear(name+"ffn_down", v.Hidden, v.FFN)
	}
}

func (a Audio) plan(p *plan, width int) {
	for _, k := range []struct {
		key   string
		value any
	}{
		{"projector_type", "gemma4a"}, {"projection_dim", uint32(width)}, {"num_mel_bins", uint32(melBands)},
		{"embedding_length", uint32(a.Hidden)}, {"feed_forward_length", uint32(a.FFN)}, {"block_count", uint32(a.Layers)},
		{"attention.head_count", uint32(a.Heads)}, {"attention.layer_norm_epsilon", float32(1e-6)},
	} {
		p.put("clip.audio."+k.key, k.value)
	}
	p.put("clip.has_audio_encoder", true)
	before := 1
	for i, channels := range a.Channels {
		name := fmt.Sprintf("a.conv1d.%d.", i)
		p.matrix(name+"weight", gguf.F32, channels, before, 3, 3)
		p.norm(name+"norm.weight", channels)
		before = channels
	}
	p.matrix("a.input_projection.weight", gguf.F32, a.Hidden, melBands/4*a.Channels[1]) // two strides of two
	p.matrix("a.pre_encode.out.weight", gguf.F16, a.Out, a.Hidden)
	p.values("a.pre_encode.out.bias", make([]float32, a.Out)...)
	p.matrix("mm.a.input_projection.weight", gguf.F16, width, a.Out)
	for i := range a.Layers {
		a.block(p, fmt.Sprintf("a.blk.%d.", i))
	}
}

// block plans one conformer block.
func (a Audio) block(p *plan, name string) {
	for _, n := range []string{
		"ffn_norm", "ffn_post_norm", "ffn_norm_1", "ffn_post_norm_1", "attn_pre_norm", "attn_post_norm", "norm_conv", "conv_norm", "ln2",
	} {
		p.norm(name+n+".weight", a.Hidden)
	}
	p.norm(name+"per_dim_scale.weight", a.Hidden/a.Heads)
	for _, n := range []string{"", "_1"} {
		p.linear(name+"ffn_up"+n, a.FFN, a.Hidden)
		p.linear(name+"ffn_down"+n, a.Hidden, a.FFN)
	}
	for _, n := range []string{"attn_q", "attn_k", "attn_v", "attn_out"} {
		p.linear(name+n, a.Hidden, a.Hidden)
	}
	p.matrix(name+"attn_k_rel.weight", gguf.F16, a.Hidden, a.Hidden)
	p.linear(name+"conv_pw1", 2*a.Hidden, a.Hidden)
	p.matrix(name+"conv_dw.weight", gguf.F32, a.Hidden, kernel)
	p.linear(name+"conv_pw2", a.Hidden, a.Hidden)
}
