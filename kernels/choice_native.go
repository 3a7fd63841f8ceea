//go:build cgo

package kernels

// #include "kernels.h"
import "C"

import (
	"unsafe"

	"sensed/kernels/gguf"
)

// Choices says which function does what here.
func Choices() []Choice {
	sets, of := available(), active()
	var out choices
	// The simplest set that has the same function there is the one that it was
	// written for.
	add := func(operation, weights string, at func(*C.struct_kernel_table) unsafe.Pointer) {
		f := at(of.table)
		if f == nil {
			return
		}
		for _, s := range sets {
			if at(s.table) == f {
				out.add(operation, weights, s.name())
				return
			}
		}
	}
	type table = *C.struct_kernel_table
	for _, operation := range []string{"unpack", "unpack, rearranged", "multiply", "multiply one row", "multiply few rows", "multiply few rows, rearranged"} {
		for e := range gguf.Type(C.ENC_COUNT) {
			if !e.Known() {
				continue
			}
			add(operation, e.String(), func(t table) unsafe.Pointer { return weighty(t, operation, e) })
		}
	}
	for _, row := range []struct {
		operation string
		at        func(table) unsafe.Pointer
	}{
		{"multiply rounded floats", func(t table) unsafe.Pointer { return unsafe.Pointer(t.gemm_round) }},
		{"attention", func(t table) unsafe.Pointer { return unsafe.Pointer(t.attention) }},
		{"round activations", func(t table) unsafe.Pointer { return unsafe.Pointer(t.quantize) }},
		{"RMS norm", func(t table) unsafe.Pointer { return unsafe.Pointer(t.rms_norm) }},
		{"GELU, gated", func(t table) unsafe.Pointer { return unsafe.Pointer(t.gelu_mul) }},
		{"SiLU", func(t table) unsafe.Pointer { return unsafe.Pointer(t.silu) }},
		{"GLU", func(t table) unsafe.Pointer { return unsafe.Pointer(t.glu) }},
		{"RoPE", func(t table) unsafe.Pointer { return unsafe.Pointer(t.rope) }},
		{"softmax", func(t table) unsafe.Pointer { return unsafe.Pointer(t.softmax) }},
		{"soft cap", func(t table) unsafe.Pointer { return unsafe.Pointer(t.softcap) }},
		{"add, scale, clamp", func(t table) unsafe.Pointer { return unsafe.Pointer(t.add) }},
		{"attention to recent sound", func(t table) unsafe.Pointer { return unsafe.Pointer(t.attend_recent) }},
		{"norm after a convolution", func(t table) unsafe.Pointer { return unsafe.Pointer(t.norm_relu) }},
		{"to binary16", func(t table) unsafe.Pointer { return unsafe.Pointer(t.narrow) }},
		{"dot product", func(t table) unsafe.Pointer { return unsafe.Pointer(t.dot) }},
	} {
		add(row.operation, "", row.at)
	}
	return out
}

// weighty is the function of a table that does an operation with weights of an
// encoding; nil: there is none.
func weighty(t *C.struct_kernel_table, operation string, e gguf.Type) unsafe.Pointer {
	floats := t.float_unpack[e] != nil
	switch operation {
	case "unpack":
		if floats {
			return unsafe.Pointer(t.float_unpack[e])
		}
		return unsafe.Pointer(t.unpack[e])
	case "unpack, rearranged":
		return unsafe.Pointer(t.unpack_packed[e])
	case "multiply one row":
		return unsafe.Pointer(t.one[e])
	case "multiply few rows":
		return unsafe.Pointer(t.few[e])
	case "multiply few rows, rearranged":
		return unsafe.Pointer(t.few_packed[e])
	}
	switch { // as the dispatch does
	case floats:
		return unsafe.Pointer(t.float_gemm)
	case t.signed_encodings>>e&1 != 0:
		return unsafe.Pointer(t.gemm_signed32)
	case C.group_columns(C.int(e)) == 16:
		return unsafe.Pointer(t.gemm_group16)
	}
	return unsafe.Pointer(t.gemm_group32)
}
