package gemma4

import (
	"context"

	"sensed/kernels"
)

// hearing is a sound on its way through the audio tower. The sound may come in
// pieces of any size: what they become is bit for bit what it becomes in one
// piece. Between pieces there stay
//
//   - of the samples, those of the windows that are not full yet;
//   - of the frames before each convolution, the last one or two, which its
//     next output looks back at, and at most one that waits for another;
//   - of each layer, the keys and values of the last audioReach-1 frames and
//     what the light convolution looks back at.
//
// At its end a sound is followed by silence that only the convolutions see. A
// hearing belongs to the goroutine that holds the model.
type hearing struct {
	a       *audioTower
	samples int       // taken so far
	pcm     []float32 // the newest of them, from those on that frame mel.end() looks at
	mel     grid      // log-mel frames
	half    grid      // after the first convolution
	quarter grid      // after the second: one frame for each soft token
	past    []past    // by layer
	err     error     // why it cannot go on: a layer was left in the middle

	// The frames that go through the layers now.
	n    int
	x    []float32 // [n][hidden]
	norm []float32 // [n][hidden]
}

// past is what a layer keeps of the frames that it has seen, oldest first.
type past struct {
	k, v  []float32 // [at most audioReach-1][hidden]
	gated []float32 // [at most reach of the light convolution - 1][hidden]
}

// newest returns the last limit values of x, or all, in the memory of dst.
func newest(dst, x []float32, limit int) []float32 {
	return append(dst[:0], x[max(0, len(x)-limit):]...)
}

// hearingTokens is how many soft tokens are computed at once, 10 s. It bounds
// memory.
const hearingTokens = 256

// convStep is how many frames leave the convolutions at a time: what is between
// the two stays in a processor's cache.
const convStep = 16

// listen begins a sound.
func (a *audioTower) listen() *hearing {
	bands := a.mel.Bands()
	return &hearing{
		a:       a,
		mel:     grid{bands: bands, channels: 1},
		half:    grid{bands: halved(bands), channels: a.convs[0].out},
		quarter: grid{bands: halved(halved(bands)), channels: a.convs[1].out},
		past:    make([]past, len(a.layers)),
	}
}

// take adds the next samples of the sound.
func (h *hearing) take(pcm []float32) {
	h.samples += len(pcm)
	h.pcm = append(h.pcm, pcm...)
}

// ready is how many soft tokens can be computed of the samples taken, if the
// sound is at its end or if it goes on.
func (h *hearing) ready(end bool) int { return h.tokens(end) - h.quarter.end() }

// tokens is how many soft tokens the samples make.
func (h *hearing) tokens(end bool) int {
	frames := h.a.mel.Frames(h.samples)
	if end {
		return halved(halved(frames))
	}
	return frames / 4 // a convolution looks one frame ahead: an odd one waits
}

// encode computes the next soft tokens that are ready, [n][width], at most
// hearingTokens of them. With end no samples may follow. It returns ctx.Err()
// within a layer after ctx ends; the hearing is then of no more use.
func (h *hearing) encode(ctx context.Context, end bool) ([]float32, error) {
	if h.err != nil {
		return nil, h.err
	}
	if h.err = ctx.Err(); h.err != nil {
		return nil, h.err
	}
	if h.n = min(h.ready(end), hearingTokens); h.n == 0 {
		return nil, nil
	}
	h.subsample(h.quarter.end() + h.n)
	h.a.measureDistances()
	h.norm = grow(h.norm, h.n*h.a.hidden)
	for i := range h.a.layers {
		if h.err = ctx.Err(); h.err != nil {
			return nil, h.err
		}
		h.a.conform(i, h)
	}
	return h.project(), nil
}

// subsample turns samples into the frames of the conformer up to number end-1:
// h.x is [n][hidden].
func (h *hearing) subsample(end int) {
	a, frames := h.a, h.a.mel.Frames(h.samples)
	h.frame(min(4*end, frames))
	h.quarter.reserve(end)
	for next := h.quarter.end(); next < end; {
		next = min(next+convStep, end)
		half := min(2*next, halved(frames)) // less only at the end of the sound
		a.convs[0].apply(&a.arithmetic, &h.mel, &h.half, half)
		a.convs[1].apply(&a.arithmetic, &h.half, &h.quarter, next)
	}
	h.x = grow(h.x, h.n*a.hidden)
	a.pool.MatMul(h.quarter.values, h.n, kernels.Product{Out: h.x, W: a.embed})
	h.quarter.forget(end)
}

// frame computes log-mel frames up to number end-1 and forgets the samples
// that no later one looks at.
func (h *hearing) frame(end int) {
	first := h.mel.end()
	h.a.mel.frames(h.a.pool.Run, h.mel.extend(end), h.pcm, first)
	h.pcm = h.pcm[:copy(h.pcm, h.pcm[firstSample(end)-firstSample(first):])]
}

// project returns the last layer's output in the width of the text model.
func (h *hearing) project() []float32 {
	a := h.a
	a.work = grow(a.work, h.n*a.out.Rows)
	inside := a.work
	a.pool.MatMul(h.x, h.n, kernels.Product{Out: inside, W: a.out})
	a.rows(h.n, func(r int) {
		y := row(inside, r, a.out.Rows)
		kernels.Add(y, a.outBias)
		kernels.RMSNorm(y, y, nil, audioEps)
	})
	out := make([]float32, h.n*a.project.Rows)
	a.pool.MatMul(inside, h.n, kernels.Product{Out: out, W: a.project})
	return out
}
