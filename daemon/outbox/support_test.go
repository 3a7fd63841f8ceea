package outbox_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/daemon/outbox"
)

// open opens an outbox that is closed with the test.
func open(t testing.TB, o outbox.Options) *outbox.Outbox {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b, err := outbox.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func add(t testing.TB, b *outbox.Outbox, p outbox.Priority, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := b.Append(outbox.Message{Priority: p, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
}

// held returns what waits, in its order.
func held(t testing.TB, b *outbox.Outbox) (bodies []string) {
	t.Helper()
	var after uint64
	for {
		e, ok := b.Peek(after)
		if !ok {
			return bodies
		}
		if e.Number <= after {
			t.Fatalf("Peek(%d) returns number %d", after, e.Number)
		}
		after = e.Number
		bodies = append(bodies, string(e.Body))
	}
}

// ack acknowledges the oldest n messages.
func ack(t testing.TB, b *outbox.Outbox, n int) {
	t.Helper()
	for range n {
		e, ok := b.Peek(0)
		if !ok || !b.Ack(e.Number) {
			t.Fatal("there is nothing to acknowledge")
		}
	}
}

func wantHeld(t testing.TB, b *outbox.Outbox, want string) {
	t.Helper()
	if got := strings.Join(held(t, b), " "); got != want {
		t.Errorf("holds %q, want %q", got, want)
	}
}

// copyDir copies the files of a folder, as a process that died left them.
func copyDir(t testing.TB, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, f.Name()), b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func segments(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// inMemory returns a folder in memory where the system has one: for tests with
// thousands of fsyncs.
func inMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "outbox")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func numbered(n int) string { return fmt.Sprintf("m%06d", n) }
