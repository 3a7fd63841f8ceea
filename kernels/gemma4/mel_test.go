package gemma4

import (
	"math"
	"testing"
)

// TestMelEqualsDefinition computes frames by the formulas of the reference's
// documentation: Hann window, discrete Fourier transform term by term, mel
// triangles in hertz.
func TestMelEqualsDefinition(t *testing.T) {
	const bands = 128
	pcm := make([]float32, 1003)
	for i, v := range noise(len(pcm)) {
		pcm[i] = float32(math.Sin(float64(i*i)/900))/2 + (float32(v)-128)/1000
	}
	m := NewMelBank(bands)
	got := m.Spectrogram(pcm)
	if len(got) != 6*bands {
		t.Fatalf("%d values, want 6 frames of %d", len(got), bands)
	}
	mel := func(hz float64) float64 { return 2595 * math.Log10(1+hz/700) }
	for frame := range 6 {
		var magnitude [257]float64
		for bin := range magnitude {
			var re, im float64
			for n := range 320 {
				at := frame*160 - 160 + n
				if at < 0 {
					continue
				}
				v := float64(pcm[at]) * (0.5 - 0.5*math.Cos(2*math.Pi*float64(n)/320))
				s, c := math.Sincos(2 * math.Pi * float64(bin*n) / 512)
				re, im = re+v*c, im-v*s
			}
			magnitude[bin] = math.Hypot(re, im)
		}
		for band := range bands {
			corner := func(i int) float64 {
				return 700 * (math.Pow(10, mel(8000)*float64(i)/(bands+1)/2595) - 1)
			}
			left, peak, right := corner(band), corner(band+1), corner(band+2)
			var sum float64
			for bin, v := range magnitude {
				hz := float64(bin) * 31.25
				sum += v * max(0, min((hz-left)/(peak-left), (right-hz)/(right-peak)))
			}
			if want := math.Log(sum + 0.001); math.Abs(want-float64(got[frame*bands+band])) > 1e-5 {
				t.Fatalf("frame %d band %d: %g, want %g", frame, band, got[frame*bands+band], want)
			}
		}
	}
}

func TestMelFrames(t *testing.T) {
	m := NewMelBank(8)
	for samples, want := range map[int]int{0: 0, 1: 0, 160: 0, 161: 1, 320: 1, 321: 2, 16000: 99, 16001: 100, 480000: 2999} {
		if got := m.Frames(samples); got != want {
			t.Errorf("%d samples: %d frames, want %d", samples, got, want)
		}
		if got := len(m.Spectrogram(make([]float32, samples))); got != want*8 {
			t.Errorf("%d samples: %d values, want %d", samples, got, want*8)
		}
	}
}

func TestMelOfSilence(t *testing.T) {
	for i, v := range NewMelBank(128).Spectrogram(make([]float32, 800)) {
		if math.Abs(float64(v)-math.Log(0.001)) > 1e-6 {
			t.Fatalf("value %d is %g, want ln 0.001", i, v)
		}
	}
}
