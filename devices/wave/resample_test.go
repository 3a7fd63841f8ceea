package wave

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// sine returns n samples of a sine of f hertz and amplitude a at rate.
func sine(n, rate int, f, a float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(a * math.Sin(2*math.Pi*f*float64(i)/float64(rate)))
	}
	return x
}

// resample runs x through a new resampler in one piece.
func resample(t *testing.T, x []float32, rate int) []float32 {
	t.Helper()
	r, err := NewResampler(rate)
	if err != nil {
		t.Fatal(err)
	}
	return r.Flush(r.Append(nil, x))
}

// fit returns amplitude and phase of the sine of f hertz in x, and the
// deviation of what is left, by least squares at 16 kHz from sample number at.
func fit(x []float32, at int, f float64) (amplitude, phase, rest float64) {
	var ss, cc, sc, xs, xc float64
	for i, v := range x {
		s, c := math.Sincos(2 * math.Pi * f * float64(at+i) / 16000)
		ss, cc, sc = ss+s*s, cc+c*c, sc+s*c
		xs, xc = xs+float64(v)*s, xc+float64(v)*c
	}
	det := ss*cc - sc*sc
	a, b := (xs*cc-xc*sc)/det, (xc*ss-xs*sc)/det
	var e float64
	for i, v := range x {
		s, c := math.Sincos(2 * math.Pi * f * float64(at+i) / 16000)
		d := float64(v) - a*s - b*c
		e += d * d
	}
	return math.Hypot(a, b), math.Atan2(b, a), math.Sqrt(e / float64(len(x)))
}

func decibels(ratio float64) float64 { return 20 * math.Log10(max(ratio, 1e-12)) }

// rates are what sound cards and files have, and some that are awkward.
var rates = []int{4000, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 192000, 384000, 44101, 383999, 15999}

// In the pass band a sine keeps its amplitude and its place in time, and
// nothing else is added.
func TestResamplerPassBand(t *testing.T) {
	for _, rate := range rates {
		nyquist := min(8000, float64(rate)/2)
		worst, noise, shift := 0.0, math.Inf(-1), 0.0
		for _, f := range []float64{50, 300, 1000, 3000, nyquist / 2, 0.7 * nyquist, 0.875 * nyquist} {
			if f > 0.875*nyquist {
				continue
			}
			y := resample(t, sine(rate/8, rate, f, 0.9), rate)
			mid := y[len(y)/4 : len(y)*3/4]
			a, phase, rest := fit(mid, len(y)/4, f)
			worst = max(worst, math.Abs(decibels(a/0.9)))
			noise = max(noise, decibels(rest*math.Sqrt2/0.9))
			shift = max(shift, math.Abs(phase)/(2*math.Pi*f)*1e6)
		}
		t.Logf("%6d Hz: ripple %.4f dB, residue %.1f dB, shift %.3f us", rate, worst, noise, shift)
		if worst > 0.1 || noise > -60 || shift > 0.5 {
			t.Errorf("%d Hz: ripple %.4f dB (at most 0.1), residue %.1f dB (at most -60), shift %.3f us (at most 0.5)", rate, worst, noise, shift)
		}
	}
}

// What lies above the lower Nyquist frequency does not fold back, and what is
// created by raising the rate is not heard.
func TestResamplerAliases(t *testing.T) {
	for _, rate := range rates {
		if rate > 16000 {
			worst := math.Inf(-1)
			for _, f := range []float64{8000, 8100, 8500, 10000, 0.25 * float64(rate), 0.375 * float64(rate), 0.499 * float64(rate)} {
				if f < 8000 || f > 0.5*float64(rate) {
					continue
				}
				y := resample(t, sine(rate/8, rate, f, 0.9), rate)
				_, _, rest := fit(y[len(y)/4:len(y)*3/4], 0, 100)
				worst = max(worst, decibels(rest*math.Sqrt2/0.9))
			}
			if worst > -60 {
				t.Errorf("%d Hz: an alias has %.1f dB, at most -60", rate, worst)
			}
			t.Logf("%6d Hz: aliases below %.1f dB", rate, worst)
		}
	}
}

// A click stays where it was, and the length fits.
func TestResamplerTimesAndLengths(t *testing.T) {
	for _, rate := range rates {
		n := rate/16 + 7
		x := make([]float32, n)
		at := n / 3
		x[at] = 1
		y := resample(t, x, rate)
		if want := (n*16000 + rate - 1) / rate; len(y) != want {
			t.Errorf("%d Hz: %d samples became %d, want %d", rate, n, len(y), want)
		}
		peak := 0
		for i, v := range y {
			if v > y[peak] {
				peak = i
			}
		}
		if want := float64(at) * 16000 / float64(rate); math.Abs(float64(peak)-want) > 0.51 {
			t.Errorf("%d Hz: the click moved to %d, want %.1f", rate, peak, want)
		}
	}
	for _, n := range []int{0, 1, 2} {
		if got, want := len(resample(t, make([]float32, n), 48000)), (n+2)/3; got != want {
			t.Errorf("%d samples at 48 kHz became %d, want %d", n, got, want)
		}
	}
}

// Any chunking gives the same bits, and the output lags by little.
func TestResamplerChunking(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, rate := range rates {
		x := make([]float32, 2000+rate/100)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		want := resample(t, x, rate)
		for _, chunk := range []int{1, 3, 160, 441, 1024, 0} {
			r, err := NewResampler(rate)
			if err != nil {
				t.Fatal(err)
			}
			var got []float32
			for at := 0; at < len(x); {
				n := chunk
				if n == 0 {
					n = rng.IntN(700)
				}
				n = min(n, len(x)-at)
				got = r.Append(got, x[at:at+n])
				at += n
				if lag := at*16000/rate - len(got); lag > r.taps/2*16000/rate+1 {
					t.Fatalf("%d Hz: %d samples behind", rate, lag)
				}
			}
			if got = r.Flush(got); !slices.Equal(got, want) {
				t.Errorf("%d Hz in chunks of %d: other samples than in one piece", rate, chunk)
			}
		}
	}
}

func TestResamplerRates(t *testing.T) {
	for _, rate := range []int{0, -16000, MinRate - 1, MaxRate + 1} {
		if _, err := NewResampler(rate); err == nil {
			t.Errorf("%d Hz was taken", rate)
		}
	}
	x := sine(100, 16000, 440, 1)
	if y := resample(t, x, 16000); !slices.Equal(x, y) {
		t.Error("16 kHz is not left as it is")
	}
}

func TestConverter(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	c, err := NewConverter(16000, 2)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Append(nil, []float32{0.5, 0.25, nan, 0.5, 1, 3, -inf, -2, 1, 1, 0.125})
	if want := []float32{0.375, 0.25, 1, -0.5, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if c.Invalid != 2 || c.Clipped != 2 {
		t.Errorf("counted %d invalid and %d clipped samples, want 2 and 2", c.Invalid, c.Clipped)
	}
	// A full-scale square wave overshoots in the filter; the output must not.
	c, err = NewConverter(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	square := make([]float32, 4800)
	for i := range square {
		square[i] = float32(1 - i/100%2*2)
	}
	for i, v := range c.Flush(c.Append(nil, square)) {
		if v > 1 || v < -1 {
			t.Fatalf("sample %d is %v", i, v)
		}
	}
	for _, n := range []int{0, -1, MaxChannels + 1} {
		if _, err := NewConverter(16000, n); err == nil {
			t.Errorf("%d channels were taken", n)
		}
	}
}
