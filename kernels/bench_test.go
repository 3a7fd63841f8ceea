package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sensed/kernels/gguf"
)

// BenchmarkMatMul reports GMAC/s of a feed-forward product of the E2B shape and
// the rate at which weights are read; one row is decoding, many are prefill.
// Packed weights and those in the file take turns.
func BenchmarkMatMul(b *testing.B) {
	const rows, cols = 12288, 1536
	r := rand.New(rand.NewPCG(seed, 2))
	for _, enc := range []gguf.Type{gguf.Q4_0, gguf.Q8_0, gguf.Q4_K, gguf.Q6_K, gguf.F16} {
		pool := NewPool(0)
		defer pool.Close()
		var weights, packed []*Matrix // more than a cache holds
		for range 8 {
			w, err := NewMatrix(enc, rows, cols, randomRows(r, enc, rows, cols))
			if err != nil {
				b.Fatal(err)
			}
			w = w.Rounded()
			form := alignedBytes(pool.PackedBytes(w))
			pool.Pack(form, w, 0)
			q := new(*w)
			pool.UsePacked(q, form)
			weights, packed = append(weights, w), append(packed, q)
		}
		for _, t := range []int{1, 2, 4, 8, 64, 256} {
			for _, form := range []struct {
				name string
				w    []*Matrix
			}{{"file", weights}, {"packed", packed}} {
				b.Run(fmt.Sprintf("%v/rows=%d/%s", enc, t, form.name), func(b *testing.B) {
					x, out := random(r, t*cols), make([]float32, t*rows)
					for i := 0; b.Loop(); i++ {
						pool.MatMul(x, t, Product{out, form.w[i%len(form.w)]})
					}
					seconds := b.Elapsed().Seconds() / float64(b.N)
					b.ReportMetric(float64(t*rows*cols)/seconds/1e9, "GMAC/s")
					b.ReportMetric(float64(len(weights[0].data))/seconds/1e9, "GB/s")
				})
			}
		}
	}
}
