package outbox

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// This file reads records back and writes segments anew without what is dead.
// Callers hold the lock.

// errDamaged says that a record is not what was written.
var errDamaged = errors.New("its checksum does not fit")

// ahead is how much is read at once, in bytes.
const ahead = 64 << 10

// reader holds a piece of one segment's file.
type reader struct {
	of   *segment
	file *os.File
	from int64
	buf  []byte
}

func (r *reader) forget(s *segment) {
	if r.of != s {
		return
	}
	if r.file != nil {
		r.file.Close()
	}
	r.of, r.file, r.buf = nil, nil, r.buf[:0]
}

// bytes returns a piece of the file. It is valid until the next call.
func (r *reader) bytes(f *folder, s *segment, off, size int64) ([]byte, error) {
	if r.of != s {
		r.forget(r.of)
		file, err := os.Open(f.join(s.name()))
		if err != nil {
			return nil, err
		}
		r.of, r.file = s, file
	}
	if off < r.from || off+size > r.from+int64(len(r.buf)) {
		n := max(size, min(ahead, s.size-off))
		if int64(cap(r.buf)) < n {
			r.buf = make([]byte, n)
		}
		r.buf = r.buf[:n]
		r.from = off
		if _, err := r.file.ReadAt(r.buf, off); err != nil {
			r.buf = r.buf[:0]
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: the file is too short", errDamaged)
			}
			return nil, err
		}
	}
	return r.buf[off-r.from:][:size], nil
}

// raw returns the bytes of a record as they are. They are valid until the next
// record is read.
func (b *Outbox) raw(s *segment, sl slot) ([]byte, error) {
	if s.inMemory() {
		return s.data[sl.off:][:sl.size], nil
	}
	return b.reader.bytes(b.folder, s, int64(sl.off), int64(sl.size))
}

// load returns a record and checks it.
func (b *Outbox) load(s *segment, sl slot) (head, []byte, error) {
	record, err := b.raw(s, sl)
	if err != nil {
		return head{}, nil, err
	}
	h, ok := parseHead(record, s.base)
	if !ok || h.number != sl.number || h.size() != len(record) {
		return head{}, nil, errDamaged
	}
	body, ok := h.body(record, s.base)
	if !ok {
		return head{}, nil, errDamaged
	}
	return h, body, nil
}

// spoiled keeps the bytes of a record for a look.
func (b *Outbox) spoiled(s *segment, sl slot) {
	if b.folder == nil {
		return
	}
	if record, err := b.raw(s, sl); err == nil {
		b.keepBad(fmt.Sprintf("message-%d", sl.number), record)
	}
}

func (b *Outbox) keepBad(name string, content []byte) {
	if path := b.folder.keepBad(name, content); path != "" {
		b.log.Warn("what was bad in the "+b.opts.Name+" is kept for a look", "file", path)
	}
}

// tidy writes segments anew while they take more than the bounds.
func (b *Outbox) tidy() {
	for {
		all, memory := b.sizes((*segment).allBytes)
		switch {
		case memory > b.opts.MaxMemory && b.compact((*segment).inMemory):
		case b.durable() && all > b.opts.MaxBytes && b.compact(func(s *segment) bool { return !s.inMemory() }):
		default:
			return
		}
	}
}

// compact writes that segment anew which gains most. It tells whether it did.
func (b *Outbox) compact(among func(*segment) bool) bool {
	var s *segment
	for _, c := range b.segments {
		if among(c) && c.waste() > 0 && (s == nil || c.waste() > s.waste()) {
			s = c
		}
	}
	if s == nil {
		return false
	}
	content, slots := b.gather(s)
	if s.inMemory() {
		s.become(content, slots)
		s.data = content
		return true
	}
	return b.rewrite(s, content, slots) == nil
}

// gather returns what a segment would be without its dead messages. What
// cannot be read is given up.
func (b *Outbox) gather(s *segment) (content []byte, slots []slot) {
	content = appendHeader(make([]byte, 0, headerSize+s.bytes), s.base, b.cursor())
	for i := s.head; i < len(s.slots); i++ {
		sl := s.slots[i]
		if sl.dead {
			continue
		}
		record, err := b.raw(s, sl)
		if err != nil {
			b.log.Warn("a message in the "+b.opts.Name+" cannot be read back and is lost", "number", sl.number, "err", err)
			b.dropped(sl.priority, Damaged)
			continue
		}
		sl.off = uint32(len(content))
		content = append(content, record...)
		slots = append(slots, sl)
	}
	return content, slots
}

// rewrite makes the content the segment's file, whether it has one or not. On
// failure the segment is as it was.
func (b *Outbox) rewrite(s *segment, content []byte, slots []slot) error {
	if b.active == s {
		b.seal()
	}
	file, err := b.folder.replace(s.name(), content)
	if err != nil {
		b.degrade(err)
		return err
	}
	file.Close() // it is synced
	b.reader.forget(s)
	delete(b.dirty, s)
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	s.become(content, slots)
	s.data = nil
	s.intact = true
	b.dirDirty = true
	return nil
}

// become takes over what gather found.
func (s *segment) become(content []byte, slots []slot) {
	s.size = int64(len(content))
	s.slots, s.head, s.live, s.bytes = nil, 0, [priorities]int{}, 0
	for _, sl := range slots {
		s.add(sl)
	}
}
