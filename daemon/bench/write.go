package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"sensed/kernels/gguf"
)

// recipeKey marks files that this package wrote, with the version of how: a
// file of another version is made anew.
const (
	recipeKey = "sensed.bench.recipe"
	recipe    = 1
)

// plan is a model file that is to be written: metadata and tensors.
type plan struct {
	keys    []keyValue
	tensors []tensorPlan
	bytes   int // of all tensors
}

type keyValue struct {
	key   string
	value any
}

// tensorPlan is one tensor: random numbers of a mean and a deviation, or the
// given values.
type tensorPlan struct {
	name            string
	typ             gguf.Type
	shape           []int
	mean, deviation float64
	values          []float32 // F32; nil: random
}

func (p *plan) put(key string, value any) { p.keys = append(p.keys, keyValue{key, value}) }

func (p *plan) add(t tensorPlan) {
	elements, size := t.typ.Block()
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	p.bytes += n / elements * size
	p.tensors = append(p.tensors, t)
}

// matrix adds random weights that keep the size of what they are multiplied with.
func (p *plan) matrix(name string, t gguf.Type, shape ...int) {
	cols := 1
	for _, d := range shape[1:] {
		cols *= d
	}
	p.add(tensorPlan{name: name, typ: t, shape: shape, deviation: 1 / math.Sqrt(float64(cols))})
}

// norm adds weights around one.
func (p *plan) norm(name string, n int) {
	p.add(tensorPlan{name: name, typ: gguf.F32, shape: []int{n}, mean: 1, deviation: 0.1})
}

// values adds numbers.
func (p *plan) values(name string, v ...float32) {
	p.add(tensorPlan{name: name, typ: gguf.F32, shape: []int{len(v)}, values: v})
}

// write streams the file to w.
func (p *plan) write(ctx context.Context, w io.Writer) error {
	buffer := bufio.NewWriterSize(w, 1<<20)
	out := gguf.NewWriter(buffer)
	out.Put(recipeKey, uint32(recipe))
	for _, k := range p.keys {
		out.Put(k.key, k.value)
	}
	for _, t := range p.tensors {
		out.Declare(t.name, t.typ, t.shape...)
	}
	n := newNormals()
	for i, t := range p.tensors {
		if err := t.write(ctx, out, source{rand.NewPCG(uint64(i), recipe), n}); err != nil {
			return errors.Join(fmt.Errorf("tensor %q: %w", t.name, err), ctx.Err())
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return buffer.Flush()
}

// write makes the tensor piece by piece.
func (t *tensorPlan) write(ctx context.Context, w io.Writer, s source) error {
	elements, size := t.typ.Block()
	blocks := 1
	for _, d := range t.shape {
		blocks *= d
	}
	blocks /= elements
	step := max(1, 1<<20/size)
	piece := make([]byte, min(blocks, step)*size)
	for at := 0; at < blocks; at += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := piece[:min(step, blocks-at)*size]
		if err := t.piece(b, s, at); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// piece fills b with the blocks from at on.
func (t *tensorPlan) piece(b []byte, s source, at int) error {
	if t.values == nil && t.mean == 0 {
		return s.fill(b, t.typ, t.deviation)
	}
	for i := range len(b) / 4 {
		v := float32(t.mean)
		if t.values != nil {
			v = t.values[at+i]
		} else {
			v += s.normal(t.deviation)
		}
		putFloat(b[4*i:], v)
	}
	return nil
}
