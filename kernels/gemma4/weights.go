package gemma4

import (
	"fmt"
	"math"

	"sensed/kernels"
	"sensed/kernels/gguf"
)

// textWeights are the tensors of a text decoder. Matrices stay in the mapped
// file in their encoding; vectors are small and kept as float32.
type textWeights struct {
	vocab int
	embed *table          // [vocab][hidden]
	head  *kernels.Matrix // [vocab][hidden], the matrix of embed unless the file has its own

	// Per-layer embeddings, nil without them. The projection is cut in two:
	// the rows for the layers that every position runs through, and the rows
	// for those that only positions with logits do.
	layerEmbed *table          // [vocab][layers*perLayer]
	projTrunk  *kernels.Matrix // [trunk*perLayer][hidden], nil when trunk is 0
	projTail   *kernels.Matrix // [(layers-trunk)*perLayer][hidden]
	projNorm   []float32       // [perLayer]

	outNorm []float32 // [hidden]
	layers  []textLayer

	multiplied []*kernels.Matrix // every matrix that activations are multiplied with

	// The angle that each pair of a head turns per position, [ropeDim/2], in
	// layers that see everything and in sliding ones; empty if there are none.
	fullFreq, localFreq []float32
}

// textLayer are the tensors of one decoder layer. Widths that depend on the
// layer: dim is its head dim, ffn the width of its feed-forward part.
type textLayer struct {
	layerConfig

	attnNorm     []float32       // [hidden]
	q            *kernels.Matrix // [heads*dim][hidden]
	k, v         *kernels.Matrix // [kvHeads*dim][hidden], nil in a sharing layer
	qNorm, kNorm []float32       // [dim]
	out          *kernels.Matrix // [hidden][heads*dim]
	postAttn     []float32       // [hidden]

	ffnNorm  []float32       // [hidden]
	gate, up *kernels.Matrix // [ffn][hidden]
	down     *kernels.Matrix // [hidden][ffn]
	postFFN  []float32       // [hidden]

	perGate *kernels.Matrix // [perLayer][hidden]
	perProj *kernels.Matrix // [hidden][perLayer]
	perNorm []float32       // [hidden]

	scale float32
}

// trunk is the number of layers that every position must run through in full.
// Of the next one, the last with its own keys and values, a position whose
// logits nobody reads needs only these; of the others nothing.
func (c *textConfig) trunk() int { return c.own - 1 }

// readTextWeights finds every tensor and checks its shape against the config
// and the size of the vocabulary.
func readTextWeights(f *gguf.File, c *textConfig, vocab int) (*textWeights, error) {
	l := &tensors{f: f}
	w := &textWeights{vocab: vocab}
	w.embed = l.table("token_embd.weight", w.vocab, c.hidden, c.hidden)
	w.outNorm = l.vector("output_norm.weight", c.hidden)
	if l.err != nil {
		return nil, l.err
	}
	w.head = w.embed.rows
	if f.HasTensor("output.weight") {
		w.head = l.matrix("output.weight", w.vocab, c.hidden)
	}
	l.multiplies(w.head)
	if c.perLayer > 0 {
		all, trunk := len(c.shapes)*c.perLayer, c.trunk()*c.perLayer
		w.layerEmbed = l.table("per_layer_token_embd.weight", w.vocab, all, c.perLayer)
		if trunk > 0 {
			w.projTrunk = l.rows("per_layer_model_proj.weight", all, c.hidden, 0, trunk)
		}
		w.projTail = l.rows("per_layer_model_proj.weight", all, c.hidden, trunk, all)
		l.multiplies(w.projTrunk, w.projTail)
		w.projNorm = l.vector("per_layer_proj_norm.weight", c.perLayer)
	}
	l.stack(w, c)
	if l.err != nil {
		return nil, l.err
	}
	w.multiplied = l.multiplied
	return w, nil
}

// stack reads the layers and how their heads turn.
func (l *tensors) stack(w *textWeights, c *textConfig) {
	for i := range c.shapes {
		y := l.layer(i, c)
		w.layers = append(w.layers, y)
		l.multiplies(y.q, y.k, y.v, y.out, y.gate, y.up, y.down, y.perGate, y.perProj)
		switch {
		case y.sliding:
			w.localFreq = frequencies(y.ropeBase, y.ropeDim)
		case w.fullFreq == nil:
			w.fullFreq = l.slowed(frequencies(y.ropeBase, y.ropeDim))
		}
	}
}

// layer reads the tensors of layer i.
func (l *tensors) layer(i int, c *textConfig) textLayer {
	y := textLayer{layerConfig: c.shapes[i], scale: 1}
	p := fmt.Sprintf("blk.%d.", i)
	queries, keys := c.heads*y.headDim, y.kvHeads*y.headDim

	y.attnNorm = l.vector(p+"attn_norm.weight", c.hidden)
	y.q = l.matrix(p+"attn_q.weight", queries, c.hidden)
	y.qNorm = l.vector(p+"attn_q_norm.weight", y.headDim)
	if i < c.own {
		y.k = l.matrix(p+"attn_k.weight", keys, c.hidden)
		y.v = l.matrix(p+"attn_v.weight", keys, c.hidden)
		y.kNorm = l.vector(p+"attn_k_norm.weight", y.headDim)
	}
	y.out = l.matrix(p+"attn_output.weight", c.hidden, queries)
	y.postAttn = l.vector(p+"post_attention_norm.weight", c.hidden)

	y.ffnNorm = l.vector(p+"ffn_norm.weight", c.hidden)
	y.gate = l.matrix(p+"ffn_gate.weight", y.ffn, c.hidden)
	y.up = l.matrix(p+"ffn_up.weight", y.ffn, c.hidden)
	y.down = l.matrix(p+"ffn_down.weight", c.hidden, y.ffn)
	y.postFFN = l.vector(p+"post_ffw_norm.weight", c.hidden)

	if c.perLayer > 0 {
		y.perGate = l.matrix(p+"inp_gate.weight", c.perLayer, c.hidden)
		y.perProj = l.matrix(p+"proj.weight", c.hidden, c.perLayer)
		y.perNorm = l.vector(p+"post_norm.weight", c.hidden)
	}
	if l.f.HasTensor(p + "layer_output_scale.weight") {
		if s := l.vector(p+"layer_output_scale.weight", 1); s != nil {
			y.scale = s[0]
		}
	}
	return y
}

// frequencies returns base^(-2i/dim) for each pair i. The reference computes
// them in float32, and so do we.
func frequencies(base float64, dim int) []float32 {
	out := make([]float32, dim/2)
	for i := range out {
		out[i] = float32(1 / math.Pow(base, float64(2*i)/float64(dim)))
	}
	return out
}

// slowed divides each frequency by its factor in the file, which as good as
// stops three quarters of the pairs.
func (l *tensors) slowed(freq []float32) []float32 {
	const name = "rope_freqs.weight"
	for i, factor := range l.vector(name, len(freq)) {
		if !(factor > 0) {
			l.note(fmt.Errorf("%s: tensor %q: value %d is %g and should be positive", l.f.Name(), name, i, factor))
			break
		}
		freq[i] /= factor
	}
	return freq
}

// tensors finds tensors in a file and keeps the first error, so that a list of
// them reads as a list. After an error it returns nil.
type tensors struct {
	f   *gguf.File
	err error
	// round lets the large linears of an encoder be rounded on the way.
	round bool
	// multiplied are the matrices that are used for more than their rows.
	multiplied []*kernels.Matrix
}

// multiplies notes matrices that activations are multiplied with; nil ones are
// not there.
func (l *tensors) multiplies(ms ...*kernels.Matrix) {
	for _, m := range ms {
		if m != nil {
			l.multiplied = append(l.multiplied, m)
		}
	}
}

func (l *tensors) note(err error) {
	if l.err == nil {
		l.err = err
	}
}

// vector returns a copy of a tensor of n numbers.
func (l *tensors) vector(name string, n int) []float32 {
	if l.err != nil {
		return nil
	}
	t, err := l.f.Tensor(name)
	if err == nil {
		err = t.Is(n)
	}
	var out []float32
	if err == nil {
		out, err = t.Floats()
	}
	l.note(err)
	return out
}

// matrix returns a tensor of rows by cols, in place.
func (l *tensors) matrix(name string, rows, cols int) *kernels.Matrix {
	return l.rows(name, rows, cols, 0, rows)
}

// rows returns the rows from..to-1 of a tensor of rows by cols, in place.
func (l *tensors) rows(name string, rows, cols, from, to int) *kernels.Matrix {
	if l.err != nil {
		return nil
	}
	t, err := l.f.Tensor(name)
	if err == nil {
		err = t.Is(rows, cols)
	}
	if err != nil {
		l.note(err)
		return nil
	}
	size := len(t.Data) / rows
	m, err := kernels.NewMatrix(t.Type, to-from, cols, t.Data[from*size:to*size])
	if err != nil {
		l.note(fmt.Errorf("%s: tensor %q: %w", l.f.Name(), name, err))
	}
	return m
}
