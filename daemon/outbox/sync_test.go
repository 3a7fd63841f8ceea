package outbox

import (
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestFailedFsyncIsNotBelieved: after an fsync that failed, what the kernel
// holds of the file may never reach the disk, so it is written to a new one.
func TestFailedFsyncIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		o := Options{Dir: dir, Log: slog.New(slog.DiscardHandler)}
		b, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := b.Append(Message{Body: []byte(fmt.Sprint("m", i))}); err != nil {
				t.Fatal(err)
			}
		}
		b.mu.Lock()
		b.distrust(b.active, syscall.EIO)
		b.mu.Unlock()
		if s := b.State(); s.Durable || !strings.Contains(s.Problem, "the disk fails") || s.Messages != 3 || s.Memory == 0 || s.Disk != 0 {
			t.Errorf("%+v", s)
		}
		if err := b.Append(Message{Body: []byte("m3")}); err != nil {
			t.Fatal(err)
		}
		syncs := b.State().Syncs
		time.Sleep(time.Minute)
		if s := b.State(); !s.Durable || s.Memory != 0 || s.Syncs == syncs {
			t.Errorf("a minute later: %+v", s)
		}
		b.Close()
		if b, err = Open(o); err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		var got []string
		for e, ok := b.Peek(0); ok; e, ok = b.Peek(e.Number) {
			got = append(got, string(e.Body))
		}
		if strings.Join(got, " ") != "m0 m1 m2 m3" {
			t.Errorf("holds %q", got)
		}
	})
}
