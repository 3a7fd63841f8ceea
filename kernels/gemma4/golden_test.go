package gemma4

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The golden cases were made by transformers 5.23 in float32 with eager
// attention from a random model of Gemma 4's shape. They are too large to be
// part of the project: SENSED_GOLDEN names the folder that holds cases/,
// text-f16.gguf and mmproj-f16.gguf.
type goldenCases struct {
	Text []struct {
		Text   string `json:"text"`
		IDs    []int  `json:"ids"`
		Logits string `json:"logits_all"`
		Greedy []int  `json:"greedy"`
	} `json:"text"`
	Chat []struct {
		Media  string `json:"media"`
		Budget int    `json:"budget"`
		IDs    []int  `json:"ids"`
		Logits string `json:"last_logits"`
		Greedy []int  `json:"greedy"`
	} `json:"chat"`
}

// golden opens the golden model and its cases, or skips the test when this
// machine does not have them.
func golden(t *testing.T) (*Model, string, goldenCases) {
	t.Helper()
	dir := os.Getenv("SENSED_GOLDEN")
	if dir == "" {
		t.Skip("SENSED_GOLDEN does not name a folder of golden cases; the tests with the bundled model cover the same code")
	}
	m, err := Open(filepath.Join(dir, "text-f16.gguf"), filepath.Join(dir, "mmproj-f16.gguf"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	dir = filepath.Join(dir, "cases")
	b, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g goldenCases
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return m, dir, g
}

// bannedInGolden is the end token of the generation config that made the
// cases: min_new_tokens forbade it.
const bannedInGolden = 1

func TestGoldenText(t *testing.T) {
	m, dir, g := golden(t)
	if len(g.Text) == 0 {
		t.Fatal("there are no text cases")
	}
	for _, c := range g.Text {
		ids := append([]int{m.words.BOS()}, m.words.Encode(c.Text, true)...)
		if !slices.Equal(ids, c.IDs) {
			t.Errorf("%q: ids %v, want %v", c.Text, ids, c.IDs)
		}
		s := m.NewSession()
		got, err := s.AppendLogits(context.Background(), Span{IDs: c.IDs})
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.Text, got, readNPY(t, filepath.Join(dir, c.Logits)), 1e-3)
		greedy, err := s.Greedy(context.Background(), len(c.Greedy), bannedInGolden)
		if err != nil || !slices.Equal(greedy, c.Greedy) {
			t.Errorf("%q: greedy %v (%v), want %v", c.Text, greedy, err, c.Greedy)
		}
	}
}

// near fails the test when two arrays differ by more than tolerance anywhere.
func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	worst, at := 0.0, 0
	for i := range got {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= worst) {
			worst, at = d, i
		}
	}
	if !(worst <= tolerance) {
		t.Errorf("%s: value %d of %d is %g, want %g within %g", what, at, len(got), got[at], want[at], tolerance)
		return
	}
	t.Logf("%s: within %.2g", what, worst)
}

// readNPY reads the float32 values of a file in NumPy's format, version 1.
func readNPY(t *testing.T, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 10 || string(b[:6]) != "\x93NUMPY" || b[6] != 1 {
		t.Fatalf("%s is not a NumPy file of version 1", path)
	}
	n := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	if !bytes.Contains(b[:n], []byte("'<f4'")) || bytes.Contains(b[:n], []byte("'fortran_order': True")) {
		t.Fatalf("%s: header %q is not of float32 in C order", path, b[10:n])
	}
	out := make([]float32, (len(b)-n)/4)
	if err := binary.Read(bytes.NewReader(b[n:]), binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}
