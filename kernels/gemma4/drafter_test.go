package gemma4

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sensed/kernels/gguf"
)

// The golden drafts were made by transformers from a drafter that was fitted to
// the model in testdata/mini (testdata/drafter.py).
type goldenDrafts struct {
	Reference string `json:"reference"`
	Drafts    []struct {
		IDs     []int `json:"ids"`  // what the model has read
		Last    int   `json:"last"` // the token that follows
		Drafted []int `json:"drafted"`
		Right   int   `json:"right"`  // how many of them the model writes itself
		Logits  int   `json:"logits"` // steps with logits in logits.npy
	} `json:"drafts"`
	Assisted []struct {
		Prompt  []int `json:"prompt"`
		Written []int `json:"written"`
	} `json:"assisted"`
}

const (
	miniText  = "testdata/mini/text.gguf"
	draftsDir = "testdata/drafter"
)

func readGoldenDrafts(t *testing.T) (g goldenDrafts) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(draftsDir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil || len(g.Drafts) == 0 || len(g.Assisted) == 0 {
		t.Fatalf("%d drafts, %d texts: %v", len(g.Drafts), len(g.Assisted), err)
	}
	return g
}

// openDrafted opens the small golden model with its drafter.
func openDrafted(t *testing.T, o Options) *Model {
	t.Helper()
	o.Drafter = filepath.Join(draftsDir, "drafter.gguf")
	m, err := Open(miniText, "", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	if !m.HasDrafter() {
		t.Fatal("the model has no drafter")
	}
	return m
}

// readTold returns a session that has read the ids and told the last logits.
func readTold(t *testing.T, m *Model, ids []int) *Session {
	t.Helper()
	s := m.NewSession()
	if err := s.Append(t.Context(), Span{IDs: ids}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Logits(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGoldenDrafts(t *testing.T) {
	g := readGoldenDrafts(t)
	m := openDrafted(t, Options{Exact: true})
	logits := readNPY(t, filepath.Join(draftsDir, "logits.npy"))
	right, beyond := 0, false
	for i, c := range g.Drafts {
		s := readTold(t, m, c.IDs)
		got, err := m.drafter.propose(t.Context(), s, c.Last, len(c.Drafted))
		if err != nil || !slices.Equal(got, c.Drafted) {
			t.Errorf("draft %d after %d tokens: %v (%v), want %v", i, len(c.IDs), got, err, c.Drafted)
		}
		if s.Len() != len(c.IDs) {
			t.Errorf("draft %d: the session has %d positions, it had %d", i, s.Len(), len(c.IDs))
		}
		right, beyond = right+c.Right, beyond || len(c.IDs) > m.text.window+1

		d, token := m.drafter, c.Last
		d.start(len(c.IDs), s.cache.states.at(len(c.IDs)-1))
		for range c.Logits {
			if token, err = d.step(&s.cache, len(c.IDs), token); err != nil {
				t.Fatal(err)
			}
			near(t, "drafter's logits", d.out, logits[:d.vocab], 1e-3)
			logits = logits[d.vocab:]
		}
		s.Close()
	}
	if right == 0 || !beyond || len(logits) > 0 {
		t.Errorf("%d drafted tokens are right, a draft beyond the window: %v, %d logits left: the cases test too little", right, beyond, len(logits))
	}
}

// Speculation changes no token: what the drafter proposes is verified in one
// batch, and the answer is the one without a drafter.
func TestAssistedGreedyIsGreedy(t *testing.T) {
	g := readGoldenDrafts(t)
	for _, o := range []Options{{Exact: true}, {Threads: 1}} {
		m := openDrafted(t, o)
		for i, c := range g.Assisted {
			plain, err := readTold(t, m, c.Prompt).Greedy(t.Context(), len(c.Written), bannedInGolden)
			if err != nil {
				t.Fatal(err)
			}
			if o.Exact && !slices.Equal(plain, c.Written) {
				t.Errorf("text %d: greedy %v, want %v", i, plain, c.Written)
			}
			got, batches := assisted(t, m, c.Prompt, len(c.Written))
			if !slices.Equal(got, plain) {
				t.Errorf("text %d: assisted %v, plain %v", i, got, plain)
			}
			if i > 0 && batches >= len(plain) { // what the drafter was fitted to
				t.Errorf("text %d: %d batches for %d tokens: no draft helped", i, batches, len(plain))
			}
		}
	}
}

// An answer is the same with a drafter, without one and token by token, and
// takes fewer passes with one.
func TestGenerateWithDrafter(t *testing.T) {
	r := Request{MaxTokens: 24, Parts: []Part{{Text: "Describe this image in one short sentence."}}}
	m := openDrafted(t, Options{})
	steady(m, 0.01)
	want := plainly(t, m, r)
	with, err := m.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	m.drafter = nil
	without, err := m.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]Reply{"with": with, "without": without} {
		if !slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.Probs, want.Probs) || got.Stopped != want.Stopped {
			t.Errorf("%s a drafter: %v, want %v", what, got.Tokens, want.Tokens)
		}
	}
	if with.Work.Passes >= without.Work.Passes || with.Work.Accepted <= without.Work.Accepted {
		t.Errorf("the drafter does not help: %+v with it, %+v without", with.Work, without.Work)
	}
}

// assisted writes n tokens behind the prompt as speculation does and returns
// how many batches that took.
func assisted(t *testing.T, m *Model, prompt []int, n int) (out []int, batches int) {
	t.Helper()
	s := readTold(t, m, prompt)
	defer s.Close()
	greedy := newSampler(Sampling{}, m.parallel, bannedInGolden)
	logits, err := s.Logits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, greedy.best(logits))
	for len(out) < n {
		last := out[len(out)-1]
		draft, err := m.drafter.propose(t.Context(), s, last, 5)
		if err != nil {
			t.Fatal(err)
		}
		if len(draft) == 0 {
			t.Fatalf("no draft after %d tokens", s.Len())
		}
		before := s.Len()
		rows, err := s.AppendLogits(t.Context(), Span{IDs: append([]int{last}, draft...)})
		if err != nil {
			t.Fatal(err)
		}
		batches++
		kept := 0
		for kept <= len(draft) {
			id := greedy.best(row(rows, kept, m.text.vocab))
			out = append(out, id)
			kept++
			if kept > len(draft) || draft[kept-1] != id {
				break
			}
		}
		s.Truncate(before + kept)
	}
	return out[:n], batches
}

// The state that a draft starts from is that of the last position, however the
// session came there.
func TestDraftAfterTruncate(t *testing.T) {
	m := likeE2B.build(1).open(t, Options{Exact: true})
	if err := m.AddDrafter(likeE2B.buildDrafter(2).parse(t)); err != nil {
		t.Fatal(err)
	}
	ids := []int{2, 300, 301, 40, 302, 303, 41, 304, 305, 306}
	propose := func(s *Session, last int) []int {
		t.Helper()
		out, err := m.drafter.propose(t.Context(), s, last, 4)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for n := 1; n < len(ids); n++ {
		want := propose(readTold(t, m, ids[:n]), ids[n])
		if len(want) != 4 {
			t.Fatalf("%d tokens were drafted, 4 are wanted", len(want))
		}
		s := m.NewSession()
		if _, err := s.AppendLogits(t.Context(), Span{IDs: ids}); err != nil {
			t.Fatal(err)
		}
		s.Truncate(n)
		if got := propose(s, ids[n]); !slices.Equal(got, want) {
			t.Errorf("after a cut to %d: %v, want %v", n, got, want)
		}
		if got := propose(s.Fork(), ids[n]); !slices.Equal(got, want) {
			t.Errorf("after a fork at %d: %v, want %v", n, got, want)
		}
		if err := s.Append(t.Context(), Span{IDs: ids[n:]}); err != nil {
			t.Fatal(err)
		}
		if got := propose(s, 50); got != nil {
			t.Errorf("the state after %d positions was never told, but %v was drafted from it", s.Len(), got)
		}
	}
}

// There is no draft where there is nothing to start from or no room.
func TestNoDraft(t *testing.T) {
	m := likeE2B.build(1).open(t, Options{Context: 12})
	s := readTold(t, m, []int{2, 300, 301})
	if out, err := m.drafter.propose(t.Context(), s, 5, 4); out != nil || err != nil || m.HasDrafter() {
		t.Errorf("a model without a drafter drafts %v, %v", out, err)
	}
	if err := m.AddDrafter(likeE2B.buildDrafter(2).parse(t)); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		s             *Session
		last, n, want int
	}{
		"an empty session":    {m.NewSession(), 5, 4, 0},
		"a token of another":  {s, m.text.vocab, 4, 0},
		"a token below zero":  {s, -1, 4, 0},
		"no tokens":           {s, 5, 0, 0},
		"fewer than none":     {s, 5, -1, 0},
		"room for 8 and last": {s, 5, 100, 8},
		"a full context":      {readTold(t, m, make([]int, 12)), 5, 4, 0},
	} {
		if out, err := m.drafter.propose(t.Context(), c.s, c.last, c.n); err != nil || len(out) != c.want {
			t.Errorf("%s: %v, %v, want %d tokens", what, out, err, c.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.drafter.propose(ended, s, 5, 4); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

// A long batch keeps the states of its last positions.
func TestStatesOfLongBatch(t *testing.T) {
	var s states
	rows := make([]float32, 2*(maxStates+3))
	for i := range rows {
		rows[i] = float32(i)
	}
	s.keep(10, 2, rows)
	last := 10 + maxStates + 2
	if got := s.at(last); !slices.Equal(got, rows[len(rows)-2:]) || s.at(last+1) != nil || s.at(12) != nil || !slices.Equal(s.at(13), []float32{6, 7}) {
		t.Errorf("states: last %v, beyond %v, before %v, first %v", got, s.at(last+1), s.at(12), s.at(13))
	}
	s.cut(5)
	if s.at(13) != nil || s.at(5) != nil {
		t.Error("states are left after a cut to before the first")
	}
}

func TestDrafterDamage(t *testing.T) {
	shape := smallest
	m := shape.build(1).open(t, Options{Threads: 1})
	for _, c := range drafterDamage {
		f := shape.buildDrafter(1)
		c.do(f)
		checkDamage(t, c.name, m.AddDrafter(f.parse(t)), c.want)
	}
	local := testShape{hidden: 4, heads: 2, kvHeads: 1, headDim: 4, localDim: 2, ffn: 4, window: 3, context: 16, sliding: []bool{true, true}}
	err := local.build(1).open(t, Options{Threads: 1}).AddDrafter(shape.buildDrafter(1).parse(t))
	checkDamage(t, "a kind that the model lacks", err, []string{"sliding_window_pattern", "layer 2", "another model"})

	whole := shape.buildDrafter(1).encode(t)
	for _, n := range []int{0, 3, 24, len(whole) / 2, len(whole) - 32} {
		if f, err := gguf.Parse("cut.gguf", whole[:n]); err == nil {
			t.Errorf("%d of %d bytes are read as a file: %v", n, len(whole), f.Keys())
		}
	}
}

func checkDamage(t *testing.T, name string, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	for _, w := range append([]string{"test.gguf"}, want...) {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%s: error %v, want %q in it", name, err, w)
		}
	}
}

// A drafter that does not fit is an error of Open, which closes all files.
func TestOpenWithForeignDrafter(t *testing.T) {
	if _, err := Open(miniText, "", Options{Drafter: miniText}); err == nil || !strings.Contains(err.Error(), "not a drafter") {
		t.Errorf("error %v", err)
	}
	if _, err := Open(miniText, "", Options{Drafter: "testdata/none.gguf"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
