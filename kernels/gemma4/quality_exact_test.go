package gemma4

import (
	"fmt"
	"math"
	"testing"

	"sensed/kernels/gguf"
	"sensed/kernels/ref"
)

// exact computes a decoder in float64, one matrix after the other, on the
// weights as the file encodes them. It shares nothing with the engine but the
// reader of the metadata.
type exact struct {
	tb testing.TB
	f  *gguf.File
	c  textConfig
}

// rows64 are vectors, one for each position.
type rows64 [][]float64

// tensor returns all numbers of a tensor.
func (e *exact) tensor(name string) []float32 {
	e.tb.Helper()
	t, err := e.f.Tensor(name)
	if err != nil {
		e.tb.Fatal(err)
	}
	out := make([]float32, t.Elements())
	ref.Dequantize(out, t.Type, t.Data)
	return out
}

// times multiplies a matrix with each row.
func (e *exact) times(name string, x rows64) rows64 {
	w, cols := e.tensor(name), len(x[0])
	out := make(rows64, len(x))
	for t, v := range x {
		out[t] = make([]float64, len(w)/cols)
		for r := range out[t] {
			var sum float64
			for c, a := range w[r*cols : (r+1)*cols] {
				sum += float64(a) * v[c]
			}
			out[t][r] = sum
		}
	}
	return out
}

// look returns a row of a table, scaled.
func look(table []float32, row, cols int, scale float64) []float64 {
	out := make([]float64, cols)
	for i, v := range table[row*cols : (row+1)*cols] {
		out[i] = float64(v) * scale
	}
	return out
}

// normal normalises pieces of n values of each row, with a weight of n unless
// name is "".
func (e *exact) normal(name string, x rows64, n int) rows64 {
	var w []float32
	if name != "" {
		w = e.tensor(name)
	}
	out := make(rows64, len(x))
	for t, v := range x {
		for at := 0; at < len(v); at += n {
			var squares float64
			for _, a := range v[at : at+n] {
				squares += a * a
			}
			scale := 1 / math.Sqrt(squares/float64(n)+float64(e.c.eps))
			for i, a := range v[at : at+n] {
				a *= scale
				if w != nil {
					a *= float64(w[i])
				}
				out[t] = append(out[t], a)
			}
		}
	}
	return out
}

// plus adds rows in place.
func (x rows64) plus(y rows64) {
	for t := range x {
		for i := range x[t] {
			x[t][i] += y[t][i]
		}
	}
}

// gated replaces each gate by gelu(gate) * y.
func (x rows64) gated(y rows64) rows64 {
	for t := range x {
		for i, v := range x[t] {
			x[t][i] = ref.Gelu(v) * y[t][i]
		}
	}
	return x
}

// rotate turns the heads of a layer by their positions.
func (e *exact) rotate(l layerConfig, x rows64) {
	var slow []float32
	if !l.sliding {
		slow = e.tensor("rope_freqs.weight")
	}
	half := l.ropeDim / 2
	for t := range x {
		for at := 0; at < len(x[t]); at += l.headDim {
			h := x[t][at:]
			for i := range half {
				angle := float64(t) * math.Pow(l.ropeBase, -float64(2*i)/float64(l.ropeDim))
				if slow != nil {
					angle /= float64(slow[i])
				}
				sin, cos := math.Sincos(angle)
				h[i], h[i+half] = h[i]*cos-h[i+half]*sin, h[i+half]*cos+h[i]*sin
			}
		}
	}
}

// attend is causal attention of a layer; keys and values are [T][kvHeads*dim].
func (e *exact) attend(l layerConfig, q, k, v rows64) rows64 {
	out := make(rows64, len(q))
	for t := range q {
		out[t] = make([]float64, len(q[t]))
		from := 0
		if l.sliding {
			from = max(0, t-e.c.window+1)
		}
		for h := range e.c.heads {
			at, kv := h*l.headDim, h/(e.c.heads/l.kvHeads)*l.headDim
			weights := make([]float64, t+1-from)
			for j := range weights {
				for i := range l.headDim {
					weights[j] += q[t][at+i] * k[from+j][kv+i]
				}
			}
			ref.Softmax(weights)
			for j, p := range weights {
				for i := range l.headDim {
					out[t][at+i] += p * v[from+j][kv+i]
				}
			}
		}
	}
	return out
}

// exactLogits returns the logits at each of the ids, [T][vocab].
func exactLogits(tb testing.TB, f *gguf.File, ids []int) []float64 {
	tb.Helper()
	c, err := readTextConfig(f)
	if err != nil {
		tb.Fatal(err)
	}
	e := &exact{tb, f, c}
	x := make(rows64, len(ids))
	embed := e.tensor("token_embd.weight")
	for t, id := range ids {
		x[t] = look(embed, id, c.hidden, math.Sqrt(float64(c.hidden)))
	}
	per := e.perLayer(ids, x)
	keys, values := map[int]rows64{}, map[int]rows64{}
	for i, l := range c.shapes {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", i, s) }
		in := e.normal(name("attn_norm"), x, c.hidden)
		q := e.normal(name("attn_q_norm"), e.times(name("attn_q"), in), l.headDim)
		e.rotate(l, q)
		if i < c.own {
			keys[i] = e.normal(name("attn_k_norm"), e.times(name("attn_k"), in), l.headDim)
			e.rotate(l, keys[i])
			values[i] = e.normal("", e.times(name("attn_v"), in), l.headDim)
		}
		o := e.times(name("attn_output"), e.attend(l, q, keys[l.source], values[l.source]))
		x.plus(e.normal(name("post_attention_norm"), o, c.hidden))

		in = e.normal(name("ffn_norm"), x, c.hidden)
		ffn := e.times(name("ffn_gate"), in).gated(e.times(name("ffn_up"), in))
		x.plus(e.normal(name("post_ffw_norm"), e.times(name("ffn_down"), ffn), c.hidden))

		mine := make(rows64, len(ids))
		for t := range mine {
			mine[t] = per[t][i*c.perLayer : (i+1)*c.perLayer]
		}
		g := e.times(name("proj"), e.times(name("inp_gate"), x).gated(mine))
		x.plus(e.normal(name("post_norm"), g, c.hidden))
		scale := float64(e.tensor(name("layer_output_scale"))[0])
		for t := range x {
			for j := range x[t] {
				x[t][j] *= scale
			}
		}
	}
	var out []float64
	for _, row := range e.times("token_embd.weight", e.normal("output_norm.weight", x, c.hidden)) {
		for _, v := range row {
			out = append(out, float64(c.softcap)*math.Tanh(v/float64(c.softcap)))
		}
	}
	return out
}

// perLayer returns the per-layer embeddings, [T][layers*perLayer].
func (e *exact) perLayer(ids []int, x rows64) rows64 {
	width := len(e.c.shapes) * e.c.perLayer
	proj := e.times("per_layer_model_proj.weight", x)
	for _, row := range proj {
		for i := range row {
			row[i] /= math.Sqrt(float64(e.c.hidden))
		}
	}
	out := e.normal("per_layer_proj_norm.weight", proj, e.c.perLayer)
	table := e.tensor("per_layer_token_embd.weight")
	for t, id := range ids {
		for i, v := range look(table, id, width, math.Sqrt(float64(e.c.perLayer))) {
			out[t][i] = (out[t][i] + v) / math.Sqrt2
		}
	}
	return out
}
