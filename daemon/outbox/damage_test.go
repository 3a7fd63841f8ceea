package outbox_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sensed/daemon/outbox"
)

// TestPowerCutAtEveryByte does to the last file, at each of its bytes, what a
// power cut may do: the rest is missing, is zeros, is what an older file left,
// or a byte is wrong. What lies before must be there, nothing that was never
// appended may be, and the outbox must work as if nothing had happened.
func TestPowerCutAtEveryByte(t *testing.T) {
	const messages = 8
	dir := t.TempDir()
	b := open(t, outbox.Options{Dir: dir})
	var bodies []string
	var ends []int // size of the file after each message
	for i := range messages {
		body := numbered(i) + strings.Repeat("y", i)
		add(t, b, outbox.Normal, body)
		bodies = append(bodies, body)
		st, err := os.Stat(segments(t, dir)[0])
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(st.Size()))
	}
	file := segments(t, dir)[0]
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	older := older(t) // records of another file, which an SD card may show again
	noise := rand.New(rand.NewPCG(1, 2))
	for name, harm := range map[string]func(b []byte, at int) []byte{
		"missing": func(b []byte, at int) []byte { return b[:at] },
		"zeros":   func(b []byte, at int) []byte { clear(b[at:]); return b },
		"noise": func(b []byte, at int) []byte {
			for i := at; i < len(b); i++ {
				b[i] = byte(noise.Uint32())
			}
			return b
		},
		"older file": func(b []byte, at int) []byte { copy(b[at:], older); return b },
		"one byte":   func(b []byte, at int) []byte { b[at] ^= 0x55; return b },
	} {
		t.Run(name, func(t *testing.T) {
			dir := inMemory(t)
			path := filepath.Join(dir, filepath.Base(file))
			for at := range whole {
				os.RemoveAll(filepath.Join(dir, "bad"))
				for _, f := range segments(t, dir) {
					os.Remove(f)
				}
				if err := os.WriteFile(path, harm(bytes.Clone(whole), at), 0o640); err != nil {
					t.Fatal(err)
				}
				before, _ := slices.BinarySearch(ends, at+1) // messages that end at or before at
				c, err := outbox.Open(outbox.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				got := held(t, c)
				want := bodies[:before]
				if name == "one byte" && before < messages {
					want = slices.Concat(want, bodies[before+1:]) // the record with the byte, and no other
					if at < 32 {
						want = bodies // a header says nothing that the records do not
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("at byte %d: holds %q, want %q", at, got, want)
				}
				add(t, c, outbox.Normal, "after")
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				c, err = outbox.Open(outbox.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				if got := held(t, c); !slices.Equal(got, append(slices.Clone(want), "after")) {
					t.Fatalf("at byte %d, after another message and a restart: holds %q, want %q and one more", at, got, want)
				}
				c.Close()
			}
		})
	}
}

// older returns records of a segment with another base.
func older(t *testing.T) []byte {
	dir := t.TempDir()
	b := open(t, outbox.Options{Dir: dir, MaxBytes: outbox.MinBytes})
	for i := range 400 {
		add(t, b, outbox.Normal, numbered(1000+i))
	}
	all := segments(t, dir)
	content, err := os.ReadFile(all[len(all)/2])
	if err != nil {
		t.Fatal(err)
	}
	return content[32:]
}

func TestBadRecordGoesIntoQuarantine(t *testing.T) {
	dir := t.TempDir()
	b := open(t, outbox.Options{Dir: dir})
	add(t, b, outbox.Normal, "first")
	add(t, b, outbox.Low, "second")
	add(t, b, outbox.Normal, "third")
	b.Close()
	file := segments(t, dir)[0]
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[bytes.Index(content, []byte("second"))] = 'S'
	if err := os.WriteFile(file, content, 0o640); err != nil {
		t.Fatal(err)
	}
	b = open(t, outbox.Options{Dir: dir})
	wantHeld(t, b, "first third")
	s := b.State()
	if d := s.Drops; len(d) != 1 || d[0] != (outbox.Drop{Priority: "low", Reason: outbox.Damaged, Count: 1}) || s.BadBytes == 0 || s.TornCut != 0 {
		t.Errorf("%+v", s)
	}
	bad, err := filepath.Glob(filepath.Join(dir, "bad", "*"))
	if err != nil || len(bad) != 1 {
		t.Fatalf("in quarantine: %v, %v", bad, err)
	}
	if kept, _ := os.ReadFile(bad[0]); !bytes.HasSuffix(kept, []byte("Second")) {
		t.Errorf("kept %q", kept)
	}
}

func TestDamageWhileItRunsCostsOneMessage(t *testing.T) {
	dir := t.TempDir()
	b := open(t, outbox.Options{Dir: dir})
	add(t, b, outbox.Normal, "first", "second", "third")
	f, err := os.OpenFile(segments(t, dir)[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("X"), 32+36+5+36); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, b, "first third")
	if s := b.State(); s.Dropped() != 1 || s.Drops[0].Reason != outbox.Damaged {
		t.Errorf("%+v", s)
	}
}

func TestStrangeFilesDoNoHarm(t *testing.T) {
	dir := t.TempDir()
	b := open(t, outbox.Options{Dir: dir})
	add(t, b, outbox.Normal, "a")
	b.Close()
	for name, content := range map[string]string{
		"notes.txt":               "hello",
		"00000000000005.seg":      "no segment",
		"00000000000006.seg":      "",
		"0000000000000a.seg.new":  "left by a power cut",
		"fffffffffffffff.seg":     "a number that is none",
		"00000000000009.seg.orig": "a copy",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "00000000000007.seg"), 0o750); err != nil {
		t.Fatal(err)
	}
	b = open(t, outbox.Options{Dir: dir})
	add(t, b, outbox.Normal, "b")
	wantHeld(t, b, "a b")
	if s := b.State(); !s.Durable {
		t.Errorf("%+v", s)
	}
	b.Close()
	wantHeld(t, open(t, outbox.Options{Dir: dir}), "a b")
}
