package app

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
)

// dirtied returns how many bytes of files on disks this process has changed, as
// the kernel counts them: by whole pages.
func dirtied(t *testing.T) (bytes uint64) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if _, err := fmt.Sscanf(line, "write_bytes: %d", &bytes); err == nil {
			return bytes
		}
	}
	t.Fatal("/proc/self/io does not tell what was written")
	return 0
}

// files returns the files below a folder with their sizes and times.
func files(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out[path] = fmt.Sprint(info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// page is what the kernel writes at least.
const page = 4096

// TestDiskWritesOfAnHour replays an hour of a camera before which things move,
// with a model, the load policy and the health of the board beside it, and
// counts what is written: the outbox and nothing but the outbox, and of that no
// more than two writes for each event. When nothing happens, nothing is written.
func TestDiskWritesOfAnHour(t *testing.T) {
	for _, tt := range []struct {
		name   string
		busy   bool
		broker bool // takes what is published, every second
	}{{"the broker is there", true, true}, {"the broker is away", true, false}, {"nothing happens", false, true}} {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("TMPDIR", home)
			t.Setenv("HOME", home)
			state := filepath.Join(home, "state", "outbox")
			synctest.Test(t, func(t *testing.T) {
				door := source("door", walks(t, 0.2), event.TaskCaption)
				if tt.busy {
					door.Motion, door.Again = &gate.MotionOpts{}, 10*time.Second
				}
				s := newShed(t, state, door)
				s.watch(fstest.MapFS{}) // go test writes down which files a test opens
				stop := s.run()
				wait := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
						if tt.broker {
							s.drain()
						}
					}
				}
				wait(time.Minute) // the beginning says how the source is
				before, calls, tree, events := dirtied(t), s.box.State(), files(t, home), s.count()
				wait(time.Hour)
				bytes, now, said := dirtied(t)-before, s.box.State(), uint64(s.count()-events)
				writes, syncs := now.Writes-calls.Writes, now.Syncs-calls.Syncs
				t.Logf("an hour: %d events, %d writes and %d syncs of the outbox, %d bytes of pages", said, writes, syncs, bytes)
				switch {
				case tt.busy && said < 100:
					t.Errorf("only %d events in an hour: this proves nothing", said)
				case !tt.busy && said+writes+syncs != 0:
					t.Error("nothing happened, but the outbox was written")
				case writes > 2*said || syncs > 2*said: // its record, and that it was taken
					t.Error("more was written than happened")
				}
				if limit := page * (2*writes + syncs + 4); bytes > limit { // a record may lie on two pages
					t.Errorf("%d bytes were written to disk; the outbox can have written %d of them", bytes, limit)
				}
				for path, is := range files(t, home) {
					if tree[path] != is && !(tt.busy && strings.HasPrefix(path, state)) {
						t.Errorf("%s was written, which is no part of the outbox", path)
					}
				}
				stop()
			})
		})
	}
}

// count returns how many events were published.
func (s *shed) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}
