package gate

import "math"

// The frames that are judged: 20 ms each, seen through a window of 32 ms.
const (
	sampleRate  = 16000
	frameLen    = 320
	windowLen   = 512
	frameMillis = 20
)

const (
	bands = 19
	// average is over how many frames a band's power is averaged.
	average = 3
	// A noise floor is the lowest averaged power of the last floorBlocks blocks
	// of blockFrames frames: 2.4 s, longer than speech goes without a breath or
	// a stop in any one band, and short enough to learn a fan soon.
	floorBlocks = 12
	blockFrames = 10
	// startFrames is how long, one second, a quiet room is assumed because the
	// real one is not known yet.
	startFrames = 50
	// maxBand bounds what one band can say, so that a whistle is not speech.
	maxBand = 3
)

// bandEdges are the first bins (31.25 Hz each) of the bands and the end of the
// last: 94 Hz..7 kHz, narrow where the formants are.
var bandEdges = [bands + 1]int{3, 7, 11, 15, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 160, 190, 224}

// minimumBias, by the bins of a band, is the mean of its averaged power over the
// minimum of that in 2.4 s, for white noise (TestMinimumBias measures it).
var minimumBias = map[int]float64{4: 3.0, 8: 2.2, 16: 1.7, 29: 1.46, 30: 1.46, 34: 1.46}

// frame is the judgement on 20 ms of sound.
type frame struct {
	power [bands]float32 // averaged, linear, per bin
	level float32        // mean square of the samples
	voice float32        // 0..1, how periodic it is at the pitches of voices
}

// activity measures frames and tracks the noise floor of each band.
//
// The floor follows the minimum statistics of Martin, "Noise power spectral
// density estimation based on optimal smoothing and minimum statistics" (2001),
// simplified. A frame's score is the likelihood ratio of Sohn, Kim and Sung, "A
// statistical model-based voice activity detection" (1999), with the maximum-
// likelihood estimate of the signal: with g the power of a band over its floor,
// the mean over the bands of g-1-ln g where g > 1.
type activity struct {
	quiet   float64 // lowest floor of a bin
	fft     *spectrum
	window  [windowLen]float32 // the last samples heard
	spec    [windowLen / 2]float64
	last    [average][bands]float64
	minimum [floorBlocks][bands]float64 // of each block; 0 is the present one
	inBlock int                         // frames in the present block
	frames  int                         // frames measured
	fade    []float64                   // autocorrelation of the window, by lag
}

// newActivity returns a detector that takes sound below quiet (mean square)
// for silence.
func newActivity(quiet float64) *activity {
	a := &activity{quiet: quiet / (windowLen / 2), fft: newSpectrum(windowLen)}
	for b := range a.minimum {
		for i := range a.minimum[b] {
			a.minimum[b][i] = math.Inf(1)
		}
	}
	a.fade = make([]float64, maxLag+1)
	for lag := range a.fade {
		for i := lag; i < windowLen; i++ {
			a.fade[lag] += a.fft.window[i] * a.fft.window[i-lag]
		}
	}
	return a
}

// measure takes the next frameLen samples.
func (a *activity) measure(samples []float32) frame {
	copy(a.window[:], a.window[frameLen:])
	copy(a.window[windowLen-frameLen:], samples)
	a.fft.power(a.spec[:], a.window[:])

	var f frame
	var sum float64
	for _, v := range samples {
		sum += float64(v) * float64(v)
	}
	f.level = float32(sum / float64(len(samples)))
	f.voice = float32(a.periodicity())

	now := &a.last[a.frames%average]
	a.frames++
	for b := range bands {
		var p, mean float64
		for _, v := range a.spec[bandEdges[b]:bandEdges[b+1]] {
			p += v
		}
		now[b] = p / float64(bandEdges[b+1]-bandEdges[b])
		for _, l := range a.last {
			mean += l[b] / average
		}
		f.power[b] = float32(mean)
	}
	if a.frames >= average {
		a.track(&f.power)
	}
	return f
}

// track learns the noise floor.
func (a *activity) track(power *[bands]float32) {
	if a.inBlock == blockFrames {
		copy(a.minimum[1:], a.minimum[:floorBlocks-1])
		a.inBlock = 0
	}
	for b, p := range power {
		if a.inBlock == 0 || float64(p) < a.minimum[0][b] {
			a.minimum[0][b] = float64(p)
		}
	}
	a.inBlock++
}

// floor returns the noise in each band as far as it is known.
func (a *activity) floor() (f [bands]float64) {
	for b := range f {
		if a.frames < startFrames {
			f[b] = a.quiet
			continue
		}
		low := math.Inf(1)
		for i := range a.minimum {
			low = min(low, a.minimum[i][b])
		}
		f[b] = max(a.quiet, low*minimumBias[bandEdges[b+1]-bandEdges[b]])
	}
	return f
}

// score says how unlike the noise a frame is.
func score(power *[bands]float32, floor *[bands]float64) float64 {
	var sum float64
	for b, p := range power {
		if g := float64(p) / floor[b]; g > 1 {
			sum += min(maxBand, g-1-math.Log(g))
		}
	}
	return sum / bands
}

// evidence says how much a frame speaks for speech: it is above the noise, and
// periodic as voices are. Of the powers that were tried these tell speech from
// noises best (TestSpeechCurve).
func evidence(f *frame, floor *[bands]float64) float64 {
	v := float64(f.voice)
	return math.Sqrt(score(&f.power, floor)) * v * v * v
}

// The lags of pitches from 400 down to 80 Hz, and the bins, up to 2.5 kHz,
// in which voices are periodic.
const (
	minLag, maxLag     = 40, 200
	minVoice, maxVoice = 3, 80
)

// periodicity is the highest normalised autocorrelation of the window at the
// lags of voices, from the spectrum that is in spec.
func (a *activity) periodicity() float64 {
	re, im := a.fft.re, a.fft.im
	clear(re)
	clear(im)
	for k := minVoice; k < maxVoice; k++ {
		w := math.Sqrt(a.spec[k])
		re[a.fft.reverse[k]] = w
		re[a.fft.reverse[windowLen-k]] = w
	}
	a.fft.transform() // real and even, so this is also the inverse
	if re[0] <= 0 {
		return 0
	}
	best := 0.0
	for lag := minLag; lag <= maxLag; lag++ {
		r := re[lag] / re[0] * a.fade[0] / a.fade[lag]
		if r > best && re[lag] >= re[lag-1] && re[lag] >= re[lag+1] {
			best = r
		}
	}
	return min(1, best)
}
