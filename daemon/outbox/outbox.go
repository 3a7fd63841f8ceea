package outbox

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// The bounds of an outbox whose options leave them open.
const (
	DefaultBytes  = 64 << 20
	DefaultMemory = 8 << 20
	DefaultAge    = 7 * 24 * time.Hour
)

// MinBytes is the smallest bound in bytes.
const MinBytes = 64 << 10

// clockFloor is before any time at which this program ran: an earlier one comes
// from a board whose clock was not set yet.
const clockFloor = 1735689600000 // 2025-01-01, Unix milliseconds

// Options says where and how much to keep. Zero values mean their defaults.
type Options struct {
	Dir       string        // "": in memory only
	MaxBytes  int64         // on disk; [DefaultBytes]
	MaxMemory int64         // in memory, while the disk cannot be used; [DefaultMemory]
	MaxAge    time.Duration // [DefaultAge]

	Name string // in messages to people; "outbox"
	Ring bool   // that the oldest go when room runs out is how it is meant, and not logged

	SyncEvery  time.Duration // how long a message may wait for its fsync; 1 s
	RetryEvery time.Duration // how often a disk that failed is tried again; 30 s
	Log        *slog.Logger
}

// Outbox is the queue. Make it with [Open] and end it with [Outbox.Close]; its
// methods may be called from any goroutine. They may wait for the disk, as any
// write to a file may.
type Outbox struct {
	opts         Options
	segmentBytes int64
	born         time.Time // ages are counted from here, unmoved by a clock that is set
	log          *slog.Logger
	stir         chan struct{} // holds a token when the keeper has something to look at
	stop         chan struct{}
	stopped      chan struct{}
	close        func() error

	mu       sync.Mutex
	folder   *folder              // nil: in memory by choice
	adopted  bool                 // what the folder held was read
	problem  string               // why the folder cannot be used; "" when it can
	segments []*segment           // by number; those in memory, if any, last
	active   *segment             // the last one, when it takes more
	dirty    map[*segment]bool    // written to and not synced
	dirDirty bool                 // files were made or renamed since the folder was synced
	reader   reader               // of the segment that is peeked at
	scratch  []byte               // for one record
	last     uint64               // the newest number
	noted    uint64               // the newest cursor that was written
	closed   bool                 //
	full     bool                 // it is dropping, and that was logged
	drops    [priorities][]uint64 // by reason
	counts   State                // those fields that count since the start
}

// Open starts an outbox and reads what its folder holds. It fails only when the
// options make no sense; a folder that cannot be used is a state, see
// [Outbox.State].
func Open(o Options) (*Outbox, error) {
	if o.Log == nil {
		return nil, errors.New("outbox: a log is required")
	}
	o.setDefaults()
	for _, bound := range []struct {
		name  string
		bytes int64
	}{{"bytes", o.MaxBytes}, {"memory", o.MaxMemory}} {
		if bound.bytes < MinBytes {
			return nil, fmt.Errorf("outbox: a bound of %d bytes (%s) is too small, the least is %d", bound.bytes, bound.name, MinBytes)
		}
	}
	b := &Outbox{
		opts: o, segmentBytes: min(o.MaxBytes/16, o.MaxMemory/8, 1<<20), born: time.Now(), log: o.Log,
		stir: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
		dirty: map[*segment]bool{},
	}
	for i := range b.drops {
		b.drops[i] = make([]uint64, len(reasons()))
	}
	b.close = sync.OnceValue(b.end)
	if o.Dir != "" {
		b.folder = &folder{path: o.Dir}
		if err := b.adopt(); err != nil {
			b.degrade(err)
		} else if err := b.folder.writable(); err != nil {
			b.degrade(err)
		}
	}
	go b.keep()
	return b, nil
}

func (o *Options) setDefaults() {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultBytes
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = min(DefaultMemory, o.MaxBytes)
	}
	if o.MaxAge == 0 {
		o.MaxAge = DefaultAge
	}
	if o.Name == "" {
		o.Name = "outbox"
	}
	if o.SyncEvery == 0 {
		o.SyncEvery = time.Second
	}
	if o.RetryEvery == 0 {
		o.RetryEvery = 30 * time.Second
	}
}

// Append adds a message at the end; see the package comment for what that
// promises. Without room, messages are dropped: the oldest of the lowest
// priority first, m itself if all others matter more. The error says that m can
// never be kept.
func (b *Outbox) Append(m Message) error {
	size := int64(recordHead + len(m.Body))
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return errors.New("outbox: it is closed")
	case !m.Priority.valid():
		return fmt.Errorf("outbox: there is no priority %d", m.Priority)
	case len(m.Body) > MaxBody || size > usable(min(b.opts.MaxBytes, b.opts.MaxMemory)):
		return fmt.Errorf("outbox: a message of %d bytes is too large", len(m.Body))
	}
	b.counts.Accepted++
	b.expire()
	if !b.makeRoom(m.Priority, size) {
		b.last++
		b.dropped(m.Priority, Full)
		return nil
	}
	b.put(m, size)
	b.tidy()
	b.wakeKeeper()
	return nil
}

// put writes m to the end of the active segment, and to one in memory when that
// fails.
func (b *Outbox) put(m Message, size int64) {
	for {
		s := b.room(size)
		h := head{number: b.last + 1, time: time.Now().UnixMilli(), kind: kindMessage, priority: m.Priority}
		b.scratch = appendRecord(b.scratch[:0], s.base, h, m.Body)
		if err := b.extend(s, b.scratch); err != nil {
			b.degrade(err)
			continue // in memory, where nothing fails
		}
		s.add(slot{number: h.number, at: b.now(), off: uint32(s.size - size), size: uint32(size), priority: m.Priority})
		b.last = h.number
		return
	}
}

// extend adds a record to a segment.
func (b *Outbox) extend(s *segment, record []byte) error {
	if s.inMemory() {
		s.data = append(s.data, record...)
	} else {
		if err := b.folder.write(s.file, record, s.size); err != nil {
			return err
		}
		b.dirty[s] = true
	}
	s.size += int64(len(record))
	return nil
}

// Peek returns the oldest message whose number is above after. It stays until
// [Outbox.Ack] or [Outbox.Quarantine]. A message that the disk has damaged is
// put into quarantine and not returned.
func (b *Outbox) Peek(after uint64) (Entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return Entry{}, false
	}
	b.expire()
	for k := b.holding(after + 1); k < len(b.segments); {
		s := b.segments[k]
		i := s.find(after + 1)
		for i < len(s.slots) && s.slots[i].dead {
			i++
		}
		if i == len(s.slots) || s.pause > b.now() {
			k++
			continue
		}
		sl := s.slots[i]
		h, body, err := b.load(s, sl)
		switch {
		case err == nil:
			return Entry{Number: sl.number, Accepted: time.UnixMilli(h.time), Message: Message{Priority: sl.priority, Body: slices.Clone(body)}}, true
		case !errors.Is(err, errDamaged) && s.failures < maxFailures:
			s.failures++
			s.pause = b.now() + b.opts.RetryEvery.Milliseconds()
			b.log.Warn("a part of the "+b.opts.Name+" cannot be read now; it is tried again", "err", err)
		default:
			b.log.Warn("a message in the "+b.opts.Name+" was damaged on the disk and is lost", "number", sl.number, "err", err)
			b.spoiled(s, sl)
			b.giveUp(s, i, Damaged)
			k = b.holding(after + 1) // the segment may be gone
		}
	}
	return Entry{}, false
}

// maxFailures is how often reading may fail before the message is given up.
const maxFailures = 3

// Ack forgets the message with that number. It was not held any more when it
// was dropped while it was on its way; that is no error.
func (b *Outbox) Ack(number uint64) (held bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, i := b.lookup(number)
	if s == nil || b.closed {
		return false
	}
	b.bury(s, i)
	b.counts.Acked++
	if b.cursor() >= b.noted+noteEvery {
		b.note()
	}
	b.wakeKeeper()
	return true
}

// noteEvery bounds how many acknowledgements a kill can undo while there are
// many of them; a few at a time are noted with the next fsync.
const noteEvery = 64

// Quarantine gives up the message with that number because whoever peeked
// cannot use it; reason is for the log. Its bytes are kept for a look.
func (b *Outbox) Quarantine(number uint64, reason error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, i := b.lookup(number)
	if s == nil || b.closed {
		return
	}
	b.log.Warn("a message in the "+b.opts.Name+" cannot be used and is put into quarantine", "number", number, "err", reason)
	b.spoiled(s, s.slots[i])
	b.giveUp(s, i, Refused)
	b.wakeKeeper()
}

// Len returns how many messages wait.
func (b *Outbox) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.len()
}

func (b *Outbox) len() (n int) {
	for _, s := range b.segments {
		n += s.count()
	}
	return n
}

// State returns how the outbox is.
func (b *Outbox) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.counts
	st.Durable = b.durable()
	st.Problem = b.problem
	st.Last = b.last
	st.Segments = len(b.segments)
	for _, s := range b.segments {
		st.Messages += s.count()
		st.Bytes += s.bytes
		if s.inMemory() {
			st.Memory += s.size
		} else {
			st.Disk += s.size
		}
	}
	if s, i := b.first(); s != nil {
		st.Oldest = b.born.Add(time.Duration(s.slots[i].at) * time.Millisecond)
	}
	for p, byReason := range b.drops {
		for r, n := range byReason {
			if n > 0 {
				st.Drops = append(st.Drops, Drop{(Low + Priority(p)).String(), reasons()[r], n})
			}
		}
	}
	if b.folder != nil {
		st.Writes, st.Syncs = b.folder.writes.Load(), b.folder.syncs.Load()
	}
	return st
}

func (b *Outbox) durable() bool { return b.folder != nil && b.problem == "" }

// now is the time since the outbox was opened, in milliseconds.
func (b *Outbox) now() int64 { return time.Since(b.born).Milliseconds() }

func (b *Outbox) wakeKeeper() {
	select {
	case b.stir <- struct{}{}:
	default:
	}
}
