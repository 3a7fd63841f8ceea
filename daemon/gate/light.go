package gate

import "math"

// affine is how the light changed: now = gain·background + offset. Noise is
// the deviation of one cell.
type affine struct{ gain, offset, noise float32 }

// light fits the frame to the background by least squares over the cells that
// agree with the fit before, three times; things that moved do not agree.
func (m *Motion) light() affine {
	fit := affine{gain: 1, offset: m.medianShift(), noise: 0}
	limit := float32(24)
	for range 3 {
		var n, sx, sy, sxx, sxy float64
		for i := 0; i < len(m.mean); i += 3 { // a third of the cells is plenty
			b, c := m.mean[i], m.cur[i]
			e := c - (fit.gain*b + fit.offset)
			if m.masked[i] || e > limit || e < -limit || c > 250 || c < 3 {
				continue
			}
			x, y := float64(b), float64(c)
			n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
		}
		if n < 8 {
			break
		}
		if v := sxx - sx*sx/n; v > 4*n { // some contrast to tell gain from offset
			fit.gain = float32(min(4, max(0.25, (sxy-sx*sy/n)/v)))
		}
		fit.offset = float32(sy/n) - fit.gain*float32(sx/n)
		limit = 12
	}
	fit.noise = m.frameNoise(fit)
	m.findStripes(fit)
	return fit
}

// of returns gain and offset of a row that is brighter by a share.
func (a affine) of(stripe float32) (gain, offset float32) {
	return a.gain * (1 + stripe), a.offset * (1 + stripe)
}

// maxStripe bounds the share by which a lamp on the mains can make a row of one
// picture brighter or darker than in another.
const maxStripe = 0.3

// findStripes measures how each row differs from the light of all: a lamp on the
// mains flickers faster than the rows of a sensor are read. It is the median
// over the row, so a thing in less than half of it does not count, and the mean
// of that over five rows.
func (m *Motion) findStripes(fit affine) {
	const steps = 64 // of a median, each way
	var raw [gridHeight]float32
	for y := range m.h {
		var counts [2*steps + 1]int
		n := 0
		for i := y * m.w; i < (y+1)*m.w; i += 2 { // half of the cells are plenty
			want := fit.gain*m.mean[i] + fit.offset
			if c := m.cur[i]; m.masked[i] || want < 12 || want > 250 || c > 250 {
				continue
			}
			share := (m.cur[i] - want) / want
			counts[steps+int(max(-1, min(1, share*(1/maxStripe)))*steps)]++
			n++
		}
		if n < 8 || n < m.w/16 {
			continue // nothing to tell it from
		}
		sum := 0
		for v, c := range counts {
			if sum += c; 2*sum >= n {
				raw[y] = float32(v-steps) / steps * maxStripe
				break
			}
		}
	}
	for y := range m.h {
		var sum float32
		from, to := max(0, y-2), min(m.h, y+3)
		for _, v := range raw[from:to] {
			sum += v
		}
		m.stripes[y] = sum / float32(to-from)
	}
}

// frameNoise is the deviation of the cells from the fit, by the median of the
// differences between neighbours: noise differs there, things and shadows
// mostly do not.
func (m *Motion) frameNoise(fit affine) float32 {
	const steps = 8 // a level
	var counts [steps * 32]int
	n := 0
	for y := 0; y < m.h; y += 2 {
		row := m.cur[y*m.w : (y+1)*m.w]
		mean := m.mean[y*m.w : (y+1)*m.w]
		for x := 1; x < m.w; x++ {
			d := abs32(row[x] - row[x-1] - fit.gain*(mean[x]-mean[x-1]))
			counts[min(len(counts)-1, int(d*steps))]++
			n++
		}
	}
	sum := 0
	for v, c := range counts {
		if sum += c; 2*sum > n {
			// 0.6745 is the median of |x| of a normal distribution.
			return min(maxNoise, (float32(v)+0.5)/steps/(0.6745*math.Sqrt2))
		}
	}
	return 0
}

// medianShift is the median of frame minus background, from a histogram.
func (m *Motion) medianShift() float32 {
	var counts [511]int
	for i, b := range m.mean {
		if !m.masked[i] {
			counts[255+int(m.cur[i]-b)]++
		}
	}
	sum := 0
	for v, c := range counts {
		if sum += c; 2*sum >= m.cells {
			return float32(v - 255)
		}
	}
	return 0
}
