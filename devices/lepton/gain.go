package lepton

import (
	"image"
	"math"
)

// The picture shows at least so much between black and white, or the noise of
// an even wall would fill it: 5 K, or what a module without temperatures gives
// for about that.
const (
	leastCentikelvin = 500
	leastCounts      = 150
)

// The coldest and the hottest parts of a picture may be black and white all
// over. What is shown follows a change of the scene slowly, so that a picture
// does not flicker when something warm comes in and things that stay where they
// are do not seem to move.
const (
	cut    = 0.005
	follow = 0.05 // of the way, with each picture
)

// gain turns measured values into a grey picture.
type gain struct {
	least     float64 // span
	low, high float64 // black and white; equal before the first picture
	histogram []uint32
}

// picture makes a picture of values.
func (g *gain) picture(p *points) *image.Gray {
	low, high := g.range16(p.values)
	if missing := g.least - (high - low); missing > 0 {
		low, high = low-missing/2, high+missing/2
	}
	if g.low == g.high {
		g.low, g.high = low, high
	} else {
		g.low += follow * (low - g.low)
		g.high += follow * (high - g.high)
	}
	img := image.NewGray(image.Rect(0, 0, p.width, p.height))
	scale := 255 / (g.high - g.low)
	for i, v := range p.values {
		img.Pix[i] = uint8(min(max(math.Round((float64(v)-g.low)*scale), 0), 255))
	}
	return img
}

// range16 returns the values below and above which a share of cut lies.
func (g *gain) range16(values []uint16) (low, high float64) {
	if g.histogram == nil {
		g.histogram = make([]uint32, math.MaxUint16+1)
	}
	h := g.histogram
	clear(h)
	first, last := uint16(math.MaxUint16), uint16(0)
	for _, v := range values {
		h[v]++
		first, last = min(first, v), max(last, v)
	}
	most := uint32(cut * float64(len(values)))
	lo, hi := int(first), int(last)
	for n := h[lo]; n <= most; n += h[lo] {
		lo++
	}
	for n := h[hi]; n <= most; n += h[hi] {
		hi--
	}
	return float64(lo), float64(hi)
}
