package pipeline

import (
	"time"

	"sensed/daemon/event"
)

// talkWindow is how much of what is said while a button is held makes one
// question; the next one goes on from there. The model hears up to 30 s.
const talkWindow = 28 * time.Second

// talk is what a push-to-talk button wants of its microphone.
type talk struct {
	kick
	heard bool // a session listens for it, and will answer it
}

// talk lets the microphone listen under the id of a press, until talked.
func (s *source) talk(k kick) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.talking = &talk{kick: k}
}

// talked ends that. When the microphone did not open meanwhile, it says so.
func (s *source) talked() {
	s.mu.Lock()
	t := s.talking
	s.talking = nil
	s.mu.Unlock()
	if t == nil || t.heard {
		return
	}
	is, _ := s.state.get()
	s.refuseKick(t.kick, event.Skipped, notWell(s.Name, is))
}

// hearTalk returns the press that a session which begins listens for.
func (s *source) hearTalk() (k kick, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.talking == nil {
		return kick{}, false
	}
	s.talking.heard = true
	return s.talking.kick, true
}
