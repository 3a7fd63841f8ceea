// Package kernels is the mathematics under the model: matrix products over
// quantised weights, attention, norms. It knows no model.
//
// Every function exists twice: in C, one file per operation and instruction
// set, picked once by what the processor offers; and in Go in float64 (package
// ref), which is the oracle of the tests and the implementation of a build
// with CGO_ENABLED=0. Results never depend on the number of threads.
//
// All matrices are row-major. T counts rows of activations (tokens, patches).
package kernels

import "fmt"

// same guards code that trusts its lengths.
func same(a, b int) {
	if a != b {
		panic(fmt.Sprintf("kernels: rows of %d and %d values", a, b))
	}
}
