package bench

import (
	"fmt"
	"strings"

	"sensed/kernels/gguf"
)

// Shape is the form of a model: everything that decides how much work it is.
type Shape struct {
	Name string

	Vocabulary int
	Hidden     int    // width of the residual stream
	Heads      int    // query heads
	KVHeads    int    // heads of keys and values
	HeadDim    int    // of layers that see everything
	LocalDim   int    // head dimension of sliding layers
	Period     int    // every Period-th layer sees everything
	Layers     int    // of the text decoder
	Shared     int    // the last layers, which share keys and values
	FFN        int    // width of the feed-forward part
	SharedFFN  int    // the same in the layers that share
	PerLayer   int    // width of the per-layer embeddings
	Window     int    // positions that a sliding layer sees
	Context    int    // positions that the model knows
	Vision     Vision // the eyes
	Audio      Audio  // the ears
}

// Vision is the form of a vision tower with patches of 16 by 16 pixels.
type Vision struct{ Hidden, Layers, Heads, FFN, Places int }

// Audio is the form of an audio tower: Out is the width before the projection,
// Channels are those of the two convolutions.
type Audio struct {
	Hidden, Layers, Heads, FFN, Out int
	Channels                        [2]int
}

// Gemma 4's towers are the same in both sizes.
var (
	gemmaVision = Vision{Hidden: 768, Layers: 16, Heads: 12, FFN: 3072, Places: 10240}
	gemmaAudio  = Audio{Hidden: 1024, Layers: 12, Heads: 8, FFN: 4096, Out: 1536, Channels: [2]int{128, 32}}
)

// E2B returns the shape of Gemma 4 E2B.
func E2B() Shape {
	return Shape{
		Name: "e2b", Vocabulary: 262144, Hidden: 1536, Heads: 8, KVHeads: 1, HeadDim: 512, LocalDim: 256, Period: 5,
		Layers: 35, Shared: 20, FFN: 6144, SharedFFN: 12288, PerLayer: 256, Window: 512, Context: 131072,
		Vision: gemmaVision, Audio: gemmaAudio,
	}
}

// E4B returns the shape of Gemma 4 E4B.
func E4B() Shape {
	return Shape{
		Name: "e4b", Vocabulary: 262144, Hidden: 2560, Heads: 8, KVHeads: 2, HeadDim: 512, LocalDim: 256, Period: 6,
		Layers: 42, Shared: 18, FFN: 10240, SharedFFN: 10240, PerLayer: 256, Window: 512, Context: 131072,
		Vision: gemmaVision, Audio: gemmaAudio,
	}
}

// sketch is a shape of a few megabytes with the traits of the real ones, for
// tests of the program itself. Its figures say nothing.
func sketch() Shape {
	return Shape{
		Name: "sketch", Vocabulary: 1024, Hidden: 256, Heads: 2, KVHeads: 1, HeadDim: 256, LocalDim: 128, Period: 2,
		Layers: 4, Shared: 2, FFN: 256, SharedFFN: 512, PerLayer: 256, Window: 64, Context: 4096,
		Vision: Vision{Hidden: 64, Layers: 1, Heads: 2, FFN: 64, Places: 256},
		Audio:  Audio{Hidden: 64, Layers: 1, Heads: 2, FFN: 64, Out: 96, Channels: [2]int{8, 4}},
	}
}

// ShapeNames lists the shapes that [ShapeOf] knows, for the help.
func ShapeNames() []string { return []string{"e2b", "e4b"} }

// ShapeOf returns the shape of that name.
func ShapeOf(name string) (Shape, error) {
	for _, s := range []Shape{E2B(), E4B(), sketch()} {
		if s.Name == name {
			return s, nil
		}
	}
	return Shape{}, fmt.Errorf("there is no shape %q; choose %s", name, strings.Join(ShapeNames(), " or "))
}

// slides says whether layer i sees a window only.
func (s Shape) slides(i int) bool { return (i+1)%s.Period != 0 }

// own is the number of layers that have keys and values of their own.
func (s Shape) own() int { return s.Layers - s.Shared }

// Mix is a usual choice of encodings for the tensors of a text model.
type Mix struct {
	Name     string
	file     uint32    // general.file_type
	base     gguf.Type // of matrices
	embed    gguf.Type // of the token embeddings, which are the head too
	perLayer gguf.Type // of the per-layer embeddings
	better   gguf.Type // of some of attn_v and ffn_down
}

// MixNames lists the mixes that [MixOf] knows, for the help.
func MixNames() []string { return []string{"q4_0", "q4_k_m", "q8_0"} }

// MixOf returns the mix of that name.
func MixOf(name string) (Mix, error) {
	for _, m := range []Mix{
		{"q4_0", 2, gguf.Q4_0, gguf.Q6_K, gguf.Q6_K, gguf.Q4_0},
		{"q4_k_m", 15, gguf.Q4_K, gguf.Q6_K, gguf.Q5_K, gguf.Q6_K},
		{"q8_0", 7, gguf.Q8_0, gguf.Q8_0, gguf.Q8_0, gguf.Q8_0},
	} {
		if m.Name == name {
			return m, nil
		}
	}
	return Mix{}, fmt.Errorf("there is no type %q; choose %s", name, strings.Join(MixNames(), ", "))
}

// important says whether layer i of n is one of those whose attn_v and ffn_down
// the usual mixes keep at a better encoding: the first and last eighth and
// every third between.
func important(i, n int) bool { return i < n/8 || i >= 7*n/8 || (i-n/8)%3 == 2 }
