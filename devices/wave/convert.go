package wave

import (
	"fmt"
	"math"
)

// MaxChannels is the largest number of channels that can be mixed down.
const MaxChannels = 8

// Converter turns interleaved sound of some rate and number of channels into
// what the senses deliver: mono float32 in [-1, 1] at 16 kHz.
// The channels are averaged. Samples that are no numbers become silence and
// those beyond full scale are clipped; both are counted.
//
// A Converter has state and is used by one goroutine.
type Converter struct {
	channels int
	resample *Resampler
	mono     []float32 // scratch

	// Invalid counts input samples that were NaN or infinite, Clipped those
	// outside [-1, 1].
	Invalid, Clipped int
}

// NewConverter returns a converter from rate hertz and 1..[MaxChannels] channels.
func NewConverter(rate, channels int) (*Converter, error) {
	if channels < 1 || channels > MaxChannels {
		return nil, fmt.Errorf("%d channels: there must be 1..%d", channels, MaxChannels)
	}
	r, err := NewResampler(rate)
	if err != nil {
		return nil, err
	}
	return &Converter{channels: channels, resample: r}, nil
}

// Append converts whole frames of interleaved samples, appends the result to
// dst and returns it. A rest that is no whole frame is ignored.
func (c *Converter) Append(dst, interleaved []float32) []float32 {
	frames := len(interleaved) / c.channels
	c.mono = c.mono[:0]
	for f := range frames {
		var sum float32
		for _, v := range interleaved[f*c.channels : (f+1)*c.channels] {
			switch {
			case v >= -1 && v <= 1:
			case math.IsNaN(float64(v)) || math.IsInf(float64(v), 0):
				c.Invalid++
				v = 0
			default:
				c.Clipped++
				v = max(-1, min(1, v))
			}
			sum += v
		}
		c.mono = append(c.mono, sum/float32(c.channels))
	}
	from := len(dst)
	dst = c.resample.Append(dst, c.mono)
	limit(dst[from:])
	return dst
}

// Flush ends the sound as [Resampler.Flush] does.
func (c *Converter) Flush(dst []float32) []float32 {
	from := len(dst)
	dst = c.resample.Flush(dst)
	limit(dst[from:])
	return dst
}

// limit clips the overshoot of the filter beside full-scale edges.
func limit(s []float32) {
	for i, v := range s {
		if v > 1 || v < -1 {
			s[i] = max(-1, min(1, v))
		}
	}
}
