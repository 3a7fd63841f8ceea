package gemma4

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

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

// grid is what convolutions turn into each other, [frames][bands][channels]: of
// a sound the frames from number first on, those before are not needed any more.
type grid struct {
	values          []float32
	first, frames   int
	bands, channels int
}

// frameSize is how many values a frame has.
func (g *grid) frameSize() int { return g.bands * g.channels }

// end is the number of the frame that comes next.
func (g *grid) end() int { return g.first + g.frames }

// reserve makes sure that frames up to number end-1 fit without moving those there.
func (g *grid) reserve(end int) {
	g.values = slices.Grow(g.values, max(0, (end-g.end())*g.frameSize()))
}

// extend makes room for the frames up to number end-1 and returns the new ones.
func (g *grid) extend(end int) []float32 {
	old := len(g.values)
	g.frames = end - g.first
	g.values = slices.Grow(g.values, g.frames*g.frameSize()-old)[:g.frames*g.frameSize()]
	return g.values[old:]
}

// forget drops the frames before number first.
func (g *grid) forget(first int) {
	n := min(max(first-g.first, 0), g.frames)
	g.values = g.values[:copy(g.values, g.values[n*g.frameSize():])]
	g.first, g.frames = g.first+n, g.frames-n
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

// apply computes the output frames up to number end-1 and forgets of the input
// what no later one looks at. The points that each output looks at are laid out
// as the rows of a matrix.
func (c *convolution) apply(a *arithmetic, in, out *grid, end int) {
	points, first := convArea*c.in, out.end()
	n := (end - first) * out.bands
	a.work = grow(a.work, n*points)
	looked := a.work
	a.rows(n, func(r int) { in.look(row(looked, r, points), first+r/out.bands, r%out.bands) })
	values := out.extend(end)
	a.pool.MatMul(looked, n, kernels.Product{Out: values, W: c.w})
	a.rows(n, func(r int) { kernels.NormReLU(row(values, r, c.out), c.norm, audioEps) })
	in.forget(2*end - 1)
}

// look copies the 3 x 3 points around the one that stays at (frame, band). There
// are zeros before the first frame of a sound and after its last.
func (g *grid) look(dst []float32, frame, band int) {
	left := 2*band - 1
	from, to := max(left, 0), min(left+convSide, g.bands)
	for df := range convSide {
		points := dst[df*convSide*g.channels:][:convSide*g.channels]
		f := 2*frame + df - 1
		if f < g.first || f >= g.end() {
			clear(points)
			continue
		}
		clear(points[:(from-left)*g.channels])
		inside := row(g.values, f-g.first, g.frameSize())[from*g.channels : to*g.channels]
		n := copy(points[(from-left)*g.channels:], inside)
		clear(points[(from-left)*g.channels+n:])
	}
}
