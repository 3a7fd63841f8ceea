package command

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"sensed/daemon/event"
)

// Worker does what a checked request asks. It fills in what it knows of the
// reply, and returns soon after ctx ends.
type Worker interface {
	// Node is the name of the node, for replies.
	Node() string
	Work(ctx context.Context, r Request) Reply
}

// Center takes requests from wherever they come, bounds how many, and answers
// each once. Its methods may be called from any goroutine.
type Center struct {
	worker Worker

	mu     sync.Mutex
	limit  limiter
	recent recent
	atWork int
}

// NewCenter returns a center that lets w do what is asked.
func NewCenter(w Worker) *Center { return &Center{worker: w} }

// admit counts a request; the lock is held. An error says that it is too much,
// and answer whether that is worth a reply.
func (c *Center) admit() (answer bool, err error) {
	switch c.limit.judge(time.Now()) {
	case accept:
		return true, nil
	case refuse:
		return true, fmt.Errorf("too much is asked: %d at once, and one each %v after that", burst, pace)
	}
	return false, errors.New("far too much is asked")
}

// Do answers a request; err is what [Parse] said of it. ok is false when there
// is nothing to answer: the id came before, or far too much is asked.
func (c *Center) Do(ctx context.Context, r Request, err error) (reply Reply, ok bool) {
	began := time.Now()
	if r.ID == "" {
		r.ID = newID()
	}
	done, refusal, ok := c.begin(r, err)
	if !ok {
		return Reply{}, false
	}
	reply = refusal
	if done != nil {
		defer done()
		reply = c.worker.Work(ctx, r)
	}
	reply.Version, reply.ID, reply.Command, reply.Node = event.Version, r.ID, r.Command, c.worker.Node()
	reply.Question = r.Question
	if reply.Time.IsZero() {
		reply.Time = began
	}
	if reply.Source == "" {
		reply.Source = r.Source
	}
	return reply, true
}

// begin tells what becomes of a request: done is nil for one that is refused.
func (c *Center) begin(r Request, wrong error) (done func(), refusal Reply, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recent.seen(r.ID) {
		return nil, Reply{}, false
	}
	answer, err := c.admit()
	switch {
	case err != nil:
		return nil, Refused(event.Throttled, err.Error()), answer
	case wrong != nil:
		return nil, Refused(event.Faulty, wrong.Error()), true
	case c.atWork >= maxAtWork:
		return nil, Refused(event.Throttled, fmt.Sprintf("%d requests are being worked on", maxAtWork)), true
	}
	c.atWork++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.atWork--
	}, Reply{}, true
}

// newID names a request that came without an id.
func newID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
