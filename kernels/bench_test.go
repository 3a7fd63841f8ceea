package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sensed/kernels/gguf"
)

// BenchmarkMatMul reports GMAC/s of a feed-forward product of the E2B shape and
// the rate at which weights are read; one row is decoding, many are prefill.
func BenchmarkMatMul(b *testing.B) {
	const rows, cols = 12288, 1536
	r := rand.New(rand.NewPCG(seed, 2))
	for _, enc := range []gguf.Type{gguf.Q4_0, gguf.Q8_0, gguf.Q4_K, gguf.Q6_K, gguf.F16} {
		var weights []*Matrix // more than a cache holds
		for range 8 {
			w, err := NewMatrix(enc, rows, cols, randomRows(r, enc, rows, cols))
			if err != nil {
				b.Fatal(err)
			}
			weights = append(weights, w)
		}
		for _, t := range []int{1, 4, 64, 256} {
			b.Run(fmt.Sprintf("%v/rows=%d", enc, t), func(b *testing.B) {
				p := NewPool(0)
				defer p.Close()
				x, out := random(r, t*cols), make([]float32, t*rows)
				for i := 0; b.Loop(); i++ {
					p.MatMul(x, t, Product{out, weights[i%len(weights)]})
				}
				seconds := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(float64(t*rows*cols)/seconds/1e9, "GMAC/s")
				b.ReportMetric(float64(len(weights[0].data))/seconds/1e9, "GB/s")
			})
		}
	}
}
