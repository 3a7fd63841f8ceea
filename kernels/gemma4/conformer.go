package gemma4

import (
	"math"
	"slices"

	"sensed/kernels"
)

// audioLayer are the tensors of one conformer block.
type audioLayer struct {
	before, after feedForward

	attnNorm, postAttn []float32       // [hidden]
	q, k, v, out       linear          // hidden wide
	distance           *kernels.Matrix // [hidden][hidden]
	queryScale         []float32       // [hidden], the same for each head

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
	y.queryScale = slices.Repeat(y.queryScale, a.heads)
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
		a.rows(n, func(r int) { normClipped(row(norm, r, a.hidden), row(x, r, a.hidden), f.norm) })
		a.apply(norm, n, func(r int) {
			y := row(inner, r, a.ffn)
			kernels.Silu(y, y)
		}, use{inner, f.up})
		a.apply(inner, n, func(r int) {
			y := row(norm, r, a.hidden)
			normClipped(y, y, f.post)
			kernels.AddScaled(row(x, r, a.hidden), y, audioResidual)
		}, use{norm, f.down})
	}
}

// normClipped sets out to x, clipped and then normalised. out may be x.
func normClipped(out, x, weight []float32) {
	copy(out, x)
	clip(out)
	kernels.RMSNorm(out, out, weight, audioEps)
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
	a.rows(h.n, func(r int) { normClipped(row(h.norm, r, a.hidden), row(h.x, r, a.hidden), l.attnNorm) })
	keyScale := float32(math.Log(1+math.E) / math.Ln2)
	a.apply(h.norm, h.n, func(r int) {
		kernels.Scale(row(k[before:], r, a.hidden), keyScale)
		kernels.Mul(row(q, r, a.hidden), l.queryScale)
	}, use{q, l.q}, use{k[before:], l.k}, use{v[before:], l.v})
	a.rows(h.n, func(r int) {
		end := before + (r+1)*a.hidden
		first := max(0, end-audioReach*a.hidden)
		kernels.AttendRecent(row(out, r, a.hidden), row(q, r, a.hidden), k[first:end], v[first:end], distances, a.heads, audioCap)
	})
	past.k, past.v = newest(past.k, k, (audioReach-1)*a.hidden), newest(past.v, v, (audioReach-1)*a.hidden)
	a.apply(out, h.n, func(r int) {
		y := row(h.norm, r, a.hidden)
		normClipped(y, y, l.postAttn)
		kernels.Add(row(h.x, r, a.hidden), y)
	}, use{h.norm, l.out})
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
	a.apply(h.norm, h.n, func(r int) {
		w := row(wide, r, 2*a.hidden)
		kernels.GLU(row(gated[before:], r, a.hidden), w[:a.hidden], w[a.hidden:])
	}, use{wide, l.convIn})
	inner := wide[:size]
	a.rows(h.n, func(r int) {
		y := row(inner, r, a.hidden)
		a.lookBack(y, gated, l.taps, before/a.hidden+r)
		clip(y)
		kernels.RMSNorm(y, y, l.convInner, audioEps)
		kernels.Silu(y, y)
	})
	past.gated = newest(past.gated, gated, len(l.taps)-a.hidden)
	a.apply(inner, h.n, func(r int) { kernels.Add(row(h.x, r, a.hidden), row(h.norm, r, a.hidden)) }, use{h.norm, l.convOut})
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
		kernels.AddMul(out, row(taps, k, a.hidden), row(x, from, a.hidden))
	}
}
