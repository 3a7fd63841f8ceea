package outbox

import (
	"fmt"
	"time"
)

// adopt takes the folder and reads what earlier processes left there. Messages
// that wait in memory because it could not be done earlier come after that and
// get new numbers: those that are on their way are delivered once more.
func (b *Outbox) adopt() error {
	if err := b.folder.open(); err != nil {
		return err
	}
	bases, err := b.folder.bases()
	if err != nil {
		b.folder.close()
		return err
	}
	c := chain{at: b.now(), clock: time.Now().UnixMilli()}
	for _, base := range bases {
		b.readSegment(&c, base)
	}
	b.counts.Restored = 0
	for _, s := range c.segments {
		for i := range s.slots {
			if s.slots[i].number <= c.cursor {
				s.bury(i)
			}
		}
		b.counts.Restored += s.count()
	}
	b.renumber(max(c.last, c.cursor, c.spare))
	b.segments = append(c.segments, b.segments...)
	b.noted = c.cursor
	b.adopted = true
	b.sweep()
	if n := b.counts.Restored; n > 0 {
		b.log.Info("messages of earlier are in the "+b.opts.Name, "folder", b.opts.Dir, "waiting", n)
	}
	return nil
}

// chain is what the files of a folder hold together.
type chain struct {
	segments []*segment
	last     uint64 // newest number
	spare    uint64 // numbers up to here may be in files that cannot be read
	cursor   uint64 // newest cursor
	at       int64  // when it is read, in the outbox's milliseconds
	clock    int64  // the same by the clock
}

// readSegment reads one file, whatever is in it.
func (b *Outbox) readSegment(c *chain, base uint64) {
	s := &segment{base: base}
	content, err := b.folder.read(s.name())
	if err != nil {
		b.log.Warn("a part of the "+b.opts.Name+" cannot be read and is left alone", "err", err)
		c.spare = max(c.spare, base+maxSegmentFile/recordHead)
		return
	}
	f := scan(content, base)
	s.size = int64(len(content))
	s.intact = f.end >= headerSize && (len(f.damage) == 0 || len(f.damage) == 1 && f.damage[0].off == f.end)
	if s.intact {
		s.size = int64(f.end)
	}
	c.cursor = max(c.cursor, f.cursor)
	c.last = max(c.last, base-min(base, 1))
	for _, d := range f.damage {
		b.damaged(content, s, d)
	}
	for _, r := range f.records {
		if r.number <= c.last {
			continue // a segment before it has it
		}
		c.last = r.number
		s.add(slot{number: r.number, at: c.at - c.age(r.time), off: uint32(r.off), size: uint32(r.size()), priority: r.priority})
	}
	c.segments = append(c.segments, s)
}

// age of a record in milliseconds. One whose time makes no sense was written
// before the clock was set, and is as old as this process.
func (c *chain) age(written int64) int64 {
	if written < clockFloor || written > c.clock {
		return 0
	}
	return c.clock - written
}

// damaged counts bytes that are no record, and keeps them for a look unless
// they are the torn end of a file, as a power cut leaves it.
func (b *Outbox) damaged(content []byte, s *segment, d span) {
	piece := content[d.off:][:d.size]
	if d.off+d.size == len(content) {
		b.counts.TornCut += int64(d.size)
		b.log.Warn("the end of a file of the "+b.opts.Name+" was torn and is cut; a power cut does that", "file", s.name(), "bytes", d.size)
		return
	}
	b.counts.BadBytes += int64(d.size)
	if h, ok := parseHead(piece, s.base); ok && h.kind == kindMessage {
		b.dropped(h.priority, Damaged)
	}
	b.log.Warn("a file of the "+b.opts.Name+" has bytes that are no message; they are skipped", "file", s.name(), "offset", d.off, "bytes", d.size)
	b.keepBad(fmt.Sprintf("%s.%d", s.name(), d.off), piece)
}

// renumber moves the messages in memory behind the given number.
func (b *Outbox) renumber(last uint64) {
	shift := last
	if len(b.segments) == 0 {
		b.last = max(b.last, last)
		return
	}
	if last < b.segments[0].base {
		shift = 0
	}
	b.last += shift
	for _, s := range b.segments {
		content := appendHeader(nil, s.base+shift, 0)
		var slots []slot
		for _, sl := range s.slots[s.head:] {
			h, body, err := b.load(s, sl)
			if sl.dead || err != nil {
				continue
			}
			h.number += shift
			sl.number, sl.off = h.number, uint32(len(content))
			content = appendRecord(content, s.base+shift, h, body)
			slots = append(slots, sl)
		}
		s.base += shift
		s.become(content, slots)
		s.data = content
	}
}
