package gemma4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sensed/deploy/models/tiny"
	"sensed/kernels/gguf"
	"sensed/kernels/ref"
)

// maxDivergence bounds what the arithmetic of the engine may cost: the mean
// Kullback-Leibler divergence of its predictions from those of exact arithmetic
// on the same weights, in nats.
const maxDivergence = 1e-3

// llamaPython names a Python with llama-cpp-python. When it is set, llama.cpp
// reads the same files, and the engine may not be further from exact
// arithmetic than that is.
const llamaPython = "SENSED_LLAMA_PYTHON"

// encoded is a model file whose matrices are in one encoding.
type encoded struct {
	*testFile
	data map[string][]byte // of the matrices; other tensors are F32
	typ  gguf.Type
}

// write makes the bytes of the file.
func (e *encoded) write(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gguf.NewWriter(&b)
	for _, k := range e.keys {
		w.Put(k, e.values[k])
	}
	for _, t := range e.tensors {
		if typ := e.typ; e.data[t.name] != nil {
			w.Declare(t.name, typ, t.shape...)
		} else {
			w.Declare(t.name, gguf.F32, t.shape...)
		}
	}
	for _, t := range e.tensors {
		data := e.data[t.name]
		if data == nil {
			data, _ = binary.Append(nil, binary.LittleEndian, t.data) // floats have a fixed size
		}
		if _, err := w.Write(data); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// trained is the bundled model, which was trained and so is sure of itself as
// real models are, in another encoding. Its widths are multiples of 32.
func trained(tb testing.TB, typ gguf.Type) *encoded {
	tb.Helper()
	f, err := gguf.Parse(tiny.Text, readBundled(tb, tiny.Text))
	if err != nil {
		tb.Fatal(err)
	}
	e := &encoded{testFile: &testFile{values: map[string]any{}}, data: map[string][]byte{}, typ: typ}
	for _, k := range f.Keys() {
		e.put(k, metadata(tb, f, k))
	}
	for _, t := range f.Tensors() {
		x := make([]float32, t.Elements())
		ref.Dequantize(x, t.Type, t.Data)
		e.tensor(t.Name, x, t.Shape...)
		if len(t.Shape) == 2 {
			e.data[t.Name] = encodeBlocks(tb, typ, x)
		}
	}
	return e
}

// metadata reads a key of any kind.
func metadata(tb testing.TB, f *gguf.File, key string) any {
	tb.Helper()
	if v, err := f.String(key); err == nil {
		return v
	}
	if v, err := f.Bool(key); err == nil {
		return v
	}
	if v, err := f.Int(key); err == nil {
		return uint32(v)
	}
	if v, err := f.Float(key); err == nil {
		return float32(v)
	}
	if v, err := f.Strings(key); err == nil {
		return v
	}
	if v, err := f.Bools(key); err == nil {
		return v
	}
	if v, err := f.Ints(key); err == nil {
		return narrowed[int32](v)
	}
	v, err := f.Floats(key)
	if err != nil {
		tb.Fatal(err)
	}
	return narrowed[float32](v)
}

func narrowed[To int32 | float32, From int | float64](v []From) []To {
	out := make([]To, len(v))
	for i, x := range v {
		out[i] = To(x)
	}
	return out
}

// superblocks is a random model whose widths are multiples of 256, as the K
// encodings need, and whose matrices are random blocks.
func superblocks(tb testing.TB, typ gguf.Type) *encoded {
	tb.Helper()
	shape := testShape{hidden: 256, heads: 2, kvHeads: 1, headDim: 128, localDim: 128, ffn: 256, perLayer: 256, window: 24, context: 256,
		shared: 2, sliding: []bool{true, false, true, false}}
	e := &encoded{testFile: shape.build(9), data: map[string][]byte{}, typ: typ}
	for _, k := range []string{"gemma4.rope.dimension_count", "gemma4.rope.dimension_count_swa"} {
		e.put(k, uint32(128))
	}
	for i, name := range []string{"padding", "eos", "bos", "unknown"} {
		e.put("tokenizer.ggml."+name+"_token_id", uint32(i))
	}
	// Trained models look at several places; random queries, as long as these
	// are, look at one, and the least rounding can make it another one.
	for _, t := range e.tensors {
		if strings.HasSuffix(t.name, "attn_q_norm.weight") {
			for i := range t.data {
				t.data[i] *= 0.2
			}
		}
	}
	rng := rand.New(rand.NewPCG(uint64(typ), 9))
	for _, t := range e.tensors {
		if len(t.shape) != 2 {
			continue
		}
		deviation := 1 / math.Sqrt(float64(t.shape[1]))
		e.data[t.name] = randomBlocks(rng, typ, t.shape[0]*t.shape[1], deviation)
	}
	return e
}

// divergence is the mean over positions of the divergence of q from p, both
// logits, [T][vocab].
func divergence[P, Q float32 | float64](p []P, q []Q, vocab int) float64 {
	var sum float64
	for at := 0; at < len(p); at += vocab {
		a, b := logSoftmax(p[at:at+vocab]), logSoftmax(q[at:at+vocab])
		for i := range a {
			sum += math.Exp(a[i]) * (a[i] - b[i])
		}
	}
	return sum / float64(len(p)/vocab)
}

func logSoftmax[F float32 | float64](x []F) []float64 {
	top, sum := math.Inf(-1), 0.0
	for _, v := range x {
		top = max(top, float64(v))
	}
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v) - top - math.Log(sum)
	}
	return out
}

// TestQuantizedQuality compares the engine with exact arithmetic on the same
// weights, for each encoding.
func TestQuantizedQuality(t *testing.T) {
	type kind struct {
		typ   gguf.Type
		model func(testing.TB, gguf.Type) *encoded
	}
	var kinds []kind
	for _, typ := range []gguf.Type{gguf.F32, gguf.F16, gguf.BF16, gguf.Q8_0, gguf.Q4_0, gguf.Q4_1, gguf.Q5_0, gguf.Q5_1, gguf.IQ4NL} {
		kinds = append(kinds, kind{typ, trained})
	}
	for _, typ := range []gguf.Type{gguf.Q4_K, gguf.Q5_K, gguf.Q6_K, gguf.Q2_K, gguf.Q3_K, gguf.IQ4XS, gguf.Q8_0, gguf.Q4_0} {
		kinds = append(kinds, kind{typ, superblocks})
	}
	for i, k := range kinds {
		t.Run(fmt.Sprintf("%d-%v", i, k.typ), func(t *testing.T) {
			data := k.model(t, k.typ).write(t)
			f, err := gguf.Parse("quality.gguf", data)
			if err != nil {
				t.Fatal(err)
			}
			m, err := New(f, nil, Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			vocab := m.Tokenizer().Len()
			var want []float64
			var got, theirs []float32
			python := os.Getenv(llamaPython)
			texts := qualityTexts(m)
			if python == "" {
				texts = texts[:1] // enough for the bound; a comparison needs more, as roundings are a matter of luck
			}
			for _, ids := range texts {
				want = append(want, exactLogits(t, f, ids)...)
				logits, err := m.Logits(t.Context(), ids)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, logits...)
				if python != "" {
					theirs = append(theirs, llamaLogits(t, python, data, ids)...)
				}
			}
			kl := divergence(want, got, vocab)
			t.Logf("%v: divergence %.2e", k.typ, kl)
			if !(kl <= maxDivergence) {
				t.Errorf("%v: the divergence is %.2e, at most %.0e is allowed", k.typ, kl, maxDivergence)
			}
			if python == "" {
				return
			}
			other := divergence(want, theirs, vocab)
			t.Logf("%v: divergence of llama.cpp %.2e", k.typ, other)
			if kl > other*luck {
				t.Errorf("%v: the divergence is %.2e, that of llama.cpp %.2e", k.typ, kl, other)
			}
		})
	}
}

// luck is how much two roundings of the same kind may differ over the texts of
// the test.
const luck = 1.1

// qualityTexts are conversations in the tokens of the model: four, and some of
// their words in other orders.
func qualityTexts(m *Model) [][]int {
	words := m.Tokenizer()
	var out [][]int
	texts := []string{
		"what is in the picture? describe it.<turn|>\n<|turn>model\na red circle is left of a blue square, and a green star is below.<turn|>\n",
		"write down what you hear.<turn|>\n<|turn>model\nthe quick brown fox jumps over the lazy dog near the river at noon today.<turn|>\n",
		"where are the cat and the dog? answer with a list of boxes.<turn|>\n<|turn>model\n[120, 340, 560, 780] and [10, 20, 300, 400].<turn|>\n",
		"is the door open?<turn|>\n<|turn>model\nyes, the door is open and there is a box on the table behind it.<turn|>\n",
	}
	all := strings.Fields(strings.NewReplacer("<turn|>\n<|turn>model\n", " ", "<turn|>\n", "").Replace(strings.Join(texts, " ")))
	rng := rand.New(rand.NewPCG(3, 4))
	for range 28 {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		texts = append(texts, strings.Join(all[:8], " ")+"<turn|>\n<|turn>model\n"+strings.Join(all[8:], " ")+"<turn|>\n")
	}
	for _, text := range texts {
		ids := append([]int{words.BOS()}, words.Encode("<|turn>user\n"+text, true)...)
		out = append(out, ids[:min(len(ids), 72)])
	}
	return out
}

// llamaLogits asks llama.cpp.
func llamaLogits(t *testing.T, python string, model []byte, ids []int) []float32 {
	t.Helper()
	dir := t.TempDir()
	path, out := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "logits")
	if err := os.WriteFile(path, model, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"../../deploy/bench/llama_logits.py", path, out}, strings.Fields(strings.Trim(fmt.Sprint(ids), "[]"))...)
	if text, err := exec.Command(python, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s (%s names it): %v\n%s", python, llamaPython, err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	logits := make([]float32, len(data)/4)
	if _, err := binary.Decode(data, binary.LittleEndian, logits); err != nil {
		t.Fatal(err)
	}
	return logits
}
