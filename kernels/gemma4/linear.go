package gemma4

import (
	"fmt"
	"math"

	"sensed/kernels"
)

// linear is a matrix whose input and output are limited to what they were in
// training. Without its limits an encoder of Gemma 4 goes astray.
type linear struct {
	w       *kernels.Matrix
	in, out limits
}

// worthRounding is the size from which on a linear is rounded to 8 bits: those
// of the real encoders are, those of a small model would gain microseconds.
const worthRounding = 1 << 18

// limits clamps activations; infinite ones leave them alone.
type limits struct{ lo, hi float32 }

func unlimited() limits { return limits{float32(math.Inf(-1)), float32(math.Inf(1))} }

// linear reads name.weight and, when the file has them, the four limits beside
// it.
func (l *tensors) linear(name string, rows, cols int) linear {
	w := l.weights(name+".weight", rows, cols)
	return linear{
		w:   w,
		in:  l.limits(name+".input_min", name+".input_max"),
		out: l.limits(name+".output_min", name+".output_max"),
	}
}

// weights reads the matrix of a linear, rounded if that is worth it.
func (l *tensors) weights(name string, rows, cols int) *kernels.Matrix {
	w := l.matrix(name, rows, cols)
	if w != nil && l.round && rows*cols >= worthRounding {
		w = w.Rounded()
	}
	l.multiplies(w)
	return w
}

// limits reads a pair of scalars. One without the other is an error.
func (l *tensors) limits(lo, hi string) limits {
	if l.err != nil || !l.f.HasTensor(lo) && !l.f.HasTensor(hi) {
		return unlimited()
	}
	a, b := l.vector(lo, 1), l.vector(hi, 1)
	if l.err != nil {
		return unlimited()
	}
	out := limits{a[0], b[0]}
	if !(out.lo <= out.hi) {
		l.err = fmt.Errorf("%s: tensor %q is %g and %q is %g, which leaves nothing between", l.f.Name(), lo, out.lo, hi, out.hi)
	}
	return out
}

// use is one application of a linear: the result goes to out, [t][rows].
type use struct {
	out []float32
	l   linear
}

// arithmetic is what both encoders compute with.
type arithmetic struct {
	pool       *kernels.Pool
	multiplied []*kernels.Matrix // the linears
	scratch    []float32         // of applyEach
	work       []float32         // of one part of a layer
}

// apply computes linears that share the input x, [t][cols], which it clobbers.
// Of each row r of what comes out it then calls then(r), in parallel; nil:
// nothing.
func (a *arithmetic) apply(x []float32, t int, then func(r int), uses ...use) {
	products := make([]kernels.Product, 0, len(uses))
	for _, u := range uses {
		products = append(products, kernels.Product{Out: u.out, W: u.l.w})
		if u.l.in != uses[0].l.in {
			a.applyEach(x, t, then, uses)
			return
		}
	}
	l := uses[0].l
	if l.in != unlimited() {
		a.rows(t, func(r int) { l.in.clamp(row(x, r, l.w.Cols)) })
	}
	a.pool.MatMul(x, t, products...)
	a.rows(t, func(r int) {
		for _, u := range uses {
			u.l.out.clamp(row(u.out, r, u.l.w.Rows))
		}
		if then != nil {
			then(r)
		}
	})
}

// applyEach is apply for linears that limit their common input differently.
func (a *arithmetic) applyEach(x []float32, t int, then func(r int), uses []use) {
	x = x[:t*uses[0].l.w.Cols]
	for _, u := range uses {
		a.scratch = append(a.scratch[:0], x...)
		a.apply(a.scratch, t, nil, u)
	}
	if then != nil {
		a.rows(t, then)
	}
}

// clamp limits activations in place.
func (l limits) clamp(x []float32) {
	if l != unlimited() {
		kernels.Clamp(x, l.lo, l.hi)
	}
}

// rows calls f for rows 0..n-1 in parallel.
func (a *arithmetic) rows(n int, f func(r int)) {
	inBands(a.pool.Run, n, func(first, end int) {
		for r := first; r < end; r++ {
			f(r)
		}
	})
}

// length returns the number of values of a vector.
func (l *tensors) length(name string) int {
	t, err := l.f.Tensor(name)
	l.note(err)
	if err != nil {
		return 0
	}
	l.note(t.Is(t.Elements()))
	return t.Elements()
}

// reshaped returns a tensor of this shape as a matrix of the given columns.
func (l *tensors) reshaped(name string, cols int, shape ...int) *kernels.Matrix {
	if l.err != nil {
		return nil
	}
	t, err := l.f.Tensor(name)
	if err == nil {
		err = t.Is(shape...)
	}
	if err != nil {
		l.note(err)
		return nil
	}
	m, err := kernels.NewMatrix(t.Type, t.Elements()/cols, cols, t.Data)
	if err != nil {
		l.note(fmt.Errorf("%s: tensor %q: %w", l.f.Name(), name, err))
	}
	return m
}

// patches returns the embedding of square RGB patches.
func (l *tensors) patches(name string, rows, side int) *kernels.Matrix {
	return l.reshaped(name, 3*side*side, rows, 3, side, side)
}

// places returns the position table, which holds as many places for columns as
// for rows.
func (l *tensors) places(name string, width int) (table *kernels.Matrix, places int) {
	t, err := l.f.Tensor(name)
	if err != nil {
		l.note(err)
		return nil, 0
	}
	if places = 1; len(t.Shape) == 3 {
		places = t.Shape[1]
	}
	return l.reshaped(name, width, 2, places, width), places
}

// projection returns the weights of a linear with any number of rows.
func (l *tensors) projection(name string, cols int) *kernels.Matrix {
	t, err := l.f.Tensor(name)
	if err != nil {
		l.note(err)
		return nil
	}
	return l.weights(name, t.Rows(), cols)
}

// headsOf returns how many heads of that many values the rows of a matrix
// make. They must divide the number of query heads.
func (l *tensors) headsOf(name string, dim, queryHeads int) int {
	t, err := l.f.Tensor(name)
	if err != nil {
		l.note(err)
		return 1
	}
	if n := t.Rows() / dim; t.Rows()%dim == 0 && queryHeads%n == 0 {
		return n
	}
	l.note(fmt.Errorf("%s: tensor %q has %d rows, which are not heads of %d values shared by %d queries", l.f.Name(), name, t.Rows(), dim, queryHeads))
	return 1
}
