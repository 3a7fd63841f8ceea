package bench

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sensed/kernels/gemma4"
	"sensed/kernels/gguf"
	"sensed/kernels/ref"
)

// makeSketch writes the small shape in every test's own folder.
func makeSketch(t *testing.T, mix string) Files {
	t.Helper()
	m, err := MixOf(mix)
	if err != nil {
		t.Fatal(err)
	}
	files, err := Make(t.Context(), t.TempDir(), sketch(), m, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestMakeWritesModelsThatRun(t *testing.T) {
	for _, mix := range MixNames() {
		t.Run(mix, func(t *testing.T) {
			files := makeSketch(t, mix)
			m, err := gemma4.Open(files.Text, files.Projector, gemma4.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if want := "sketch-random-" + mix; m.Name() != want {
				t.Errorf("the model is called %q, want %q", m.Name(), want)
			}
			logits, err := m.Logits(t.Context(), []int{2, 600, 700})
			if err != nil {
				t.Fatal(err)
			}
			low, high := slices.Min(logits), slices.Max(logits)
			if !(low >= -30 && high <= 30 && high-low > 1) {
				t.Errorf("logits from %g to %g; random weights give ones that differ, within the softcap of 30", low, high)
			}
			soft, err := m.EncodeImage(t.Context(), scene(1), 70)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(soft) / m.Width(); n != 63 {
				t.Errorf("a picture of 640x480 becomes %d soft tokens, want 63", n)
			}
			if soft, err = m.EncodeAudio(t.Context(), speech(1, 1)); err != nil {
				t.Fatal(err)
			}
			if n := len(soft) / m.Width(); n != 25 {
				t.Errorf("a second of sound becomes %d soft tokens, want 25", n)
			}
			for _, v := range soft {
				if v-v != 0 {
					t.Fatalf("a soft token has the value %v", v)
				}
			}
		})
	}
}

func TestMakeKeepsWhatIsWhole(t *testing.T) {
	folder, m := t.TempDir(), Mix{"q8_0", 7, gguf.Q8_0, gguf.Q8_0, gguf.Q8_0, gguf.Q8_0}
	var said []string
	say := func(s string) { said = append(said, s) }
	files, err := Make(t.Context(), folder, sketch(), m, say)
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(files.Text)
	if err != nil {
		t.Fatal(err)
	}
	if len(said) != 2 {
		t.Errorf("said %q, want a line for each of two files", said)
	}
	said = nil
	if _, err := Make(t.Context(), folder, sketch(), m, say); err != nil || len(said) != 0 {
		t.Errorf("made again: %v, said %q; want nothing", err, said)
	}
	for name, damage := range map[string]func() error{
		"cut short": func() error { return os.Truncate(files.Text, int64(len(first)-1000)) },
		"not a model": func() error {
			return os.WriteFile(files.Text, []byte("hello"), 0o644)
		},
		"another recipe": func() error {
			i := bytes.Index(first, []byte(recipeKey)) + len(recipeKey) + 4
			other := bytes.Clone(first)
			other[i]++
			return os.WriteFile(files.Text, other, 0o644)
		},
		"other encodings": func() error {
			_, err := Make(t.Context(), folder, sketch(), Mix{"q4_0", 2, gguf.Q4_0, gguf.Q6_K, gguf.Q6_K, gguf.Q4_0}, func(string) {})
			return errors.Join(err, os.Rename(filepath.Join(folder, "sketch-random-q4_0.gguf"), files.Text))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			said = nil
			if _, err := Make(t.Context(), folder, sketch(), m, say); err != nil {
				t.Fatal(err)
			}
			again, err := os.ReadFile(files.Text)
			if err != nil || !bytes.Equal(first, again) {
				t.Errorf("the file was not made anew as it was (%v)", err)
			}
			if len(said) != 1 {
				t.Errorf("said %q, want one line", said)
			}
		})
	}
}

func TestMakeLeavesNothingHalfDone(t *testing.T) {
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	m, err := MixOf("q4_0")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Make(ctx, folder, sketch(), m, func(string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 0 {
		t.Errorf("%d files are left (%v)", len(entries), err)
	}
}

func TestRoomFor(t *testing.T) {
	if err := roomFor(t.TempDir(), 0); err != nil {
		t.Error(err)
	}
	err := roomFor(t.TempDir(), math.MaxInt/2)
	if err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("error %v, want one that says what to do", err)
	}
}

// TestShapes holds what follows from the tables of the published models.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		shape     Shape
		own       int     // layers with keys and values of their own
		full      []int   // the first of the layers that see everything
		gigabytes float64 // of Q4_0
	}{
		{E2B(), 15, []int{4, 9, 14}, 3.33},
		{E4B(), 24, []int{5, 11, 17, 23}, 5.14},
	} {
		var full []int
		for i := range c.shape.own() {
			if !c.shape.slides(i) {
				full = append(full, i)
			}
		}
		m, err := MixOf("q4_0")
		if err != nil {
			t.Fatal(err)
		}
		gigabytes := float64(textPlan(c.shape, m).bytes) / 1e9
		if c.shape.own() != c.own || !slices.Equal(full, c.full) || math.Abs(gigabytes-c.gigabytes) > 0.05 {
			t.Errorf("%s: %d own layers, of them %v see everything, %.2f GB; want %d, %v, %.2f GB", c.shape.Name, c.shape.own(), full, gigabytes, c.own, c.full, c.gigabytes)
		}
	}
	if _, err := ShapeOf("e3b"); err == nil || !strings.Contains(err.Error(), "e2b or e4b") {
		t.Errorf("unknown shape: %v", err)
	}
	if _, err := MixOf("q3"); err == nil || !strings.Contains(err.Error(), "q4_k_m") {
		t.Errorf("unknown type: %v", err)
	}
}

// TestVocabularyIsFull checks the size and form of the real vocabulary.
func TestVocabularyIsFull(t *testing.T) {
	v := newVocabulary(fullSize)
	seen := map[string]bool{}
	for id, text := range v.tokens {
		if text == "" || seen[text] {
			t.Fatalf("token %d is %q, which is empty or was there before", id, text)
		}
		seen[text] = true
	}
	for _, c := range controls {
		if v.tokens[c.id] != c.text || v.types[c.id] != c.kind {
			t.Errorf("token %d is %q of type %d, want %q of type %d", c.id, v.tokens[c.id], v.types[c.id], c.text, c.kind)
		}
	}
	if n := len(v.merges); n < 400_000 || n > 600_000 {
		t.Errorf("%d merges; the real vocabulary has 514906", n)
	}
	for _, m := range v.merges {
		left, right, _ := strings.Cut(m, " ")
		if !seen[left] || !seen[right] || !seen[left+right] {
			t.Fatalf("merge %q is not of tokens", m)
		}
	}
}

func TestRandomBlocksHaveTheAskedDeviation(t *testing.T) {
	const n, want = 1 << 14, 0.02
	for _, typ := range []gguf.Type{gguf.F32, gguf.F16, gguf.Q4_0, gguf.Q8_0, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K} {
		elements, size := typ.Block()
		b := make([]byte, n/elements*size)
		s := source{rand.NewPCG(1, 1), newNormals()}
		if err := s.fill(b, typ, want); err != nil {
			t.Fatal(err)
		}
		x := make([]float32, n)
		ref.Dequantize(x, typ, b)
		var sum, squares float64
		for _, v := range x {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		mean := sum / n
		deviation := math.Sqrt(squares/n - mean*mean)
		if math.Abs(mean) > want/10 || deviation < 0.8*want || deviation > 1.25*want {
			t.Errorf("%v: mean %.4f and deviation %.4f, want 0 and %.4f", typ, mean, deviation, want)
		}
	}
	if err := (&source{rand.NewPCG(1, 1), newNormals()}).fill(make([]byte, 84), gguf.Q2_K, 1); err == nil {
		t.Error("an encoding without a recipe is no error")
	}
}

func TestHalfRounds(t *testing.T) {
	for h := range 0x7c00 {
		x := ref.HalfToFloat(uint16(h))
		if got := half(x); got != uint16(h) {
			t.Fatalf("half(%g) = %#x, want %#x", x, got, h)
		}
		if got := half(-x); got != uint16(h)|0x8000 && h != 0 {
			t.Fatalf("half(%g) = %#x, want %#x", -x, got, h|0x8000)
		}
	}
	// Between two, the nearer; of equally near ones, the even.
	for _, c := range []struct {
		x    float32
		want uint16
	}{{1 + 1.0/2048, 0x3c00}, {1 + 3.0/2048, 0x3c02}, {1 + 1.1/2048, 0x3c01}, {1e9, 0x7bff}, {65519, 0x7bff}, {1e-9, 0}} {
		if got := half(c.x); got != c.want {
			t.Errorf("half(%v) = %#x, want %#x", c.x, got, c.want)
		}
	}
}
