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
	file               string
	hidden, heads, dim int
	ffn, patch, merge  int
	eps                float32

	embed             *kernels.Matrix // [hidden][3*patch*patch], a row is (channel, y, x)
	positions         *kernels.Matrix // [2*places][hidden]: by x, then by y
	places            int             // patches along a side, at most
	layers            []visionLayer
	stdBias, stdScale []float32       // [hidden], nil without
	project           *kernels.Matrix // [width][hidden]
	frequencies       []float32       // [dim/4] radians per patch
	levels            [256]float32    // of a byte, in [-1, 1]
	recent            recentPictures
	current           vision // its memory serves the next picture again
}

// visionLayer are the tensors of one transformer block.
type visionLayer struct {
	attnNorm, postAttn, ffnNorm, postFFN []float32 // [hidden]
	qNorm, kNorm                         []float32 // [dim]

	q, k, v, out linear // heads*dim wide inside, k and v kvHeads*dim
	kvHeads      int

	gate, up, down linear // ffn wide inside
}

// openVision finds and checks the tensors of the vision tower.
func openVision(f *gguf.File, pool *kernels.Pool, exact bool) (*visionTower, error) {
	const prefix = "clip.vision."
	m := &senseKeys{f: f}
	m.kind("vision", "gemma4v")
	v := &visionTower{
		arithmetic: arithmetic{pool: pool},
		file:       f.Name(),
		hidden:     m.size(prefix + "embedding_length"),
		heads:      m.size(prefix + "attention.head_count"),
		ffn:        m.size(prefix + "feed_forward_length"),
		patch:      m.size(prefix + "patch_size"),
		merge:      m.sizeOr(prefix+"projector.scale_factor", visionMerge),
		eps:        m.number(prefix + "attention.layer_norm_epsilon"),
	}
	blocks := m.size(prefix + "block_count")
	if m.err == nil && !(v.eps > 0 && v.eps < 1) {
		m.err = fmt.Errorf("%s: key %q: %g is out of range", f.Name(), prefix+"attention.layer_norm_epsilon", v.eps)
	}
	if m.err != nil {
		return nil, m.err
	}
	l := &tensors{f: f, round: !exact}
	v.embed = l.patches("v.patch_embd.weight", v.hidden, v.patch)
	v.positions, v.places = l.places("v.position_embd.weight", v.hidden)
	v.dim = l.length("v.blk.0.attn_q_norm.weight")
	if l.err == nil && v.dim%4 != 0 {
		l.err = fmt.Errorf("%s: tensor %q has %d values, which is not a multiple of 4", f.Name(), "v.blk.0.attn_q_norm.weight", v.dim)
	}
	for i := range blocks {
		if l.err != nil {
			return nil, l.err
		}
		v.layers = append(v.layers, l.visionLayer(fmt.Sprintf("v.blk.%d.", i), v))
	}
	if f.HasTensor("v.std_bias") || f.HasTensor("v.std_scale") {
		v.stdBias, v.stdScale = l.vector("v.std_bias", v.hidden), l.vector("v.std_scale", v.hidden)
	}
	v.project = l.projection("mm.input_projection.weight", v.hidden)
	v.multiplied = l.multiplied
	if l.err != nil {
		return nil, l.err
	}
	v.frequencies = frequencies(visionTheta, v.dim/2)
	for i := range v.levels {
		v.levels[i] = 2 * (float32(float64(i)/255) - 0.5)
	}
	return v, nil
}

// visionLayer reads the tensors of one block.
func (l *tensors) visionLayer(p string, v *visionTower) visionLayer {
	inside := v.heads * v.dim
	kvHeads := l.headsOf(p+"attn_k.weight", v.dim, v.heads)
	return visionLayer{
		attnNorm: l.vector(p+"ln1.weight", v.hidden),
		qNorm:    l.vector(p+"attn_q_norm.weight", v.dim),
		kNorm:    l.vector(p+"attn_k_norm.weight", v.dim),
		q:        l.linear(p+"attn_q", inside, v.hidden),
		k:        l.linear(p+"attn_k", kvHeads*v.dim, v.hidden),
		v:        l.linear(p+"attn_v", kvHeads*v.dim, v.hidden),
		out:      l.linear(p+"attn_out", v.hidden, inside),
		postAttn: l.vector(p+"attn_post_norm.weight", v.hidden),
		kvHeads:  kvHeads,
		ffnNorm:  l.vector(p+"ln2.weight", v.hidden),
		gate:     l.linear(p+"ffn_gate", v.ffn, v.hidden),
		up:       l.linear(p+"ffn_up", v.ffn, v.hidden),
		down:     l.linear(p+"ffn_down", v.hidden, v.ffn),
		postFFN:  l.vector(p+"ffn_post_norm.weight", v.hidden),
	}
}

// checkPicture returns the size in pixels to which the picture is stretched.
func (v *visionTower) checkPicture(im image.Image, budget int) (h, w int, err error) {
	if im == nil {
		return 0, 0, fmt.Errorf("there is no picture")
	}
	if !slices.Contains(imageBudgets[:], budget) {
		return 0, 0, fmt.Errorf("a picture cannot take %d soft tokens, only one of %v", budget, imageBudgets)
	}
	b := im.Bounds()
	h, w, err = ResizedSize(b.Dy(), b.Dx(), budget, v.patch, v.merge)
	if err != nil {
		return 0, 0, err
	}
	if long := max(h, w) / v.patch; long > v.places {
		return 0, 0, fmt.Errorf("a picture of %d x %d pixels is too long and thin: it would have %d patches along a side, and %s knows %d",
			b.Dx(), b.Dy(), long, v.file, v.places)
	}
	return h, w, nil
}

// encode turns a picture into soft tokens, [n][width], row by row. Nobody may
// write to them: a picture that is seen again has the same ones.
func (v *visionTower) encode(ctx context.Context, im image.Image, budget int) ([]float32, error) {
	h, w, err := v.checkPicture(im, budget)
	if err != nil {
		return nil, err
	}
	picture, err := resize(v.pool.Run, im, w, h)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if tokens := v.recent.find(picture); tokens != nil {
		return tokens, nil
	}
	s := v.embedPatches(picture)
	for i := range v.layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v.attend(&v.layers[i], s)
		v.feedForward(&v.layers[i], s)
	}
	tokens := v.tokens(s)
	v.recent.add(picture, tokens)
	return tokens, nil
}

// vision is a picture on its way through the tower.
type vision struct {
	across, down, n int       // patches: n = across * down, row by row
	x               []float32 // [n][hidden]
	norm            []float32 // [n][hidden]
	cos, sin        []float32 // [max(across, down)][dim/4]
}

// embedPatches cuts the picture into patches and gives each its place.
func (v *visionTower) embedPatches(picture *Pixels) *vision {
	s := &v.current
	s.across, s.down = picture.W/v.patch, picture.H/v.patch
	s.n = s.across * s.down
	s.x, s.norm = grow(s.x, s.n*v.hidden), grow(s.norm, s.n*v.hidden)
	v.work = grow(v.work, s.n*v.embed.Cols)
	values := v.work
	v.rows(s.n, func(r int) {
		v.cut(row(values, r, v.embed.Cols), picture, r%s.across*v.patch, r/s.across*v.patch)
	})
	v.pool.MatMul(values, s.n, kernels.Product{Out: s.x, W: v.embed})

	side := max(s.across, s.down)
	byX, byY := make([]float32, side*v.hidden), make([]float32, side*v.hidden)
	s.cos, s.sin = make([]float32, side*len(v.frequencies)), make([]float32, side*len(v.frequencies))
	v.rows(side, func(i int) {
		v.positions.Row(row(byX, i, v.hidden), i)
		v.positions.Row(row(byY, i, v.hidden), v.places+i)
		for k, f := range v.frequencies {
			sin, cos := math.Sincos(float64(float32(i) * f))
			s.cos[i*len(v.frequencies)+k], s.sin[i*len(v.frequencies)+k] = float32(cos), float32(sin)
		}
	})
	v.rows(s.n, func(r int) {
		x := row(s.x, r, v.hidden)
		kernels.Add(x, row(byX, r%s.across, v.hidden))
		kernels.Add(x, row(byY, r/s.across, v.hidden))
	})
	return s
}

// cut copies the patch at (x, y) to out as (channel, y, x) in [-1, 1].
func (v *visionTower) cut(out []float32, picture *Pixels, x, y int) {
	area := v.patch * v.patch
	for dy := range v.patch {
		pixels := picture.Pix[3*((y+dy)*picture.W+x):][:3*v.patch]
		for dx := range v.patch {
			i := dy*v.patch + dx
			out[i] = v.levels[pixels[3*dx]]
			out[area+i] = v.levels[pixels[3*dx+1]]
			out[2*area+i] = v.levels[pixels[3*dx+2]]
		}
	}
}

// attend adds the attention part of a layer to x: every patch sees all.
func (v *visionTower) attend(l *visionLayer, s *vision) {
	queries, keys := v.heads*v.dim, l.kvHeads*v.dim
	v.work = grow(v.work, s.n*(2*queries+2*keys))
	q, rest := v.work[:s.n*queries], v.work[s.n*queries:]
	out, rest := rest[:s.n*queries], rest[s.n*queries:]
	k, values := rest[:s.n*keys], rest[s.n*keys:]

	v.rows(s.n, func(r int) {
		kernels.RMSNorm(row(s.norm, r, v.hidden), row(s.x, r, v.hidden), l.attnNorm, v.eps)
	})
	v.apply(s.norm, s.n, func(r int) {
		for h := range v.heads {
			v.place(q[(r*v.heads+h)*v.dim:][:v.dim], l.qNorm, s, r)
		}
		for h := range l.kvHeads {
			at := (r*l.kvHeads + h) * v.dim
			v.place(k[at:at+v.dim], l.kNorm, s, r)
			value := values[at : at+v.dim]
			kernels.RMSNorm(value, value, nil, v.eps)
		}
	}, use{q, l.q}, use{k, l.k}, use{values, l.v})
	v.pool.Attention(kernels.Attention{
		Out: out, Q: q, K: k, V: values,
		T: s.n, Keys: s.n, Heads: v.heads, KVHeads: l.kvHeads, Dim: v.dim, Scale: 1,
	})
	v.apply(out, s.n, func(r int) { v.addNormed(s, r, l.postAttn) }, use{s.norm, l.out})
}

// place normalises a query or key and rotates its first half by the column and
// its second half by the row of patch r.
func (v *visionTower) place(x, weight []float32, s *vision, r int) {
	pairs, half := len(v.frequencies), v.dim/2
	kernels.RMSNorm(x, x, weight, v.eps)
	col, line := r%s.across, r/s.across
	kernels.Rope(x[:half], row(s.cos, col, pairs), row(s.sin, col, pairs))
	kernels.Rope(x[half:], row(s.cos, line, pairs), row(s.sin, line, pairs))
}

// feedForward adds the gated feed-forward part of a layer to x, tile by tile.
func (v *visionTower) feedForward(l *visionLayer, s *vision) {
	tile := min(s.n, tileRows)
	v.work = grow(v.work, 2*tile*v.ffn)
	gate, up := v.work[:tile*v.ffn], v.work[tile*v.ffn:]
	for first := 0; first < s.n; first += tileRows {
		n := min(tileRows, s.n-first)
		norm := s.norm[first*v.hidden : (first+n)*v.hidden]
		v.rows(n, func(r int) {
			kernels.RMSNorm(row(norm, r, v.hidden), row(s.x, first+r, v.hidden), l.ffnNorm, v.eps)
		})
		v.apply(norm, n, func(r int) {
			g := row(gate, r, v.ffn)
			kernels.GeluMul(g, g, row(up, r, v.ffn))
		}, use{gate, l.gate}, use{up, l.up})
		v.apply(gate, n, func(r int) { v.addNormed(s, first+r, l.postFFN) }, use{norm, l.down})
	}
}

// addNormed normalises row r of norm and adds it to x.
func (v *visionTower) addNormed(s *vision, r int, weight []float32) {
	y := row(s.norm, r, v.hidden)
	kernels.RMSNorm(y, y, weight, v.eps)
	kernels.Add(row(s.x, r, v.hidden), y)
}

// tokens averages squares of merge x merge patches and projects them to the
// width of the text model.
func (v *visionTower) tokens(s *vision) []float32 {
	across := s.across / v.merge
	n := across * (s.down / v.merge)
	scale := float32(math.Sqrt(float64(v.hidden)))
	share := 1 / float32(v.merge*v.merge)
	pooled := make([]float32, n*v.hidden)
	v.rows(n, func(r int) {
		y := row(pooled, r, v.hidden)
		first := r/across*v.merge*s.across + r%across*v.merge
		for dy := range v.merge {
			for dx := range v.merge {
				kernels.AddScaled(y, row(s.x, first+dy*s.across+dx, v.hidden), share)
			}
		}
		kernels.Scale(y, scale)
		if v.stdBias != nil {
			for i := range y {
				y[i] = (y[i] - v.stdBias[i]) * v.stdScale[i]
			}
		}
		kernels.RMSNorm(y, y, nil, v.eps)
	})
	out := make([]float32, n*v.project.Rows)
	v.pool.MatMul(pooled, n, kernels.Product{Out: out, W: v.project})
	return out
}
