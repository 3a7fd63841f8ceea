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

// spans cuts the products into work items of about the given number of tiles,
// so that a thread streams through neighbouring rows. rows tells how many rows
// of a product are wanted.
func spans(products []Product, rows func(Product) int, tiles int) []span {
	var out []span
	for i, q := range products {
		all := (rows(q) + tileRows - 1) / tileRows
		for first := 0; first < all; first += tiles {
			out = append(out, span{i, first, min(first+tiles, all)})
		}
	}
	return out
}
