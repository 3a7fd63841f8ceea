package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sensed/kernels/ref"
)

func TestNarrow(t *testing.T) {
	cases := []float32{0, 1, -1, 65504, 65519, 65520, 1e9, 1e-8, 6e-8, 3.1e-8, -2e-5, 6.1e-5, 1.0 / (1 << 14), 1 + 1.0/2048, 1 + 3.0/2048, float32(math.Inf(-1))}
	r := rand.New(rand.NewPCG(seed, 6))
	for range 2000 {
		cases = append(cases, float32(r.NormFloat64()*math.Pow(2, float64(r.IntN(45)-27))))
	}
	for _, set := range rowSets() {
		out := make([]uint16, len(cases))
		set.narrow(out, cases)
		for i, f := range cases {
			if want := ref.FloatToHalf(f); out[i] != want {
				t.Errorf("%s: %g is %#04x, want %#04x", set.name, f, out[i], want)
			}
			if f == ref.HalfToFloat(out[i]) {
				continue
			}
			below, above := ref.HalfToFloat(out[i]-1), ref.HalfToFloat(out[i]+1)
			if d := math.Abs(float64(f - ref.HalfToFloat(out[i]))); out[i]&0x7fff != 0 && out[i]&0x7fff < 0x7c00 &&
				(d > math.Abs(float64(f-below)) || d > math.Abs(float64(f-above))) {
				t.Errorf("%s: %g is not nearest to %g", set.name, f, ref.HalfToFloat(out[i]))
			}
		}
	}
}

func TestRowFunctions(t *testing.T) {
	for _, set := range rowSets() {
		for _, n := range []int{1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257} {
			t.Run(fmt.Sprint(set.name, " ", n), func(t *testing.T) { checkRows(t, set, n) })
		}
	}
}

func checkRows(t *testing.T, set rowSet, n int) {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	x, y, w := random(r, n+1)[1:], random(r, n), random(r, n)
	Scale(x, 4)
	out := make([]float32, n)
	each := func(name string, tolerance float64, want func(i int) float64) {
		t.Helper()
		for i, v := range out {
			if e := math.Abs(float64(v) - want(i)); !(e <= tolerance*(1+math.Abs(want(i)))) {
				t.Fatalf("%s of %g: element %d is %g, want %g", name, x[i], i, v, want(i))
			}
		}
	}
	f := func(x []float32, i int) float64 { return float64(x[i]) }
	scale := 1 / math.Sqrt(ref.Dot(x, x)/float64(n)+1e-6)
	set.rmsNorm(out, x, w, 1e-6)
	each("rmsnorm", 1e-6, func(i int) float64 { return f(x, i) * scale * f(w, i) })
	set.rmsNorm(out, x, nil, 1e-6)
	each("rmsnorm without weight", 1e-6, func(i int) float64 { return f(x, i) * scale })
	set.geluMul(out, x, y)
	each("gelu*up", 2e-6, func(i int) float64 { return ref.Gelu(f(x, i)) * f(y, i) })
	set.silu(out, x)
	each("silu", 1e-6, func(i int) float64 { return f(x, i) * ref.Sigmoid(f(x, i)) })
	set.glu(out, x, y)
	each("glu", 1e-6, func(i int) float64 { return f(x, i) * ref.Sigmoid(f(y, i)) })
	copy(out, x)
	set.softcap(out, 3)
	each("softcap", 1e-6, func(i int) float64 { return 3 * math.Tanh(f(x, i)/3) })
	copy(out, x)
	set.softmax(out)
	wide := make([]float64, n)
	for i, v := range x {
		wide[i] = float64(v)
	}
	ref.Softmax(wide)
	each("softmax", 1e-6, func(i int) float64 { return wide[i] })
	if got, want := float64(set.dot(x, y)), ref.Dot(x, y); math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
		t.Fatalf("dot is %g, want %g", got, want)
	}
	half := n / 2
	cos, sin := random(r, half), random(r, half)
	copy(out, x)
	set.rope(out[:2*half], cos, sin)
	rotated := slices.Clone(x)
	ref.Rope(rotated[:2*half], cos, sin)
	each("rope", 1e-6, func(i int) float64 { return f(rotated, i) })
	copy(out, x)
	set.add(out, y)
	each("add", 1e-6, func(i int) float64 { return f(x, i) + f(y, i) })
	copy(out, x)
	set.addScaled(out, y, 0.5)
	each("add scaled", 1e-6, func(i int) float64 { return f(x, i) + f(y, i)/2 })
	copy(out, x)
	set.addMul(out, y, w)
	each("add mul", 1e-6, func(i int) float64 { return f(x, i) + f(y, i)*f(w, i) })
	copy(out, x)
	set.mul(out, y)
	each("mul", 1e-6, func(i int) float64 { return f(x, i) * f(y, i) })
	// A large mean must not drown the differences.
	shifted := slices.Clone(x)
	for i := range shifted {
		shifted[i] += 1000
	}
	copy(out, shifted)
	set.normReLU(out, w, 1e-3)
	ref.NormReLU(shifted, w, 1e-3)
	each("norm relu", 2e-4, func(i int) float64 { return f(shifted, i) })
	copy(out, x)
	set.scale(out, 3)
	each("scale", 1e-6, func(i int) float64 { return f(x, i) * 3 })
	copy(out, x)
	set.clamp(out, -1, 2)
	each("clamp", 0, func(i int) float64 { return max(-1, min(2, f(x, i))) })
}

func TestAttendRecent(t *testing.T) {
	for _, set := range rowSets() {
		t.Run(set.name, func(t *testing.T) {
			for _, c := range []struct{ heads, dim, count int }{{1, 1, 1}, {8, 128, 12}, {4, 32, 12}, {3, 19, 5}, {2, 40, 64}} {
				r := rand.New(rand.NewPCG(7, uint64(c.count)))
				width := c.heads * c.dim
				q, k, v, distances := random(r, width), random(r, c.count*width), random(r, c.count*width), random(r, (c.count+2)*width)
				out, want := make([]float32, width), make([]float32, width)
				set.attendRecent(out, q, k, v, distances, c.heads, 5)
				ref.AttendRecent(want, q, k, v, distances, c.heads, 5)
				for i := range out {
					if e := math.Abs(float64(out[i] - want[i])); !(e <= 3e-6) {
						t.Fatalf("%+v: value %d is %g, want %g", c, i, out[i], want[i])
					}
				}
			}
		})
	}
}

func TestAttendRecentRefuses(t *testing.T) {
	x := make([]float32, 65*4)
	for name, call := range map[string]func(){
		"too many frames": func() { AttendRecent(x[:4], x[:4], x, x, x, 2, 1) },
		"half a frame":    func() { AttendRecent(x[:4], x[:4], x[:6], x[:6], x, 2, 1) },
		"few values":      func() { AttendRecent(x[:4], x[:4], x[:8], x[:4], x, 2, 1) },
		"few distances":   func() { AttendRecent(x[:4], x[:4], x[:8], x[:8], x[:4], 2, 1) },
		"odd heads":       func() { AttendRecent(x[:4], x[:4], x[:8], x[:8], x, 3, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

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
