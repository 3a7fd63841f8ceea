package gemma4

import (
	"context"
	"slices"
	"sync"
)

// stems are sessions that have read the beginning of a prompt that others will
// share. Every question about a picture begins with the picture; every sound
// comes after the same instruction. A question forks the stem and reads only
// what is its own.
type stems struct {
	mu    sync.Mutex // guards the lists; taken before the model's own
	media stemList   // up to the end of the first picture or sound
	text  stemList   // an instruction before the first sound or picture
}

// stemList holds stems, the one used last first. When it is full, the one that
// was not used for longest goes.
type stemList []stem

type stem struct {
	spans   []Span
	session *Session
}

const (
	// stemMemory is how many stems of each kind are kept.
	stemMemory = 4
	// instruction is from how many tokens on a text before the media counts as
	// one: fewer are just the turn's opening.
	instruction = 16
)

// begin returns a session that has read the prompt, with room for more tokens.
// The caller closes it. What the prompt has in common with an earlier one is
// not read again.
func (m *Model) begin(ctx context.Context, p Prompt, more int) (s *Session, err error) {
	list, head, tail := m.stems.split(p.Spans)
	if list == nil {
		s = m.NewSession()
	} else if s, err = m.stem(ctx, list, head); err != nil {
		return nil, err
	}
	s.Reserve(len(p.IDs) + more)
	if err := s.Append(ctx, tail...); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// split cuts the spans of a prompt after its stem and names the list that the
// stem belongs to; nil when it has none.
func (s *stems) split(spans []Span) (list *stemList, head, tail []Span) {
	soft := slices.IndexFunc(spans, func(x Span) bool { return x.Soft != nil })
	if soft < 0 {
		return nil, nil, spans
	}
	before := 0
	for _, x := range spans[:soft] {
		before += len(x.IDs)
	}
	if before >= instruction {
		return &s.text, spans[:soft], spans[soft:]
	}
	return &s.media, spans[:soft+1], spans[soft+1:]
}

// stem returns a session that has read head: a fork of the stem that has, or of
// a new one.
func (m *Model) stem(ctx context.Context, l *stemList, head []Span) (*Session, error) {
	if s := m.stems.find(l, head); s != nil {
		return s, nil
	}
	s := m.NewSession()
	if err := s.Append(ctx, head...); err != nil {
		s.Close()
		return nil, err
	}
	m.stems.add(l, stem{slices.Clone(head), s.Fork()})
	return s, nil
}

// find returns a fork of the stem that has read head, nil when there is none.
func (s *stems) find(l *stemList, head []Span) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range *l {
		if slices.EqualFunc(e.spans, head, sameSpan) {
			copy((*l)[1:i+1], (*l)[:i])
			(*l)[0] = e
			return e.session.Fork()
		}
	}
	return nil
}

// add keeps a stem, in place of the one that was not used for longest.
func (s *stems) add(l *stemList, e stem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(*l) < stemMemory {
		*l = append(*l, stem{})
	} else {
		(*l)[len(*l)-1].session.Close()
	}
	copy((*l)[1:], *l)
	(*l)[0] = e
}

func sameSpan(a, b Span) bool {
	if len(a.Soft) > 0 && len(a.Soft) == len(b.Soft) && &a.Soft[0] == &b.Soft[0] {
		return slices.Equal(a.IDs, b.IDs) // the same memory: a remembered picture
	}
	return slices.Equal(a.IDs, b.IDs) && slices.Equal(a.Soft, b.Soft)
}
