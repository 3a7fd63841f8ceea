package kernels

// The functions here are cheap enough in Go: memory traffic, not arithmetic.

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
