//go:build !cgo

package kernels

import (
	"math"

	"sensed/kernels/ref"
)

// scratch is empty: the portable kernels keep nothing between calls.
type scratch struct{}

func (p *Pool) prepare() {}

// Kernels names the instruction set in use.
func Kernels() string { return "float64 reference (built without cgo)" }

func (p *Pool) matMul(x []float32, t int, products []Product) {
	work := spans(nil, products, func(q Product) int { return q.W.Rows }, math.MaxInt, 1) // tile by tile
	p.Run(len(work), func(i int) {
		q := products[work[i].product]
		row := make([]float32, q.W.Cols)
		for r := work[i].first * tileRows; r < min(work[i].last*tileRows, q.W.Rows); r++ {
			q.W.Row(row, r)
			for j := range t {
				q.Out[j*q.W.Rows+r] = float32(ref.Dot(row, x[j*q.W.Cols:(j+1)*q.W.Cols]))
			}
		}
	})
}

func (p *Pool) matMulRows(out, x []float32, w *Matrix, pick []int32) {
	p.Run(len(pick), func(i int) {
		row := make([]float32, w.Cols)
		w.Row(row, int(pick[i]))
		out[i] = float32(ref.Dot(row, x))
	})
}

func (p *Pool) attention(a *Attention) {
	stride, group := a.KVHeads*a.Dim, a.Heads/a.KVHeads
	keys, values := a.inOrder(a.K, a.HalfK), a.inOrder(a.V, a.HalfV)
	p.Run(a.T*a.Heads, func(i int) {
		t, head := i/a.Heads, i%a.Heads
		from, to := a.visible(t)
		at := from*stride + head/group*a.Dim
		ref.Attention(a.Out[i*a.Dim:(i+1)*a.Dim], a.Q[i*a.Dim:(i+1)*a.Dim], keys[at:], values[at:], to-from, stride, float64(a.Scale))
	})
}

// inOrder returns keys or values as floats in the order of positions.
func (a *Attention) inOrder(full []float32, half []uint16) []float32 {
	if half == nil && a.Pages == nil {
		return full
	}
	row := a.KVHeads * a.Dim
	out := make([]float32, a.Keys*row)
	for j := range a.Keys {
		at := j
		if a.Pages != nil {
			at = int(a.Pages[j/Page])*Page + j%Page
		}
		for d := range row {
			if half == nil {
				out[j*row+d] = full[at*row+d]
			} else {
				out[j*row+d] = ref.HalfToFloat(half[at*row+d])
			}
		}
	}
	return out
}

// RMSNorm computes out = x / sqrt(mean(x^2) + eps) * w; a nil w is all ones. out may be x.
func RMSNorm(out, x, w []float32, eps float32) { ref.RMSNorm(out, x, w, float64(eps)) }

// GeluMul computes out = gelu_tanh(gate) * up. out may be either.
func GeluMul(out, gate, up []float32) {
	for i, g := range gate {
		out[i] = float32(ref.Gelu(float64(g)) * float64(up[i]))
	}
}

// Silu computes out = x * sigmoid(x). out may be x.
func Silu(out, x []float32) {
	for i, v := range x {
		out[i] = float32(float64(v) * ref.Sigmoid(float64(v)))
	}
}

// GLU computes out = a * sigmoid(b). out may be either.
func GLU(out, a, b []float32) {
	for i, v := range a {
		out[i] = float32(float64(v) * ref.Sigmoid(float64(b[i])))
	}
}

// Softcap replaces x by limit * tanh(x / limit).
func Softcap(x []float32, limit float32) {
	for i, v := range x {
		x[i] = float32(float64(limit) * math.Tanh(float64(v)/float64(limit)))
	}
}

// Rope rotates the pairs (x[i], x[i+len(cos)]) by the given angles.
func Rope(x, cos, sin []float32) { ref.Rope(x, cos, sin) }

// Dot returns the inner product of a and b.
func Dot(a, b []float32) float32 { return float32(ref.Dot(a, b)) }

// Narrow converts x to IEEE 754 binary16, rounded to the nearest.
func Narrow(out []uint16, x []float32) {
	for i, v := range x {
		out[i] = ref.FloatToHalf(v)
	}
}

// Softmax replaces x by e^x / sum(e^x).
func Softmax(x []float32) {
	wide := make([]float64, len(x))
	for i, v := range x {
		wide[i] = float64(v)
	}
	ref.Softmax(wide)
	for i, v := range wide {
		x[i] = float32(v)
	}
}

// Add computes out += x.
func Add(out, x []float32) {
	x = x[:len(out)]
	for i := range out {
		out[i] += x[i]
	}
}

// AddScaled computes out += s * x.
func AddScaled(out, x []float32, s float32) {
	x = x[:len(out)]
	for i := range out {
		out[i] += s * x[i]
	}
}

// AddMul computes out += a * b, value by value.
func AddMul(out, a, b []float32) {
	a, b = a[:len(out)], b[:len(out)]
	for i := range out {
		out[i] += a[i] * b[i]
	}
}

// Mul computes out *= x, value by value.
func Mul(out, x []float32) {
	x = x[:len(out)]
	for i := range out {
		out[i] *= x[i]
	}
}

// NormReLU brings x to mean 0 and variance 1, multiplies it with w and cuts it
// off below zero: x = max(0, (x - mean) / sqrt(variance + eps) * w).
func NormReLU(x, w []float32, eps float32) { ref.NormReLU(x, w, float64(eps)) }

// AttendRecent is the attention of one frame of sound to the few up to itself:
// out and q are [heads][dim], k and v [count][heads][dim] with the frame's own
// last, and distances [count or more][heads][dim] are the keys of 0, 1, 2 ...
// frames ago. A logit is limit * tanh(q . (k + distance) / limit). It panics when
// the shapes do not fit or the frames are more than 64.
func AttendRecent(out, q, k, v, distances []float32, heads int, limit float32) {
	recentFrames(out, q, k, v, distances, heads)
	ref.AttendRecent(out, q, k, v, distances, heads, float64(limit))
}

// Scale computes x *= s.
func Scale(x []float32, s float32) {
	for i := range x {
		x[i] *= s
	}
}

// Clamp limits x to [lo, hi].
func Clamp(x []float32, lo, hi float32) {
	for i, v := range x {
		x[i] = max(lo, min(hi, v))
	}
}

// Plain Go works on the encoded rows.
func (p *Pool) packedTileBytes(*Matrix) int { return 0 }

func (p *Pool) packFormat() string { return "" }

func (p *Pool) packTile([]byte, *Matrix, int, int) {}

// Sets names what there is to choose from.
func Sets() []string { return []string{Kernels()} }
