package bench

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"sensed/kernels/gguf"
)

// normals are the random numbers that float tensors are made of.
type normals [1 << 14]float32

func newNormals() *normals {
	var n normals
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		n[i] = float32(rng.NormFloat64())
	}
	return &n
}

// source makes the random bytes of one tensor. One seed, one tensor.
type source struct {
	rng     *rand.PCG
	normals *normals
}

// spread is the standard deviation of what random bytes encode when the scale
// of a block is 1: of integers and, where those are random too, of their scales
// and minima.
func spread(t gguf.Type) float64 {
	const nibble, six, eight = 4.61, 18.5, 73.9 // of uniform integers of four, six and eight bits
	switch t {
	case gguf.Q4_0:
		return nibble
	case gguf.Q8_0:
		return eight
	case gguf.Q6_K:
		return six * eight
	case gguf.Q4_K: // scale times integer, minus minimum: each of them uniform
		return 258
	case gguf.Q5_K:
		return 527
	}
	return 1
}

// fill writes whole blocks of an encoding whose values have about the given
// deviation and a mean of about zero.
func (s *source) fill(b []byte, t gguf.Type, deviation float64) error {
	switch t {
	case gguf.F32:
		for ; len(b) >= 4; b = b[4:] {
			putFloat(b, s.normal(deviation))
		}
		return nil
	case gguf.F16:
		for ; len(b) >= 2; b = b[2:] {
			binary.LittleEndian.PutUint16(b, half(s.normal(deviation)))
		}
		return nil
	}
	s.noise(b)
	_, size := t.Block()
	d := half(float32(deviation / spread(t)))
	for ; len(b) >= size; b = b[size:] {
		switch t {
		case gguf.Q4_0, gguf.Q8_0:
			binary.LittleEndian.PutUint16(b, d)
		case gguf.Q6_K:
			binary.LittleEndian.PutUint16(b[208:], d)
		case gguf.Q4_K: // a minimum as large as the scale times the mean of the integers
			binary.LittleEndian.PutUint16(b, d)
			binary.LittleEndian.PutUint16(b[2:], half(float32(deviation/spread(t)*7.5)))
		case gguf.Q5_K:
			binary.LittleEndian.PutUint16(b, d)
			binary.LittleEndian.PutUint16(b[2:], half(float32(deviation/spread(t)*15.5)))
		default:
			return fmt.Errorf("random weights cannot be made in %v", t)
		}
	}
	return nil
}

func putFloat(b []byte, x float32) { binary.LittleEndian.PutUint32(b, math.Float32bits(x)) }

func (s *source) normal(deviation float64) float32 {
	return s.normals[s.rng.Uint64()%uint64(len(s.normals))] * float32(deviation)
}

// noise fills b with random bytes.
func (s *source) noise(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, s.rng.Uint64())
	}
	if len(b) > 0 {
		var last [8]byte
		binary.LittleEndian.PutUint64(last[:], s.rng.Uint64())
		copy(b, last[:])
	}
}

// half rounds a number of ordinary size to IEEE 754 binary16; what is too
// small becomes zero.
func half(x float32) uint16 {
	bits := math.Float32bits(x)
	sign, rest := uint16(bits>>16)&0x8000, bits&0x7fffffff
	exponent := int(rest>>23) - 127 + 15
	switch {
	case exponent >= 31:
		return sign | 0x7bff // the largest
	case exponent <= 0:
		return sign | uint16(math.RoundToEven(math.Abs(float64(x))*(1<<24))) // subnormal
	}
	fraction := rest & 0x7fffff
	h := uint32(exponent)<<10 | fraction>>13
	if tie, low := uint32(0x1000), fraction&0x1fff; low > tie || low == tie && h&1 == 1 {
		h++
	}
	return sign | uint16(h)
}
