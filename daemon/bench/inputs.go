package bench

import (
	"image"
	"math"
	"math/rand/v2"
)

const (
	sampleRate = 16000
	frameW     = 640
	frameH     = 480
)

// scene is a picture of a camera's size with large and small structure and
// some noise. Another step, another scene.
func scene(step uint64) *image.RGBA {
	im := image.NewRGBA(image.Rect(0, 0, frameW, frameH))
	rng := rand.New(rand.NewPCG(step, 5))
	boxes := make([][7]int, 12)
	for i := range boxes {
		boxes[i] = [7]int{rng.IntN(frameW), rng.IntN(frameH), 20 + rng.IntN(160), 20 + rng.IntN(160), rng.IntN(256), rng.IntN(256), rng.IntN(256)}
	}
	for y := range frameH {
		for x := range frameW {
			r, g, b := 60+x/5, 80+y/4, 150-(x+y)/10
			for _, q := range boxes {
				if x >= q[0] && x < q[0]+q[2] && y >= q[1] && y < q[1]+q[3] {
					r, g, b = q[4], q[5], q[6]
				}
			}
			noise := rng.IntN(9) - 4
			p := im.Pix[im.PixOffset(x, y):]
			p[0], p[1], p[2], p[3] = shade(r+noise), shade(g+noise), shade(b+noise), 255
		}
	}
	return im
}

func shade(v int) uint8 { return uint8(max(0, min(255, v))) }

// speech is sound like a voice: a pitch that moves, harmonics that fade, four
// syllables a second. Another voice, another pitch.
func speech(seconds int, voice uint64) []float32 {
	out := make([]float32, seconds*sampleRate)
	rng := rand.New(rand.NewPCG(voice, 6))
	pitch := 100 + 10*float64(voice%16)
	phase := 0.0
	for i := range out {
		t := float64(i) / sampleRate
		phase += 2 * math.Pi * (pitch + 20*math.Sin(3*t)) / sampleRate
		var v float64
		for h := 1.0; h <= 20; h++ {
			v += math.Sin(h*phase) / h
		}
		syllable := math.Pow(math.Sin(4*math.Pi*t), 2)
		out[i] = float32(0.2*v*syllable + 0.005*rng.NormFloat64())
	}
	return out
}
