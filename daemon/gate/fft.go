package gate

import "math"

// spectrum computes power spectra of a fixed, even length with a Hann window.
// The transform is the radix-2 one of Cooley and Tukey (1965), in place.
type spectrum struct {
	n       int
	window  []float64
	cos     []float64 // cos(2πk/n), k < n/2
	sin     []float64
	reverse []int
	re, im  []float64
}

// newSpectrum returns a transform of n samples, n a power of two.
func newSpectrum(n int) *spectrum {
	s := &spectrum{
		n: n, window: make([]float64, n), reverse: make([]int, n),
		cos: make([]float64, n/2), sin: make([]float64, n/2),
		re: make([]float64, n), im: make([]float64, n),
	}
	for i := range n {
		s.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(n))
		for b, v := 1, i; b < n; b, v = b*2, v/2 {
			s.reverse[i] = s.reverse[i]*2 + v%2
		}
	}
	for k := range n / 2 {
		s.sin[k], s.cos[k] = math.Sincos(2 * math.Pi * float64(k) / float64(n))
	}
	return s
}

// power writes |X[k]|², k = 0..n/2-1, of the windowed samples to dst. It is
// scaled so that the sum over k of white noise is its mean square.
func (s *spectrum) power(dst []float64, samples []float32) {
	for i, r := range s.reverse {
		s.re[r] = float64(samples[i]) * s.window[i]
		s.im[r] = 0
	}
	s.transform()
	// The window keeps 3/8 of the power; half the bins carry it all.
	scale := 2 / (0.375 * float64(s.n) * float64(s.n))
	for k := range dst {
		dst[k] = scale * (s.re[k]*s.re[k] + s.im[k]*s.im[k])
	}
}

// transform is the FFT of re and im, which are in bit-reversed order.
func (s *spectrum) transform() {
	for size := 2; size <= s.n; size *= 2 {
		half, step := size/2, s.n/size
		for from := 0; from < s.n; from += size {
			for j := range half {
				c, w := s.cos[j*step], -s.sin[j*step]
				a, b := from+j, from+j+half
				tr := c*s.re[b] - w*s.im[b]
				ti := c*s.im[b] + w*s.re[b]
				s.re[b], s.im[b] = s.re[a]-tr, s.im[a]-ti
				s.re[a], s.im[a] = s.re[a]+tr, s.im[a]+ti
			}
		}
	}
}
