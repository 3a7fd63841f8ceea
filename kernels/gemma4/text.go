package gemma4

import (
	"context"
	"math"
	"slices"

	"sensed/kernels"
)

// decoder is the text decoder of Gemma 4 with its scratch memory. It runs one
// batch of positions at a time and is not safe for concurrent use.
//
// The layers fall into two parts, because only the first `own` ones write keys
// and values (the others read those of an earlier layer). A position whose
// logits nobody reads runs through the trunk: all layers before the last own
// one in full, and of that one the keys and values. The remaining layers and
// the head are the finish, for positions whose logits are wanted. This is
// exact.
//
// Shapes: T positions; D hidden; H heads of C values, K of them for keys and
// values; F feed-forward width; P width of the per-layer embedding; L layers;
// V vocabulary. All buffers are reused from call to call.
type decoder struct {
	textConfig
	*textWeights
	pool *kernels.Pool
	read int // positions that ran through the trunk so far

	pad     int   // token whose per-layer embedding stands under soft tokens
	holders []int // tokens that hold the place of soft tokens; by themselves they are read as pad

	ids  []int       // [T] token of each position
	in   []float32   // [T][D] scaled input embeddings
	soft [][]float32 // [T] soft tokens, nil where there is a text token
	per  []float32   // [T][L][P] per-layer inputs
	proj []float32   // [T][layers][P] projected input embeddings

	x    []float32 // [T][D] the residual stream
	norm []float32 // [T][D] normalised input of a matrix product
	q    []float32 // [T][H][C]
	k, v []float32 // [T][K][C] on their way into the cache
	att  []float32 // [T][H][C]
	o    []float32 // [T][D] what a part of a layer adds to x
	gate []float32 // [T][F]
	up   []float32 // [T][F]
	g    []float32 // [T][P]

	full, local angles // rotations of the batch, for the two kinds of layers
	products    []kernels.Product
}

// grow returns b with n values, which are undefined.
func grow(b []float32, n int) []float32 {
	if cap(b) < n {
		return make([]float32, n)
	}
	return b[:n]
}

// row returns row r of a matrix of rows of n values.
func row(b []float32, r, n int) []float32 { return b[r*n : (r+1)*n : (r+1)*n] }

// embedInput takes the next t positions from in: scaled token embeddings, or
// soft tokens as they are, into d.in; and the tokens' per-layer embeddings into
// d.per. After an error the positions are lost.
func (d *decoder) embedInput(in *input, t int) error {
	if cap(d.ids) < t {
		d.ids, d.soft = make([]int, t), make([][]float32, t)
	}
	d.ids, d.soft = d.ids[:t], d.soft[:t]
	for r := range t {
		d.ids[r], d.soft[r] = in.next(d.hidden)
		if d.soft[r] != nil || slices.Contains(d.holders, d.ids[r]) {
			d.ids[r] = d.pad
		}
	}
	d.in = grow(d.in, t*d.hidden)
	err := d.embed.read(d.pool, d.ids[:t], func(r int) []float32 {
		x := row(d.in, r, d.hidden)
		if d.soft[r] != nil {
			copy(x, d.soft[r])
			return nil
		}
		return x
	})
	clear(d.soft)
	if err != nil {
		return err
	}
	return d.embedLayers(t)
}

// embedLayers reads the per-layer embeddings of the tokens d.ids into d.per
// and scales them.
func (d *decoder) embedLayers(t int) error {
	if d.perLayer == 0 {
		return nil
	}
	n := len(d.layers) * d.perLayer
	d.per = grow(d.per, t*n)
	return d.layerEmbed.read(d.pool, d.ids[:t], func(r int) []float32 { return row(d.per, r, n) })
}

// mixLayers completes the per-layer inputs of the layers from..to-1, with the
// rows w of the projection that belong to them:
//
//	per = (RMSNorm(w in / sqrt(D)) + per) / sqrt(2)
func (d *decoder) mixLayers(w *kernels.Matrix, t, from, to int) {
	if d.perLayer == 0 || from == to {
		return
	}
	n := (to - from) * d.perLayer
	d.proj = grow(d.proj, t*n)
	d.pool.MatMul(d.in, t, d.product(d.proj, w)...)
	scale := float32(1 / math.Sqrt(float64(d.hidden)))
	d.pool.Run(t, func(r int) {
		proj := row(d.proj, r, n)
		kernels.Scale(proj, scale)
		per := row(d.per, r, len(d.layers)*d.perLayer)[from*d.perLayer : to*d.perLayer]
		for i := range to - from {
			p := row(proj, i, d.perLayer)
			kernels.RMSNorm(p, p, d.projNorm, d.eps)
		}
		kernels.Add(per, proj)
		kernels.Scale(per, math.Sqrt2/2)
	})
}

// runTrunk runs the positions first..first+t-1, whose embeddings lie in d.in,
// through the trunk: it fills the cache for all of them and leaves d.x before
// the last layer that has keys and values. It returns ctx.Err() within a layer
// after ctx ends; the positions are then lost.
func (d *decoder) runTrunk(ctx context.Context, c *cache, first, t int) error {
	trunk := d.trunk()
	d.read += t
	d.mixLayers(d.projTrunk, t, 0, trunk)
	d.rotate(first, t)
	d.x = grow(d.x, t*d.hidden)
	copy(d.x, d.in)
	for i := range trunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.project(c, i, first, t, true, true)
		d.attend(c, i, first, t)
		d.feedForward(i, t)
		d.addLayerEmbedding(i, t)
	}
	d.project(c, trunk, first, t, false, true)
	return nil
}

// finish runs the positions first..first+t-1, which have just left the trunk,
// through the other layers and the head and writes their logits, [t][V]. It
// returns ctx.Err() within a layer after ctx ends.
func (d *decoder) finish(ctx context.Context, c *cache, first, t int, logits []float32) error {
	if err := d.tail(ctx, c, first, t); err != nil {
		return err
	}
	d.predict(t, logits)
	return nil
}

// tail is finish without the head: it leaves the normalised outputs of the
// positions, from which the head tells logits, in d.norm, [t][D].
func (d *decoder) tail(ctx context.Context, c *cache, first, t int) error {
	trunk := d.trunk()
	d.mixLayers(d.projTail, t, trunk, len(d.layers))
	for i := trunk; i < len(d.layers); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.project(c, i, first, t, true, false)
		d.attend(c, i, first, t)
		d.feedForward(i, t)
		d.addLayerEmbedding(i, t)
	}
	d.pool.Run(t, func(r int) {
		kernels.RMSNorm(row(d.norm, r, d.hidden), row(d.x, r, d.hidden), d.outNorm, d.eps)
	})
	c.states.keep(first, d.hidden, d.norm[:t*d.hidden])
	return nil
}

// skip drops the first n of t positions that have just left the trunk, so that
// only the others, from position first on, go through the tail.
func (d *decoder) skip(n, first, t int) {
	if n == 0 {
		return
	}
	per := len(d.layers) * d.perLayer
	d.ids = d.ids[:copy(d.ids, d.ids[n:t])]
	copy(d.in, d.in[n*d.hidden:t*d.hidden])
	copy(d.x, d.x[n*d.hidden:t*d.hidden])
	if per > 0 {
		copy(d.per, d.per[n*per:t*per])
	}
	d.rotate(first, t-n)
}

// keep copies what finish needs of row r to p.
func (d *decoder) keep(p *position, r int) {
	p.known, p.id = true, d.ids[r]
	copy(p.in, row(d.in, r, d.hidden))
	copy(p.x, row(d.x, r, d.hidden))
}

// finishLast is finish for the last position of the cache alone, which was
// kept in p: logits is [V].
func (d *decoder) finishLast(ctx context.Context, c *cache, p *position, logits []float32) error {
	if err := d.tailLast(ctx, c, p); err != nil {
		return err
	}
	d.predict(1, logits)
	return nil
}

// tailLast is finishLast without the head.
func (d *decoder) tailLast(ctx context.Context, c *cache, p *position) error {
	d.ids = append(d.ids[:0], p.id)
	d.in = append(d.in[:0], p.in...)
	d.x = append(d.x[:0], p.x...)
	if err := d.embedLayers(1); err != nil {
		return err
	}
	d.rotate(c.n-1, 1)
	return d.tail(ctx, c, c.n-1, 1)
}

// product returns the argument list of a matrix product with one result.
func (d *decoder) product(out []float32, w *kernels.Matrix) []kernels.Product {
	d.products = append(d.products[:0], kernels.Product{Out: out, W: w})
	return d.products
}

// project computes the queries of layer i into d.q, its keys and values into
// the cache, or both: normalise x, multiply, normalise each head, rotate
// queries and keys.
func (d *decoder) project(c *cache, i, first, t int, queries, keys bool) {
	l := &d.layers[i]
	d.norm = grow(d.norm, t*d.hidden)
	d.pool.Run(t, func(r int) {
		kernels.RMSNorm(row(d.norm, r, d.hidden), row(d.x, r, d.hidden), l.attnNorm, d.eps)
	})

	width := d.heads * l.headDim
	kv := l.kvHeads * l.headDim
	d.products = d.products[:0]
	if queries {
		d.q = grow(d.q, t*width)
		d.products = append(d.products, kernels.Product{Out: d.q, W: l.q})
	}
	if keys {
		d.k, d.v = grow(d.k, t*kv), grow(d.v, t*kv)
		d.products = append(d.products, kernels.Product{Out: d.k, W: l.k}, kernels.Product{Out: d.v, W: l.v})
	}
	d.pool.MatMul(d.norm, t, d.products...)

	a := &d.full
	if l.sliding {
		a = &d.local
	}
	d.pool.Run(t, func(r int) {
		cos, sin := row(a.cos, r, a.pairs), row(a.sin, r, a.pairs)
		if queries {
			turn(row(d.q, r, width), l.qNorm, cos, sin, d.eps)
		}
		if keys {
			k, v := row(d.k, r, kv), row(d.v, r, kv)
			turn(k, l.kNorm, cos, sin, d.eps)
			for h := range l.kvHeads {
				head := row(v, h, l.headDim)
				kernels.RMSNorm(head, head, nil, d.eps)
			}
			c.put(i, first+r, k, v)
		}
	})
}

// attend adds the attention of layer i to x: each query d.q looks at the keys
// up to its own position, of its own layer or of the one it shares with.
func (d *decoder) attend(c *cache, i, first, t int) {
	l := &d.layers[i]
	width := d.heads * l.headDim
	d.att = grow(d.att, t*width)
	a := kernels.Attention{
		Out: d.att, Q: d.q, T: t, Keys: first + t, Heads: d.heads, KVHeads: l.kvHeads, Dim: l.headDim,
		Causal: true, First: first, Scale: 1,
	}
	if l.sliding {
		a.Window = d.window
	}
	d.pool.Attention(c.keys(l.source, a))

	d.o = grow(d.o, t*d.hidden)
	d.pool.MatMul(d.att, t, d.product(d.o, l.out)...)
	d.pool.Run(t, func(r int) {
		x, o := row(d.x, r, d.hidden), row(d.o, r, d.hidden)
		kernels.RMSNorm(o, o, l.postAttn, d.eps)
		kernels.Add(x, o)
		kernels.RMSNorm(row(d.norm, r, d.hidden), x, l.ffnNorm, d.eps)
	})
}

// feedForward adds down(gelu(gate(n)) * up(n)), normalised, to x. n is d.norm,
// as attend left it.
func (d *decoder) feedForward(i, t int) {
	l := &d.layers[i]
	d.gate, d.up = grow(d.gate, t*l.ffn), grow(d.up, t*l.ffn)
	d.products = append(d.products[:0], kernels.Product{Out: d.gate, W: l.gate}, kernels.Product{Out: d.up, W: l.up})
	d.pool.MatMul(d.norm, t, d.products...)
	d.chunks(t*l.ffn, func(from, to int) {
		kernels.GeluMul(d.gate[from:to], d.gate[from:to], d.up[from:to])
	})
	d.pool.MatMul(d.gate, t, d.product(d.o, l.down)...)
	d.pool.Run(t, func(r int) {
		o := row(d.o, r, d.hidden)
		kernels.RMSNorm(o, o, l.postFFN, d.eps)
		kernels.Add(row(d.x, r, d.hidden), o)
	})
}

// addLayerEmbedding ends layer i: it adds proj(gelu(gate(x)) * per), normalised,
// to x, and scales x.
func (d *decoder) addLayerEmbedding(i, t int) {
	l := &d.layers[i]
	if d.perLayer == 0 {
		kernels.Scale(d.x[:t*d.hidden], l.scale)
		return
	}
	d.g = grow(d.g, t*d.perLayer)
	d.pool.MatMul(d.x, t, d.product(d.g, l.perGate)...)
	d.pool.Run(t, func(r int) {
		g := row(d.g, r, d.perLayer)
		kernels.GeluMul(g, g, row(row(d.per, r, len(d.layers)*d.perLayer), i, d.perLayer))
	})
	d.pool.MatMul(d.g, t, d.product(d.o, l.perProj)...)
	d.pool.Run(t, func(r int) {
		x, o := row(d.x, r, d.hidden), row(d.o, r, d.hidden)
		kernels.RMSNorm(o, o, l.perNorm, d.eps)
		kernels.Add(x, o)
		kernels.Scale(x, l.scale)
	})
}

// predict computes the logits, [t][V], of the normalised outputs in d.norm.
func (d *decoder) predict(t int, logits []float32) { d.logits(d.norm, t, logits) }

// logits computes the logits, [t][V], of normalised outputs, [t][D].
func (d *decoder) logits(outputs []float32, t int, logits []float32) {
	d.pool.MatMul(outputs, t, d.product(logits, d.head)...)
	d.soften(logits[:t*d.vocab])
}

// rowLogits computes some of the logits of one output, [D], bit for bit those
// of all.
func (d *decoder) rowLogits(output []float32, rows []int, logits []float32) {
	d.pool.MatMulRows(logits, output, d.head, rows)
	d.soften(logits[:len(rows)])
}

// soften limits logits softly.
func (d *decoder) soften(logits []float32) {
	if d.softcap > 0 {
		d.chunks(len(logits), func(from, to int) { kernels.Softcap(logits[from:to], d.softcap) })
	}
}

// chunks spreads an elementwise pass over n values.
func (d *decoder) chunks(n int, body func(from, to int)) {
	const size = 2048
	d.pool.Run((n+size-1)/size, func(i int) { body(i*size, min(n, (i+1)*size)) })
}
