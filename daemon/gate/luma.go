package gate

import (
	"image"
	"image/color"
)

// The grid that motion is looked for on.
const gridWidth, gridHeight = 160, 120

// luma reduces a picture to the mean luminance (0..255) of the cells of a grid
// of at most 160 by 120, row by row into dst. At most 16 pixels of a cell are
// looked at, so the cost does not grow with the picture.
func luma(dst []float32, img image.Image) (cells []float32, w, h int) {
	b := img.Bounds()
	w, h = min(gridWidth, b.Dx()), min(gridHeight, b.Dy())
	if w <= 0 || h <= 0 {
		return dst[:0], 0, 0
	}
	if cap(dst) < w*h {
		dst = make([]float32, w*h)
	}
	cells = dst[:w*h]
	var xs [gridWidth * 4]int // the columns that are looked at, relative
	nx := probes(xs[:], b.Dx(), w)
	var ys [gridHeight * 4]int
	ny := probes(ys[:], b.Dy(), h)
	scale := 1 / float32(nx*ny)

	var sums [gridWidth]uint32
	for cy := range h {
		clear(sums[:w])
		for _, y := range ys[cy*ny : (cy+1)*ny] {
			addRow(sums[:w], img, b.Min, xs[:w*nx], nx, y)
		}
		for cx, s := range sums[:w] {
			cells[cy*w+cx] = float32(s) * scale
		}
	}
	return cells, w, h
}

// probes spreads up to four positions over each of n cells along size pixels
// and returns how many a cell has.
func probes(at []int, size, n int) int {
	per := min(4, size/n)
	for i := range n * per {
		at[i] = (2*i + 1) * size / (2 * n * per)
	}
	return per
}

// addRow adds the luminance of the probes xs (per of them for each cell) of
// row y to the cells of sums.
func addRow(sums []uint32, img image.Image, min image.Point, xs []int, per, y int) {
	switch m := img.(type) {
	case *image.YCbCr:
		addGray(sums, m.Y[m.YOffset(min.X, min.Y+y):], xs, per)
	case *image.Gray:
		addGray(sums, m.Pix[m.PixOffset(min.X, min.Y+y):], xs, per)
	case *image.RGBA:
		addRGB(sums, m.Pix[m.PixOffset(min.X, min.Y+y):], xs, per)
	case *image.NRGBA:
		addRGB(sums, m.Pix[m.PixOffset(min.X, min.Y+y):], xs, per)
	default:
		for i := range xs {
			g := color.GrayModel.Convert(img.At(min.X+xs[i], min.Y+y)).(color.Gray)
			sums[i/per] += uint32(g.Y)
		}
	}
}

func addGray(sums []uint32, row []uint8, xs []int, per int) {
	if per == 4 { // the usual case, twice as fast
		for c := range sums {
			x := xs[4*c : 4*c+4]
			sums[c] += uint32(row[x[0]]) + uint32(row[x[1]]) + uint32(row[x[2]]) + uint32(row[x[3]])
		}
		return
	}
	for c := range sums {
		var s uint32
		for _, x := range xs[:per] {
			s += uint32(row[x])
		}
		sums[c] += s
		xs = xs[per:]
	}
}

// addRGB takes luminance as ITU-R BT.601 does.
func addRGB(sums []uint32, row []uint8, xs []int, per int) {
	for c := range sums {
		var s uint32
		for _, x := range xs[:per] {
			p := row[4*x : 4*x+3]
			s += (77*uint32(p[0]) + 150*uint32(p[1]) + 29*uint32(p[2])) >> 8
		}
		sums[c] += s
		xs = xs[per:]
	}
}
