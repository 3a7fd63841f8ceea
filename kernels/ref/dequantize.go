// Package ref holds slow, clear float64 versions of every kernel: the oracle
// of the kernel tests and the engine of a build with CGO_ENABLED=0.
package ref

import (
	"encoding/binary"
	"fmt"
	"math"

	"sensed/kernels/gguf"
)

// Dequantize writes the len(dst) values that src encodes. len(dst) is a whole
// number of blocks of t and src holds them without a gap; it panics otherwise,
// as the caller has checked the shapes. The formats are those of the GGUF
// specification's reference implementation (ggml).
func Dequantize(dst []float32, t gguf.Type, src []byte) {
	elements, size := t.Block()
	if elements == 0 || len(dst)%elements != 0 || len(src) < len(dst)/elements*size {
		panic(fmt.Sprintf("ref: %d values of %v do not fit %d bytes", len(dst), t, len(src)))
	}
	block := blockDecoder(t)
	for i := 0; i < len(dst)/elements; i++ {
		block(dst[i*elements:(i+1)*elements], src[i*size:(i+1)*size])
	}
}

func blockDecoder(t gguf.Type) func(y []float32, b []byte) {
	switch t {
	case gguf.F32:
		return func(y []float32, b []byte) { y[0] = math.Float32frombits(binary.LittleEndian.Uint32(b)) }
	case gguf.F16:
		return func(y []float32, b []byte) { y[0] = half(b) }
	case gguf.BF16:
		return func(y []float32, b []byte) {
			y[0] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
		}
	case gguf.Q4_0:
		return decodeQ4_0
	case gguf.Q4_1:
		return decodeQ4_1
	case gguf.Q5_0:
		return decodeQ5_0
	case gguf.Q5_1:
		return decodeQ5_1
	case gguf.Q8_0:
		return decodeQ8_0
	case gguf.Q2_K:
		return decodeQ2K
	case gguf.Q3_K:
		return decodeQ3K
	case gguf.Q4_K:
		return decodeQ4K
	case gguf.Q5_K:
		return decodeQ5K
	case gguf.Q6_K:
		return decodeQ6K
	case gguf.IQ4NL:
		return decodeIQ4NL
	case gguf.IQ4XS:
		return decodeIQ4XS
	}
	panic("ref: no decoder for " + t.String())
}

// half reads an IEEE 754 binary16.
func half(b []byte) float32 { return HalfToFloat(binary.LittleEndian.Uint16(b)) }

// HalfToFloat converts an IEEE 754 binary16, subnormals, infinities and NaNs included.
func HalfToFloat(h uint16) float32 {
	sign, exp, man := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch {
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	case exp == 0:
		f := float32(man) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}

// FloatToHalf converts to an IEEE 754 binary16: the nearest value, of two
// equally near ones the one with an even last bit.
func FloatToHalf(f float32) uint16 {
	sign := uint16(math.Float32bits(f) >> 16 & 0x8000)
	x := math.Abs(float64(f))
	switch {
	case math.IsNaN(x):
		return sign | 0x7e00
	case x >= 65520:
		return sign | 0x7c00
	case x < 1.0/(1<<14): // subnormal: multiples of 2^-24; 1024 of them carry into the exponent
		return sign | uint16(math.RoundToEven(x*(1<<24)))
	}
	frac, exp := math.Frexp(x)                        // x = frac * 2^exp with frac in [0.5, 1)
	mantissa := uint16(math.RoundToEven(frac * 2048)) // 1024 .. 2048; 2048 carries likewise
	return sign | (uint16(exp+14)<<10 + mantissa - 1024)
}

func decodeQ4_0(y []float32, b []byte) {
	d := half(b)
	for i, q := range b[2:18] {
		y[i] = d * float32(int(q&15)-8)
		y[i+16] = d * float32(int(q>>4)-8)
	}
}

func decodeQ4_1(y []float32, b []byte) {
	d, m := half(b), half(b[2:])
	for i, q := range b[4:20] {
		y[i] = d*float32(q&15) + m
		y[i+16] = d*float32(q>>4) + m
	}
}

func decodeQ5_0(y []float32, b []byte) {
	d, high := half(b), binary.LittleEndian.Uint32(b[2:])
	for i, q := range b[6:22] {
		y[i] = d * float32(int(q&15)+int(high>>i&1)<<4-16)
		y[i+16] = d * float32(int(q>>4)+int(high>>(i+16)&1)<<4-16)
	}
}

func decodeQ5_1(y []float32, b []byte) {
	d, m, high := half(b), half(b[2:]), binary.LittleEndian.Uint32(b[4:])
	for i, q := range b[8:24] {
		y[i] = d*float32(int(q&15)+int(high>>i&1)<<4) + m
		y[i+16] = d*float32(int(q>>4)+int(high>>(i+16)&1)<<4) + m
	}
}

func decodeQ8_0(y []float32, b []byte) {
	d := half(b)
	for i, q := range b[2:34] {
		y[i] = d * float32(int8(q))
	}
}

var nonlinear4 = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func decodeIQ4NL(y []float32, b []byte) {
	d := half(b)
	for i, q := range b[2:18] {
		y[i] = d * float32(nonlinear4[q&15])
		y[i+16] = d * float32(nonlinear4[q>>4])
	}
}
