package scene

import (
	"math"
	"math/rand/v2"
	"time"
)

// DuskCycle is how long the script [Dusk] takes from day to night and back: a
// quarter of it is day, then it gets dark, is night, and gets light again.
const DuskCycle = 60 * time.Second

// The lamp of [Flicker] fails for lampFails every lampCycle.
const (
	lampCycle = 7 * time.Second
	lampFails = 400 * time.Millisecond
)

// tone turns the colour of a thing into that of its picture.
type tone struct{ gain, lift rgb }

// light is what falls on a scene.
type light struct {
	script     Script
	day, night tone
	dark       bool    // at night, or beginning there
	depth      float32 // of the mains stripes
}

func newLight(o Opts, r *rand.Rand) light {
	l := light{script: o.Script, dark: o.Night, depth: uniform(r, .06, .1)}
	contrast, bright := uniform(r, .8, 1.15), uniform(r, .82, 1.15)
	l.day = tone{gray(contrast), gray(128 * (bright - contrast))}
	l.night = tone{rgb{.85, .92, 1.15}.times(uniform(r, .27, .48)), gray(uniform(r, 0, 8))}
	return l
}

// darkness is 0 by day and 1 at night.
func (l *light) darkness(at time.Duration) float32 {
	d := float32(0)
	if l.script == Dusk {
		phase := float64(at%DuskCycle) / float64(DuskCycle) * 4 // day, dusk, night, dawn
		switch {
		case phase < 1:
		case phase < 2:
			d = float32(1-math.Cos(math.Pi*(phase-1))) / 2
		case phase < 3:
			d = 1
		default:
			d = float32(1+math.Cos(math.Pi*(phase-3))) / 2
		}
	}
	if l.dark {
		d = 1 - d
	}
	return d
}

func (l *light) at(at time.Duration) tone {
	d := l.darkness(at)
	var t tone
	for i := range 3 {
		t.gain[i] = l.day.gain[i]*(1-d) + l.night.gain[i]*d
		t.lift[i] = l.day.lift[i]*(1-d) + l.night.lift[i]*d
	}
	return t
}

// flicker is the brightness of a row (0 at the top, 1 at the bottom) by a lamp
// on the mains: a rolling shutter makes stripes of it, and the difference
// between frame rate and mains lets them crawl.
func (l *light) flicker(at time.Duration, row float64) float32 {
	if l.script != Flicker {
		return 1
	}
	f := 1 + l.depth*float32(math.Sin(2*math.Pi*(.7*at.Seconds()+1.5*row)))
	if at%lampCycle >= lampCycle-lampFails {
		f *= .6
	}
	return f
}

// noise is that of the sensor: grey, new in each frame.
type noise struct {
	seed  uint64
	table []float32
}

const noiseTable = 1 << 14 // a power of two

func newNoise(r *rand.Rand) noise {
	n := noise{r.Uint64(), make([]float32, noiseTable)}
	sigma := uniform(r, 1, 4)
	for i := range n.table {
		n.table[i] = sigma * float32(r.NormFloat64())
	}
	return n
}

// grain is the noise of one row.
type grain struct {
	table  []float32
	offset uint64
}

func (n *noise) row(at time.Duration, y int) grain {
	return grain{n.table, mix(n.seed ^ mix(uint64(at)^mix(uint64(y))))}
}

func (g grain) at(x int) float32 { return g.table[(g.offset+uint64(x))%noiseTable] }

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
