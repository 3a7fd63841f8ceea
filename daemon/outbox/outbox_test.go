package outbox_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/outbox"
)

// inBoth runs a test in memory and on disk.
func inBoth(t *testing.T, f func(t *testing.T, o outbox.Options)) {
	t.Run("memory", func(t *testing.T) { f(t, outbox.Options{}) })
	t.Run("disk", func(t *testing.T) { f(t, outbox.Options{Dir: t.TempDir()}) })
}

func TestKeepsTheOrderAndForgetsWhatIsAcknowledged(t *testing.T) {
	inBoth(t, func(t *testing.T, o outbox.Options) {
		b := open(t, o)
		add(t, b, outbox.Normal, "a", "b", "c")
		first, _ := b.Peek(0)
		second, _ := b.Peek(first.Number)
		if !b.Ack(second.Number) || b.Ack(second.Number) || b.Ack(99) {
			t.Error("Ack does not tell what was held")
		}
		wantHeld(t, b, "a c")
		ack(t, b, 2)
		wantHeld(t, b, "")
		add(t, b, outbox.Normal, "d")
		wantHeld(t, b, "d")
		if e, _ := b.Peek(0); e.Number != 4 {
			t.Errorf("the number after 3 is %d", e.Number)
		}
		if s := b.State(); s.Accepted != 4 || s.Acked != 3 || s.Messages != 1 || s.Last != 4 || s.Dropped() != 0 || s.Durable != (o.Dir != "") || s.Problem != "" {
			t.Errorf("%+v", s)
		}
	})
}

func TestSurvivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	o := outbox.Options{Dir: dir}
	b := open(t, o)
	add(t, b, outbox.Normal, "a", "b", "c")
	// What kill -9 leaves behind, without any fsync or farewell.
	c := open(t, outbox.Options{Dir: copyDir(t, dir)})
	wantHeld(t, c, "a b c")
	ack(t, b, 1)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, o)
	wantHeld(t, b, "b c")
	if s := b.State(); s.Restored != 2 || s.Last != 3 {
		t.Errorf("%+v", s)
	}
	add(t, b, outbox.High, "d")
	ack(t, b, 3)
	b.Close()
	b = open(t, o)
	wantHeld(t, b, "")
	add(t, b, outbox.Normal, "e")
	if e, _ := b.Peek(0); e.Number != 5 {
		t.Errorf("after a restart with nothing held the next number is %d", e.Number)
	}
	if n := len(segments(t, dir)); n != 1 {
		t.Errorf("%d files for one message", n)
	}
}

func TestNotesAcknowledgementsWithoutAFarewell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := open(t, outbox.Options{Dir: dir})
		add(t, b, outbox.Normal, "a", "b", "c")
		ack(t, b, 2)
		time.Sleep(3 * time.Second)
		wantHeld(t, open(t, outbox.Options{Dir: copyDir(t, dir)}), "c")
	})
}

func TestWritesLittleAndNothingAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, outbox.Options{Dir: t.TempDir()})
		counts := func() (writes, syncs uint64) { s := b.State(); return s.Writes, s.Syncs }
		step := func(what string, f func(), wantWrites, wantSyncs uint64) {
			t.Helper()
			w0, s0 := counts()
			f()
			if w, s := counts(); w-w0 != wantWrites || s-s0 != wantSyncs {
				t.Errorf("%s: %d writes and %d fsyncs, want %d and %d", what, w-w0, s-s0, wantWrites, wantSyncs)
			}
		}
		step("an hour of nothing", func() { time.Sleep(time.Hour) }, 0, 0)
		step("the first message", func() { add(t, b, outbox.Normal, "a") }, 2, 0)
		step("its second", func() { time.Sleep(2 * time.Second) }, 0, 2) // file and folder
		step("an hour in which it waits", func() { time.Sleep(time.Hour) }, 0, 0)
		step("a hundred at once", func() {
			for range 100 {
				add(t, b, outbox.Normal, "b")
			}
			time.Sleep(10 * time.Second)
		}, 100, 1)
		_, before := counts()
		for range 600 {
			add(t, b, outbox.Normal, "c")
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		if _, s := counts(); s-before > 61 || s == before {
			t.Errorf("a minute with ten messages a second: %d fsyncs, want about one a second", s-before)
		}
		step("all 701 acknowledged", func() { ack(t, b, 701); time.Sleep(10 * time.Second) }, 11, 0) // each 64, and the rest
		step("ten that are acknowledged at once", func() {
			for range 10 {
				add(t, b, outbox.Normal, "d")
				ack(t, b, 1)
				time.Sleep(10 * time.Second)
			}
		}, 20, 0)
		step("a day of nothing", func() { time.Sleep(24 * time.Hour) }, 0, 0)
	})
}

func TestDropsTheOldestOfTheLeastWorth(t *testing.T) {
	inBoth(t, func(t *testing.T, o outbox.Options) {
		o.MaxBytes, o.MaxMemory = outbox.MinBytes, outbox.MinBytes
		b := open(t, o)
		pad := strings.Repeat("x", 8000) // seven of them fit
		name := func(b *outbox.Outbox) (names string) {
			for _, body := range held(t, b) {
				names += body[:1]
			}
			return names
		}
		for _, tc := range []struct {
			add      string // lower case: low; upper case: normal; digit: high
			want     string
			low, nor uint64
		}{
			{"abcABCD", "abcABCD", 0, 0},
			{"E", "bcABCDE", 1, 0},
			{"d", "cABCDEd", 2, 0},
			{"12", "ABCDE12", 4, 0},
			{"e", "ABCDE12", 5, 0},
			{"F", "BCDE12F", 5, 1},
			{"34567", "1234567", 5, 6},
			{"G", "1234567", 5, 7},
		} {
			for _, c := range tc.add {
				p := outbox.Normal
				switch {
				case c >= 'a':
					p = outbox.Low
				case c <= '9':
					p = outbox.High
				}
				add(t, b, p, string(c)+pad)
			}
			if got := name(b); got != tc.want {
				t.Errorf("after %s it holds %s, want %s", tc.add, got, tc.want)
			}
			var low, nor uint64
			for _, d := range b.State().Drops {
				if d.Reason != outbox.Full {
					t.Errorf("dropped as %s", d.Reason)
				}
				switch d.Priority {
				case "low":
					low = d.Count
				case "normal":
					nor = d.Count
				}
			}
			if low != tc.low || nor != tc.nor {
				t.Errorf("after %s it counts %d low and %d normal, want %d and %d", tc.add, low, nor, tc.low, tc.nor)
			}
		}
	})
}

func TestStaysWithinItsBoundOnDisk(t *testing.T) {
	dir := t.TempDir()
	b := open(t, outbox.Options{Dir: dir, MaxBytes: 256 << 10})
	for i := range 20000 {
		add(t, b, outbox.Priority(i%3-1), numbered(i)+strings.Repeat("x", i%97))
		if i%500 == 0 {
			var size int64
			for _, f := range segments(t, dir) {
				st, err := os.Stat(f)
				if err != nil {
					t.Fatal(err)
				}
				size += st.Size()
			}
			if size > 256<<10 {
				t.Fatalf("after %d messages the folder takes %d bytes", i, size)
			}
		}
	}
	s := b.State()
	if uint64(s.Messages)+s.Dropped() != 20000 {
		t.Errorf("%d held and %d dropped of 20000", s.Messages, s.Dropped())
	}
	all := held(t, b)
	if len(all) != s.Messages || !strings.HasPrefix(all[len(all)-1], numbered(19999)) {
		t.Errorf("%d messages, the last is %.7s", len(all), all[len(all)-1])
	}
	b.Close()
	after := held(t, open(t, outbox.Options{Dir: dir, MaxBytes: 256 << 10}))
	if n := len(after); n < len(all) {
		t.Errorf("%d messages after a restart, %d before", n, len(all))
	}
}

func TestDropsWhatIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * 365 * 24 * time.Hour) // from 2000, which no board's clock says unless it is wrong
		dir := t.TempDir()
		o := outbox.Options{Dir: dir, MaxAge: time.Hour}
		b := open(t, o)
		add(t, b, outbox.High, "a")
		time.Sleep(40 * time.Minute)
		add(t, b, outbox.Normal, "b")
		wantHeld(t, b, "a b")
		time.Sleep(21 * time.Minute)
		wantHeld(t, b, "b")
		b.Close()
		time.Sleep(10 * time.Minute)
		b = open(t, o)
		wantHeld(t, b, "b")
		time.Sleep(30 * time.Minute)
		wantHeld(t, b, "")
		if d := b.State().Drops; len(d) != 1 || d[0] != (outbox.Drop{Priority: "normal", Reason: outbox.Expired, Count: 1}) {
			t.Errorf("%+v", d)
		}
	})
}

func TestQuarantineKeepsTheBytesAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	b := open(t, outbox.Options{Dir: dir})
	add(t, b, outbox.Normal, "a", "poison", "c")
	b.Quarantine(2, errors.New("cannot be read"))
	wantHeld(t, b, "a c")
	kept, err := os.ReadFile(filepath.Join(dir, "bad", "message-2"))
	if err != nil || !strings.HasSuffix(string(kept), "poison") {
		t.Errorf("%q, %v", kept, err)
	}
	if d := b.State().Drops; len(d) != 1 || d[0] != (outbox.Drop{Priority: "normal", Reason: outbox.Refused, Count: 1}) {
		t.Errorf("%+v", d)
	}
}

func TestRefusesWhatItCouldNeverKeep(t *testing.T) {
	if _, err := outbox.Open(outbox.Options{MaxBytes: 1000, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a bound of 1000 bytes is taken")
	}
	if _, err := outbox.Open(outbox.Options{}); err == nil {
		t.Error("it works without a log")
	}
	b := open(t, outbox.Options{MaxBytes: outbox.MinBytes})
	if b.Append(outbox.Message{Body: make([]byte, outbox.MinBytes)}) == nil {
		t.Error("a message as large as the bound is taken")
	}
	if b.Append(outbox.Message{Priority: 5}) == nil {
		t.Error("a priority of 5 is taken")
	}
	b.Close()
	if b.Append(outbox.Message{}) == nil {
		t.Error("a closed outbox takes messages")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestMemoryDoesNotGrowWithTraffic(t *testing.T) {
	b := open(t, outbox.Options{})
	for i := range 100000 {
		add(t, b, outbox.Normal, numbered(i))
		ack(t, b, 1)
	}
	if s := b.State(); s.Memory > 1<<20 || s.Segments > 2 {
		t.Errorf("%+v", s)
	}
}

// TestCostsFewAllocations: nothing for a message on its way in but its place in
// the list, and its body on the way out.
func TestCostsFewAllocations(t *testing.T) {
	b := open(t, outbox.Options{Dir: t.TempDir(), SyncEvery: time.Hour})
	m := outbox.Message{Body: make([]byte, 400)}
	if n := testing.AllocsPerRun(5000, func() {
		if err := b.Append(m); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations to append", n)
	}
	var after uint64
	if n := testing.AllocsPerRun(4000, func() {
		e, ok := b.Peek(after)
		if !ok {
			t.Fatal("nothing is there")
		}
		after = e.Number
	}); n > 1 {
		t.Errorf("%v allocations to peek", n)
	}
}
