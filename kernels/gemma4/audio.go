package gemma4

import (
	"context"
	"fmt"
	"math"

	"sensed/kernels"
	"sensed/kernels/gguf"
)

// The metadata of projector files says nothing about these; they are the same
// in all of Gemma 4 (transformers, configuration_gemma4.py).
const (
	// audioEps is 1e-6 whatever the file says: converters of early files wrote
	// a number that the model does not use.
	audioEps = 1e-6
	// audioReach is how many frames a frame sees: itself and those before it.
	audioReach = 12
	// audioCap limits attention logits.
	audioCap = 50
	// audioClip limits activations before they are normalised.
	audioClip = 1e10
	// audioResidual is the share of a feed-forward part in its sum.
	audioResidual = 0.5
)

// audioTower encodes sound: log-mel frames, two convolutions that leave one
// frame in four, and a conformer (Gulati et al.,
// https://arxiv.org/abs/2005.08100).
//
// Nothing looks ahead but the convolutions, by one of their input frames each,
// so that what was heard can be encoded before the speaker has finished.
type audioTower struct {
	arithmetic
	hidden, heads, dim, ffn int

	mel       *MelBank
	convs     [2]convolution
	embed     *kernels.Matrix // [hidden][bands*channels after the convolutions]
	layers    []audioLayer
	out       *kernels.Matrix // [outputs][hidden]
	outBias   []float32       // [outputs]
	project   *kernels.Matrix // [width][outputs]
	distances [][]float32     // of each layer: [audioReach][hidden], made on first use
}

// openAudio finds and checks the tensors of the audio tower.
func openAudio(f *gguf.File, pool *kernels.Pool, exact bool) (*audioTower, error) {
	const prefix = "clip.audio."
	m := &senseKeys{f: f}
	m.kind("audio", "gemma4a")
	a := &audioTower{
		arithmetic: arithmetic{pool: pool},
		hidden:     m.size(prefix + "embedding_length"),
		heads:      m.size(prefix + "attention.head_count"),
		ffn:        m.size(prefix + "feed_forward_length"),
	}
	blocks, bands := m.size(prefix+"block_count"), m.size(prefix+"num_mel_bins")
	m.divides(prefix+"attention.head_count", a.heads, a.hidden, 1)
	if m.err == nil && bands > fftSize/2 {
		m.err = fmt.Errorf("%s: key %q: %d is out of range", f.Name(), prefix+"num_mel_bins", bands)
	}
	if m.err != nil {
		return nil, m.err
	}
	a.dim = a.hidden / a.heads
	a.mel = NewMelBank(bands)

	l := &tensors{f: f, round: !exact}
	a.convs[0] = l.convolution("a.conv1d.0", 1)
	a.convs[1] = l.convolution("a.conv1d.1", a.convs[0].out)
	a.embed = l.weights("a.input_projection.weight", a.hidden, halved(halved(bands))*a.convs[1].out)
	for i := range blocks {
		if l.err != nil {
			return nil, l.err
		}
		a.layers = append(a.layers, l.audioLayer(fmt.Sprintf("a.blk.%d.", i), a))
	}
	a.out = l.projection("a.pre_encode.out.weight", a.hidden)
	if l.err != nil {
		return nil, l.err
	}
	a.outBias = l.vector("a.pre_encode.out.bias", a.out.Rows)
	a.project = l.projection("mm.a.input_projection.weight", a.out.Rows)
	a.multiplied = l.multiplied
	return a, l.err
}

// encode turns 16 kHz mono sound into soft tokens, [n][width], 25 a second.
func (a *audioTower) encode(ctx context.Context, pcm []float32) ([]float32, error) {
	if err := checkSamples(pcm, 0); err != nil {
		return nil, err
	}
	h := a.listen()
	h.take(pcm)
	if h.ready(true) == 0 {
		return nil, tooShort(len(pcm))
	}
	out := make([]float32, 0, h.ready(true)*a.project.Rows)
	for h.ready(true) > 0 {
		soft, err := h.encode(ctx, true)
		if err != nil {
			return nil, err
		}
		out = append(out, soft...)
	}
	return out, nil
}

// checkSamples refuses what the tower cannot hear, after as many samples of the
// same sound.
func checkSamples(pcm []float32, before int) error {
	if n := before + len(pcm); n > maxAudioSeconds*sampleRate {
		return fmt.Errorf("%.1f s of sound are more than the %d s that the model can hear at once: split it", float64(n)/sampleRate, maxAudioSeconds)
	}
	for i, v := range pcm {
		if v-v != 0 { // infinite or not a number
			return fmt.Errorf("sample %d of the sound is %v", before+i, v)
		}
	}
	return nil
}

func tooShort(samples int) error {
	return fmt.Errorf("%d samples of sound are too few: the model needs more than %d (10 ms)", samples, hopSize)
}

// measureDistances computes, for each layer, the key of every distance between
// two frames: a projection of sines and cosines of the distance, as in
// Transformer-XL (Dai et al., https://arxiv.org/abs/1901.02860, section 3.3).
func (a *audioTower) measureDistances() {
	if a.distances != nil {
		return
	}
	half := a.hidden / 2
	waves := make([]float32, audioReach*a.hidden)
	step := math.Log(10000) / float64(max(half-1, 1))
	for d := range audioReach {
		w := row(waves, d, a.hidden)
		for i := range half {
			sin, cos := math.Sincos(float64(float32(d) * float32(math.Exp(-step*float64(i)))))
			w[i], w[half+i] = float32(sin), float32(cos)
		}
	}
	a.distances = make([][]float32, len(a.layers))
	for i := range a.layers {
		a.distances[i] = make([]float32, audioReach*a.hidden)
		a.pool.MatMul(waves, audioReach, kernels.Product{Out: a.distances[i], W: a.layers[i].distance})
	}
}
