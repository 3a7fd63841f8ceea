package mqtt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sensed/daemon/outbox"
)

// MaxPayload bounds one message, in bytes. An event with twenty boxes takes
// three kilobytes, a picture up to two hundred.
const MaxPayload = 250 << 10

// Message is one publication that must arrive.
type Message struct {
	Topic   string
	Payload []byte
	Retain  bool
	// Priority says what is given up first when the outbox is full.
	Priority outbox.Priority
	// Stamp says that the payload is a JSON object, and that the members seq,
	// published and replayed are to be added to it when it is sent.
	Stamp bool
}

const (
	flagRetain = 1 << iota
	flagStamp
)

// encode makes the bytes that wait in the outbox: flags, the length of the
// topic, the topic, the payload.
func (m Message) encode() []byte {
	b := make([]byte, 0, 1+binary.MaxVarintLen16+len(m.Topic)+len(m.Payload))
	var flags byte
	if m.Retain {
		flags |= flagRetain
	}
	if m.Stamp {
		flags |= flagStamp
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(len(m.Topic)))
	b = append(b, m.Topic...)
	return append(b, m.Payload...)
}

// decode reads what encode made. The payload stays part of b.
func decode(b []byte) (Message, error) {
	if len(b) == 0 || b[0]&^(flagRetain|flagStamp) != 0 {
		return Message{}, errors.New("mqtt: what waited in the outbox is no message of this version")
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > uint64(len(b)-1-size) {
		return Message{}, errors.New("mqtt: what waited in the outbox is cut off in its topic")
	}
	rest := b[1+size:]
	m := Message{Topic: string(rest[:n]), Payload: rest[n:], Retain: b[0]&flagRetain != 0, Stamp: b[0]&flagStamp != 0}
	return m, m.check()
}

// check tells what keeps a message from being sent, whoever made it.
func (m Message) check() error {
	switch {
	case m.Topic == "":
		return errors.New("mqtt: a message has no topic")
	case len(m.Topic) > 1024 || !utf8.ValidString(m.Topic) || strings.ContainsAny(m.Topic, "+#\x00") || m.Topic[0] == '$':
		return fmt.Errorf("mqtt: %.100q is no topic to publish on", m.Topic)
	case len(m.Payload) > MaxPayload:
		return fmt.Errorf("mqtt: a message on %s takes %d bytes, over the limit of %d", m.Topic, len(m.Payload), MaxPayload)
	case m.Stamp && !object(m.Payload):
		return fmt.Errorf("mqtt: a message on %s is to be stamped, but is no JSON object", m.Topic)
	}
	return nil
}

func object(b []byte) bool { return len(b) >= 2 && b[0] == '{' && b[len(b)-1] == '}' }

// stamped returns the payload with what is known only when it is sent. A seq of
// 0 is left out.
func stamped(payload []byte, seq uint64, at time.Time, replayed bool) []byte {
	b := make([]byte, 0, len(payload)+96)
	b = append(b, bytes.TrimRight(payload[:len(payload)-1], " \t\r\n")...)
	if len(b) > 1 {
		b = append(b, ',')
	}
	if seq > 0 {
		b = append(b, `"seq":`...)
		b = strconv.AppendUint(b, seq, 10)
		b = append(b, ',')
	}
	b = append(b, `"published":"`...)
	b = at.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	if replayed {
		b = append(b, `,"replayed":true`...)
	}
	return append(b, '}')
}
