//go:build linux && (amd64 || arm64)

package v4l2

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fifo opens a node on a FIFO: the kernel polls it as it polls a camera.
func fifo(t *testing.T) (n *node, write func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := linux{}.open(path)
	if err != nil {
		t.Fatal(err)
	}
	n = p.(*node)
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	return n, func() {
		if _, err := unix.Write(n.fd, []byte{1}); err != nil {
			t.Error(err)
		}
	}
}

func TestWaitEndsWithData(t *testing.T) {
	n, write := fifo(t)
	time.AfterFunc(time.Millisecond, write)
	if err := n.wait(context.Background(), time.Minute); err != nil {
		t.Errorf("err = %v", err)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	n, write := fifo(t)
	for range 50 {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(cancel)
		if err := n.wait(ctx, time.Minute); !errors.Is(err, context.Canceled) {
			t.Fatalf("err = %v, want context.Canceled", err)
		}
		wg.Wait()
		// What woke the last wait does not wake this one.
		if err := n.wait(context.Background(), time.Millisecond); !errors.Is(err, errSilent) {
			t.Fatalf("err = %v, want errSilent", err)
		}
	}
	write()
	if err := n.wait(context.Background(), time.Minute); err != nil {
		t.Errorf("after it was cancelled: err = %v", err)
	}
}

func TestWaitEndsWithTime(t *testing.T) {
	n, _ := fifo(t)
	if err := n.wait(context.Background(), time.Millisecond); !errors.Is(err, errSilent) {
		t.Errorf("err = %v, want errSilent", err)
	}
}

func TestOpenLeavesNothingBehind(t *testing.T) {
	if _, err := (linux{}).open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("err = %v, want ENOENT", err)
	}
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	n, err := linux{}.open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.close(); err != nil || count() != before {
		t.Errorf("%v; %d files open, then %d", err, before, count())
	}
}

func TestNow(t *testing.T) {
	_, a := now()
	wall, b := now()
	if b < a || time.Since(wall) > time.Minute {
		t.Errorf("%v, then %v; wall %v", a, b, wall)
	}
}
