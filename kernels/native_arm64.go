//go:build cgo

package kernels

// #include "kernels.h"
import "C"

import "golang.org/x/sys/cpu"

// available lists the instruction sets that this processor has, the best last.
func available() []isa {
	sets := []isa{{C.kernels_scalar()}, {C.kernels_neon()}}
	if cpu.ARM64.HasASIMDDP {
		sets = append(sets, isa{C.kernels_dotprod()})
	}
	if cpu.ARM64.HasI8MM {
		sets = append(sets, isa{C.kernels_i8mm()})
	}
	return sets
}
