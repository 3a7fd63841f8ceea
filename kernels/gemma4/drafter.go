package gemma4

import (
	"context"
	"fmt"
	"slices"

	"sensed/kernels"
	"sensed/kernels/gguf"
)

// drafterArchitecture is the value of general.architecture of a drafter, and
// the prefix of its keys.
const drafterArchitecture = "gemma4-assistant"

// drafter guesses the tokens that its target, a much larger model, will write
// next. It has queries only: each of its layers looks at the keys and values
// that the target's last own layer of the same kind (sliding or not) has
// cached. So it reads no prompt and keeps no state of its own.
//
// One step takes the token that comes next, embedded by the target, and beside
// it the target's state at the position before, after its last norm:
//
//	x = pre [embed(token) * sqrt(D); state]
//	logits = head(norm(layers(x)))    state = post norm(layers(x))
//
// The drafted token and the new state are the input of the next step. All steps
// of a draft stand at the place of the first token and see the same keys.
// Reference: transformers 5.23, Gemma4AssistantForCausalLM, and
// SinglePositionMultiTokenCandidateGenerator, which drives it.
//
// Its scratch memory and the pool are the target's to guard.
type drafter struct {
	decoder // the layers and the head; source of a layer is one of the target's
	target  *decoder
	pre     *kernels.Matrix // [hidden][2*D]
	post    *kernels.Matrix // [D][hidden]

	both []float32 // [2*D] input of a step: embedding and state
	out  []float32 // [vocab] logits of a step
}

// openDrafter reads a drafter and checks that it was made for the target: a
// drafter of another model is an error that names what differs.
func openDrafter(f *gguf.File, target *Model) (*drafter, error) {
	t := target.text
	config, err := readDrafterConfig(f, &t.textConfig)
	if err != nil {
		return nil, err
	}
	if err := sameWords(f, target); err != nil {
		return nil, err
	}
	l := &tensors{f: f}
	w := &textWeights{vocab: t.vocab}
	w.head = l.matrix("token_embd.weight", t.vocab, config.hidden)
	w.outNorm = l.vector("output_norm.weight", config.hidden)
	d := &drafter{
		target: t,
		pre:    l.matrix("nextn.pre_projection.weight", config.hidden, 2*t.hidden),
		post:   l.matrix("nextn.post_projection.weight", t.hidden, config.hidden),
	}
	l.stack(w, &config)
	if l.err != nil {
		return nil, l.err
	}
	if err := sameTurns(f, w, t); err != nil {
		return nil, err
	}
	l.multiplies(w.head, d.pre, d.post)
	w.multiplied = l.multiplied
	d.decoder = decoder{textConfig: config, textWeights: w, pool: target.pool}
	return d, nil
}

// readDrafterConfig reads the shape of a drafter and checks it against that of
// its target.
func readDrafterConfig(f *gguf.File, t *textConfig) (textConfig, error) {
	arch, err := f.String("general.architecture")
	if err != nil {
		return textConfig{}, err
	}
	if arch != drafterArchitecture {
		return textConfig{}, fmt.Errorf("%s: the architecture is %q and should be %q: this is not a drafter of Gemma 4", f.Name(), arch, drafterArchitecture)
	}
	k := &keys{f: f, arch: drafterArchitecture}
	width := k.positive("embedding_length_out")
	k.check(width == t.hidden, "embedding_length_out", "%d is not the width of the model, which is %d: this is the drafter of another model", width, t.hidden)
	c := textConfig{
		hidden: k.positive("embedding_length"),
		heads:  k.positive("attention.head_count"),
		// The reference lets a sliding layer see one position more than the window
		// of the model, counted from the last key.
		window:  k.positive("attention.sliding_window") + 1,
		context: t.context,
		eps:     float32(k.number("attention.layer_norm_rms_epsilon")),
	}
	n := k.positive("block_count")
	k.check(n <= maxLayers, "block_count", "%d layers are more than %d", n, maxLayers)
	shared := k.natural("attention.shared_kv_layers", n)
	k.check(shared == n, "attention.shared_kv_layers", "%d is not the number of layers, %d, all of which must share", shared, n)
	k.check(k.natural("embedding_length_per_layer_input", 0) == 0, "embedding_length_per_layer_input", "drafters with per-layer embeddings are not supported")
	k.check(c.eps > 0, "attention.layer_norm_rms_epsilon", "%g is not positive", c.eps)
	if k.err != nil {
		return textConfig{}, k.err
	}
	c.shapes = readLayerConfigs(k, c.heads, n)
	c.shareWith(k, t)
	return c, k.err
}

// shareWith finds the layer of the target that each layer of a drafter looks
// at.
func (c *textConfig) shareWith(k *keys, t *textConfig) {
	for i := range c.shapes {
		l := &c.shapes[i]
		kind, length, base, dim := "full", "attention.key_length", "rope.freq_base", "rope.dimension_count"
		if l.sliding {
			kind, length, base, dim = "sliding", length+"_swa", base+"_swa", dim+"_swa"
		}
		s := t.source(l.sliding)
		k.check(s >= 0, "attention.sliding_window_pattern", "layer %d is a %s one, of which the model has none to share: this is the drafter of another model", i, kind)
		if k.err != nil {
			return
		}
		own := t.shapes[s]
		k.check(l.headDim == own.headDim, length, "keys of %d are not those of the model, which have %d values: this is the drafter of another model", l.headDim, own.headDim)
		k.check(l.kvHeads == own.kvHeads, "attention.head_count_kv", "%d key heads in layer %d are not those of the model, which has %d: this is the drafter of another model", l.kvHeads, i, own.kvHeads)
		k.check(l.ropeBase == own.ropeBase, base, "%g is not that of the model, %g: this is the drafter of another model", l.ropeBase, own.ropeBase)
		k.check(l.ropeDim == own.ropeDim, dim, "%d is not that of the model, %d: this is the drafter of another model", l.ropeDim, own.ropeDim)
		l.source = s
	}
}

const vocabularyKey = "tokenizer.ggml.tokens"

// sameWords checks the vocabulary of a drafter, if its file has one: it drafts
// in the tokens of the target. A token that only one of them knows, as a later
// name of an unused one, does no harm.
func sameWords(f *gguf.File, target *Model) error {
	if !f.Has(vocabularyKey) {
		return nil
	}
	tokens, err := f.Strings(vocabularyKey)
	if err != nil {
		return err
	}
	own, err := target.files[0].Strings(vocabularyKey)
	if err != nil {
		return err
	}
	if len(tokens) != len(own) {
		return fmt.Errorf("%s: key %q: %d tokens are not the %d of the model: this is the drafter of another model", f.Name(), vocabularyKey, len(tokens), len(own))
	}
	for id, s := range tokens {
		if s == own[id] {
			continue
		}
		if got, ok := target.words.ID(s); ok {
			return fmt.Errorf("%s: key %q: token %d is %q, which is token %d of the model: this is the drafter of another model", f.Name(), vocabularyKey, id, s, got)
		}
	}
	return nil
}

// sameTurns checks that the heads of a drafter turn as the target's keys do.
func sameTurns(f *gguf.File, w *textWeights, t *decoder) error {
	if w.fullFreq != nil && !slices.Equal(w.fullFreq, t.fullFreq) {
		return fmt.Errorf("%s: tensor %q is not that of the model: this is the drafter of another model", f.Name(), "rope_freqs.weight")
	}
	return nil
}

// propose drafts the n tokens that may follow `last`, which itself follows the
// positions of the session: greedily, and fewer when the context ends. The
// session is left as it is. Without a drafter, or when the state of the last
// position is not known, as after [Session.Truncate] to a place whose logits
// were never told, there is no draft and no error. It returns ctx.Err() within a
// step after ctx ends.
func (d *drafter) propose(ctx context.Context, s *Session, last, n int) ([]int, error) {
	if d == nil || last < 0 || last >= d.vocab {
		return nil, nil
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.closed {
		return nil, ErrClosed
	}
	place := s.cache.n
	state := s.cache.states.at(place - 1)
	if state == nil {
		return nil, nil
	}
	d.start(place, state)
	out := make([]int, 0, max(0, min(n, s.m.context-place-1)))
	for len(out) < cap(out) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		next, err := d.step(&s.cache, place, last)
		if err != nil {
			return nil, err
		}
		out, last = append(out, next), next
	}
	return out, nil
}

// start prepares a draft at a place from the target's state before it, [D].
func (d *drafter) start(place int, state []float32) {
	width := d.target.hidden
	d.both = grow(d.both, 2*width)
	copy(d.both[width:], state)
	d.rotate(place, 1)
}

// step drafts the token after `token` and leaves the state for the next step.
func (d *drafter) step(c *cache, place, token int) (int, error) {
	width := d.target.hidden
	embedding, state := d.both[:width], d.both[width:]
	if err := d.target.embed.read(d.pool, []int{token}, func(int) []float32 { return embedding }); err != nil {
		return 0, fmt.Errorf("gemma4: %w", err)
	}
	d.x = grow(d.x, d.hidden)
	d.pool.MatMul(d.both, 1, d.product(d.x, d.pre)...)
	for i := range d.layers {
		d.project(c, i, place, 1, true, false)
		d.attend(c, i, place-1, 1) // the place itself has no key yet
		d.feedForward(i, 1)
		d.addLayerEmbedding(i, 1)
	}
	kernels.RMSNorm(d.norm[:d.hidden], d.x, d.outNorm, d.eps)
	d.out = grow(d.out, d.vocab)
	d.predict(1, d.out)
	d.pool.MatMul(d.norm, 1, d.product(state, d.post)...)
	next := largest(d.out)
	if next < 0 {
		return 0, errNotNumbers
	}
	return next, nil
}

// largest returns the index of the largest of x, the first of equal ones, -1
// when none is a number.
func largest(x []float32) int {
	at := -1
	for i, v := range x {
		if (at < 0 || v > x[at]) && v == v {
			at = i
		}
	}
	return at
}

// HasDrafter says whether the model has a drafter to speculate with.
func (m *Model) HasDrafter() bool { return m.drafter != nil }

// AddDrafter gives the model a drafter, a file of the architecture
// gemma4-assistant that was made for this very model. It comes before the first
// session; the caller closes the file, after the model.
func (m *Model) AddDrafter(f *gguf.File) error {
	d, err := openDrafter(f, m)
	if err != nil {
		return err
	}
	m.drafter = d
	return nil
}
