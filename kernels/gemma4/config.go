package gemma4

import (
	"fmt"

	"sensed/kernels/gguf"
)

// architecture is the value of general.architecture of a text model, and the
// prefix of its keys.
const architecture = "gemma4"

// textConfig is the shape of a text decoder as the metadata of its file tells.
type textConfig struct {
	hidden   int // width of the residual stream
	heads    int // query heads in every layer
	perLayer int // width of the per-layer embeddings, 0: there are none
	own      int // layers with keys and values of their own; the rest shares them
	window   int // positions that a sliding layer sees, its own included
	context  int // positions that the model was trained for
	eps      float32
	softcap  float32 // limit of the logits, 0: none
	shapes   []layerConfig
}

// layerConfig is the shape of one decoder layer.
type layerConfig struct {
	sliding  bool
	headDim  int
	kvHeads  int
	ffn      int
	ropeDim  int // leading part of a head that rotates
	ropeBase float64
	// source is the layer whose keys and values this one attends to: itself, or
	// for a sharing layer the last layer of its kind that has its own.
	source int
}

// readTextConfig reads the shape and checks that its numbers fit each other.
func readTextConfig(f *gguf.File) (textConfig, error) {
	arch, err := f.String("general.architecture")
	if err != nil {
		return textConfig{}, err
	}
	if arch != architecture {
		return textConfig{}, fmt.Errorf("%s: the architecture is %q and should be %q: this is not a Gemma 4 text model", f.Name(), arch, architecture)
	}
	k := keys{f: f, arch: architecture}
	c := textConfig{
		hidden:   k.positive("embedding_length"),
		heads:    k.positive("attention.head_count"),
		perLayer: k.natural("embedding_length_per_layer_input", 0),
		window:   k.positive("attention.sliding_window"),
		context:  k.positive("context_length"),
		eps:      float32(k.number("attention.layer_norm_rms_epsilon")),
		softcap:  float32(k.numberOr("final_logit_softcapping", 0)),
	}
	n := k.positive("block_count")
	k.check(k.natural("expert_count", 0) == 0, "expert_count", "models with experts are not supported, only the small ones (E2B, E4B)")
	shared := k.natural("attention.shared_kv_layers", 0)
	k.check(n <= maxLayers, "block_count", "%d layers are more than %d", n, maxLayers)
	k.check(shared < n, "attention.shared_kv_layers", "%d of %d layers cannot share", shared, n)
	k.check(c.eps > 0, "attention.layer_norm_rms_epsilon", "%g is not positive", c.eps)
	k.check(c.softcap >= 0, "final_logit_softcapping", "%g is negative", c.softcap)
	if k.err != nil {
		return textConfig{}, k.err
	}
	c.own = n - shared
	c.shapes = readLayerConfigs(&k, c.heads, n)
	c.share(&k)
	return c, k.err
}

// maxLayers bounds what a damaged file can make us allocate.
const maxLayers = 1024

// readLayerConfigs reads what differs between the n layers, nil after an error.
func readLayerConfigs(k *keys, heads, n int) []layerConfig {
	sliding := k.slidingPattern(n)
	kvHeads := k.each("attention.head_count_kv", n)
	ffn := k.each("feed_forward_length", n)
	full := layerConfig{headDim: k.positive("attention.key_length"), ropeBase: k.number("rope.freq_base")}
	local := layerConfig{
		headDim:  k.positiveOr("attention.key_length_swa", full.headDim),
		ropeBase: k.numberOr("rope.freq_base_swa", full.ropeBase),
	}
	full.ropeDim = k.positiveOr("rope.dimension_count", full.headDim)
	local.ropeDim = k.positiveOr("rope.dimension_count_swa", local.headDim)
	for _, v := range []struct {
		key string
		dim int
	}{{"attention.value_length", full.headDim}, {"attention.value_length_swa", local.headDim}} {
		got := k.positiveOr(v.key, v.dim)
		k.check(got == v.dim, v.key, "values of %d beside keys of %d are not supported", got, v.dim)
	}
	k.check(full.ropeDim%2 == 0 && full.ropeDim <= full.headDim, "rope.dimension_count", "%d does not fit heads of %d", full.ropeDim, full.headDim)
	k.check(local.ropeDim%2 == 0 && local.ropeDim <= local.headDim, "rope.dimension_count_swa", "%d does not fit heads of %d", local.ropeDim, local.headDim)
	k.check(full.ropeBase > 0, "rope.freq_base", "%g is not positive", full.ropeBase)
	k.check(local.ropeBase > 0, "rope.freq_base_swa", "%g is not positive", local.ropeBase)
	if k.err != nil {
		return nil
	}

	layers := make([]layerConfig, n)
	for i := range layers {
		l := full
		if sliding[i] {
			l = local
		}
		l.sliding, l.kvHeads, l.ffn, l.source = sliding[i], kvHeads[i], ffn[i], i
		k.check(heads%l.kvHeads == 0, "attention.head_count_kv", "%d query heads cannot share %d key heads (layer %d)", heads, l.kvHeads, i)
		layers[i] = l
	}
	return layers
}

// share finds the layer that each of the last ones shares keys and values with.
func (c *textConfig) share(k *keys) {
	for i := c.own; i < len(c.shapes) && k.err == nil; i++ {
		l := &c.shapes[i]
		s := c.source(l.sliding)
		k.check(s >= 0, "attention.shared_kv_layers", "layer %d has no earlier layer of its kind to share with", i)
		if s >= 0 {
			k.check(c.shapes[s].kvHeads == l.kvHeads, "attention.head_count_kv", "layer %d has %d key heads and shares those of layer %d, which has %d", i, l.kvHeads, s, c.shapes[s].kvHeads)
			l.source = s
		}
	}
}

// source returns the last layer of a kind that has its own keys and values, -1
// if there is none.
func (c *textConfig) source(sliding bool) int {
	for i := c.own - 1; i >= 0; i-- {
		if c.shapes[i].sliding == sliding {
			return i
		}
	}
	return -1
}

// keys reads metadata below an architecture's prefix and keeps the first
// error, so that a list of fields reads as a list.
type keys struct {
	f    *gguf.File
	arch string // the prefix
	err  error
}

// name returns a key as it stands in the file.
func (k *keys) name(key string) string { return k.arch + "." + key }

// check notes an error about a key unless ok.
func (k *keys) check(ok bool, key, format string, args ...any) {
	if !ok && k.err == nil {
		k.err = fmt.Errorf("%s: key %q: %s", k.f.Name(), k.name(key), fmt.Sprintf(format, args...))
	}
}

func (k *keys) note(err error) {
	if k.err == nil {
		k.err = err
	}
}

// maxSize bounds every width and count, so that products of three fit an int.
const maxSize = 1 << 20

func (k *keys) positive(key string) int {
	n, err := k.f.Int(k.name(key))
	k.note(err)
	k.check(n > 0 && n <= maxSize, key, "%d is out of range", n)
	return n
}

func (k *keys) positiveOr(key string, missing int) int {
	if !k.f.Has(k.name(key)) {
		return missing
	}
	return k.positive(key)
}

func (k *keys) natural(key string, missing int) int {
	n, err := k.f.IntOr(k.name(key), missing)
	k.note(err)
	k.check(n >= 0 && n <= maxSize, key, "%d is out of range", n)
	return n
}

func (k *keys) number(key string) float64 {
	x, err := k.f.Float(k.name(key))
	k.note(err)
	return x
}

func (k *keys) numberOr(key string, missing float64) float64 {
	x, err := k.f.FloatOr(k.name(key), missing)
	k.note(err)
	return x
}

// each reads a positive number for each of n layers, or one for all.
func (k *keys) each(key string, n int) []int {
	out, err := k.f.IntEach(k.name(key), n)
	k.note(err)
	for i, v := range out {
		k.check(v > 0 && v <= maxSize, key, "%d is out of range (layer %d)", v, i)
	}
	return out
}

// slidingPattern says which of n layers slide: an array of truth values, or
// one number p, where every p-th layer sees everything.
func (k *keys) slidingPattern(n int) []bool {
	const key = "attention.sliding_window_pattern"
	if p, err := k.f.Int(k.name(key)); err == nil {
		k.check(p > 0, key, "%d is not positive", p)
		out := make([]bool, n)
		for i := range out {
			out[i] = p > 0 && (i+1)%p != 0
		}
		return out
	}
	out, err := k.f.Bools(k.name(key))
	k.note(err)
	k.check(err != nil || len(out) == n, key, "has %d entries and should have %d", len(out), n)
	return out
}
