package gate

import (
	"fmt"
	"image"
	"math"
	"time"
)

// MotionOpts tunes a [Motion] gate. Zero fields mean the value in brackets.
type MotionOpts struct {
	// Sensitivity is from 0 (blind) to 1 (jumpy) [0.5]. It scales how much a
	// place must change.
	Sensitivity float64
	// MinArea is the share of the picture that must change [0.005].
	MinArea float64
	// CoolDown is how long motion lasts after the last change [2s].
	CoolDown time.Duration
	// Absorb is how long something must stand still to become background [3s].
	Absorb time.Duration
	// Zones are the places that count; none means everywhere.
	Zones []Polygon
	// Ignore are the places where nothing counts, also in a zone: a road, a
	// tree, a clock.
	Ignore []Polygon
}

// Moved is the judgement on one frame.
type Moved struct {
	// Moving says that something moves now or did within the cool-down. It
	// begins at MinArea and goes on down to half of it.
	Moving bool
	// Started is true in the first frame of a motion.
	Started bool
	// New says that this is another picture altogether: the first frame of a
	// source, another size, or a change of more than half the picture. A new
	// picture counts as moving, except for the first.
	New bool
	// Area is the share (0..1) of the places that count which differs from the
	// background.
	Area float64
	// Box encloses the parts that do; zero when there are none.
	Box Box
}

// Box is a part of a picture; (0, 0) is the upper left, (1, 1) the lower right
// corner of the whole.
type Box struct{ X1, Y1, X2, Y2 float64 }

const (
	// newArea is the changed share that makes a picture a new one.
	newArea = 0.5
	// learnTime is the time constant of background and noise, learnFast that of
	// the light.
	learnTime = 5 * time.Second
	// startNoise is the standard deviation of a cell before it is measured.
	startNoise = 2
	// maxNoise is the most that is put down to noise: 25 levels a pixel.
	maxNoise = 6
	// bright is the luminance from which on a cell must change by as much as the
	// sensitivity says, darkest the least share of that in the dark.
	bright, darkest = 150, 0.10
	// smoothed is how much of a cell's noise is left in the mean of nine, with
	// some reserve for noise that neighbours share.
	smoothed = 0.45
	// still is how little, in noise deviations, a standing thing changes.
	still = 3
)

// Motion compares pictures with a background that it learns: for each cell of a
// grid of 160 by 120 a mean and a mean deviation, as in the running-average
// models after Wren et al., "Pfinder" (1997). Before the comparison the
// background is brought to the light of the frame by a robust affine fit, and of
// each row by its own factor, so that clouds, lamps, their flicker and the
// camera's exposure are not motion. Use it from one goroutine.
type Motion struct {
	sensitivity, minArea float64
	coolDown, absorb     time.Duration
	zones, ignore        []Polygon

	size    image.Point // of the frames
	w, h    int
	mean    []float32 // of each cell of the background
	noise   []float32 // deviation of each cell's difference
	masked  []bool
	cells   int         // that are not masked
	last    []float32   // the frame before
	stillAt []time.Time // since when a changed cell stands still
	lastAt  time.Time   // time of the frame before
	moving  bool
	movedAt time.Time // of the last change

	stripes []float32 // by row: how much brighter it is than the light of all

	cur   []float32 // scratch
	want  []float32 // the background in the light of the frame
	diff  []float32 // how the frame differs from that, smoothed
	rows  []float32
	fore  []bool
	clean []bool
	stack []int32
}

// NewMotion returns a gate that has seen nothing yet.
func NewMotion(o MotionOpts) (*Motion, error) {
	if o.Sensitivity == 0 {
		o.Sensitivity = 0.5
	}
	if o.MinArea == 0 {
		o.MinArea = 0.005
	}
	if o.CoolDown == 0 {
		o.CoolDown = 2 * time.Second
	}
	if o.Absorb == 0 {
		o.Absorb = 3 * time.Second
	}
	switch {
	case !(o.Sensitivity > 0 && o.Sensitivity <= 1):
		return nil, fmt.Errorf("motion gate: the sensitivity %v is outside 0..1", o.Sensitivity)
	case !(o.MinArea > 0 && o.MinArea < 1):
		return nil, fmt.Errorf("motion gate: the smallest area %v is outside 0..1", o.MinArea)
	case o.CoolDown < 0 || o.Absorb < 0:
		return nil, fmt.Errorf("motion gate: cool-down (%v) and absorb (%v) cannot be negative", o.CoolDown, o.Absorb)
	}
	for i, p := range o.Zones {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("motion gate: zone %d: %w", i+1, err)
		}
	}
	for i, p := range o.Ignore {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("motion gate: ignored place %d: %w", i+1, err)
		}
	}
	return &Motion{
		sensitivity: o.Sensitivity, minArea: o.MinArea,
		coolDown: o.CoolDown, absorb: o.Absorb, zones: o.Zones, ignore: o.Ignore,
	}, nil
}

// Push looks at the frame that was taken at t. A picture of no pixels is
// nothing at all.
func (m *Motion) Push(t time.Time, img image.Image) Moved {
	cur, w, h := luma(m.cur, img)
	m.cur = cur
	if w == 0 {
		return Moved{}
	}
	if size := img.Bounds().Size(); size != m.size {
		first := m.w == 0
		m.size = size
		m.resize(w, h)
		m.adopt(t)
		if first {
			return Moved{New: true, Area: 1, Box: Box{0, 0, 1, 1}}
		}
		return m.state(t, Moved{New: true, Area: 1, Box: Box{0, 0, 1, 1}})
	}

	if m.cells == 0 { // nothing counts
		return Moved{}
	}
	fit := m.light()
	m.compare(fit)
	r := m.changed()
	if r.Area > newArea {
		r.New = true
		m.adopt(t)
	} else {
		m.learn(t, fit)
	}
	return m.state(t, r)
}

// state applies hysteresis and cool-down.
func (m *Motion) state(t time.Time, r Moved) Moved {
	least := m.minArea
	if m.moving {
		least /= 2
	}
	if r.Area >= least {
		r.Started = !m.moving
		m.moving, m.movedAt = true, t
	} else if since := t.Sub(m.movedAt); since >= m.coolDown || since < 0 {
		m.moving = false
	}
	r.Moving = m.moving
	m.lastAt = t
	m.last, m.cur = m.cur, m.last
	return r
}

func (m *Motion) resize(w, h int) {
	n := w * h
	m.w, m.h = w, h
	m.mean, m.noise, m.last = make([]float32, n), make([]float32, n), make([]float32, n)
	m.fore, m.clean, m.masked = make([]bool, n), make([]bool, n), make([]bool, n)
	m.stillAt = make([]time.Time, n)
	m.want, m.diff, m.rows, m.stripes = make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, h)
	zones, ignored := newRaster(w, h), newRaster(w, h)
	for _, p := range m.zones {
		zones.fill(p)
	}
	for _, p := range m.ignore {
		ignored.fill(p)
	}
	m.cells = 0
	for i := range m.masked {
		m.masked[i] = ignored.set[i] || len(m.zones) > 0 && !zones.set[i]
		if !m.masked[i] {
			m.cells++
		}
	}
}

// adopt makes the present frame the background.
func (m *Motion) adopt(t time.Time) {
	copy(m.mean, m.cur)
	for i := range m.noise {
		m.noise[i] = startNoise
	}
	clear(m.stillAt)
	clear(m.stripes)
	copy(m.last, m.cur)
	m.lastAt = t
}

// compare marks in clean the cells that differ from the background in this
// light and have enough such neighbours.
func (m *Motion) compare(fit affine) {
	w := m.w
	for y := range m.h {
		gain, offset := fit.of(m.stripes[y])
		mean, cur := m.mean[y*w:(y+1)*w], m.cur[y*w:(y+1)*w]
		want, diff := m.want[y*w:(y+1)*w], m.diff[y*w:(y+1)*w]
		for x, b := range mean {
			v := min(255, max(0, gain*b+offset))
			want[x], diff[x] = v, cur[x]-v
		}
	}
	m.smooth()
	base := float32(12 * math.Pow(3, 1-2*m.sensitivity))
	for i, want := range m.want {
		// What differs by a share of the light differs by less in the dark.
		// Where the light changed much, its model is less exact.
		limit := base*min(1, max(darkest, want/bright)) + 2.5*max(m.noise[i], fit.noise*smoothed) + 0.2*abs32(want-m.mean[i])
		// The cells around a thing have it in their mean, but do not differ.
		m.fore[i] = abs32(m.diff[i]) > limit && abs32(m.cur[i]-want) > limit/3 && !m.masked[i]
	}
	for y := range m.h {
		for x := range m.w {
			i := y*m.w + x
			m.clean[i] = m.fore[i] && m.neighbours(x, y) >= min(3, m.w*m.h-1)
		}
	}
}

// smooth makes each difference the mean of the nine around it: noise and rain
// differ from cell to cell, things do not.
func (m *Motion) smooth() {
	w := m.w
	sums := m.rows // of three cells of a row
	for y := range m.h {
		row, to := m.diff[y*w:(y+1)*w], sums[y*w:(y+1)*w]
		left, here := row[0], row[0]
		for x, right := range row[1:] {
			to[x] = left + here + right
			left, here = here, right
		}
		to[w-1] = left + here + here
	}
	for y := range m.h {
		row, here := m.diff[y*w:(y+1)*w], sums[y*w:(y+1)*w]
		up, down := max(0, y-1)*w, min(m.h-1, y+1)*w
		above, below := sums[up:up+w], sums[down:down+w]
		for x := range row {
			row[x] = (above[x] + here[x] + below[x]) * (1. / 9)
		}
	}
}

// learn moves the background towards the frame: at once for the light, slowly
// for cells that agree, and for the others when they have stood still.
func (m *Motion) learn(t time.Time, fit affine) {
	dt := t.Sub(m.lastAt)
	if dt <= 0 {
		return // the clock was set back; the next frame tells
	}
	rate := float32(1 - math.Exp(-dt.Seconds()/learnTime.Seconds()))
	for i := range m.mean {
		b := min(255, max(0, fit.gain*m.mean[i]+fit.offset))
		if !m.clean[i] {
			d := m.diff[i]
			m.mean[i] = b + rate*(m.cur[i]-m.want[i])
			m.noise[i] += rate * (min(2*maxNoise, 1.25*abs32(d)) - m.noise[i])
			m.stillAt[i] = time.Time{}
			continue
		}
		m.mean[i] = b
		if abs32(m.cur[i]-m.last[i]) > still*max(m.noise[i], fit.noise)+4 || m.stillAt[i].IsZero() {
			m.stillAt[i] = t
		}
		if t.Sub(m.stillAt[i]) >= m.absorb {
			m.mean[i] = m.cur[i]
			m.noise[i] = startNoise
		}
	}
}

func abs32(x float32) float32 {
	return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) // no branch to guess wrong
}

// heatWidth and heatHeight are the size of what [Motion.Heat] tells.
const heatWidth, heatHeight = gridWidth / 4, gridHeight / 4

// Heat tells where the last frame differs from the background: for each cell of
// a grid of at most 40 by 30, row by row, which share of it does, from 0 to 255.
// Before the second frame there is none.
func (m *Motion) Heat() (cells []byte, w, h int) {
	if m.w == 0 {
		return nil, 0, 0
	}
	w, h = min(heatWidth, m.w), min(heatHeight, m.h)
	cells = make([]byte, w*h)
	for y := range h {
		top, bottom := y*m.h/h, (y+1)*m.h/h
		for x := range w {
			left, right := x*m.w/w, (x+1)*m.w/w
			n := 0
			for j := top; j < bottom; j++ {
				for _, differs := range m.clean[j*m.w+left : j*m.w+right] {
					if differs {
						n++
					}
				}
			}
			cells[y*w+x] = byte(255 * n / ((bottom - top) * (right - left)))
		}
	}
	return cells, w, h
}
