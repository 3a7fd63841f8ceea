package outbox_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"sensed/daemon/outbox"
)

// withMounts runs the test again in a process that may mount file systems
// without anybody else seeing them, and returns true there.
func withMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv("SENSED_TEST_MOUNTS") != "" {
		if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), "SENSED_TEST_MOUNTS=1")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		again.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		again.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	}
	out, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("in a process with mounts of its own (root, or user namespaces: sysctl kernel.unprivileged_userns_clone=1): %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("it did not run:\n%s", out)
	}
	return false
}

func mount(t *testing.T, dir, options string, flags uintptr) {
	t.Helper()
	if err := unix.Mount("none", dir, "tmpfs", flags, options); err != nil {
		t.Fatal(err)
	}
}

func TestFullDisk(t *testing.T) {
	if !withMounts(t) {
		return
	}
	disk := t.TempDir()
	mount(t, disk, "size=256k", 0)
	defer unix.Unmount(disk, unix.MNT_DETACH)
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(disk, "outbox")
		o := outbox.Options{Dir: dir, MaxBytes: 8 << 20, MaxMemory: 256 << 10}
		b := open(t, o)
		const n = 1000
		pad := strings.Repeat("x", 1000) // a megabyte in all
		for i := range n {
			add(t, b, outbox.Normal, numbered(i)+pad)
		}
		s := b.State()
		if s.Durable || !strings.Contains(s.Problem, "disk is full") || s.Disk == 0 || s.Memory == 0 || s.Memory > 256<<10 {
			t.Errorf("on a full disk: %+v", s)
		}
		all := held(t, b)
		if len(all)+int(s.Dropped()) != n || !strings.HasPrefix(all[0], numbered(0)) || !strings.HasPrefix(all[len(all)-1], numbered(n-1)) {
			t.Errorf("%d held and %d dropped of %d", len(all), s.Dropped(), n)
		}
		writes := s.Writes
		time.Sleep(time.Hour) // of vain attempts, which must not wear the disk
		if s := b.State(); s.Durable || s.Messages != len(all) || s.Writes != writes {
			t.Errorf("an hour later: %+v", s)
		}
		// A kill now costs what is in memory and no more.
		c := open(t, outbox.Options{Dir: copyDir(t, dir)})
		if kept := held(t, c); len(kept) < 150 || kept[len(kept)-1] != all[len(kept)-1] {
			t.Errorf("%d messages would survive", len(kept))
		}
		// Somebody makes room.
		if err := unix.Mount("none", disk, "tmpfs", unix.MS_REMOUNT, "size=4m"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s := b.State(); !s.Durable || s.Problem != "" || s.Memory != 0 || s.Messages != len(all) {
			t.Errorf("with room again: %+v", s)
		}
		add(t, b, outbox.Normal, "after")
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		again := held(t, open(t, o))
		if strings.Join(again, " ") != strings.Join(append(all, "after"), " ") {
			t.Errorf("%d messages after a restart, want %d", len(again), len(all)+1)
		}
	})
}

func TestReadOnlyFileSystem(t *testing.T) {
	if !withMounts(t) {
		return
	}
	disk := t.TempDir()
	mount(t, disk, "size=1m", 0)
	defer unix.Unmount(disk, unix.MNT_DETACH)
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("none", disk, "tmpfs", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		o := outbox.Options{Dir: filepath.Join(disk, "outbox")}
		b := open(t, o)
		add(t, b, outbox.Normal, "a", "b")
		b.Close()

		remount(unix.MS_RDONLY) // as the kernel does when a card fails
		b = open(t, o)
		if s := b.State(); s.Durable || !strings.Contains(s.Problem, "read-only") || s.Restored != 2 {
			t.Errorf("%+v", s)
		}
		add(t, b, outbox.Normal, "c")
		wantHeld(t, b, "a b c")
		ack(t, b, 1)
		time.Sleep(time.Hour)
		wantHeld(t, b, "b c")
		remount(0)
		time.Sleep(time.Minute)
		if s := b.State(); !s.Durable || s.Memory != 0 {
			t.Errorf("writable again: %+v", s)
		}
		time.Sleep(time.Minute)
		b.Close()
		b = open(t, o)
		wantHeld(t, b, "b c")
		ack(t, b, 2)
		b.Close()

		remount(unix.MS_RDONLY)
		b = open(t, o)
		add(t, b, outbox.Normal, "d")
		if err := b.Close(); err == nil || !strings.Contains(err.Error(), "1 messages in memory are lost") {
			t.Errorf("closing with a message in memory: %v", err)
		}
	})
}

func TestFolderThatCannotBeUsedAtFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil, mend func(t *testing.T, parent string)
		want        string
	}{
		"a file in its place": {
			func(t *testing.T, parent string) {
				if err := os.WriteFile(filepath.Join(parent, "outbox"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, parent string) { os.Remove(filepath.Join(parent, "outbox")) },
			"something else than a folder",
		},
		"a file above it": {
			func(t *testing.T, parent string) {
				os.Remove(parent)
				if err := os.WriteFile(parent, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, parent string) { os.Remove(parent) },
			"something else than a folder",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent := filepath.Join(t.TempDir(), "state")
				if err := os.Mkdir(parent, 0o750); err != nil {
					t.Fatal(err)
				}
				tc.spoil(t, parent)
				o := outbox.Options{Dir: filepath.Join(parent, "outbox")}
				b := open(t, o)
				if s := b.State(); s.Durable || !strings.Contains(s.Problem, tc.want) {
					t.Errorf("%+v", s)
				}
				add(t, b, outbox.Normal, "a", "b")
				ack(t, b, 1)
				time.Sleep(time.Hour)
				wantHeld(t, b, "b")
				tc.mend(t, parent)
				time.Sleep(time.Minute)
				if s := b.State(); !s.Durable || s.Problem != "" || s.Memory != 0 {
					t.Errorf("mended: %+v", s)
				}
				b.Close()
				wantHeld(t, open(t, o), "b")
			})
		})
	}
}

func TestTwoProcessesDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := outbox.Options{Dir: t.TempDir()}
		first := open(t, o)
		add(t, first, outbox.Normal, "a", "b", "c")
		second := open(t, o)
		if s := second.State(); s.Durable || !strings.Contains(s.Problem, "another process") {
			t.Errorf("%+v", s)
		}
		add(t, second, outbox.Normal, "d", "e")
		wantHeld(t, second, "d e")
		ack(t, first, 1)
		first.Close()
		time.Sleep(time.Minute)
		// What was on disk comes first, and the rest has new numbers.
		wantHeld(t, second, "b c d e")
		if s := second.State(); !s.Durable || s.Last != 5 || s.Restored != 2 {
			t.Errorf("%+v", s)
		}
		second.Close()
		wantHeld(t, open(t, o), "b c d e")
	})
}

func TestFolderThatVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "outbox")
		b := open(t, outbox.Options{Dir: dir, MaxBytes: outbox.MinBytes})
		add(t, b, outbox.Normal, "a")
		time.Sleep(5 * time.Second)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			add(t, b, outbox.Normal, numbered(i))
		}
		time.Sleep(5 * time.Minute)
		all := held(t, b)
		if len(all) == 0 || all[len(all)-1] != numbered(199) {
			t.Errorf("holds %d messages", len(all))
		}
		if s := b.State(); !s.Durable {
			t.Errorf("the folder was not made again: %+v", s)
		}
		b.Close()
		after := held(t, open(t, outbox.Options{Dir: dir, MaxBytes: outbox.MinBytes}))
		if len(after) == 0 || after[len(after)-1] != numbered(199) {
			t.Errorf("holds %d messages after a restart", len(after))
		}
	})
}

func TestLeavesNoGoroutineBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		b := open(t, outbox.Options{Dir: t.TempDir()})
		add(t, b, outbox.Normal, "a")
		b.Close()
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}
