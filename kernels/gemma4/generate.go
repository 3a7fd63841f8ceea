package gemma4

import (
	"context"
	"fmt"
	"time"
)

const defaultMaxTokens = 512

// Generate answers a request.
//
// The answer ends at <turn|>, <eos> or <|tool_response>, after MaxTokens, or
// when the context is full. When ctx ends, Generate returns soon, within one
// layer of the decoder or an encoder, with what was written so far and an error
// that wraps ctx.Err().
func (m *Model) Generate(ctx context.Context, r Request) (reply Reply, err error) {
	if err := r.check(); err != nil {
		return Reply{}, err
	}
	start := time.Now()
	prompt, err := m.Prompt(ctx, r)
	if err != nil {
		return Reply{}, err
	}
	reply.Timing.Encode = time.Since(start)
	err = m.reply(ctx, r, prompt, m.begin, &reply)
	return reply, err
}

// check refuses what cannot be answered and puts in what was left open.
func (r *Request) check() error {
	if err := r.Sampling.check(); err != nil {
		return err
	}
	if r.MaxTokens < 0 {
		return fmt.Errorf("gemma4: an answer of at most %d tokens is asked for", r.MaxTokens)
	}
	if r.MaxTokens == 0 {
		r.MaxTokens = defaultMaxTokens
	}
	return nil
}

// beginner returns a session that has read the prompt, with room for more
// tokens. The caller closes it.
type beginner func(ctx context.Context, p Prompt, more int) (*Session, error)

// reply answers a request whose prompt is written.
func (m *Model) reply(ctx context.Context, r Request, prompt Prompt, begin beginner, reply *Reply) error {
	reply.PromptTokens = len(prompt.IDs)
	start := time.Now()
	w, err := m.newWriter(r, prompt, reply)
	if err != nil {
		return err
	}
	defer w.close()
	p, err := w.begin(ctx, prompt, begin)
	if err != nil {
		return fmt.Errorf("gemma4: reading the prompt: %w", err)
	}
	reply.Timing.Prefill = time.Since(start)

	start = time.Now()
	err = w.write(ctx, p)
	reply.Timing.Decode = time.Since(start)
	return err
}

// Greedy appends the n most likely tokens, one after the other, and returns
// them. It never chooses a banned one and stops at none.
func (s *Session) Greedy(ctx context.Context, n int, banned ...int) ([]int, error) {
	logits, err := s.Logits(ctx)
	if err != nil {
		return nil, err
	}
	choose := newSampler(Sampling{}, s.m.parallel, banned...)
	var out []int
	for range n {
		id := choose.best(logits)
		if id < 0 {
			return out, errNotNumbers
		}
		out = append(out, id)
		if logits, err = s.next(ctx, id); err != nil {
			return out, err
		}
	}
	return out, nil
}

// next reads one token and returns the logits after it.
func (s *Session) next(ctx context.Context, id int) ([]float32, error) {
	s.one[0] = id
	s.span[0].IDs = s.one[:]
	if err := s.Append(ctx, s.span[:]...); err != nil {
		return nil, err
	}
	return s.Logits(ctx)
}

// parallel runs body(0) ... body(n-1) on the model's threads.
func (m *Model) parallel(n int, body func(i int)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed { // its threads are gone
		for i := range n {
			body(i)
		}
		return
	}
	m.pool.Run(n, body)
}
