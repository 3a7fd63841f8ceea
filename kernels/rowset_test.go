package kernels

// rowSet is one implementation of the row functions.
type rowSet struct {
	name         string
	rmsNorm      func(out, x, w []float32, eps float32)
	geluMul, glu func(out, a, b []float32)
	add          func(out, x []float32)
	addScaled    func(out, x []float32, s float32)
	addMul       func(out, a, b []float32)
	mul          func(out, x []float32)
	normReLU     func(x, w []float32, eps float32)
	attendRecent func(out, q, k, v, distances []float32, heads int, limit float32)
	scale        func(x []float32, s float32)
	clamp        func(x []float32, lo, hi float32)
	silu         func(out, x []float32)
	softcap      func(x []float32, limit float32)
	rope         func(x, cos, sin []float32)
	narrow       func(out []uint16, x []float32)
	softmax      func(x []float32)
	dot          func(a, b []float32) float32
}
