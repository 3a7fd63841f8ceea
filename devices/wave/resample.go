package wave

import (
	"fmt"
	"math"

	"sensed/devices"
)

// The rates that a [Resampler] takes, in hertz.
const (
	MinRate = 4000
	MaxRate = 384000
)

const (
	// stopBand is the attenuation, in decibels, of everything that would fold
	// back below half the lower of the two rates.
	stopBand = 80
	// maxPhases bounds the table of a resampler whose rates have no small
	// ratio; between its phases the coefficients are interpolated linearly,
	// which costs about 1/(8·512²) of the signal, -126 dB.
	maxPhases = 512
)

// Resampler brings mono sound from one rate to [devices.SampleRate].
//
// It is a polyphase windowed-sinc filter (Kaiser window; Kaiser and Schafer,
// "On the use of the I0-sinh window for spectrum analysis", 1980) with a
// transition band from 7/8 to 8/8 of the lower Nyquist frequency. Output sample
// n is the input at time n/16000 s exactly: the delay of the filter is taken
// out. What comes out does not depend on how the input is cut into chunks.
//
// A Resampler has state and is used by one goroutine.
type Resampler struct {
	up, down int // output rate : input rate in lowest terms
	phases   int // rows in table; equal to up when the table is exact
	taps     int
	table    []float32 // [phases+1][taps], row p is the filter delayed by p/phases of an input sample
	row      []float32 // [taps], scratch for an interpolated row

	in    int       // input samples seen
	first int       // the next output lies at input index first + phase/up
	phase int       // 0 <= phase < up
	hist  []float32 // input not yet used up
	base  int       // input index of hist[0]; below zero is silence
}

// NewResampler returns a resampler from rate hertz to [devices.SampleRate].
func NewResampler(rate int) (*Resampler, error) {
	if rate < MinRate || rate > MaxRate {
		return nil, fmt.Errorf("sample rate %d Hz is outside %d..%d", rate, MinRate, MaxRate)
	}
	g := gcd(rate, devices.SampleRate)
	r := &Resampler{up: devices.SampleRate / g, down: rate / g}
	if r.up == 1 && r.down == 1 {
		return r, nil
	}
	r.phases = min(r.up, maxPhases)

	// Frequencies in cycles per input sample.
	nyquist := 0.5 * math.Min(1, devices.SampleRate/float64(rate))
	width := nyquist / 8
	cutoff := nyquist - width/2
	beta := 0.1102 * (stopBand - 8.7)
	half := int(math.Ceil((stopBand - 8) / (2.285 * 2 * math.Pi * width) / 2))
	r.taps = 2 * half
	r.base = -(half - 1)
	r.hist = make([]float32, half-1, 4*r.taps)
	r.row = make([]float32, r.taps)
	r.table = make([]float32, (r.phases+1)*r.taps)
	for p := 0; p <= r.phases; p++ {
		fillRow(r.table[p*r.taps:(p+1)*r.taps], float64(p)/float64(r.phases), cutoff, beta)
	}
	return r, nil
}

// fillRow computes the filter whose centre lies frac of a sample after tap
// len(row)/2-1. Its coefficients sum to one, so that silence and a constant
// stay what they are at every phase.
func fillRow(row []float32, frac, cutoff, beta float64) {
	half := float64(len(row) / 2)
	w := make([]float64, len(row))
	sum := 0.0
	for k := range w {
		x := float64(k) - (half - 1) - frac // distance from the centre, in input samples
		u := x / half
		if u < -1 || u > 1 {
			continue
		}
		w[k] = 2 * cutoff * sinc(2*cutoff*x) * bessel0(beta*math.Sqrt(1-u*u))
		sum += w[k]
	}
	for k := range w {
		row[k] = float32(w[k] / sum)
	}
}

// Append resamples in, appends what can be said so far to dst and returns it.
// The filter needs to hear half its length ahead: 2.6 ms at 48 kHz, 10 ms at 4 kHz.
func (r *Resampler) Append(dst, in []float32) []float32 {
	r.in += len(in)
	if r.taps == 0 {
		return append(dst, in...)
	}
	r.hist = append(r.hist, in...)
	return r.drain(dst, math.MaxInt)
}

// Flush ends the sound: it appends the outputs that were waiting for more
// input, as if silence followed. In all, n samples in give ceil(n·16000/rate)
// out. The resampler must not be used again.
func (r *Resampler) Flush(dst []float32) []float32 {
	if r.taps == 0 {
		return dst
	}
	r.hist = append(r.hist, make([]float32, r.taps)...)
	return r.drain(dst, r.in)
}

// drain appends every output whose centre lies before input index end and
// whose taps are all in hist, and forgets the input that is used up.
func (r *Resampler) drain(dst []float32, end int) []float32 {
	for r.first < end {
		from := r.first - (r.taps/2 - 1) - r.base
		if from+r.taps > len(r.hist) {
			break
		}
		dst = append(dst, dot(r.filter(), r.hist[from:from+r.taps]))
		r.phase += r.down
		r.first += r.phase / r.up
		r.phase %= r.up
	}
	used := min(r.first-(r.taps/2-1)-r.base, len(r.hist))
	n := copy(r.hist, r.hist[used:])
	r.hist = r.hist[:n]
	r.base += used
	return dst
}

// filter returns the coefficients for the present phase.
func (r *Resampler) filter() []float32 {
	p, rest := r.phase*r.phases/r.up, r.phase*r.phases%r.up
	row := r.table[p*r.taps : (p+1)*r.taps]
	if rest == 0 {
		return row
	}
	t := float32(rest) / float32(r.up)
	next := r.table[(p+1)*r.taps : (p+2)*r.taps]
	for k := range r.row {
		r.row[k] = row[k] + t*(next[k]-row[k])
	}
	return r.row
}

// dot is the inner product of two equally long slices of even length.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1 float32
	for i := 0; i+1 < len(a); i += 2 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
	}
	return s0 + s1
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel0 is the modified Bessel function of the first kind and order zero, by
// its power series.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= (x / 2 / k) * (x / 2 / k)
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
