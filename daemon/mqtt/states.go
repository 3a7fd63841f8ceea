package mqtt

import "sync"

// states holds the newest value of each retained topic. Only the newest
// matters, so they do not wait in the outbox: they are sent when there is a
// connection, and again after each connect, because the broker may have
// forgotten them.
type states struct {
	mu      sync.Mutex
	values  map[string]state // guarded by mu
	order   []string         // guarded by mu: topics, in the order of their first value
	changed []string         // guarded by mu: topics whose newest value was not sent yet
}

type state struct {
	payload []byte
	stamp   bool
	number  uint64 // of the message in the outbox that said it; 0 for none
	waiting bool   // it is in changed
	acked   bool   // the broker has acknowledged it since it was set
	version uint64 // grows with each value of the topic
	refused bool   // the broker does not take it
}

func newStates() *states { return &states{values: map[string]state{}} }

// set notes a value that is to be sent. The payload must not be changed later.
func (s *states) set(topic string, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.values[topic]
	if !known {
		s.order = append(s.order, topic)
	}
	if !old.waiting {
		s.changed = append(s.changed, topic)
	}
	s.values[topic] = state{payload: payload, waiting: true, version: old.version + 1}
}

// acknowledged notes that the broker has that version of a value.
func (s *states) acknowledged(topic string, version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, known := s.values[topic]; known && v.version == version {
		v.acked = true
		s.values[topic] = v
	}
}

// said tells whether the broker has acknowledged the newest value of a topic.
func (s *states) said(topic string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[topic].acked
}

// remember notes a value that the broker has.
func (s *states) remember(topic string, v state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.values[topic]
	if old.waiting {
		return // something newer is on its way
	}
	if !known {
		s.order = append(s.order, topic)
	}
	v.version, v.acked = old.version+1, true
	s.values[topic] = v
}

// again makes all values wait to be sent.
func (s *states) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = s.changed[:0]
	for _, topic := range s.order {
		if v := s.values[topic]; !v.refused {
			v.waiting = true
			s.values[topic] = v
			s.changed = append(s.changed, topic)
		}
	}
}

// refuse notes that a value is not to be sent any more.
func (s *states) refuse(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.values[topic]; !v.waiting { // else there is a newer one
		v.refused = true
		s.values[topic] = v
	}
}

// next takes the next value that is to be sent.
func (s *states) next() (topic string, v state, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.changed) == 0 {
		return "", state{}, false
	}
	topic = s.changed[0]
	s.changed = s.changed[1:]
	v = s.values[topic]
	v.waiting = false
	s.values[topic] = v
	return topic, v, true
}
