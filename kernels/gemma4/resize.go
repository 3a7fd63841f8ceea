package gemma4

import (
	"errors"
	"fmt"
	"image"
	"math"
)

// parallel calls f for 0..n-1 in any order and returns when all have returned:
// kernels.Pool.Run or serially.
type parallel func(n int, f func(i int))

func serially(n int, f func(i int)) {
	for i := range n {
		f(i)
	}
}

// ResizedSize returns the size to which a picture is stretched before it is
// cut into patches of patch x patch pixels, of which merge x merge give one
// soft token: the largest size of about the same shape with whole tokens in
// both directions and at most budget of them. Small pictures are enlarged. A
// side that would vanish becomes one token wide, and the other side then keeps
// the whole part of the ratio of the sides.
//
// It is an error if the picture is empty.
func ResizedSize(height, width, budget, patch, merge int) (h, w int, err error) {
	if height <= 0 || width <= 0 {
		return 0, 0, fmt.Errorf("the picture is empty: %d x %d pixels", width, height)
	}
	if budget <= 0 || patch <= 0 || merge <= 0 {
		return 0, 0, fmt.Errorf("a picture needs a positive number of soft tokens, not %d", budget)
	}
	side := patch * merge
	pixels := float64(budget * side * side)
	factor := math.Sqrt(pixels / (float64(height) * float64(width)))
	h = int(factor*float64(height)/float64(side)) * side
	w = int(factor*float64(width)/float64(side)) * side
	switch {
	case h == 0:
		h, w = side, min(width/height, budget)*side
	case w == 0:
		h, w = min(height/width, budget)*side, side
	}
	if h <= 0 || w <= 0 || float64(h)*float64(w) > pixels {
		return 0, 0, fmt.Errorf("a picture of %d x %d pixels does not fit into %d soft tokens", width, height, budget)
	}
	return h, w, nil
}

// Resize stretches the picture to w x h pixels, as 8-bit RGB (see rowsOf for
// what becomes of other kinds). It is the cubic filter of R. Keys ("Cubic
// convolution interpolation for digital image processing", 1981, a = -1/2),
// widened when it shrinks so that it never skips pixels, in fixed point: the
// rows and the columns in two passes, each rounded to 8 bits. The result equals
// that of the Python library Pillow 13 bit by bit.
func Resize(im image.Image, w, h int) (*Pixels, error) { return resize(serially, im, w, h) }

func resize(run parallel, im image.Image, w, h int) (*Pixels, error) {
	if im == nil {
		return nil, errors.New("there is no picture")
	}
	b := im.Bounds()
	if b.Dx() <= 0 || b.Dy() <= 0 {
		return nil, fmt.Errorf("the picture is empty: %d x %d pixels", b.Dx(), b.Dy())
	}
	if w <= 0 || h <= 0 {
		return nil, fmt.Errorf("a picture cannot be resized to %d x %d pixels", w, h)
	}
	rows := rowsOf(im)
	across, down := newAxis(b.Dx(), w), newAxis(b.Dy(), h)
	if columnsFirst(across, down) {
		same := newAxis(b.Dx(), b.Dx())
		return horizontal(run, rowsOf(vertical(run, horizontal(run, rows, same, b.Dy()), down)), across, h), nil
	}
	return vertical(run, horizontal(run, rows, across, b.Dy()), down), nil
}

// columnsFirst says which pass goes first. It matters because the result of
// the first is rounded; Pillow starts with the columns, since version 13, when
// they lose more than twice as many pixels as the rows.
func columnsFirst(across, down *axis) bool {
	return down.out < down.in && 2*(across.in-across.out) < down.in-down.out
}

// rowsPerTask is how many rows one goroutine takes at a time: enough to hide
// the hand-over, few enough to share a small picture.
const rowsPerTask = 16

// inBands splits n rows into bands and calls f(first, end) for each.
func inBands(run parallel, n int, f func(first, end int)) {
	run((n+rowsPerTask-1)/rowsPerTask, func(i int) {
		f(i*rowsPerTask, min(n, (i+1)*rowsPerTask))
	})
}

// horizontal reads that many rows and resizes each.
func horizontal(run parallel, rows rowReader, across *axis, height int) *Pixels {
	out := NewPixels(across.out, height)
	inBands(run, height, func(first, end int) {
		src := make([]uint8, 3*across.in)
		for y := first; y < end; y++ {
			dst := out.Pix[3*out.W*y : 3*out.W*(y+1)]
			if across.in == across.out {
				rows(dst, y)
				continue
			}
			rows(src, y)
			across.resizeRow(dst, src)
		}
	})
	return out
}

// vertical resizes the columns.
func vertical(run parallel, in *Pixels, down *axis) *Pixels {
	if down.in == down.out {
		return in
	}
	out := NewPixels(in.W, down.out)
	stride := 3 * in.W
	inBands(run, out.H, func(first, end int) {
		sums := make([]int32, stride)
		for y := first; y < end; y++ {
			for i := range sums {
				sums[i] = rounding
			}
			top, taps := down.taps(y)
			for k, c := range taps {
				row := in.Pix[stride*(top+k) : stride*(top+k+1)]
				for i, v := range row[:len(sums)] {
					sums[i] += int32(v) * c
				}
			}
			dst := out.Pix[stride*y : stride*(y+1)]
			for i, s := range sums[:len(dst)] {
				dst[i] = clip8(s >> precision)
			}
		}
	})
	return out
}

// The weights are fixed-point numbers with this many bits after the point: 8
// bits of pixel, a sign and one bit of overshoot fit beside them in 32.
const (
	precision = 32 - 8 - 2
	rounding  = 1 << (precision - 1)
)

// axis holds, for one direction, which input pixels each output pixel is made
// of, and with what weights.
type axis struct {
	in, out int
	first   []int   // [out]
	weights []int32 // [out][most]
	count   []int   // [out], at most most
	most    int
}

// newAxis works out the weights to resize in pixels to out pixels.
func newAxis(in, out int) *axis {
	a := &axis{in: in, out: out}
	if in == out {
		return a
	}
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	reach := 2 * stretch
	a.most = 2*int(math.Ceil(reach)) + 1
	a.first, a.count = make([]int, out), make([]int, out)
	a.weights = make([]int32, out*a.most)
	exact := make([]float64, a.most)
	for i := range out {
		// The explicit conversions keep a compiler from fusing a product with a
		// sum, which would round differently on other processors.
		centre := float64((float64(i) + 0.5) * scale)
		first := max(int(centre-reach+0.5), 0)
		end := min(int(centre+reach+0.5), in)
		a.first[i], a.count[i] = first, end-first
		exact := exact[:end-first]
		var sum float64
		for k := range exact {
			exact[k] = cubic(float64((float64(k+first) - centre + 0.5) * (1 / stretch)))
			sum += exact[k]
		}
		for k, e := range exact {
			if sum != 0 {
				e /= sum
			}
			a.weights[i*a.most+k] = fixed(e)
		}
	}
	return a
}

// fixed rounds a weight to fixed point, halves away from zero.
func fixed(w float64) int32 { return int32(math.Round(w * (1 << precision))) }

// cubic is Keys' kernel with a = -1/2.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64(float64(float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return float64(float64(float64(float64(float64(float64(x-5)*x)+8)*x)-4) * a)
	}
	return 0
}

// taps returns the first input pixel of output pixel i and the weights from
// there on.
func (a *axis) taps(i int) (first int, weights []int32) {
	return a.first[i], a.weights[i*a.most:][:a.count[i]]
}

// resizeRow makes [out][3] from [in][3].
func (a *axis) resizeRow(dst, src []uint8) {
	for x := range a.out {
		first, weights := a.taps(x)
		r, g, b := int32(rounding), int32(rounding), int32(rounding)
		pixels := src[3*first:][:3*len(weights)]
		for _, c := range weights {
			r += int32(pixels[0]) * c
			g += int32(pixels[1]) * c
			b += int32(pixels[2]) * c
			pixels = pixels[3:]
		}
		d := dst[3*x : 3*x+3 : 3*x+3]
		d[0], d[1], d[2] = clip8(r>>precision), clip8(g>>precision), clip8(b>>precision)
	}
}
