package outbox

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
)

// This file has the chain of segments: where the next record goes, where a
// number is, and what goes when room runs out. Callers hold the lock.

// usable is how much of a bound live messages may take. The rest is for what is
// acknowledged or dropped and not yet cleared away, so that clearing away is
// seldom and worth its writes.
func usable(bound int64) int64 { return bound / 8 * 7 }

// room returns the segment that takes a record of that size.
func (b *Outbox) room(size int64) *segment {
	if s := b.active; s != nil && (s.size == headerSize || s.size+size <= b.segmentBytes) {
		return s
	}
	b.seal()
	if b.durable() {
		s, err := b.continued(size)
		if s == nil && err == nil {
			s, err = b.created()
		}
		if err == nil {
			b.active = s
			b.sweep()
			return s
		}
		b.degrade(err)
	}
	s := &segment{base: b.freeBase(), intact: true, size: headerSize}
	s.data = appendHeader(nil, s.base, b.cursor())
	b.segments = append(b.segments, s)
	b.active = s
	b.sweep()
	return s
}

// continued returns the last file if there is room in it.
func (b *Outbox) continued(size int64) (*segment, error) {
	s := b.newest()
	if s == nil || s.inMemory() || !s.intact || s.size+size > b.segmentBytes {
		return nil, nil
	}
	if s.file == nil {
		file, err := b.folder.reopen(s.name(), s.size)
		if errors.Is(err, fs.ErrNotExist) { // somebody cleared the folder
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		s.file = file
	}
	return s, nil
}

// maxTries is how many names of files are tried.
const maxTries = 16

// created makes a new file.
func (b *Outbox) created() (*segment, error) {
	cursor := b.cursor()
	var s *segment
	for try := 0; ; try++ {
		s = &segment{base: b.freeBase(), intact: true, size: headerSize}
		var err error
		if s.file, err = b.folder.create(s.name(), appendHeader(nil, s.base, cursor)); err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) || try == maxTries {
			return nil, err
		}
		b.last++ // something else has that name
	}
	b.noted = cursor
	b.segments = append(b.segments, s)
	b.dirty[s] = true
	b.dirDirty = true
	return s, nil
}

// freeBase returns the base of a new segment: the next number, unless an empty
// segment has it already.
func (b *Outbox) freeBase() uint64 {
	if s := b.newest(); s != nil && s.base > b.last {
		b.last = s.base
	}
	return b.last + 1
}

func (b *Outbox) newest() *segment {
	if len(b.segments) == 0 {
		return nil
	}
	return b.segments[len(b.segments)-1]
}

// seal ends the active segment. Its file stays open until it is synced.
func (b *Outbox) seal() {
	if s := b.active; s != nil && s.file != nil && !b.dirty[s] {
		s.file.Close()
		s.file = nil
	}
	b.active = nil
}

// sweep removes the segments in which nothing waits, but for the last: it knows
// the newest number.
func (b *Outbox) sweep() {
	b.segments = slices.DeleteFunc(b.segments, func(s *segment) bool {
		gone := s.count() == 0 && s != b.newest() && s != b.active
		if gone {
			b.discard(s)
		}
		return gone
	})
}

// discard removes the file of a segment.
func (b *Outbox) discard(s *segment) {
	b.reader.forget(s)
	delete(b.dirty, s)
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	if s.inMemory() {
		return
	}
	// What cannot be removed is removed after the next start; every number in
	// it is acknowledged or dropped.
	if err := b.folder.remove(s.name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.log.Debug("a part of the "+b.opts.Name+" that is done could not be removed", "err", err)
	}
}

// holding returns the index of the first segment that may hold the number or a
// later one.
func (b *Outbox) holding(number uint64) int {
	i, found := slices.BinarySearchFunc(b.segments, number, func(s *segment, n uint64) int { return cmp.Compare(s.base, n) })
	if !found && i > 0 {
		i--
	}
	return i
}

// lookup returns where the live message with that number is.
func (b *Outbox) lookup(number uint64) (*segment, int) {
	k := b.holding(number)
	if k >= len(b.segments) {
		return nil, 0
	}
	s := b.segments[k]
	i := s.find(number)
	if i == len(s.slots) || s.slots[i].number != number || s.slots[i].dead {
		return nil, 0
	}
	return s, i
}

// first returns the oldest live message.
func (b *Outbox) first() (*segment, int) {
	for _, s := range b.segments {
		if s.head < len(s.slots) {
			return s, s.head
		}
	}
	return nil, 0
}

// cursor is the newest number up to which nothing waits.
func (b *Outbox) cursor() uint64 {
	if s, i := b.first(); s != nil {
		return s.slots[i].number - 1
	}
	return b.last
}

// bury makes a message dead, and its segment when it was the last one there.
func (b *Outbox) bury(s *segment, i int) {
	s.bury(i)
	if s.count() == 0 {
		if s.inMemory() {
			s.data = appendHeader(s.data[:0], s.base, 0)
			s.become(s.data, nil)
		}
		b.sweep()
	}
	if b.full && b.len() == 0 {
		b.full = false
		b.log.Warn("the "+b.opts.Name+" is empty again; messages were lost while it was full", "dropped", b.totalDropped())
	}
}

// giveUp drops a message and counts it.
func (b *Outbox) giveUp(s *segment, i int, why Reason) {
	b.dropped(s.slots[i].priority, why)
	b.bury(s, i)
}

func (b *Outbox) dropped(p Priority, why Reason) {
	b.drops[p.index()][slices.Index(reasons(), why)]++
	if !b.full && !b.opts.Ring && (why == Full || why == Expired) {
		b.full = true
		b.log.Warn("the "+b.opts.Name+" is full or its messages are too old; the oldest announcements are dropped first, then the oldest of the others",
			"why", string(why), "waiting", b.len())
	}
}

func (b *Outbox) totalDropped() (n uint64) {
	for _, byReason := range b.drops {
		for _, d := range byReason {
			n += d
		}
	}
	return n
}

// expire drops what is older than the bound.
func (b *Outbox) expire() {
	limit := b.now() - b.opts.MaxAge.Milliseconds()
	for {
		s, i := b.first()
		if s == nil || s.slots[i].at >= limit {
			return
		}
		b.giveUp(s, i, Expired)
	}
}

// makeRoom drops messages of at most that priority until one of that size fits.
func (b *Outbox) makeRoom(p Priority, size int64) bool {
	for {
		all, memory := b.sizes((*segment).liveBytes)
		switch {
		case !b.durable() && memory+size > usable(b.opts.MaxMemory):
			if !b.dropOldest(p, (*segment).inMemory) {
				return false
			}
		case all+size > usable(b.opts.MaxBytes):
			if !b.dropOldest(p, func(*segment) bool { return true }) {
				return false
			}
		default:
			return true
		}
	}
}

func (s *segment) liveBytes() int64 { return s.bytes }
func (s *segment) allBytes() int64  { return s.size }

// sizes adds up a size over all segments and over those in memory.
func (b *Outbox) sizes(of func(*segment) int64) (all, memory int64) {
	for _, s := range b.segments {
		all += of(s)
		if s.inMemory() {
			memory += of(s)
		}
	}
	return all, memory
}

// dropOldest drops the oldest message of the lowest priority that there is, but
// of none above the given.
func (b *Outbox) dropOldest(highest Priority, among func(*segment) bool) bool {
	for p := Low; p <= highest; p++ {
		for _, s := range b.segments {
			if s.live[p.index()] > 0 && among(s) {
				b.giveUp(s, s.oldest(p), Full)
				return true
			}
		}
	}
	return false
}
