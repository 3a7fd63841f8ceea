package gemma4

import (
	"context"
	"errors"
	"fmt"
)

// Outputs are what the decoder says at positions, [n][hidden] after the last
// norm. The head makes logits of them, of all tokens or of some: a grammar
// often allows a few of a quarter of a million.

// advance reads tokens and returns the outputs at the positions from..len-1 of
// them, which are valid until the next call. The others stop after the trunk.
func (s *Session) advance(ctx context.Context, ids []int, from int) ([]float32, error) {
	spans := []Span{{IDs: ids}}
	n, err := s.m.count(spans)
	if err != nil {
		return nil, err
	}
	if s.cache.n+n > s.m.context {
		return nil, fmt.Errorf("gemma4: %w: %d tokens after %d that were read before are more than the %d it holds", ErrContext, n, s.cache.n, s.m.context)
	}
	s.ready = false
	s.outputs = s.outputs[:0]
	in := input{spans: spans}
	for done := 0; done < n; {
		t := min(n-done, s.m.batch)
		skip := min(t, max(0, from-done)) // of this batch
		err := s.step(ctx, &in, t, func(first int) error {
			if skip == t {
				return nil
			}
			d := s.m.text
			d.skip(skip, first+skip, t)
			if err := d.tail(ctx, &s.cache, first+skip, t-skip); err != nil {
				return err
			}
			s.outputs = append(s.outputs, d.norm[:(t-skip)*d.hidden]...)
			return nil
		})
		if err != nil {
			return nil, err
		}
		done += t
	}
	return s.outputs, nil
}

// lastOutput returns the output at the last position that was read.
func (s *Session) lastOutput(ctx context.Context) ([]float32, error) {
	if !s.last.known {
		return nil, errors.New("gemma4: the session has no last position to tell the output of: append something first")
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.closed {
		return nil, ErrClosed
	}
	d := s.m.text
	if err := d.tailLast(ctx, &s.cache, &s.last); err != nil {
		return nil, err
	}
	s.outputs = append(s.outputs[:0], d.norm[:d.hidden]...)
	return s.outputs, nil
}

// logitsOf computes the logits, [n][vocab], of outputs, [n][hidden].
func (m *Model) logitsOf(outputs, logits []float32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.text.logits(outputs, len(outputs)/m.text.hidden, logits)
	return nil
}

// rowLogitsOf computes the logits of some tokens at one output, [hidden].
func (m *Model) rowLogitsOf(output []float32, rows []int, logits []float32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.text.rowLogits(output, rows, logits)
	return nil
}
