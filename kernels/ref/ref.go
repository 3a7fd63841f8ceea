package ref

import "math"

// Dot returns the inner product of two vectors of one length.
func Dot(a, b []float32) float64 {
	var sum float64
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

// RMSNorm computes out = x / sqrt(mean(x^2) + eps) * w; a nil w is all ones
// (Zhang and Sennrich, https://arxiv.org/abs/1910.07467). out may be x.
func RMSNorm(out, x, w []float32, eps float64) {
	scale := 1 / math.Sqrt(Dot(x, x)/float64(len(x))+eps)
	for i, v := range x {
		y := float64(v) * scale
		if w != nil {
			y *= float64(w[i])
		}
		out[i] = float32(y)
	}
}

// Gelu is the tanh approximation of the Gaussian error linear unit
// (Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415).
func Gelu(x float64) float64 {
	return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

// Sigmoid is 1 / (1 + e^-x).
func Sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Rope rotates the pairs (x[i], x[i+n]) for n = len(cos) by the angles whose
// cosine and sine are given (Su et al., https://arxiv.org/abs/2104.09864, in
// the half-split pairing).
func Rope(x, cos, sin []float32) {
	n := len(cos)
	for i := range n {
		a, b := float64(x[i]), float64(x[i+n])
		c, s := float64(cos[i]), float64(sin[i])
		x[i], x[i+n] = float32(a*c-b*s), float32(b*c+a*s)
	}
}

// Softmax replaces x by e^x / sum(e^x).
func Softmax(x []float64) {
	top := math.Inf(-1)
	for _, v := range x {
		top = math.Max(top, v)
	}
	var sum float64
	for i, v := range x {
		x[i] = math.Exp(v - top)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

// Attention computes softmax(scale * q K^T) V for one query over the given
// keys: q and out hold dim values, key j and value j start at j*stride.
func Attention(out, q, k, v []float32, keys, stride int, scale float64) {
	weights := make([]float64, keys)
	dim := len(q)
	for j := range weights {
		weights[j] = scale * Dot(q, k[j*stride:j*stride+dim])
	}
	Softmax(weights)
	sums := make([]float64, dim)
	for j, p := range weights {
		for d, x := range v[j*stride : j*stride+dim] {
			sums[d] += p * float64(x)
		}
	}
	for d, s := range sums {
		out[d] = float32(s)
	}
}
