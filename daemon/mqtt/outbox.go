package mqtt

import (
	"slices"
	"sync"
)

// Message is one publication that waits for its acknowledgement.
type Message struct {
	Topic   string
	Payload []byte
	Retain  bool
	// Low marks what is dropped first when space runs out: announcements,
	// which are worth little without the words that follow them.
	Low bool
}

// Outbox keeps messages until the broker has acknowledged them. The publisher
// appends from several goroutines and peeks and acknowledges from one.
type Outbox interface {
	// Append adds m at the end. When there is no room it drops others, or m
	// itself, and returns how many were dropped.
	Append(m Message) (dropped int, err error)
	// Peek returns the oldest message whose number is above after. Numbers
	// grow in the order of Append and are never used twice.
	Peek(after uint64) (number uint64, m Message, ok bool)
	// Ack forgets the message with that number. It was not held any more when
	// it was dropped while it was on its way; that is no error.
	Ack(number uint64) (held bool, err error)
}

// Memory is an [Outbox] that forgets everything when the process ends.
type Memory struct {
	maxMessages, maxBytes int

	mu    sync.Mutex
	last  uint64   // number of the newest message
	queue []queued // by number
	bytes int      // of the topics and payloads in queue
}

type queued struct {
	number uint64
	Message
}

func (m Message) size() int { return len(m.Topic) + len(m.Payload) }

// NewMemory returns an outbox with room for that many messages and bytes.
func NewMemory(maxMessages, maxBytes int) *Memory {
	return &Memory{maxMessages: maxMessages, maxBytes: maxBytes}
}

// Append adds m at the end. Without room, the oldest messages marked Low go
// first, m among them, then the oldest of the others.
func (o *Memory) Append(m Message) (dropped int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	o.queue = append(o.queue, queued{o.last, m})
	o.bytes += m.size()
	for len(o.queue) > o.maxMessages || o.bytes > o.maxBytes {
		victim := max(0, slices.IndexFunc(o.queue, func(q queued) bool { return q.Low }))
		o.remove(victim)
		dropped++
	}
	return dropped, nil
}

// Peek returns the oldest message whose number is above after.
func (o *Memory) Peek(after uint64) (number uint64, m Message, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, _ := o.find(after + 1)
	if i == len(o.queue) {
		return 0, Message{}, false
	}
	return o.queue[i].number, o.queue[i].Message, true
}

// Ack forgets the message with that number.
func (o *Memory) Ack(number uint64) (held bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, held := o.find(number)
	if held {
		o.remove(i)
	}
	return held, nil
}

// Len returns how many messages wait.
func (o *Memory) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue)
}

// find returns where the message with that number, or else the next one, is.
func (o *Memory) find(number uint64) (int, bool) {
	return slices.BinarySearchFunc(o.queue, number, func(q queued, n uint64) int {
		switch {
		case q.number < n:
			return -1
		case q.number > n:
			return 1
		}
		return 0
	})
}

func (o *Memory) remove(i int) {
	o.bytes -= o.queue[i].size()
	o.queue = slices.Delete(o.queue, i, i+1)
}
