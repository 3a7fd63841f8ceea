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

// mostRecent is how many frames AttendRecent takes, as MOST_RECENT in kernels.h.
const mostRecent = 64

// recentFrames guards AttendRecent.
func recentFrames(out, q, k, v, distances []float32, heads int) {
	same(len(out), len(q))
	same(len(k), len(v))
	if count := len(k) / len(q); len(q)%heads != 0 || len(k)%len(q) != 0 || count < 1 || count > mostRecent || len(distances) < len(k) {
		panic(fmt.Sprintf("kernels: attention of %d heads in %d values to %d values, with %d for distances", heads, len(q), len(k), len(distances)))
	}
}
