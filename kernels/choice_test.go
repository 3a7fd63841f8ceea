//go:build cgo

package kernels

import (
	"slices"
	"testing"

	"sensed/kernels/gguf"
)

// TestChoices: each operation is done by one function for each encoding, and the
// set that was picked does what it was picked for.
func TestChoices(t *testing.T) {
	all := Choices()
	by := map[[2]string]string{} // set, by operation and encoding
	for _, c := range all {
		if !slices.Contains(Sets(), c.Set) {
			t.Errorf("%+v: there is no such set", c)
		}
		weights := c.Weights
		if len(weights) == 0 {
			weights = []string{""}
		}
		for _, w := range weights {
			key := [2]string{c.Operation, w}
			if by[key] != "" {
				t.Errorf("%s %s is done by %s and by %s", c.Operation, w, by[key], c.Set)
			}
			by[key] = c.Set
		}
	}
	if len(Sets()) == 1 {
		return // nothing was there to choose from
	}
	for _, e := range []gguf.Type{gguf.F32, gguf.F16, gguf.BF16, gguf.Q4_0, gguf.Q8_0, gguf.Q2_K, gguf.Q4_K, gguf.Q6_K, gguf.IQ4NL, gguf.IQ4XS} {
		for _, operation := range []string{"unpack", "multiply"} {
			if by[[2]string{operation, e.String()}] == "" {
				t.Errorf("nobody does: %s %s", operation, e)
			}
		}
	}
	best := active().name()
	if got := by[[2]string{"multiply", "Q4_0"}]; got != best {
		t.Errorf("%s multiplies Q4_0, but %s was picked", got, best)
	}
	if got := by[[2]string{"unpack", "Q2_K"}]; got != "scalar" {
		t.Errorf("%s unpacks Q2_K; only scalar can", got)
	}
}
