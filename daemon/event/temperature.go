package event

import "fmt"

// Warmth is what a thermal camera measured, in degrees Celsius.
type Warmth struct {
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean"`
	// Hottest is the place of Max: [x, y] from the upper left corner, each 0..1
	// of the frame.
	Hottest [2]float64 `json:"hottest"`
}

// coldest is absolute zero, in degrees Celsius.
const coldest = -273.15

// validate checks that the numbers can be temperatures of one picture.
func (w *Warmth) validate() error {
	h := w.Hottest
	switch {
	case !finite(w.Min) || !finite(w.Max) || !finite(w.Mean):
		return fmt.Errorf("min %v, max %v and mean %v are not all numbers", w.Min, w.Max, w.Mean)
	case w.Min < coldest || w.Min > w.Mean || w.Mean > w.Max:
		return fmt.Errorf("min %v, mean %v and max %v are not in this order", w.Min, w.Mean, w.Max)
	case !(h[0] >= 0 && h[0] <= 1 && h[1] >= 0 && h[1] <= 1):
		return fmt.Errorf("hottest %v is not [x, y] in 0..1", h)
	}
	return nil
}
