package kernels

import "fmt"

// tileRows is how many rows of a weight matrix one work item computes.
const tileRows = 16

// Product is one matrix product of a [Pool.MatMul]: Out is [T][W.Rows].
type Product struct {
	Out []float32
	W   *Matrix
}

// MatMul computes Out[t][r] = sum over c of W[r][c] x[t][c] for each product;
// x is [t][Cols] and all products share it. Weights in F32, F16 and BF16 are
// multiplied in float32; quantised weights with activations rounded to int8 in
// blocks of 32, as is the custom of these formats.
//
// It panics when the shapes do not fit, which is a mistake of the caller.
func (p *Pool) MatMul(x []float32, t int, products ...Product) {
	cols := products[0].W.Cols
	for _, q := range products {
		if q.W.Cols != cols || len(x) < t*cols || len(q.Out) < t*q.W.Rows {
			panic(fmt.Sprintf("kernels: product of %d x %d with %d rows of %d (%d values) into %d",
				q.W.Rows, q.W.Cols, t, cols, len(x), len(q.Out)))
		}
	}
	if t == 0 {
		return
	}
	p.matMul(x, t, products)
}

// MatMulRows computes some rows of a product with one row of activations:
// out[i] is row rows[i] of W times x, bit for bit what [Pool.MatMul] gives. It
// panics when a row does not exist.
func (p *Pool) MatMulRows(out, x []float32, w *Matrix, rows []int) {
	if len(x) != w.Cols || len(out) < len(rows) {
		panic(fmt.Sprintf("kernels: %d rows of %d x %d with %d values into %d", len(rows), w.Rows, w.Cols, len(x), len(out)))
	}
	pick := make([]int32, len(rows))
	for i, r := range rows {
		if r < 0 || r >= w.Rows {
			panic(fmt.Sprintf("kernels: row %d of %d", r, w.Rows))
		}
		pick[i] = int32(r)
	}
	if len(pick) > 0 {
		p.matMulRows(out, x, w, pick)
	}
}

// span is a run of row tiles of one product.
type span struct {
	product     int
	first, last int // tiles
}

// spans cuts the products into work items. The first are large, so that a thread
// streams through neighbouring rows, and each takes one part in `parts` of what is
// left, but at least so many tiles, so that all threads end at about the same time.
// rows tells how many rows of a product are wanted; the items are appended to out.
func spans(out []span, products []Product, rows func(Product) int, parts, least int) []span {
	tiles := func(q Product) int { return (rows(q) + tileRows - 1) / tileRows }
	left := 0
	for _, q := range products {
		left += tiles(q)
	}
	for i, q := range products {
		for first, all := 0, tiles(q); first < all; {
			n := min(max(least, left/parts), all-first)
			out = append(out, span{i, first, first + n})
			first, left = first+n, left-n
		}
	}
	return out
}
