package gemma4

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

var testShapes = map[string]testShape{"E2B": likeE2B, "E4B": likeE4B, "no sharing": noSharing, "one own layer": oneOwn}

// randomSpans makes a prompt of n positions, a run of soft tokens inside.
func randomSpans(m *Model, n int, seed uint64) []Span {
	rng := rand.New(rand.NewPCG(seed, 1))
	ids := make([]int, n)
	for i := range ids {
		ids[i] = rng.IntN(m.text.vocab)
	}
	soft := make([]float32, n/3*m.Width())
	for i := range soft {
		soft[i] = float32(2 * rng.NormFloat64())
	}
	return []Span{{IDs: ids[:n/3]}, {Soft: soft}, {}, {IDs: ids[2*(n/3):]}}
}

// cut returns the positions from..to-1 of the spans.
func cut(spans []Span, width, from, to int) []Span {
	var out []Span
	for _, s := range spans {
		n := max(len(s.IDs), len(s.Soft)/width)
		a, b := min(max(from, 0), n), min(max(to, 0), n)
		if a < b && s.IDs != nil {
			out = append(out, Span{IDs: s.IDs[a:b]})
		} else if a < b {
			out = append(out, Span{Soft: s.Soft[a*width : b*width]})
		}
		from, to = from-n, to-n
	}
	return out
}

// However a prompt is cut into calls and batches, each position's logits are
// the same.
func TestAnySplitGivesTheSameLogits(t *testing.T) {
	const n = 33 // several windows
	ctx := context.Background()
	for name, shape := range testShapes {
		file := shape.build(3)
		m := file.open(t, Options{Threads: 1, Batch: 100})
		spans := randomSpans(m, n, 5)
		v := m.text.vocab
		want, err := m.NewSession().AppendLogits(ctx, spans...)
		if err != nil {
			t.Fatal(err)
		}
		last := want[(n-1)*v:]

		for _, batch := range []int{1, 2, 7, 32, 33} {
			m := file.open(t, Options{Threads: 2, Batch: batch})
			got, err := m.NewSession().AppendLogits(ctx, spans...)
			if err != nil {
				t.Fatal(err)
			}
			near(t, name, got, want, 1e-4)
			s := m.NewSession()
			if err := s.Append(ctx, spans...); err != nil {
				t.Fatal(err)
			}
			near(t, name, logits(t, s), last, 1e-4)
		}
		for _, sizes := range [][]int{{1, 32}, {32, 1}, {10, 1, 1, 21}, {11, 11, 11}} {
			s := m.NewSession()
			at := 0
			for _, size := range sizes {
				if err := s.Append(ctx, cut(spans, m.Width(), at, at+size)...); err != nil {
					t.Fatal(err)
				}
				at += size
				near(t, name, logits(t, s), want[(at-1)*v:at*v], 1e-4)
			}
			if s.Len() != n {
				t.Errorf("%s: %d positions, want %d", name, s.Len(), n)
			}
		}
	}
}

// The number of threads changes no bit.
func TestThreadsChangeNothing(t *testing.T) {
	file := likeE2B.build(3)
	var want []float32
	for threads := 1; threads <= 4; threads++ {
		m := file.open(t, Options{Threads: threads})
		got, err := m.NewSession().AppendLogits(context.Background(), randomSpans(m, 20, 1)...)
		if err != nil {
			t.Fatal(err)
		}
		if want != nil && !slices.Equal(got, want) {
			t.Errorf("%d threads give other logits than one", threads)
		}
		want = got
	}
}

// Sliding layers must forget, full ones must not. The first of 30 tokens is
// changed; whether the last position notices depends on the windows. In a model
// whose layers all slide, and whose last two read the keys of the second,
// information passes through two windows: of 15 they reach 28 positions back,
// of 16 they reach 30.
func TestWindows(t *testing.T) {
	ctx := context.Background()
	change := func(shape testShape) bool {
		m := shape.build(3).open(t, Options{})
		ids := make([]int, 30)
		a, err := m.Logits(ctx, ids)
		if err != nil {
			t.Fatal(err)
		}
		ids[0] = 77
		b, err := m.Logits(ctx, ids)
		if err != nil {
			t.Fatal(err)
		}
		v := m.text.vocab
		return !slices.Equal(a[29*v:], b[29*v:])
	}
	sliding := likeE2B
	sliding.sliding, sliding.window, sliding.shared = []bool{true, true, true, true}, 15, 2
	if change(sliding) {
		t.Error("two windows of 15 reach 29 positions back")
	}
	sliding.window = 16
	if !change(sliding) {
		t.Error("two windows of 16 do not reach 29 positions back")
	}
	if !change(likeE2B) {
		t.Error("a full layer does not see the first position")
	}
}

func TestTruncateReturnsToThePrefix(t *testing.T) {
	ctx := context.Background()
	m := likeE4B.build(9).open(t, Options{Batch: 8})
	prefix, first, second := Span{IDs: []int{2, 40, 41, 42, 43, 44, 45, 46, 47, 48}}, Span{IDs: []int{50, 51, 52}}, Span{IDs: []int{60, 61}}
	fresh := m.NewSession()
	if err := fresh.Append(ctx, prefix, second); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(logits(t, fresh))

	s := m.NewSession()
	if err := s.Append(ctx, prefix, first); err != nil {
		t.Fatal(err)
	}
	logits(t, s)
	s.Truncate(20) // more than there are: nothing happens
	if s.Len() != 13 {
		t.Fatalf("%d positions, want 13", s.Len())
	}
	s.Truncate(10)
	if _, err := s.Logits(context.Background()); err == nil || s.Len() != 10 {
		t.Errorf("a truncated session of %d positions tells logits", s.Len())
	}
	if err := s.Append(ctx, second); err != nil {
		t.Fatal(err)
	}
	near(t, "after Truncate", logits(t, s), want, 1e-4)
}

// After Reserve, reading and telling allocate no buffers.
func TestReserve(t *testing.T) {
	ctx := context.Background()
	m := likeE2B.build(9).open(t, Options{Exact: true})
	s := m.NewSession()
	s.Reserve(1 << 30) // bounded by the context
	read := func() (*float32, *float32) {
		if err := s.Append(ctx, Span{IDs: []int{1}}); err != nil {
			t.Fatal(err)
		}
		return &m.pages.layers[0].k[0], &logits(t, s)[0]
	}
	keys, out := read()
	for range m.Context() - 1 {
		if k, o := read(); k != keys || o != out {
			t.Fatalf("position %d moved the cache or the logits", s.Len())
		}
	}
}

func TestSessionErrors(t *testing.T) {
	ctx := context.Background()
	m := likeE2B.build(9).open(t, Options{Context: 8})
	s := m.NewSession()
	if _, err := s.Logits(context.Background()); err == nil {
		t.Error("an empty session tells logits")
	}
	for name, spans := range map[string][]Span{
		"negative id":    {{IDs: []int{-1}}},
		"too large id":   {{IDs: []int{m.text.vocab}}},
		"half a token":   {{Soft: make([]float32, m.Width()/2)}},
		"both in a span": {{IDs: []int{1}, Soft: make([]float32, m.Width())}},
	} {
		if err := s.Append(ctx, spans...); err == nil || s.Len() != 0 {
			t.Errorf("%s: error %v and %d positions", name, err, s.Len())
		}
	}
	if err := s.Append(ctx, Span{IDs: make([]int, 9)}); !errors.Is(err, ErrContext) || s.Len() != 0 {
		t.Errorf("9 tokens in a context of 8: %v", err)
	}
	if err := s.Append(ctx, Span{IDs: make([]int, 8)}); err != nil {
		t.Error(err)
	}
	if err := s.Append(ctx, Span{IDs: make([]int, 1)}); !errors.Is(err, ErrContext) || s.Len() != 8 {
		t.Errorf("a ninth token in a context of 8: %v", err)
	}
	if out, err := m.Logits(ctx, nil); len(out) != 0 || err != nil {
		t.Errorf("no tokens: %d logits, %v", len(out), err)
	}
}

// countdown is a context that ends after it was asked n times.
type countdown struct {
	context.Context
	n int
}

func (c *countdown) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

// Wherever a cancellation comes, the session is left with whole batches and
// goes on from there.
func TestCancelWhileReading(t *testing.T) {
	m := likeE2B.build(9).open(t, Options{Batch: 10})
	ids := make([]int, 40)
	for i := range ids {
		ids[i] = 30 + i
	}
	whole := m.NewSession()
	if err := whole.Append(context.Background(), Span{IDs: ids}); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(logits(t, whole))
	lengths := map[int]bool{}
	for after := 0; ; after++ {
		s := m.NewSession()
		err := s.Append(&countdown{context.Background(), after}, Span{IDs: ids})
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || s.Len()%10 != 0 {
			t.Fatalf("error %v after %d positions", err, s.Len())
		}
		lengths[s.Len()] = true
		if err := s.Append(context.Background(), Span{IDs: ids[s.Len():]}); err != nil {
			t.Fatal(err)
		}
		near(t, "after a cancellation", logits(t, s), want, 1e-4)
	}
	if len(lengths) != 4 {
		t.Errorf("cancelled at %v, want at 0, 10, 20 and 30", lengths)
	}
	if out, err := whole.AppendLogits(&countdown{context.Background(), 5}, Span{IDs: ids[:5]}); out != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("AppendLogits: %d logits and error %v", len(out), err)
	}
	whole.Truncate(39)
	if err := whole.Append(context.Background(), Span{IDs: ids[39:]}); err != nil {
		t.Fatal(err)
	}
	if out, err := whole.Logits(&countdown{context.Background(), 2}); out != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Logits: %d logits and error %v", len(out), err)
	}
	near(t, "after a cancellation of Logits", logits(t, whole), want, 1e-4)
}

func TestClosed(t *testing.T) {
	m, err := New(likeE2B.build(9).parse(t), nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := m.NewSession()
	if err := s.Append(context.Background(), Span{IDs: []int{1}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Logits(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Logits: %v", err)
	}
	if err := s.Append(context.Background(), Span{IDs: []int{1}}); !errors.Is(err, ErrClosed) {
		t.Errorf("Append: %v", err)
	}
}

func TestClosedWhileWriting(t *testing.T) {
	m := bundled(t, Options{})
	r, err := m.Generate(t.Context(), Request{Parts: []Part{{Text: "Describe this image in one short sentence."}}, OnText: func(string) {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}})
	if !errors.Is(err, ErrClosed) || len(r.Tokens) != 1 {
		t.Errorf("%d tokens and error %v, want one and ErrClosed", len(r.Tokens), err)
	}
	if _, err := m.Generate(t.Context(), Request{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Generate: %v", err)
	}
	if _, err := m.EncodeImage(t.Context(), bundledImage(t, "scene0.png"), 70); !errors.Is(err, ErrClosed) {
		t.Errorf("EncodeImage: %v", err)
	}
	if _, err := m.EncodeAudio(t.Context(), make([]float32, 16000)); !errors.Is(err, ErrClosed) {
		t.Errorf("EncodeAudio: %v", err)
	}
}

// logits returns the logits of the last position.
func logits(t *testing.T, s *Session) []float32 {
	t.Helper()
	out, err := s.Logits(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return out
}
