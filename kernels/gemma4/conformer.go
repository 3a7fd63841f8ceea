package gemma4

import (
	"math"

	"sensed/kernels"
)

// audioLayer are the tensors of one conformer block.
type audioLayer struct {
	before, after feedForward

	attnNorm, postAttn []float32       // [hidden]
	q, k, v, out       linear          // hidden wide
	distance           *kernels.Matrix // [hidden][hidden]
	queryScale         []float32       // [dim]

	convNorm, convInner []float32 // [hidden], before and inside the light convolution
	convIn, convOut     linear    // to twice hidden, and back from hidden
	taps                []float32 // [reach][hidden], the newest frame last

	norm []float32 // [hidden]
}

// feedForward is half of the feed-forward part of a conformer block.
type feedForward struct {
	norm, post []float32 // [hidden]
	up, down   linear    // ffn wide inside
}

// audioLayer reads the tensors of one block. The file's names for the two norms
// of the light convolution are the wrong way round.
func (l *tensors) audioLayer(p string, a *audioTower) audioLayer {
	half := func(suffix string) feedForward {
		return feedForward{
			norm: l.vector(p+"ffn_norm"+suffix+".weight", a.hidden),
			up:   l.linear(p+"ffn_up"+suffix, a.ffn, a.hidden),
			down: l.linear(p+"ffn_down"+suffix, a.hidden, a.ffn),
			post: l.vector(p+"ffn_post_norm"+suffix+".weight", a.hidden),
		}
	}
	y := audioLayer{
		before:     half(""),
		attnNorm:   l.vector(p+"attn_pre_norm.weight", a.hidden),
		q:          l.linear(p+"attn_q", a.hidden, a.hidden),
		k:          l.linear(p+"attn_k", a.hidden, a.hidden),
		v:          l.linear(p+"attn_v", a.hidden, a.hidden),
		queryScale: l.vector(p+"per_dim_scale.weight", a.dim),
		distance:   l.matrix(p+"attn_k_rel.weight", a.hidden, a.hidden),
		out:        l.linear(p+"attn_out", a.hidden, a.hidden),
		postAttn:   l.vector(p+"attn_post_norm.weight", a.hidden),
		convNorm:   l.vector(p+"conv_norm.weight", a.hidden),
		convIn:     l.linear(p+"conv_pw1", 2*a.hidden, a.hidden),
		taps:       l.taps(p+"conv_dw.weight", a.hidden),
		convInner:  l.vector(p+"norm_conv.weight", a.hidden),
		convOut:    l.linear(p+"conv_pw2", a.hidden, a.hidden),
		after:      half("_1"),
		norm:       l.vector(p+"ln2.weight", a.hidden),
	}
	// The softplus of the learned scale is in the file already.
	for i := range y.queryScale {
		y.queryScale[i] *= float32(1 / math.Sqrt(float64(a.dim)) / math.Ln2)
	}
	return y
}

// taps reads the weights of a depthwise convolution, [channels][reach], and
// returns them as [reach][channels].
func (l *tensors) taps(name string, channels int) []float32 {
	t, err := l.f.Tensor(name)
	if err == nil {
		err = t.Is(channels, t.Cols())
	}
	if err != nil {
		l.note(err)
		return nil
	}
	w, err := t.Floats()
	if err != nil {
		l.note(err)
		return nil
	}
	reach := t.Cols()
	out := make([]float32, len(w))
	for c := range channels {
		for k := range reach {
			out[k*channels+c] = w[c*reach+k]
		}
	}
	return out
}

// conform runs layer i over the frames in h.x.
func (a *audioTower) conform(i int, h *hearing) {
	l, past := &a.layers[i], &h.past[i]
	a.feedForward(&l.before, h)
	a.attend(l, past, a.distances[i], h)
	a.convolve(l, past, h)
	a.feedForward(&l.after, h)
	a.rows(h.n, func(r int) {
		x := row(h.x, r, a.hidden)
		clip(x)
		kernels.RMSNorm(x, x, l.norm, audioEps)
	})
}

func clip(x []float32) { kernels.Clamp(x, -audioClip, audioClip) }

// feedForward adds half of a feed-forward part to x, tile by tile.
func (a *audioTower) feedForward(f *feedForward, h *hearing) {
	a.work = grow(a.work, min(h.n, tileRows)*a.ffn)
	inner := a.work
	for first := 0; first < h.n; first += tileRows {
		n := min(tileRows, h.n-first)
		norm, x := h.norm[first*a.hidden:(first+n)*a.hidden], h.x[first*a.hidden:(first+n)*a.hidden]
		a.normClipped(norm, x, n, f.norm)
		a.apply(norm, n, use{inner, f.up})
		a.rows(n, func(r int) {
			y := row(inner, r, a.ffn)
			kernels.Silu(y, y)
		})
		a.apply(inner, n, use{norm, f.down})
		a.normClipped(norm, norm, n, f.post)
		a.rows(n, func(r int) { kernels.AddScaled(row(x, r, a.hidden), row(norm, r, a.hidden), audioResidual) })
	}
}

// normClipped sets out to the normalised rows of x, clipped before.
func (a *audioTower) normClipped(out, x []float32, n int, weight []float32) {
	a.rows(n, func(r int) {
		y := row(out, r, a.hidden)
		copy(y, row(x, r, a.hidden))
		clip(y)
		kernels.RMSNorm(y, y, weight, audioEps)
	})
}

// attend adds the attention part: a frame sees itself and the audioReach-1
// frames before it, of which those heard earlier are in the past. distances are
// the keys of how long ago, [audioReach][hidden].
//
// The reference computes this in chunks with a relative shift; what is left
// after its mask is this window.
func (a *audioTower) attend(l *audioLayer, past *past, distances []float32, h *hearing) {
	size, before := h.n*a.hidden, len(past.k)
	a.work = grow(a.work, 4*size+2*before)
	q, out := a.work[:size], a.work[size:2*size]
	k, v := a.work[2*size:3*size+before], a.work[3*size+before:]
	copy(k, past.k)
	copy(v, past.v)
	a.normClipped(h.norm, h.x, h.n, l.attnNorm)
	a.apply(h.norm, h.n, use{q, l.q}, use{k[before:], l.k}, use{v[before:], l.v})
	keyScale := float32(math.Log(1+math.E) / math.Ln2)
	a.rows(h.n, func(r int) {
		kernels.Scale(row(k[before:], r, a.hidden), keyScale)
		for i, x := range row(q, r, a.hidden) {
			q[r*a.hidden+i] = x * l.queryScale[i%a.dim]
		}
	})
	a.rows(h.n, func(r int) {
		for head := range a.heads {
			a.look(row(out, r, a.hidden), row(q, r, a.hidden), k, v, distances, before/a.hidden+r, head)
		}
	})
	past.k, past.v = newest(past.k, k, (audioReach-1)*a.hidden), newest(past.v, v, (audioReach-1)*a.hidden)
	a.apply(out, h.n, use{h.norm, l.out})
	a.normClipped(h.norm, h.norm, h.n, l.postAttn)
	a.rows(h.n, func(r int) { kernels.Add(row(h.x, r, a.hidden), row(h.norm, r, a.hidden)) })
}

// look computes one head of the attention of a frame, which is row frame of the
// keys k and values v: out and q are [hidden].
func (a *audioTower) look(out, q, k, v, distances []float32, frame, head int) {
	of := func(x []float32, r int) []float32 { return x[r*a.hidden+head*a.dim:][:a.dim] }
	var weights [audioReach]float32
	first := max(0, frame-audioReach+1)
	w := weights[:frame-first+1]
	query := of(q, 0)
	for i := range w {
		w[i] = kernels.Dot(query, of(k, first+i)) + kernels.Dot(query, of(distances, frame-first-i))
	}
	kernels.Softcap(w, audioCap)
	kernels.Softmax(w)
	y := of(out, 0)
	clear(y)
	for i, p := range w {
		kernels.AddScaled(y, of(v, first+i), p)
	}
}

// convolve adds the light convolution: each channel looks back a few frames, of
// which those heard earlier are in the past.
func (a *audioTower) convolve(l *audioLayer, past *past, h *hearing) {
	size, before := h.n*a.hidden, len(past.gated)
	a.work = grow(a.work, 3*size+before)
	wide, gated := a.work[:2*size], a.work[2*size:]
	copy(gated, past.gated)
	a.rows(h.n, func(r int) {
		kernels.RMSNorm(row(h.norm, r, a.hidden), row(h.x, r, a.hidden), l.convNorm, audioEps)
	})
	a.apply(h.norm, h.n, use{wide, l.convIn})
	a.rows(h.n, func(r int) {
		w := row(wide, r, 2*a.hidden)
		kernels.GLU(row(gated[before:], r, a.hidden), w[:a.hidden], w[a.hidden:])
	})
	inner := wide[:size]
	a.rows(h.n, func(r int) {
		y := row(inner, r, a.hidden)
		a.lookBack(y, gated, l.taps, before/a.hidden+r)
		clip(y)
		kernels.RMSNorm(y, y, l.convInner, audioEps)
		kernels.Silu(y, y)
	})
	past.gated = newest(past.gated, gated, len(l.taps)-a.hidden)
	a.apply(inner, h.n, use{h.norm, l.convOut})
	a.rows(h.n, func(r int) { kernels.Add(row(h.x, r, a.hidden), row(h.norm, r, a.hidden)) })
}

// lookBack sums the frames up to the given one, weighted by taps.
func (a *audioTower) lookBack(out, x, taps []float32, frame int) {
	clear(out)
	reach := len(taps) / a.hidden
	for k := range reach {
		from := frame - reach + 1 + k
		if from < 0 {
			continue
		}
		w, v := row(taps, k, a.hidden), row(x, from, a.hidden)
		for c := range out {
			out[c] += w[c] * v[c]
		}
	}
}
