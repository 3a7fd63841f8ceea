//go:build !cgo

package portaudio

import (
	"strings"
	"testing"
	"time"
)

// Without cgo everything says so instead of failing to build.
func TestNotBuilt(t *testing.T) {
	s, err := New(Opts{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "built without PortAudio") {
		t.Errorf("Open gave %v", err)
	}
	if _, err := List(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), "built without PortAudio") {
		t.Errorf("List gave %v", err)
	}
}
