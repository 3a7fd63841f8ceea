package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"sensed/daemon/atomicfile"
	"sensed/daemon/event"
)

// maxState bounds the file of the switches.
const maxState = 1 << 20

// rest is how long a store waits between two writes: somebody who turns a knob
// must not wear the card.
const rest = 5 * time.Second

// state is the content of the file.
type state struct {
	Version  int               `json:"version"`
	Switches map[string]string `json:"switches"`
}

// ParseState reads the content of a file of switches.
func ParseState(data []byte) (map[string]string, error) {
	if len(data) > maxState {
		return nil, fmt.Errorf("over %d bytes are no switches", maxState)
	}
	var s state
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the closing brace")
	}
	if s.Version != event.Version || s.Switches == nil {
		return nil, fmt.Errorf("version is %d, not %d, or there are no switches", s.Version, event.Version)
	}
	return s.Switches, nil
}

// Store keeps how the switches stand in a small file, which is replaced as a
// whole. Its methods may be called from any goroutine.
type Store struct {
	path string // "": nothing is kept
	log  *slog.Logger

	mu      sync.Mutex
	latest  map[string]string
	changed chan struct{} // holds a token when latest is to be written
	urgent  chan struct{} // holds a token when that must not wait
}

// OpenStore reads the file at path, if there is one; "" keeps nothing. When the
// file cannot be read nobody knows whether a switch was to protect somebody:
// then the privacy switch of the node is on until it is set.
func OpenStore(path string, log *slog.Logger) *Store {
	s := &Store{path: path, log: log, latest: map[string]string{}, changed: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
	if path == "" {
		return s
	}
	data, err := os.ReadFile(path)
	if err == nil {
		var saved map[string]string
		if saved, err = ParseState(data); err == nil {
			s.latest = saved
			return s
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		log.Error("how the switches stood cannot be read; the privacy switch is on until somebody sets it", "file", path, "err", err)
		s.latest = map[string]string{string(Privacy): On}
	}
	return s
}

// Saved returns what was saved last.
func (s *Store) Saved() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// Save lets values be written soon; the map is the store's from now on.
func (s *Store) Save(values map[string]string) {
	s.mu.Lock()
	urgent := protects(s.latest, values)
	s.latest = values
	s.mu.Unlock()
	if urgent {
		notify(s.urgent) // first: Run takes it with the change that it belongs to
	}
	notify(s.changed)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// protects tells whether a switch was set that closes a source: after a power cut
// in the next moment it must not be open.
func protects(before, now map[string]string) bool {
	for name, v := range now {
		closed := Off
		switch Switch(name[strings.LastIndexByte(name, '/')+1:]) {
		case Privacy:
			closed = On
		case Camera, Microphone:
		default:
			continue
		}
		if v == closed && before[name] != v {
			return true
		}
	}
	return false
}

// Run writes what is saved until ctx ends, then what is left: the first and what
// protects somebody at once, others not more often than every few seconds.
func (s *Store) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-s.changed:
			select {
			case <-s.urgent: // it does not wait
			default:
			}
			s.write()
		case <-ctx.Done():
		}
		wait := time.NewTimer(rest)
		select {
		case <-wait.C:
		case <-s.urgent:
			wait.Stop()
		case <-ctx.Done():
			wait.Stop()
		}
	}
	select {
	case <-s.changed:
		s.write()
	default:
	}
}

func (s *Store) write() {
	if s.path == "" {
		return
	}
	data, err := json.MarshalIndent(state{event.Version, s.Saved()}, "", "\t")
	if err == nil {
		err = atomicfile.Write(s.path, append(data, '\n'), 0o600)
	}
	if err != nil {
		s.log.Error("how the switches stand cannot be kept; after a restart they stand as before", "file", s.path, "err", err)
	}
}
