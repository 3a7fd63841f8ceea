package outbox

import (
	"cmp"
	"fmt"
	"os"
	"slices"
)

// segment is a part of the queue: a file, or the same bytes in memory while
// there is no file to be had.
type segment struct {
	base  uint64 // the lowest number that it may hold
	size  int64  // bytes that count, header included
	slots []slot // by number; the messages only
	head  int    // slots before it are dead
	live  [priorities]int
	bytes int64 // of the records of live messages

	data   []byte   // everything, when in memory; nil when in a file
	file   *os.File // open for writing and fsync; nil when closed
	intact bool     // the header is whole and nothing but records follows

	failures int   // how often reading it failed
	pause    int64 // it is not read before that time, in milliseconds since the outbox was opened
}

// slot is where a message lies.
type slot struct {
	number   uint64
	at       int64  // when it was accepted, in milliseconds since the outbox was opened
	off      uint32 // of the record in the segment
	size     uint32 // of the whole record
	priority Priority
	dead     bool // acknowledged or given up
}

func (s *segment) inMemory() bool { return s.data != nil }

func (s *segment) count() int { return s.live[0] + s.live[1] + s.live[2] }

// waste is how many bytes a rewrite would free.
func (s *segment) waste() int64 { return s.size - headerSize - s.bytes }

func (s *segment) name() string { return fmt.Sprintf("%014x.seg", s.base) }

func (s *segment) add(sl slot) {
	s.slots = append(s.slots, sl)
	s.live[sl.priority.index()]++
	s.bytes += int64(sl.size)
}

// bury makes a slot dead.
func (s *segment) bury(i int) {
	sl := &s.slots[i]
	sl.dead = true
	s.live[sl.priority.index()]--
	s.bytes -= int64(sl.size)
	for s.head < len(s.slots) && s.slots[s.head].dead {
		s.head++
	}
}

// find returns the index of the first slot whose number is not below.
func (s *segment) find(number uint64) int {
	i, _ := slices.BinarySearchFunc(s.slots[s.head:], number, func(sl slot, n uint64) int { return cmp.Compare(sl.number, n) })
	return s.head + i
}

// oldest returns the first live slot of a priority.
func (s *segment) oldest(p Priority) int {
	for i := s.head; i < len(s.slots); i++ {
		if !s.slots[i].dead && s.slots[i].priority == p {
			return i
		}
	}
	return -1
}
