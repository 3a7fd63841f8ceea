//go:build cgo

package kernels

// #include "kernels.h"
import "C"

import "golang.org/x/sys/cpu"

// available lists the instruction sets that this processor has, the best last.
func available() []isa {
	sets := []isa{{C.kernels_scalar()}}
	x := cpu.X86
	if x.HasAVX2 && x.HasFMA {
		sets = append(sets, isa{C.kernels_avx2()})
		if x.HasAVXVNNI {
			sets = append(sets, isa{C.kernels_avxvnni()})
		}
	}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VNNI {
		sets = append(sets, isa{C.kernels_avx512vnni()})
	}
	return sets
}
