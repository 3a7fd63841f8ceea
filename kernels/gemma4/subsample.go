package gemma4

import (
	"encoding/binary"
	"fmt"
	"math"

	"sensed/kernels"
	"sensed/kernels/gguf"
)

// A convolution of the audio tower looks at 3 x 3 points and keeps every
// second one in both directions; outside its input there are zeros.
const (
	convSide = 3
	convArea = convSide * convSide
)

// convolution is followed by a normalisation over its channels and a cut below
// zero.
type convolution struct {
	in, out int
	w       *kernels.Matrix // [out][3 frames][3 bands][in]
	norm    []float32       // [out]
}

// grid is what convolutions turn into each other: [frames][bands][channels].
type grid struct {
	values                  []float32
	frames, bands, channels int
}

// halved is the length of a side after a convolution.
func halved(n int) int { return (n + 1) / 2 }

// convolution reads name.weight, [out][in][3][3], and name.norm.weight. The
// weights are reordered so that the channels of a point lie together.
func (l *tensors) convolution(name string, in int) convolution {
	c := convolution{in: in}
	t, err := l.f.Tensor(name + ".weight")
	if err != nil {
		l.note(err)
		return c
	}
	c.out = t.Shape[0]
	if err := t.Is(c.out, in, convSide, convSide); err != nil {
		l.note(err)
		return c
	}
	w, err := t.Floats()
	if err != nil {
		l.note(err)
		return c
	}
	encoded := make([]byte, 0, 4*len(w))
	for o := range c.out {
		for point := range convArea {
			for i := range in {
				encoded = binary.LittleEndian.AppendUint32(encoded, math.Float32bits(w[(o*in+i)*convArea+point]))
			}
		}
	}
	if c.w, err = kernels.NewMatrix(gguf.F32, c.out, convArea*in, encoded); err != nil {
		l.note(fmt.Errorf("%s: tensor %q: %w", l.f.Name(), name+".weight", err))
	}
	c.norm = l.vector(name+".norm.weight", c.out)
	return c
}

// apply convolves the grid, a few frames at a time: the points that each
// output looks at are laid out as the rows of a matrix.
func (c *convolution) apply(a *arithmetic, g grid) grid {
	out := grid{frames: halved(g.frames), bands: halved(g.bands), channels: c.out}
	out.values = make([]float32, out.frames*out.bands*out.channels)
	points := convArea * c.in
	step := max(1, 2048/out.bands)
	looked := make([]float32, min(step, out.frames)*out.bands*points)
	for first := 0; first < out.frames; first += step {
		n := min(step, out.frames-first) * out.bands
		a.rows(n, func(r int) {
			g.look(row(looked, r, points), first+r/out.bands, r%out.bands)
		})
		values := out.values[first*out.bands*c.out:][:n*c.out]
		a.pool.MatMul(looked, n, kernels.Product{Out: values, W: c.w})
		a.rows(n, func(r int) { c.activate(row(values, r, c.out)) })
	}
	return out
}

// look copies the 3 x 3 points around the one that stays at (frame, band).
func (g *grid) look(dst []float32, frame, band int) {
	for df := range convSide {
		for db := range convSide {
			f, b := 2*frame+df-1, 2*band+db-1
			to := dst[(df*convSide+db)*g.channels:][:g.channels]
			if f < 0 || f >= g.frames || b < 0 || b >= g.bands {
				clear(to)
				continue
			}
			copy(to, g.values[(f*g.bands+b)*g.channels:])
		}
	}
}

// activate normalises the channels of a point to mean 0 and variance 1, scales
// them and cuts them off below zero.
func (c *convolution) activate(x []float32) {
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	mean := sum / float64(len(x))
	variance := max(0, squares/float64(len(x))-mean*mean)
	shift, scale := float32(mean), float32(1/math.Sqrt(variance+audioEps))
	for i, w := range c.norm[:len(x)] {
		x[i] = max(0, (x[i]-shift)*scale*w)
	}
}
