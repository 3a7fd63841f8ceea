//go:build cgo

package kernels

/*
#cgo CFLAGS: -std=c11 -O3 -Wall -Wextra
#cgo LDFLAGS: -lm
#include "kernels.h"

#cgo noescape multiply_tiles
#cgo nocallback multiply_tiles
#cgo noescape pack_tiles
#cgo nocallback pack_tiles
#cgo noescape attend
#cgo nocallback attend
#cgo noescape run_quantize
#cgo nocallback run_quantize
#cgo noescape run_rms_norm
#cgo nocallback run_rms_norm
#cgo noescape run_gelu_mul
#cgo nocallback run_gelu_mul
#cgo noescape run_silu
#cgo nocallback run_silu
#cgo noescape run_glu
#cgo nocallback run_glu
#cgo noescape run_softcap
#cgo nocallback run_softcap
#cgo noescape run_rope
#cgo nocallback run_rope
#cgo noescape run_softmax
#cgo nocallback run_softmax
#cgo noescape run_add
#cgo nocallback run_add
#cgo noescape run_add_scaled
#cgo nocallback run_add_scaled
#cgo noescape run_add_mul
#cgo nocallback run_add_mul
#cgo noescape run_mul
#cgo nocallback run_mul
#cgo noescape run_norm_relu
#cgo nocallback run_norm_relu
#cgo noescape run_attend_recent
#cgo nocallback run_attend_recent
#cgo noescape run_scale
#cgo nocallback run_scale
#cgo noescape run_clamp
#cgo nocallback run_clamp
#cgo noescape run_narrow
#cgo nocallback run_narrow
#cgo noescape run_dot
#cgo nocallback run_dot
*/
import "C"

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"
)

// isa is one instruction set: a table of C functions.
type isa struct{ table *C.struct_kernel_table }

func (s isa) name() string { return C.GoString(s.table.name) }

// active is the best instruction set of this processor, or the one that
// SENSED_KERNELS names, for tests.
var active = sync.OnceValue(func() isa {
	sets := available()
	want := os.Getenv("SENSED_KERNELS")
	for _, s := range sets {
		if s.name() == want {
			return s
		}
	}
	return sets[len(sets)-1]
})

// Kernels names the instruction set in use, for the owner of the board.
func Kernels() string {
	name := active().name()
	if want := os.Getenv("SENSED_KERNELS"); want != "" && want != name {
		var names []string
		for _, s := range available() {
			names = append(names, s.name())
		}
		return fmt.Sprintf("%s (SENSED_KERNELS=%s is not one of %s)", name, want, strings.Join(names, ", "))
	}
	return name
}

// scratch is the memory of a pool's kernels.
type scratch struct {
	isa     isa
	threads [][]byte // one for each thread, 64-byte aligned
	work    []span   // of the product that is computed
	q       []int8   // rounded activations, as struct activations in kernels.h
	d       []float32
	m32     []float32
	m16     []float32
	minus32 []int32
	minus16 []int32
}

func (p *Pool) prepare() {
	p.scratch.isa = active()
	p.scratch.threads = make([][]byte, p.threads)
}

// thread returns a thread's own scratch of at least n bytes.
func (s *scratch) thread(worker, n int) unsafe.Pointer {
	b := s.threads[worker]
	if len(b) < n {
		b = make([]byte, n+64)
		offset := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & 63
		b = b[offset : offset+n]
		s.threads[worker] = b
	}
	return unsafe.Pointer(unsafe.SliceData(b))
}

func floats(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }
func ints(x []int32) *C.int32_t   { return (*C.int32_t)(unsafe.SliceData(x)) }

func (p *Pool) matMul(x []float32, t int, products []Product) {
	for _, q := range products {
		if q.W.rounds() {
			p.round(x, t, q.W.Cols)
			break
		}
	}
	p.multiply(products, nil, x, t)
}

// fewRows is up to how many rows of activations reading the weights takes longer
// than multiplying.
const fewRows = 8

// multiply computes the products, or with pick those rows of the only one.
func (p *Pool) multiply(products []Product, pick []int32, x []float32, t int) {
	rows := func(q Product) int {
		if pick != nil {
			return len(pick)
		}
		return q.W.Rows
	}
	s := &p.scratch
	least := 1
	if t <= fewRows {
		least = 8 // reading weights ahead crosses from tile to tile
	}
	s.work = spans(s.work[:0], products, rows, 3*p.threads, least)
	work := s.work
	size := int(C.scratch_bytes(C.int(t)))
	p.run(len(work), func(worker, i int) {
		it := work[i]
		q := products[it.product]
		C.multiply_tiles(s.isa.table, (*C.uint8_t)(unsafe.SliceData(q.W.data)), (*C.uint8_t)(unsafe.SliceData(q.W.packed)), C.size_t(q.W.rowBytes), C.int(q.W.Type), q.W.rounding(),
			(*C.int32_t)(unsafe.SliceData(pick)), C.int(rows(q)), C.int(q.W.Cols), floats(q.Out), floats(x), (*C.int8_t)(unsafe.SliceData(s.q)),
			floats(s.d), floats(s.m32), floats(s.m16), ints(s.minus32), ints(s.minus16), C.int(t), C.int(it.first), C.int(it.last), s.thread(worker, size))
	})
}

func (p *Pool) matMulRows(out, x []float32, w *Matrix, pick []int32) {
	if w.rounds() {
		p.round(x, 1, w.Cols)
	}
	p.multiply([]Product{{out, w}}, pick, x, 1)
}

// rounding is how C is told whether float weights are rounded.
func (m *Matrix) rounding() C.int {
	if m.round {
		return 1
	}
	return 0
}

func (p *Pool) packedTileBytes(m *Matrix) int {
	return int(C.packed_tile_bytes(p.scratch.isa.table, C.size_t(m.rowBytes), C.int(m.Type), m.rounding(), C.int(m.Cols)))
}

func (p *Pool) packFormat() string { return "tiles of 16 rows, " + p.scratch.isa.name() }

// packTile packs tile i of m.
func (p *Pool) packTile(dst []byte, m *Matrix, worker, i int) {
	s := &p.scratch
	C.pack_tiles(s.isa.table, (*C.uint8_t)(unsafe.SliceData(m.data)), C.size_t(m.rowBytes), C.int(m.Type), m.rounding(), C.int(m.Rows), C.int(m.Cols),
		C.int(i), C.int(i+1), (*C.uint8_t)(unsafe.SliceData(dst)), s.thread(worker, int(C.scratch_bytes(1))))
}

// round quantises t rows of x for the product that follows.
func (p *Pool) round(x []float32, t, cols int) {
	s := &p.scratch
	// The matrix unit takes sixteen rows at a time and may read those after the last.
	if n := (t + tileRows - 1) / tileRows * tileRows * cols; len(s.q) < n {
		s.q, s.d, s.m32, s.m16 = make([]int8, n), make([]float32, n/32), make([]float32, n/32), make([]float32, n/16)
		s.minus32, s.minus16 = make([]int32, n/32), make([]int32, n/16)
	}
	rows := max(1, 4096/cols)
	p.Run((t+rows-1)/rows, func(i int) {
		from, to := i*rows*cols, min((i+1)*rows, t)*cols
		C.run_quantize(s.isa.table, floats(x[from:]), C.int(to-from), (*C.int8_t)(unsafe.SliceData(s.q[from:])), floats(s.d[from/32:]),
			floats(s.m32[from/32:]), floats(s.m16[from/16:]), ints(s.minus32[from/32:]), ints(s.minus16[from/16:]))
	})
}

// attentionRows is how many query rows one work item takes: they share the
// packing of the keys, and their sums stay in the second-level cache.
const attentionRows = 64

func (p *Pool) attention(a *Attention) {
	group := a.Heads / a.KVHeads
	positions := max(1, attentionRows/group)
	blocks := (a.T + positions - 1) / positions
	wide, padded := (a.Dim+15)/16*16, (positions*group+15)/16*16
	size := 4 * (wide*padded + 2*Page*wide + 2*padded)
	var causal, half C.int
	if a.Causal {
		causal = 1
	}
	if a.HalfK != nil {
		half = 1
	}
	p.run(blocks*a.KVHeads, func(worker, i int) {
		kv, t := i%a.KVHeads, i/a.KVHeads*positions
		at := (t*a.Heads + kv*group) * a.Dim
		k, v := unsafe.Pointer(unsafe.SliceData(a.K[min(kv*a.Dim, len(a.K)):])), unsafe.Pointer(unsafe.SliceData(a.V[min(kv*a.Dim, len(a.V)):]))
		if half != 0 {
			k, v = unsafe.Pointer(unsafe.SliceData(a.HalfK[kv*a.Dim:])), unsafe.Pointer(unsafe.SliceData(a.HalfV[kv*a.Dim:]))
		}
		C.attend(p.scratch.isa.table, floats(a.Q[at:]), k, v, floats(a.Out[at:]), C.int(a.Heads*a.Dim), C.int(a.KVHeads*a.Dim), half,
			(*C.int32_t)(unsafe.SliceData(a.Pages)), C.int(min(positions, a.T-t)*group), C.int(group), C.int(a.Dim), C.int(a.First+t), C.int(a.Keys),
			C.int(a.Window), causal, C.float(a.Scale), p.scratch.thread(worker, size))
	})
}

// RMSNorm computes out = x / sqrt(mean(x^2) + eps) * w; a nil w is all ones. out may be x.
func RMSNorm(out, x, w []float32, eps float32) {
	same(len(out), len(x))
	if w != nil {
		same(len(w), len(x))
	}
	active().rmsNorm(out, x, w, eps)
}

// GeluMul computes out = gelu_tanh(gate) * up. out may be either.
func GeluMul(out, gate, up []float32) {
	same(len(out), len(gate))
	same(len(up), len(gate))
	active().geluMul(out, gate, up)
}

// Silu computes out = x * sigmoid(x). out may be x.
func Silu(out, x []float32) {
	same(len(out), len(x))
	active().silu(out, x)
}

// GLU computes out = a * sigmoid(b). out may be either.
func GLU(out, a, b []float32) {
	same(len(out), len(a))
	same(len(b), len(a))
	active().glu(out, a, b)
}

// Softcap replaces x by limit * tanh(x / limit).
func Softcap(x []float32, limit float32) { active().softcap(x, limit) }

// Rope rotates the pairs (x[i], x[i+len(cos)]) by the given angles.
func Rope(x, cos, sin []float32) {
	same(len(cos), len(sin))
	same(len(x[:2*len(cos)]), 2*len(cos))
	active().rope(x, cos, sin)
}

// Dot returns the inner product of a and b.
func Dot(a, b []float32) float32 {
	same(len(a), len(b))
	return active().dot(a, b)
}

// Softmax replaces x by e^x / sum(e^x).
func Softmax(x []float32) { active().softmax(x) }

// Add computes out += x.
func Add(out, x []float32) {
	same(len(out), len(x))
	active().add(out, x)
}

// AddScaled computes out += s * x.
func AddScaled(out, x []float32, s float32) {
	same(len(out), len(x))
	active().addScaled(out, x, s)
}

// AddMul computes out += a * b, value by value.
func AddMul(out, a, b []float32) {
	same(len(out), len(a))
	same(len(b), len(a))
	active().addMul(out, a, b)
}

// Mul computes out *= x, value by value.
func Mul(out, x []float32) {
	same(len(out), len(x))
	active().mul(out, x)
}

// NormReLU brings x to mean 0 and variance 1, multiplies it with w and cuts it
// off below zero: x = max(0, (x - mean) / sqrt(variance + eps) * w).
func NormReLU(x, w []float32, eps float32) {
	same(len(x), len(w))
	active().normReLU(x, w, eps)
}

// AttendRecent is the attention of one frame of sound to the few up to itself:
// out and q are [heads][dim], k and v [count][heads][dim] with the frame's own
// last, and distances [count or more][heads][dim] are the keys of 0, 1, 2 ...
// frames ago. A logit is limit * tanh(q . (k + distance) / limit). It panics when
// the shapes do not fit or the frames are more than 64.
func AttendRecent(out, q, k, v, distances []float32, heads int, limit float32) {
	recentFrames(out, q, k, v, distances, heads)
	active().attendRecent(out, q, k, v, distances, heads, limit)
}

// Scale computes x *= s.
func Scale(x []float32, s float32) { active().scale(x, s) }

// Clamp limits x to [lo, hi].
func Clamp(x []float32, lo, hi float32) { active().clamp(x, lo, hi) }

// Narrow converts x to IEEE 754 binary16, rounded to the nearest.
func Narrow(out []uint16, x []float32) {
	same(len(out), len(x))
	active().narrow(out, x)
}

func (s isa) rmsNorm(out, x, w []float32, eps float32) {
	C.run_rms_norm(s.table, floats(out), floats(x), floats(w), C.int(len(x)), C.float(eps))
}
func (s isa) geluMul(out, gate, up []float32) {
	C.run_gelu_mul(s.table, floats(out), floats(gate), floats(up), C.int(len(gate)))
}
func (s isa) silu(out, x []float32) { C.run_silu(s.table, floats(out), floats(x), C.int(len(x))) }
func (s isa) glu(out, a, b []float32) {
	C.run_glu(s.table, floats(out), floats(a), floats(b), C.int(len(a)))
}
func (s isa) softcap(x []float32, limit float32) {
	C.run_softcap(s.table, floats(x), C.int(len(x)), C.float(limit))
}
func (s isa) rope(x, cos, sin []float32) {
	C.run_rope(s.table, floats(x), floats(cos), floats(sin), C.int(len(cos)))
}
func (s isa) softmax(x []float32)  { C.run_softmax(s.table, floats(x), C.int(len(x))) }
func (s isa) add(out, x []float32) { C.run_add(s.table, floats(out), floats(x), C.int(len(x))) }
func (s isa) addScaled(out, x []float32, f float32) {
	C.run_add_scaled(s.table, floats(out), floats(x), C.int(len(x)), C.float(f))
}
func (s isa) addMul(out, a, b []float32) {
	C.run_add_mul(s.table, floats(out), floats(a), floats(b), C.int(len(a)))
}
func (s isa) mul(out, x []float32) { C.run_mul(s.table, floats(out), floats(x), C.int(len(x))) }
func (s isa) normReLU(x, w []float32, eps float32) {
	C.run_norm_relu(s.table, floats(x), floats(w), C.int(len(x)), C.float(eps))
}
func (s isa) attendRecent(out, q, k, v, distances []float32, heads int, limit float32) {
	C.run_attend_recent(s.table, floats(out), floats(q), floats(k), floats(v), floats(distances),
		C.int(len(k)/len(q)), C.int(heads), C.int(len(q)/heads), C.float(limit))
}
func (s isa) scale(x []float32, f float32) {
	C.run_scale(s.table, floats(x), C.int(len(x)), C.float(f))
}
func (s isa) clamp(x []float32, lo, hi float32) {
	C.run_clamp(s.table, floats(x), C.int(len(x)), C.float(lo), C.float(hi))
}
func (s isa) narrow(out []uint16, x []float32) {
	C.run_narrow(s.table, (*C.uint16_t)(unsafe.SliceData(out)), floats(x), C.int(len(x)))
}
func (s isa) dot(a, b []float32) float32 {
	return float32(C.run_dot(s.table, floats(a), floats(b), C.int(len(a))))
}

// Sets names the instruction sets that this processor has, the best one last.
func Sets() []string {
	var names []string
	for _, s := range available() {
		names = append(names, s.name())
	}
	return names
}
