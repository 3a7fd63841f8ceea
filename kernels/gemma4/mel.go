package gemma4

import (
	"math"
	"math/bits"
)

// What the encoder hears: 20 ms windows, one every 10 ms, of 16 kHz sound.
const (
	sampleRate = 16000
	windowSize = sampleRate / 50
	hopSize    = sampleRate / 100
	fftSize    = 512
	melFloor   = 1e-3
)

// MelBank turns sound into log-mel frames. It is immutable.
type MelBank struct {
	window  [windowSize]float64
	filters []melFilter
	fft     *realFFT
}

// melFilter is one triangle over the bins from first on.
type melFilter struct {
	first   int
	weights []float64
}

// NewMelBank returns a bank of that many triangular filters without area
// normalisation, spaced evenly from 0 to 8000 Hz on HTK's mel scale,
// mel(f) = 2595 log10(1 + f/700) (S. Young et al., The HTK Book, section 5.4).
func NewMelBank(bands int) *MelBank {
	m := &MelBank{fft: newRealFFT(fftSize), filters: make([]melFilter, bands)}
	for i := range m.window {
		m.window[i] = float64(float32(0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/windowSize)))
	}
	top := 2595 * math.Log10(1+sampleRate/2/700.0)
	corner := func(i int) float64 {
		return 700 * (math.Pow(10, top*float64(i)/float64(bands+1)/2595) - 1)
	}
	for i := range m.filters {
		m.filters[i] = triangle(corner(i), corner(i+1), corner(i+2))
	}
	return m
}

// triangle rises from 0 at left to 1 at peak and falls to 0 at right, in Hz.
func triangle(left, peak, right float64) melFilter {
	var f melFilter
	for bin := range fftSize/2 + 1 {
		hz := float64(bin) * sampleRate / fftSize
		w := min((hz-left)/(peak-left), (right-hz)/(right-peak))
		if w <= 0 {
			continue
		}
		if f.weights == nil {
			f.first = bin
		}
		f.weights = append(f.weights, w)
	}
	return f
}

// Bands returns the length of a frame.
func (m *MelBank) Bands() int { return len(m.filters) }

// Frames returns how many frames the encoder uses of so many samples: those
// whose window of 20 ms, plus one sample, ends inside the sound. The first
// window starts 10 ms before it, in silence.
func (m *MelBank) Frames(samples int) int { return max(samples-1, 0) / hopSize }

// Spectrogram returns ln(mel + 0.001) of 16 kHz mono sound in [-1, 1], where
// mel is the magnitude of the spectrum under each filter: [Frames][Bands].
func (m *MelBank) Spectrogram(pcm []float32) []float32 {
	out := make([]float32, m.Frames(len(pcm))*m.Bands())
	m.frames(serially, out, pcm, 0)
	return out
}

// frames computes the frames from number first on, [n][Bands]. pcm begins with
// the first sample that their windows need, see firstSample.
func (m *MelBank) frames(run parallel, out, pcm []float32, first int) {
	bands := m.Bands()
	inBands(run, len(out)/bands, func(from, to int) {
		s := m.newScratch()
		for i := from; i < to; i++ {
			start := firstSample(first+i) - firstSample(first)
			end := (first+i+1)*hopSize - firstSample(first)
			m.frame(row(out, i, bands), pcm[start:end], s)
		}
	})
}

// firstSample is the first sample that frame i looks at. The window of frame 0
// begins before the sound.
func firstSample(i int) int { return max(i-1, 0) * hopSize }

// melScratch is what one goroutine needs to compute frames.
type melScratch struct {
	re, im    []float64 // [fftSize/2]
	magnitude []float64 // [fftSize/2+1]
}

func (m *MelBank) newScratch() *melScratch {
	return &melScratch{
		re:        make([]float64, fftSize/2),
		im:        make([]float64, fftSize/2),
		magnitude: make([]float64, fftSize/2+1),
	}
}

// frame computes one frame [Bands] of the window's samples. A window that is
// too short is filled up with silence at its front.
func (m *MelBank) frame(out, samples []float32, s *melScratch) {
	clear(s.re)
	clear(s.im)
	silence := windowSize - len(samples)
	for i, v := range samples {
		m.fft.put(s, i+silence, float64(float32(v)*float32(m.window[i+silence])))
	}
	m.fft.magnitudes(s)
	for b, f := range m.filters {
		var sum float64
		for k, w := range f.weights {
			sum += w * s.magnitude[f.first+k]
		}
		out[b] = float32(math.Log(sum + melFloor))
	}
}

// realFFT computes the spectrum of n real numbers by a complex transform of
// half the length (Cooley and Tukey, radix 2), the even samples in the real
// part and the odd ones in the imaginary part.
type realFFT struct {
	half     int
	cos, sin []float64 // [half], of 2 pi i / n
	order    []int     // [half], bit reversal
}

func newRealFFT(n int) *realFFT {
	f := &realFFT{half: n / 2, cos: make([]float64, n/2), sin: make([]float64, n/2), order: make([]int, n/2)}
	shift := bits.LeadingZeros64(uint64(f.half)) + 1
	for i := range f.order {
		f.sin[i], f.cos[i] = math.Sincos(2 * math.Pi * float64(i) / float64(n))
		f.order[i] = int(bits.Reverse64(uint64(i)) >> shift)
	}
	return f
}

// put stores sample i of the input in the place where the transform wants it.
func (f *realFFT) put(s *melScratch, i int, v float64) {
	if i%2 == 0 {
		s.re[f.order[i/2]] = v
	} else {
		s.im[f.order[i/2]] = v
	}
}

// magnitudes transforms what was put and leaves |X[k]|, k = 0..half.
func (f *realFFT) magnitudes(s *melScratch) {
	f.transform(s.re, s.im)
	for k := range f.half + 1 {
		// Z = E + iO; both come out of the symmetry of real inputs' spectra,
		// and X[k] = E[k] + e^(-2 pi i k / n) O[k].
		a, b := k%f.half, (f.half-k)%f.half
		evenRe, evenIm := (s.re[a]+s.re[b])/2, (s.im[a]-s.im[b])/2
		oddRe, oddIm := (s.im[a]+s.im[b])/2, (s.re[b]-s.re[a])/2
		c, sn := -1.0, 0.0
		if k < f.half {
			c, sn = f.cos[k], f.sin[k]
		}
		re, im := evenRe+c*oddRe+sn*oddIm, evenIm+c*oddIm-sn*oddRe
		s.magnitude[k] = math.Sqrt(re*re + im*im)
	}
}

// transform is the complex transform in place, input in bit-reversed order.
func (f *realFFT) transform(re, im []float64) {
	for size := 2; size <= f.half; size *= 2 {
		step := 2 * f.half / size
		for start := 0; start < f.half; start += size {
			for k := range size / 2 {
				c, sn := f.cos[k*step], f.sin[k*step]
				p, q := start+k, start+k+size/2
				tr, ti := c*re[q]+sn*im[q], c*im[q]-sn*re[q]
				re[p], im[p], re[q], im[q] = re[p]+tr, im[p]+ti, re[p]-tr, im[p]-ti
			}
		}
	}
}
