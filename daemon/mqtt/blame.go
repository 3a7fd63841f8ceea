package mqtt

import (
	"fmt"
	"strconv"
	"time"
)

// A broker may end the connection because of a message: mosquitto does so with
// one that is larger than its max_packet_size. MQTT 3.1.1 cannot say which it
// was, and sent again at each connection it would keep all others back for ever.
const (
	// suspicious is how often in a row the connection must be lost with the same
	// message as the oldest on its way for messages to be sent one at a time.
	suspicious = 3
	// guilty is how often for the message to be given up. A line that breaks
	// by itself does not hit the same message so often.
	guilty = 12
	// promptly is how soon after sending it the broker ends the connection.
	promptly = 5 * time.Second
)

// suspect is the message that was the oldest on its way when the connection was
// lost, and how often in a row it was.
type suspect struct {
	key     string
	strikes int
}

// key names what a flight carries.
func (f *flight) key() string {
	if f.number > 0 {
		return "#" + strconv.FormatUint(f.number, 10)
	}
	return f.Topic
}

// blame looks at what was on its way when a session was lost.
func (p *Publisher) blame(s *session) {
	if len(s.flying) == 0 || time.Since(s.progress) > promptly {
		return
	}
	f := s.flying[0]
	if key := f.key(); p.suspect.key != key {
		p.suspect = suspect{key: key}
	}
	p.suspect.strikes++
	if p.suspect.strikes < guilty {
		return
	}
	p.suspect = suspect{}
	err := fmt.Errorf("the MQTT broker ended the connection %d times when a message of %d bytes on %s was sent; check its limits, of mosquitto max_packet_size",
		guilty, len(f.Payload), f.Topic)
	if f.number > 0 {
		p.outbox.Quarantine(f.number, err)
		return
	}
	p.states.refuse(f.Topic)
	p.log.Warn("a state is not said until it changes", "topic", f.Topic, "err", err)
}

// cleared takes back a suspicion when the message was acknowledged.
func (p *Publisher) cleared(f *flight) {
	if p.suspect.strikes > 0 && p.suspect.key == f.key() {
		p.suspect = suspect{}
	}
}

// window is how many messages may be on their way.
func (p *Publisher) window() int {
	if p.suspect.strikes >= suspicious {
		return 1
	}
	return maxWindow
}
