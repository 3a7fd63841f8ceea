package kernels

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sensed/kernels/gguf"
	"sensed/kernels/ref"
)

// seed is fixed and printed by failures through the shapes, so that a failure
// can be repeated.
const seed = 20261124

var encodings = []gguf.Type{
	gguf.F32, gguf.F16, gguf.BF16, gguf.Q4_0, gguf.Q4_1, gguf.Q5_0, gguf.Q5_1, gguf.Q8_0,
	gguf.Q2_K, gguf.Q3_K, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K, gguf.IQ4NL, gguf.IQ4XS,
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// randomRows encodes rows of random blocks whose scales are ordinary numbers.
// The slice starts at an odd address and ends where the rows end.
func randomRows(r *rand.Rand, t gguf.Type, rows, cols int) []byte {
	elements, size := t.Block()
	data := make([]byte, 1+rows*cols/elements*size)[1:]
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	half := func() uint16 { return uint16(0x2000 + r.IntN(0x1000)) } // 2^-7 .. 2^-3
	for at := 0; at < len(data); at += size {
		b := data[at : at+size]
		switch t {
		case gguf.F32:
			binary.LittleEndian.PutUint32(b, math.Float32bits(float32(r.NormFloat64())))
		case gguf.F16:
			binary.LittleEndian.PutUint16(b, half()|uint16(r.IntN(2))<<15)
		case gguf.BF16:
			binary.LittleEndian.PutUint16(b, uint16(math.Float32bits(float32(r.NormFloat64()))>>16))
		case gguf.Q2_K:
			binary.LittleEndian.PutUint16(b[80:], half())
			binary.LittleEndian.PutUint16(b[82:], half())
		case gguf.Q3_K:
			binary.LittleEndian.PutUint16(b[108:], half())
		case gguf.Q6_K:
			binary.LittleEndian.PutUint16(b[208:], half())
		default:
			binary.LittleEndian.PutUint16(b, half())
			if t == gguf.Q4_1 || t == gguf.Q5_1 || t == gguf.Q4_K || t == gguf.Q5_K {
				binary.LittleEndian.PutUint16(b[2:], half())
			}
		}
	}
	return data
}

// eachSet runs the test on every instruction set of this processor.
func eachSet(t *testing.T, test func(t *testing.T, p *Pool)) {
	for _, name := range sets() {
		t.Run(name, func(t *testing.T) {
			p := NewPool(2)
			defer p.Close()
			p.use(name)
			test(t, p)
		})
	}
}

func TestMatMul(t *testing.T) {
	eachSet(t, func(t *testing.T, p *Pool) {
		for _, enc := range encodings {
			elements, _ := enc.Block()
			for _, shape := range [][3]int{{1, 1, 1}, {16, 1, 1}, {17, 2, 3}, {5, 5, 2}, {48, 4, 9}, {33, 9, 13}, {64, 8, 1}} {
				rows, cols, n := shape[0], shape[1]*elements, shape[2]
				if elements == 1 {
					cols = shape[1]*37 + 3
				}
				checkMatMul(t, p, enc, rows, cols, n)
			}
		}
		// Longer than one chunk, with a rest.
		checkMatMul(t, p, gguf.Q4_0, 32, 2048+96, 5)
		checkMatMul(t, p, gguf.Q6_K, 16, 2048+256, 5)
		checkMatMul(t, p, gguf.F16, 16, 777, 9)
	})
}

func checkMatMul(t *testing.T, p *Pool, enc gguf.Type, rows, cols, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(rows*cols*n)))
	w, err := NewMatrix(enc, rows, cols, randomRows(r, enc, rows, cols))
	if err != nil {
		t.Fatal(err)
	}
	x := random(r, n*cols+1)[1:]
	const guard = 12345
	padded := slices.Repeat([]float32{guard}, n*rows+32)
	out := padded[16 : 16+n*rows]
	p.MatMul(x, n, Product{out, w})
	for i, v := range padded {
		if (i < 16 || i >= 16+n*rows) && v != guard {
			t.Fatalf("%v %dx%d, %d rows: wrote outside the result at %d", enc, rows, cols, n, i-16)
		}
	}
	row := make([]float32, cols)
	for i := range rows {
		w.Row(row, i)
		for j := range n {
			xj := x[j*cols : (j+1)*cols]
			want := ref.Dot(row, xj)
			got := float64(out[j*rows+i])
			// Floats: one rounding a step. Quantised: each activation is off by at
			// most half a step of its block, at random.
			norm := math.Sqrt(ref.Dot(row, row)) * math.Sqrt(ref.Dot(xj, xj))
			bound := 4e-7 * math.Sqrt(float64(cols)) * norm
			if w.quantized() && roundsActivations {
				xj = rounded(xj)
				want = ref.Dot(row, xj)
				bound = 3e-6 * magnitude(row, xj)
			}
			bound += 1e-6
			if math.Abs(got-want) > bound {
				t.Fatalf("%v %dx%d, %d rows: row %d column %d is %g, want %g within %g", enc, rows, cols, n, i, j, got, want, bound)
			}
		}
	}
}

// magnitude is the sum of |a b|, which bounds what cancels.
func magnitude(a, b []float32) float64 {
	var s float64
	for i := range a {
		s += math.Abs(float64(a[i])*float64(b[i])) + 0.1*math.Abs(float64(b[i]))
	}
	return s
}

// rounded is what the int8 activations stand for, in blocks of 32.
func rounded(x []float32) []float32 {
	out := make([]float32, len(x))
	for at := 0; at < len(x); at += 32 {
		var top float32
		for _, v := range x[at : at+32] {
			top = max(top, float32(math.Abs(float64(v))))
		}
		scale, inverse := top/127, float32(0)
		if scale > 0 {
			inverse = 1 / scale
		}
		for i, v := range x[at : at+32] {
			out[at+i] = scale * float32(math.RoundToEven(float64(v*inverse)))
		}
	}
	return out
}

// TestThreads holds that results do not depend on the number of threads, nor
// on how many rows are computed together.
func TestThreads(t *testing.T) {
	r := rand.New(rand.NewPCG(seed, 1))
	const rows, cols, n = 200, 512, 21
	for _, enc := range []gguf.Type{gguf.Q4_0, gguf.Q8_0, gguf.Q6_K, gguf.F16} {
		w, _ := NewMatrix(enc, rows, cols, randomRows(r, enc, rows, cols))
		x := random(r, n*cols)
		var want []float32
		for threads := 1; threads <= 4; threads++ {
			p := NewPool(threads)
			out := make([]float32, n*rows)
			p.MatMul(x, n, Product{out, w})
			if want == nil {
				want = out
			}
			if !slices.Equal(out, want) {
				t.Errorf("%v: %d threads give another result than one", enc, threads)
			}
			one := make([]float32, rows)
			for j := range n {
				p.MatMul(x[j*cols:(j+1)*cols], 1, Product{one, w})
				if !slices.Equal(one, want[j*rows:(j+1)*rows]) {
					t.Fatalf("%v: row %d alone gives another result than together", enc, j)
				}
			}
			p.Close()
		}
	}
}

// TestMatMulRows holds that picked rows are those of the whole product.
func TestMatMulRows(t *testing.T) {
	eachSet(t, func(t *testing.T, p *Pool) {
		r := rand.New(rand.NewPCG(seed, 3))
		const rows, cols = 70, 256
		for _, enc := range encodings {
			w, err := NewMatrix(enc, rows, cols, randomRows(r, enc, rows, cols))
			if err != nil {
				t.Fatal(err)
			}
			x, all := random(r, cols), make([]float32, rows)
			p.MatMul(x, 1, Product{all, w})
			for _, pick := range [][]int{{}, {0}, {69}, {3, 3, 1}, {0, 5, 69, 12, 13, 14, 15, 16, 17, 30, 31, 32, 33, 34, 35, 36, 60, 2, 1}} {
				out := make([]float32, len(pick))
				p.MatMulRows(out, x, w, pick)
				for i, k := range pick {
					if out[i] != all[k] {
						t.Fatalf("%v: row %d of %v is %g alone, %g in the whole product", enc, k, pick, out[i], all[k])
					}
				}
			}
		}
	})
}

// TestRounded holds how far rounding float weights moves a product.
func TestRounded(t *testing.T) {
	eachSet(t, func(t *testing.T, p *Pool) {
		r := rand.New(rand.NewPCG(seed, 4))
		const rows, cols, n = 40, 320, 33
		for _, enc := range []gguf.Type{gguf.F32, gguf.F16, gguf.BF16} {
			w, _ := NewMatrix(enc, rows, cols, randomRows(r, enc, rows, cols))
			x, exact, fast := random(r, n*cols), make([]float32, n*rows), make([]float32, n*rows)
			p.MatMul(x, n, Product{exact, w})
			p.MatMul(x, n, Product{fast, w.Rounded()})
			var off, all float64
			for i, v := range exact {
				off += math.Pow(float64(fast[i]-v), 2)
				all += math.Pow(float64(v), 2)
			}
			share := math.Sqrt(off / all)
			if share > 0.012 || roundsActivations && share == 0 {
				t.Errorf("%v: rounded products are off by %.2g of their size", enc, share)
			}
			few := make([]float32, 3*rows)
			p.MatMul(x, 3, Product{few, w.Rounded()})
			if !slices.Equal(few, fast[:3*rows]) {
				t.Errorf("%v: few rows come out otherwise than many", enc)
			}
		}
	})
}

func TestAttention(t *testing.T) {
	eachSet(t, func(t *testing.T, p *Pool) {
		for _, a := range []Attention{
			{T: 1, Keys: 1, Heads: 1, KVHeads: 1, Dim: 64, Causal: true},
			{T: 3, Keys: 3, Heads: 4, KVHeads: 1, Dim: 64, Causal: true},
			{T: 5, Keys: 70, Heads: 8, KVHeads: 1, Dim: 256, Causal: true, First: 65},
			{T: 40, Keys: 40, Heads: 8, KVHeads: 2, Dim: 32, Causal: true, Window: 7},
			{T: 100, Keys: 200, Heads: 8, KVHeads: 1, Dim: 512, Causal: true, First: 100, Window: 64},
			{T: 67, Keys: 67, Heads: 3, KVHeads: 3, Dim: 64},
			{T: 9, Keys: 33, Heads: 2, KVHeads: 1, Dim: 20, Scale: 0.25},
			{T: 2, Keys: 40, Heads: 2, KVHeads: 2, Dim: 7, Causal: true, First: 38, Window: 33},
		} {
			checkAttention(t, p, a)
		}
	})
}

func checkAttention(t *testing.T, p *Pool, a Attention) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(a.T*a.Keys*a.Dim)))
	a.Q, a.K, a.V = random(r, a.T*a.Heads*a.Dim), random(r, a.Keys*a.KVHeads*a.Dim), random(r, a.Keys*a.KVHeads*a.Dim)
	a.Out = make([]float32, len(a.Q))
	p.Attention(a)
	if a.Scale == 0 {
		a.Scale = 1
	}
	want := make([]float32, a.Dim)
	stride, group := a.KVHeads*a.Dim, a.Heads/a.KVHeads
	for i := range a.T * a.Heads {
		from, to := a.visible(i / a.Heads)
		at := from*stride + i%a.Heads/group*a.Dim
		ref.Attention(want, a.Q[i*a.Dim:(i+1)*a.Dim], a.K[at:], a.V[at:], to-from, stride, float64(a.Scale))
		for d, v := range want {
			if got := a.Out[i*a.Dim+d]; math.Abs(float64(got-v)) > 1e-6+3e-7*float64(a.Dim) { // the scores are sums of Dim products
				a.Out, a.Q, a.K, a.V = nil, nil, nil, nil
				t.Fatalf("%+v: query %d value %d is %g, want %g", a, i, d, got, v)
			}
		}
	}
}

// TestPages holds that pages in any order and half precision give what the
// same numbers in order give.
func TestPages(t *testing.T) {
	eachSet(t, func(t *testing.T, p *Pool) {
		r := rand.New(rand.NewPCG(seed, 5))
		for _, a := range []Attention{
			{T: 3, Keys: 75, Heads: 8, KVHeads: 1, Dim: 64, Causal: true, First: 72},
			{T: 40, Keys: 140, Heads: 4, KVHeads: 2, Dim: 40, Causal: true, First: 100, Window: 50},
		} {
			row := a.KVHeads * a.Dim
			k, v := random(r, a.Keys*row), random(r, a.Keys*row)
			a.Pages = []int32{4, 0, 6, 1, 3}
			half := [2][]uint16{make([]uint16, 7*Page*row), make([]uint16, 7*Page*row)}
			for j := range a.Keys {
				at := (int(a.Pages[j/Page])*Page + j%Page) * row
				Narrow(half[0][at:at+row], k[j*row:(j+1)*row])
				Narrow(half[1][at:at+row], v[j*row:(j+1)*row])
				for d := range row { // what the halves stand for
					k[j*row+d], v[j*row+d] = ref.HalfToFloat(half[0][at+d]), ref.HalfToFloat(half[1][at+d])
				}
			}
			a.Q, a.HalfK, a.HalfV = random(r, a.T*a.Heads*a.Dim), half[0], half[1]
			a.Out = make([]float32, len(a.Q))
			p.Attention(a)
			plain := a
			plain.K, plain.V, plain.HalfK, plain.HalfV, plain.Pages = k, v, nil, nil, nil
			plain.Out = make([]float32, len(a.Q))
			p.Attention(plain)
			if !slices.Equal(a.Out, plain.Out) {
				t.Errorf("%d queries over %d keys: pages give another result", a.T, a.Keys)
			}
			a.Pages = []int32{4, 0, 7, 1, 3}
			func() {
				defer func() {
					if recover() == nil {
						t.Error("a page that does not exist is read")
					}
				}()
				p.Attention(a)
			}()
		}
	})
}

func TestNewMatrixRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		enc              gguf.Type
		rows, cols, size int
	}{
		"unknown encoding": {99, 1, 32, 18},
		"half a block":     {gguf.Q4_0, 1, 40, 18},
		"short data":       {gguf.Q4_0, 2, 32, 35},
		"long data":        {gguf.Q4_0, 2, 32, 54},
		"no rows":          {gguf.F32, 0, 32, 0},
	} {
		if _, err := NewMatrix(c.enc, c.rows, c.cols, make([]byte, c.size)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
