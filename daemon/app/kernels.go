package app

import "sensed/kernels"

// Kernels names the instruction set that the mathematics uses on this
// processor.
func Kernels() string { return kernels.Kernels() }
