package gemma4

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"sensed/kernels/gguf"
	"sensed/kernels/ref"
)

// encodeBlocks writes numbers in an encoding with blocks of 32 or 1, each
// rounded to the nearest that its block can hold.
func encodeBlocks(tb testing.TB, t gguf.Type, x []float32) []byte {
	tb.Helper()
	var b []byte
	elements, _ := t.Block()
	for ; len(x) > 0; x = x[elements:] {
		b = appendBlock(tb, b, t, x[:elements])
	}
	return b
}

func appendBlock(tb testing.TB, b []byte, t gguf.Type, x []float32) []byte {
	switch t {
	case gguf.F32:
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(x[0]))
	case gguf.F16:
		return binary.LittleEndian.AppendUint16(b, nearestHalf(x[0]))
	case gguf.BF16:
		return binary.LittleEndian.AppendUint16(b, uint16((math.Float32bits(x[0])+0x8000)>>16))
	case gguf.Q8_0:
		d, q := levels(x, -127, 127, false)
		b = appendHalves(b, d)
		for _, v := range q {
			b = append(b, byte(int8(v-127)))
		}
		return b
	case gguf.Q4_0:
		d, q := levels(x, -8, 7, false)
		return appendNibbles(appendHalves(b, d), q)
	case gguf.Q4_1:
		d, q := levels(x, 0, 15, true)
		return appendNibbles(appendHalves(b, d, least(x)), q)
	case gguf.Q5_0:
		d, q := levels(x, -16, 15, false)
		return appendNibbles(appendFifth(appendHalves(b, d), q), q)
	case gguf.Q5_1:
		d, q := levels(x, 0, 31, true)
		return appendNibbles(appendFifth(appendHalves(b, d, least(x)), q), q)
	case gguf.IQ4NL:
		return appendNonlinear(b, x)
	}
	tb.Fatalf("there is no encoder for %v", t)
	return nil
}

// levels divides numbers by the scale at which they just fit the whole numbers
// low..high, and returns them counted from low. With shift, the least is taken
// away first.
func levels(x []float32, low, high int, shift bool) (d float32, q []int) {
	first, top := float32(0), float32(0)
	if shift {
		first = halfOf(least(x))
	}
	for _, v := range x {
		top = max(top, float32(math.Abs(float64(v-first))))
	}
	if d = halfOf(top / float32(high)); d == 0 {
		d = 1
	}
	for _, v := range x {
		n := int(math.Round(float64((v - first) / d)))
		q = append(q, max(low, min(high, n))-low)
	}
	return d, q
}

func least(x []float32) float32 {
	out := x[0]
	for _, v := range x {
		out = min(out, v)
	}
	return out
}

func appendHalves(b []byte, x ...float32) []byte {
	for _, v := range x {
		b = binary.LittleEndian.AppendUint16(b, nearestHalf(v))
	}
	return b
}

// appendNibbles writes the low four bits of 32 numbers: i beside i+16.
func appendNibbles(b []byte, q []int) []byte {
	for i := range 16 {
		b = append(b, byte(q[i]&15|q[i+16]&15<<4))
	}
	return b
}

// appendFifth writes the fifth bits of 32 numbers.
func appendFifth(b []byte, q []int) []byte {
	var bits uint32
	for i, v := range q {
		bits |= uint32(v>>4) << i
	}
	return binary.LittleEndian.AppendUint32(b, bits)
}

// appendNonlinear writes a block of IQ4_NL, whose 16 levels are not evenly spaced.
func appendNonlinear(b []byte, x []float32) []byte {
	var top float64
	for _, v := range x {
		top = max(top, math.Abs(float64(v)))
	}
	d := halfOf(float32(top / 113))
	block := appendHalves(nil, d)
	for i := range 16 {
		block = append(block, byte(i|i<<4)) // the block of all levels
	}
	var values [32]float32
	ref.Dequantize(values[:], gguf.IQ4NL, block)
	var q []int
	for _, v := range x {
		best := 0
		for i := range 16 {
			if math.Abs(float64(values[i]-v)) < math.Abs(float64(values[best]-v)) {
				best = i
			}
		}
		q = append(q, best)
	}
	return appendNibbles(appendHalves(b, d), q)
}

func halfOf(x float32) float32 { return ref.HalfToFloat(nearestHalf(x)) }

// nearestHalf finds the nearest binary16 by bisection: those of one sign are in
// the order of their bits.
func nearestHalf(x float32) uint16 {
	sign, size := uint16(0), x
	if x < 0 {
		sign, size = 0x8000, -x
	}
	low, high := uint16(0), uint16(0x7bff)
	for low < high {
		if mid := (low + high + 1) / 2; ref.HalfToFloat(mid) <= size {
			low = mid
		} else {
			high = mid - 1
		}
	}
	if low < 0x7bff && ref.HalfToFloat(low+1)-size < size-ref.HalfToFloat(low) {
		low++
	}
	return sign | low
}

// randomBlocks fills n numbers of an encoding with random bits and sets the
// scales so that they have about the deviation and no mean.
func randomBlocks(rng *rand.Rand, t gguf.Type, n int, deviation float64) []byte {
	// Where in a block the scale lies and where the scale of the minima, and how
	// many times the scale that is.
	d, min, times := 0, -1, 0.0
	switch t {
	case gguf.Q2_K:
		d, min, times = 80, 82, 1.5
	case gguf.Q3_K:
		d = 108
	case gguf.Q4_K:
		min, times = 2, 7.5
	case gguf.Q5_K:
		min, times = 2, 15.5
	case gguf.Q6_K:
		d = 208
	}
	elements, size := t.Block()
	b := make([]byte, n/elements*size)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	scale := func(s float64) {
		for at := 0; at < len(b); at += size {
			binary.LittleEndian.PutUint16(b[at+d:], nearestHalf(float32(s)))
			if min >= 0 {
				binary.LittleEndian.PutUint16(b[at+min:], nearestHalf(float32(s*times)))
			}
		}
	}
	scale(1.0 / 64)
	x := make([]float32, n)
	ref.Dequantize(x, t, b)
	var squares float64
	for _, v := range x {
		squares += float64(v) * float64(v)
	}
	scale(deviation / math.Sqrt(squares/float64(n)) / 64)
	return b
}
