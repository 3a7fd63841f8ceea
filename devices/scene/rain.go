package scene

import (
	"math"
	"math/rand/v2"
	"time"
)

// rain is what falls between the camera and the scene: streaks, as long as a
// drop falls while the shutter is open, and a veil of those too far to be seen.
type rain struct {
	veil  float32 // 0: none, 1: nothing else is seen
	slant float64 // pixels to the side for each pixel down
	drops []drop
}

// drop falls again and again, each time at another place.
type drop struct {
	x, y   float64 // where it begins, as a share of the picture
	speed  float64 // pictures a second
	length float64 // of its streak, as a share of the height
	width  int     // in pixels
	opaque float32
}

// newRain makes as many drops as a picture of w by h needs.
func newRain(w, h int, r *rand.Rand) *rain {
	f := &rain{veil: uniform(r, .05, .2), slant: float64(uniform(r, -.2, .2))}
	for range int(float64(w*h) * float64(uniform(r, .0005, .0011))) {
		d := drop{
			x: r.Float64(), y: r.Float64(), speed: float64(uniform(r, 1.5, 3)),
			length: float64(uniform(r, .015, .045)), width: 1, opaque: uniform(r, .15, .4),
		}
		if r.Float64() < .1 { // a near one
			d.length, d.speed, d.width = 2*d.length, 2*d.speed, 1+w/400
		}
		f.drops = append(f.drops, d)
	}
	return f
}

// onto draws the rain of a moment.
func (f *rain) onto(c *canvas, at time.Duration) {
	grey := float32(170)
	for i, v := range c.pix {
		c.pix[i] = v + f.veil*(grey-v)
	}
	for i, d := range f.drops {
		fallen := d.y + d.speed*at.Seconds()
		turn, y := math.Modf(fallen)
		// Each time that it falls it is elsewhere.
		x := d.x + float64(mix(uint64(i)^mix(uint64(turn))))/math.MaxUint64
		x -= math.Floor(x)
		length := int(d.length * float64(c.h))
		top := int(y*float64(c.h+length)) - length
		for k := range length {
			left := int(x*float64(c.w) + f.slant*float64(k))
			c.each(left, top+k, left+d.width, top+k+1, func(p []float32) {
				for ch := range p {
					p[ch] += d.opaque * (215 - p[ch])
				}
			})
		}
	}
}
