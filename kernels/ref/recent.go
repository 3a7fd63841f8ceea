package ref

import "math"

// NormReLU computes x = max(0, (x - mean) / sqrt(variance + eps) * w).
func NormReLU(x, w []float32, eps float64) {
	var mean, variance float64
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
	}
	for i, v := range x {
		x[i] = float32(max(0, (float64(v)-mean)/math.Sqrt(variance+eps)*float64(w[i])))
	}
}

// AttendRecent is the attention of one frame to the last ones, its own among
// them: out and q are [heads][dim], k and v [count][heads][dim], oldest first,
// distances [count or more][heads][dim] the keys of 0, 1, 2 ... frames ago. Logits
// are capped: limit * tanh(x / limit).
func AttendRecent(out, q, k, v, distances []float32, heads int, limit float64) {
	width, dim, count := len(q), len(q)/heads, len(k)/len(q)
	weights := make([]float64, count)
	for h := range heads {
		of := func(x []float32, r int) []float32 { return x[r*width+h*dim:][:dim] }
		query := of(q, 0)
		for i := range weights {
			logit := Dot(query, of(k, i)) + Dot(query, of(distances, count-1-i))
			weights[i] = limit * math.Tanh(logit/limit)
		}
		Softmax(weights)
		for d := range dim {
			var sum float64
			for i, w := range weights {
				sum += w * float64(of(v, i)[d])
			}
			of(out, 0)[d] = float32(sum)
		}
	}
}
