package gemma4

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The golden cases were made by transformers 5.23 in float32 with eager
// attention from random models of Gemma 4's shape (testdata/reference.py).
// testdata/mini is small enough to be part of the project; SENSED_GOLDEN may
// list more folders like it, separated as in PATH.
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

// golden runs a test with each model that there are cases for.
func golden(t *testing.T, test func(t *testing.T, m *Model, dir string, g goldenCases)) {
	for _, dir := range append([]string{"testdata/mini"}, filepath.SplitList(os.Getenv("SENSED_GOLDEN"))...) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			find := func(pattern string) string {
				found, err := filepath.Glob(filepath.Join(dir, pattern))
				if err != nil || len(found) != 1 {
					t.Fatalf("%s holds %d files %s, want one", dir, len(found), pattern)
				}
				return found[0]
			}
			m, err := Open(find("text*.gguf"), find("mmproj*.gguf"), Options{Exact: true})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			cases := filepath.Join(dir, "cases")
			b, err := os.ReadFile(filepath.Join(cases, "golden.json"))
			if err != nil {
				t.Fatal(err)
			}
			var g goldenCases
			if err := json.Unmarshal(b, &g); err != nil {
				t.Fatal(err)
			}
			if len(g.Text) == 0 || len(g.Chat) == 0 {
				t.Fatalf("%s holds %d text and %d chat cases", cases, len(g.Text), len(g.Chat))
			}
			test(t, m, cases, g)
		})
	}
}

// bannedInGolden is the end token of the generation config that made the
// cases: min_new_tokens forbade it.
const bannedInGolden = 1

func TestGoldenText(t *testing.T) {
	golden(t, func(t *testing.T, m *Model, dir string, g goldenCases) {
		for _, c := range g.Text {
			ids := append([]int{m.words.BOS()}, m.words.Encode(c.Text, true)...)
			if !slices.Equal(ids, c.IDs) {
				t.Errorf("%q: ids %v, want %v", c.Text, ids, c.IDs)
			}
			s := m.NewSession()
			got, err := s.AppendLogits(t.Context(), Span{IDs: c.IDs})
			if err != nil {
				t.Fatal(err)
			}
			near(t, c.Text, got, readNPY(t, filepath.Join(dir, c.Logits)), 1e-3)
			checkGreedy(t, s, c.Text, c.Greedy)
		}
	})
}

func TestGoldenChat(t *testing.T) {
	golden(t, func(t *testing.T, m *Model, dir string, g goldenCases) {
		for _, c := range g.Chat {
			var soft []float32
			var err error
			if path := filepath.Join(dir, c.Media); filepath.Ext(path) == ".wav" {
				soft, err = m.EncodeAudio(t.Context(), readWAV(t, path))
			} else {
				soft, err = m.EncodeImage(t.Context(), readImage(t, path), c.Budget)
			}
			if err != nil {
				t.Fatal(err)
			}
			spans, err := m.Spans(c.IDs, soft)
			if err != nil {
				t.Fatal(err)
			}
			s := m.NewSession()
			if err := s.Append(t.Context(), spans...); err != nil {
				t.Fatal(err)
			}
			near(t, c.Logits, logits(t, s), readNPY(t, filepath.Join(dir, c.Logits)), 5e-3)
			checkGreedy(t, s, c.Logits, c.Greedy)
		}
	})
}

// checkGreedy compares the tokens that follow.
func checkGreedy(t *testing.T, s *Session, what string, want []int) {
	t.Helper()
	got, err := s.Greedy(t.Context(), len(want), bannedInGolden)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: greedy %v (%v), want %v", what, got, err, want)
	}
}

// The samples of the demonstration model were answered by transformers from
// the F16 files in float32; SENSED_TINY names the folder that holds
// tiny-gemma4-f16.gguf, mmproj-tiny-gemma4-f16.gguf and samples/.
func TestTinySamplesInF16(t *testing.T) {
	dir := os.Getenv("SENSED_TINY")
	if dir == "" {
		t.Skip("SENSED_TINY does not name a folder with the F16 files; the tests with the bundled Q8_0 files cover the same code")
	}
	m, err := Open(filepath.Join(dir, "tiny-gemma4-f16.gguf"), filepath.Join(dir, "mmproj-tiny-gemma4-f16.gguf"), Options{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	dir = filepath.Join(dir, "samples")
	b, err := os.ReadFile(filepath.Join(dir, "samples.json"))
	if err != nil {
		t.Fatal(err)
	}
	var samples []struct {
		File, Prompt, Answer string
		IDs                  []int
		AnswerIDs            []int `json:"answer_ids"`
	}
	if err := json.Unmarshal(b, &samples); err != nil || len(samples) == 0 {
		t.Fatalf("%d samples: %v", len(samples), err)
	}
	for _, c := range samples {
		r := Request{ImageTokens: 70, Parts: []Part{{}, {Text: c.Prompt}}}
		if path := filepath.Join(dir, c.File); filepath.Ext(path) == ".wav" {
			r.Parts[0].Audio = readWAV(t, path)
		} else {
			r.Parts[0].Image = readImage(t, path)
		}
		prompt, err := m.Prompt(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(prompt.IDs, c.IDs) {
			t.Errorf("%s, %q: prompt %v, want %v", c.File, c.Prompt, prompt.IDs, c.IDs)
		}
		reply, err := m.Generate(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		want := c.AnswerIDs[:len(c.AnswerIDs)-1] // without <turn|>
		if !slices.Equal(reply.Tokens, want) || !reply.Stopped || reply.Text != c.Answer || reply.PromptTokens != len(c.IDs) {
			t.Errorf("%s, %q: answer %v %q, want %v %q", c.File, c.Prompt, reply.Tokens, reply.Text, want, c.Answer)
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

// readWAV reads the samples of a 16-bit mono file with the usual short header.
func readWAV(t *testing.T, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parseWAV(t, path, b)
}

func parseWAV(t *testing.T, path string, b []byte) []float32 {
	t.Helper()
	at := bytes.Index(b, []byte("data"))
	if len(b) < 44 || string(b[:4]) != "RIFF" || at < 0 || binary.LittleEndian.Uint16(b[22:]) != 1 || binary.LittleEndian.Uint16(b[34:]) != 16 {
		t.Fatalf("%s is not a 16-bit mono WAV file", path)
	}
	b = b[at+8:]
	out := make([]float32, len(b)/2)
	for i := range out {
		out[i] = float32(int16(binary.LittleEndian.Uint16(b[2*i:]))) / 32768
	}
	return out
}

// readImage decodes a PNG.
func readImage(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	im, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return im
}
