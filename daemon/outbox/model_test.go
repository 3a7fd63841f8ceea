package outbox_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sensed/daemon/outbox"
)

// model is what an outbox without bounds must hold.
type model struct {
	waiting []string
	done    map[string]bool // acknowledged at some time
}

// check compares an outbox with the model. Acknowledgements of the last moment,
// and those behind a message that still waits, may be undone by a restart;
// nothing else may differ.
func (m *model) check(t *testing.T, b *outbox.Outbox) {
	t.Helper()
	got := slices.DeleteFunc(held(t, b), func(s string) bool { return m.done[s] })
	if !slices.Equal(got, m.waiting) {
		t.Fatalf("holds %d messages, want %d:\n%.8q\n%.8q", len(got), len(m.waiting), got, m.waiting)
	}
}

// again acknowledges what came back.
func (m *model) again(b *outbox.Outbox) {
	for e, ok := b.Peek(0); ok; e, ok = b.Peek(e.Number) {
		if m.done[string(e.Body)] {
			b.Ack(e.Number)
		}
	}
}

// TestAgreesWithASimpleModel does many things in a random order: append,
// acknowledge (not always the oldest), close, kill.
func TestAgreesWithASimpleModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			o := outbox.Options{Dir: inMemory(t), MaxBytes: 1 << 20} // so that there are many files, and all fits
			b := open(t, o)
			m := &model{done: map[string]bool{}}
			n := 0
			for range 3000 {
				switch k := r.IntN(100); {
				case k < 55 && len(m.waiting) < 2000:
					body := numbered(n) + strings.Repeat("z", r.IntN(300))
					n++
					add(t, b, outbox.Priority(r.IntN(3)-1), body)
					m.waiting = append(m.waiting, body)
				case k < 95 && len(m.waiting) > 0:
					nth := 0
					if r.IntN(4) == 0 {
						nth = r.IntN(min(8, len(m.waiting)))
					}
					var e outbox.Entry
					for range nth + 1 {
						e, _ = b.Peek(e.Number)
					}
					if string(e.Body) != m.waiting[nth] || !b.Ack(e.Number) {
						t.Fatalf("message %d is %.8q, want %.8q", nth, e.Body, m.waiting[nth])
					}
					m.done[m.waiting[nth]] = true
					m.waiting = slices.Delete(m.waiting, nth, nth+1)
				case k < 97:
					if err := b.Close(); err != nil {
						t.Fatal(err)
					}
					b = open(t, o)
					m.check(t, b)
					m.again(b)
				case k < 99:
					o.Dir = copyDir(t, o.Dir)
					b.Close()
					b = open(t, o)
					m.check(t, b)
					m.again(b)
				default:
					m.check(t, b)
				}
			}
			m.check(t, b)
			if s := b.State(); !s.Durable || s.Dropped() != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestDamageAnywhereInventsNothing scribbles over the files of an outbox and
// opens it: it starts, what it returns was appended, in that order, and it goes
// on working.
func TestDamageAnywhereInventsNothing(t *testing.T) {
	dir := t.TempDir()
	b := open(t, outbox.Options{Dir: dir, MaxBytes: 1 << 20})
	var all []string
	for i := range 3000 {
		all = append(all, numbered(i)+strings.Repeat("q", i%200))
		add(t, b, outbox.Priority(i%3-1), all[i])
	}
	ack(t, b, 500)
	b.Close()
	names := segments(t, dir)
	if len(names) < 4 {
		t.Fatalf("%d files are too few to try anything", len(names))
	}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		dir := inMemory(t)
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			switch r.IntN(6) {
			case 0:
				content = content[:r.IntN(len(content))]
			case 1:
				clear(content[r.IntN(len(content)):])
			case 2:
				for range 1 + r.IntN(20) {
					content[r.IntN(len(content))] ^= byte(1 + r.IntN(255))
				}
			case 3:
				at := r.IntN(len(content))
				content = slices.Concat(content[:at], content[:min(len(content), 5000)], content[at:])
			case 4:
				continue // the file is gone
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), content, 0o640); err != nil {
				t.Fatal(err)
			}
		}
		b, err := outbox.Open(outbox.Options{Dir: dir, MaxBytes: 1 << 20, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		from := 0
		for _, body := range held(t, b) {
			i := slices.Index(all[from:], body)
			if i < 0 {
				t.Fatalf("seed %d: %.8q was never appended after %d", seed, body, from)
			}
			from += i + 1
		}
		add(t, b, outbox.Normal, "after")
		if got := held(t, b); got[len(got)-1] != "after" {
			t.Fatalf("seed %d: the newest message is %.8q", seed, got[len(got)-1])
		}
		b.Close()
	}
}
