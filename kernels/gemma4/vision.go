package gemma4

import (
	"context"
	"fmt"
	"image"
	"math"
	"slices"

	"sensed/kernels"
	"sensed/kernels/gguf"
)

// The metadata of projector files says nothing about these; they are the same
// in all of Gemma 4 (transformers, configuration_gemma4.py).
const (
	visionTheta = 100 // base of the rotation frequencies
	visionMerge = 3   // patches per soft token in each direction, unless the file says otherwise
)

// tileRows is how many rows go through a feed-forward part at once: enough to
// use each weight often, few enough that the wide activations stay small.
const tileRows = 256

// visionTower encodes pictures: a transformer over patches that sees the whole
// picture at once, then one soft token for each square of patches.
type visionTower struct {
	arithmetic
	file                 string
	hidden, heads, dim   int
	ffn, patch, merge    int
	eps                  float32
	embed                *kernels.Matrix // [hidden][3*patch*patch], a row is (channel, y, x)
	positions            *kernels.Matrix // [2*places][hidden]: by x, then by y
	places               int
	layers               []visionLayer
	stdBias, stdScale    []float32 // [hidden] or nil
	project              *kernels.Matrix
	frequencies          []float32 // [dim/4]
	levels               [256]float32
	maxAcross, maxTokens int
}

type visionLayer struct {
	attnNorm, postAttn, ffnNorm, postFFN []float32 // [hidden]
	qNorm, kNorm                         []float32 // [dim]
	q, out                               linear    // heads*dim wide inside
	k, v                                 linear    // kvHeads*dim wide inside
	kvHeads                              int
	gate, up, down                       linear // ffn wide inside
}
