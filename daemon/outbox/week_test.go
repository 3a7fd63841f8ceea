package outbox_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/outbox"
)

// TestBrokerAwayForAWeek appends one message a second, every fifth an
// announcement, by a clock that runs ahead. It is eight hours of it, and the week
// with SENSED_PROOF=full.
func TestBrokerAwayForAWeek(t *testing.T) {
	span, bound, age := 8*time.Hour, int64(1<<20), 24*time.Hour
	if os.Getenv("SENSED_PROOF") == "full" {
		span, bound, age = 7*24*time.Hour, 64<<20, 14*24*time.Hour
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * 365 * 24 * time.Hour)
		dir := inMemory(t)
		o := outbox.Options{Dir: dir, MaxBytes: bound, MaxAge: age}
		b := open(t, o)
		n := int(span / time.Second)
		pad := strings.Repeat("x", 300)
		var largest int64
		for i := range n {
			p := outbox.Normal
			if i%5 == 0 {
				p = outbox.Low
			}
			add(t, b, p, fmt.Sprintf("%s at %s %s", numbered(i), time.Now().Format(time.RFC3339), pad))
			time.Sleep(time.Second)
			if i%1000 == 0 {
				synctest.Wait() // files are added up one after the other: none may come and go meanwhile
				largest = max(largest, size(t, dir))
			}
		}
		s := b.State()
		all := held(t, b)
		t.Logf("%d messages in %v: %d wait in %d bytes and %d files, %v, at most %d bytes on disk of %d; %d writes, %d fsyncs",
			n, span, s.Messages, s.Disk, s.Segments, s.Drops, largest, bound, s.Writes, s.Syncs)
		if largest > bound || s.Memory != 0 || !s.Durable {
			t.Errorf("the folder took up to %d bytes, the bound is %d: %+v", largest, bound, s)
		}
		if len(all)+int(s.Dropped()) != n || s.Dropped() == 0 {
			t.Errorf("%d held and %d dropped of %d", len(all), s.Dropped(), n)
		}
		// The newest are there without a gap, but for announcements.
		want := n - 1
		for i := len(all) - 1; i >= 0; i-- {
			for want%5 == 0 && !strings.HasPrefix(all[i], numbered(want)) {
				want--
			}
			if !strings.HasPrefix(all[i], numbered(want)) {
				t.Fatalf("message %d from the end is %.7s, want %s", len(all)-1-i, all[i], numbered(want))
			}
			want--
		}
		if len(all) < int(bound/400/2) {
			t.Errorf("only %d messages are kept in %d bytes", len(all), bound)
		}
		b.Close()
		again := open(t, o)
		if after := held(t, again); len(after) < len(all) || after[len(after)-1] != all[len(all)-1] {
			t.Errorf("after a restart: %d messages, before: %d", len(after), len(all))
		}
		time.Sleep(age)
		if again.Len(); len(held(t, again)) != 0 {
			t.Error("what is too old is still there")
		}
	})
}

func size(t *testing.T, dir string) (sum int64) {
	t.Helper()
	for _, f := range segments(t, dir) {
		st, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += st.Size()
	}
	return sum
}
