package gemma4

import (
	"math"

	"sensed/kernels"
)

// angles are the cosines and sines by which positions are rotated, [T][pairs].
type angles struct {
	pairs    int
	cos, sin []float32
}

// rotate computes the rotations of the positions first..first+t-1.
func (d *decoder) rotate(first, t int) {
	d.full.set(d.pool, d.fullFreq, first, t)
	d.local.set(d.pool, d.localFreq, first, t)
}

// set computes the angles of t positions. They are rounded to float32 as in
// the reference; their cosines are exact.
func (a *angles) set(pool *kernels.Pool, freq []float32, first, t int) {
	a.pairs = len(freq)
	a.cos, a.sin = grow(a.cos, t*a.pairs), grow(a.sin, t*a.pairs)
	pool.Run(t, func(r int) {
		for i, f := range freq {
			s, c := math.Sincos(float64(float32(first+r) * f))
			a.sin[r*a.pairs+i], a.cos[r*a.pairs+i] = float32(s), float32(c)
		}
	})
}

// turn normalises each head of x with the weights w and rotates it.
func turn(x, w, cos, sin []float32, eps float32) {
	for h := range len(x) / len(w) {
		head := row(x, h, len(w))
		kernels.RMSNorm(head, head, w, eps)
		kernels.Rope(head, cos, sin)
	}
}
