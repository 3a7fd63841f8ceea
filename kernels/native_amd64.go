//go:build cgo

package kernels

// #include "kernels.h"
import "C"

import (
	"sync"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

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
		if x.HasAMXTile && x.HasAMXInt8 && tilesAllowed() {
			sets = append(sets, isa{C.kernels_amx()})
		}
	}
	return sets
}

// tilesAllowed asks the system for the tile registers of AMX, which a process
// may use only then (Linux, Documentation/arch/x86/xstate.rst). Linux before
// 5.16 knows nothing of them, and a sandbox may refuse.
var tilesAllowed = sync.OnceValue(func() bool {
	const requestPermission, tileData = 0x1023, 18 // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
	_, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return errno == 0
})
