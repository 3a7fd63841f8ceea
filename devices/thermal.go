package devices

import (
	"image"
	"math"
)

// Thermal is what a thermal camera measured beside the picture that was made of
// it. It belongs to its [Frame] and is owned like it.
type Thermal struct {
	// Width and Height in measured points. The picture of the frame shows the
	// same view and may have another size.
	Width, Height int
	// Centikelvin has the temperature of each point, row by row, in hundredths
	// of a kelvin. Zero means that nothing is known about the point: it was
	// painted over, for instance.
	Centikelvin []uint16
}

// Reading is a summary of a [Thermal], in degrees Celsius.
type Reading struct {
	Min, Max, Mean float64
	// Hottest is the place of Max, in the points of the Thermal; of several
	// equal ones the first.
	Hottest image.Point
}

// Celsius turns hundredths of a kelvin into degrees Celsius.
func Celsius(centikelvin uint16) float64 { return math.Round(float64(centikelvin)-27315) / 100 }

// Reading sums up all points. ok is false when no point is known.
func (t *Thermal) Reading() (r Reading, ok bool) {
	low, high, where := uint16(math.MaxUint16), uint16(0), 0
	var sum, n uint64
	for i, v := range t.Centikelvin {
		if v == 0 {
			continue
		}
		low = min(low, v)
		if v > high {
			high, where = v, i
		}
		sum += uint64(v)
		n++
	}
	if n == 0 || t.Width <= 0 {
		return Reading{}, false
	}
	return Reading{
		Min: Celsius(low), Max: Celsius(high), Mean: math.Round(float64(sum)/float64(n)-27315) / 100,
		Hottest: image.Pt(where%t.Width, where/t.Width),
	}, true
}
