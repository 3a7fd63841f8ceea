package gemma4

import (
	"context"
	"slices"
	"testing"

	"sensed/kernels"
)

// A fork goes on exactly as its origin would, neither disturbs the other, and
// it costs no more memory than what it adds.
func TestFork(t *testing.T) {
	ctx := context.Background()
	for _, exact := range []bool{false, true} {
		m := likeE2B.build(3).open(t, Options{Exact: exact})
		prefix := Span{IDs: ids(50, 1)}
		tails := [][]int{ids(5, 2), ids(30, 3), ids(1, 4)}
		var want [][]float32
		for _, tail := range tails {
			s := m.NewSession()
			read(t, s, prefix, Span{IDs: tail})
			want = append(want, slices.Clone(logits(t, s)))
			s.Close()
		}
		if n := m.pages.inUse(); n != 0 {
			t.Fatalf("closed sessions hold %d pages", n)
		}

		s := m.NewSession()
		read(t, s, prefix)
		before := slices.Clone(logits(t, s))
		held := m.pages.inUse()
		if held != 2 { // 50 positions
			t.Fatalf("50 positions take %d pages", held)
		}
		var forks []*Session
		for _, tail := range tails {
			f := s.Fork()
			if m.pages.inUse() != held {
				t.Errorf("a fork that read nothing takes %d pages", m.pages.inUse()-held)
			}
			if !slices.Equal(logits(t, f), before) {
				t.Error("a fork tells other logits than its origin")
			}
			read(t, f, Span{IDs: tail})
			added := (50+len(tail)+kernels.Page-1)/kernels.Page - 50/kernels.Page
			if got := m.pages.inUse() - held; got != added {
				t.Errorf("a fork with %d positions of its own takes %d pages, want %d", len(tail), got, added)
			}
			held = m.pages.inUse()
			forks = append(forks, f)
		}
		for i, f := range forks {
			if !slices.Equal(logits(t, f), want[i]) {
				t.Errorf("exact=%v: fork %d differs from reading everything anew", exact, i)
			}
		}
		read(t, s, Span{IDs: tails[0]}) // the origin writes into the page that they shared
		if !slices.Equal(logits(t, s), want[0]) {
			t.Error("the origin goes on differently after its forks")
		}
		second := forks[1].Fork() // a fork of a fork, cut back below the common prefix
		second.Truncate(33)
		if err := second.Append(ctx, Span{IDs: prefix.IDs[33:]}, Span{IDs: tails[2]}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(logits(t, second), want[2]) {
			t.Error("a truncated fork differs from reading everything anew")
		}
		for _, f := range append(forks, s, second) {
			f.Close()
		}
		if n := m.pages.inUse(); n != 0 {
			t.Errorf("exact=%v: closed sessions hold %d pages", exact, n)
		}
	}
}

func (p *pages) inUse() int { return len(p.refs) - len(p.free) }

// ids returns n tokens that look like no other seed's.
func ids(n, seed int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = 10 + (i*7+seed*13)%40
	}
	return out
}

func read(t *testing.T, s *Session, spans ...Span) {
	t.Helper()
	if err := s.Append(context.Background(), spans...); err != nil {
		t.Fatal(err)
	}
}
