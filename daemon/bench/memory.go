package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Memory is what the process has in RAM, in bytes.
type Memory struct {
	// Anonymous memory belongs to the process alone: it can only be freed by it.
	Anonymous int `json:"anonymous_bytes"`
	// File is mapped from files, models for the most part: the system takes it
	// back when others need it, and reads it again later.
	File int `json:"file_bytes"`
}

// most returns the greater of each.
func (m Memory) most(o Memory) Memory {
	return Memory{max(m.Anonymous, o.Anonymous), max(m.File, o.File)}
}

const statusFile = "/proc/self/status"

// memoryNow reads the memory of this process, and the most that anonymous and
// file-backed memory ever were together.
func memoryNow() (now Memory, peak int, err error) {
	b, err := os.ReadFile(statusFile)
	if err != nil {
		return Memory{}, 0, fmt.Errorf("how much memory is used cannot be read: %w", err)
	}
	return parseStatus(b)
}

// parseStatus reads a status file of the process file system (proc_pid_status(5)).
func parseStatus(b []byte) (now Memory, peak int, err error) {
	wanted := map[string]*int{"RssAnon": &now.Anonymous, "RssFile": &now.File, "VmHWM": &peak}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		key, rest, _ := strings.Cut(lines.Text(), ":")
		to, ok := wanted[key]
		if !ok {
			continue
		}
		number, unit, _ := strings.Cut(strings.TrimSpace(rest), " ")
		kb, err := strconv.Atoi(number)
		if err != nil || unit != "kB" || kb < 0 {
			return Memory{}, 0, fmt.Errorf("%s: %q is not a size in kB", statusFile, lines.Text())
		}
		*to = kb << 10
		delete(wanted, key)
	}
	for key := range wanted {
		return Memory{}, 0, fmt.Errorf("%s: the line %s is missing", statusFile, key)
	}
	return now, peak, nil
}

// sampleEvery is how often memory is looked at: often enough for work that
// takes milliseconds, and a thousandth of one processor's time.
const sampleEvery = 20 * time.Millisecond

// watcher keeps the most memory that was used since its last reset. It samples,
// because the system keeps no maximum of anonymous memory alone.
type watcher struct {
	stop chan struct{}
	done sync.WaitGroup

	mu   sync.Mutex // guards the rest
	most Memory
	err  error
}

func watchMemory() *watcher {
	w := &watcher{stop: make(chan struct{})}
	w.done.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-w.stop:
				return
			case <-tick.C:
				w.sample()
			}
		}
	})
	return w
}

func (w *watcher) sample() {
	now, _, err := memoryNow()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.most = w.most.most(now)
	if w.err == nil {
		w.err = err
	}
}

// reset forgets the maximum.
func (w *watcher) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.most = Memory{}
}

// peak returns the most since the last reset, now included.
func (w *watcher) peak() (Memory, error) {
	w.sample()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most, w.err
}

func (w *watcher) close() {
	close(w.stop)
	w.done.Wait()
}
