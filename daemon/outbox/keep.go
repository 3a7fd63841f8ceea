package outbox

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// keep is the goroutine that syncs what was written and tries a failed disk
// again. It does nothing while nothing happens.
func (b *Outbox) keep() {
	defer close(b.stopped)
	var retryAt time.Time
	for {
		var retry <-chan time.Time
		if b.troubled() {
			if retryAt.IsZero() {
				retryAt = time.Now().Add(b.opts.RetryEvery)
			}
			retry = time.After(time.Until(retryAt))
		}
		select {
		case <-b.stop:
			return
		case <-retry:
			retryAt = time.Time{}
			b.mu.Lock()
			b.recover()
			b.mu.Unlock()
			continue
		case <-b.stir:
		}
		// What else comes within the interval shares the fsync, and what is
		// acknowledged by then needs none.
		select {
		case <-b.stop:
			return
		case <-time.After(b.opts.SyncEvery):
		}
		b.flush(false)
	}
}

func (b *Outbox) troubled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.folder != nil && b.problem != ""
}

// flush notes what was acknowledged and syncs, if anything waits that a power
// cut could take, or always.
func (b *Outbox) flush(always bool) {
	b.mu.Lock()
	b.note()
	if b.folder == nil || b.folder.dir == nil || b.len() == 0 && !always {
		b.mu.Unlock()
		return
	}
	files := map[*segment]*os.File{}
	for s := range b.dirty {
		files[s] = s.file
	}
	clear(b.dirty)
	dir := b.dirDirty
	b.dirDirty = false
	b.mu.Unlock()

	failed := map[*segment]error{}
	for s, f := range files {
		if err := b.folder.sync(f); err != nil && !errors.Is(err, os.ErrClosed) { // closed: removed in the meantime
			failed[s] = err
		}
	}
	var dirErr error
	if dir {
		dirErr = b.folder.sync(b.folder.dir)
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range files {
		if s != b.active && !b.dirty[s] && s.file != nil {
			s.file.Close()
			s.file = nil
		}
	}
	for s, err := range failed {
		b.distrust(s, err)
	}
	if dirErr != nil {
		b.dirDirty = true
		b.degrade(dirErr)
	}
}

// note writes down how far everything is acknowledged, so that a restart does
// not send it again.
func (b *Outbox) note() {
	cursor := b.cursor()
	if !b.durable() || cursor <= b.noted {
		return
	}
	s := b.room(recordHead)
	if s.inMemory() || b.noted >= cursor { // the room may be new, and its header says it
		return
	}
	b.scratch = appendRecord(b.scratch[:0], s.base, head{number: cursor, time: time.Now().UnixMilli(), kind: kindAck}, nil)
	if err := b.extend(s, b.scratch); err != nil {
		b.degrade(err)
		return
	}
	b.noted = cursor
}

// distrust takes a segment whose fsync failed back into memory: what the kernel
// then still holds of it may never reach the disk.
func (b *Outbox) distrust(s *segment, err error) {
	b.degrade(err)
	if s.inMemory() {
		return
	}
	content, slots := b.gather(s)
	b.reader.forget(s)
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	delete(b.dirty, s)
	s.become(content, slots)
	s.data = content
}

// degrade goes on in memory, because of err.
func (b *Outbox) degrade(err error) {
	b.seal()
	if what := b.explain(err); what != b.problem {
		b.problem = what
		b.log.Warn(what, "err", err)
	}
	b.wakeKeeper()
}

// explain says what err means for the owner of the board.
func (b *Outbox) explain(err error) string {
	why := "cannot be used"
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		why = "cannot grow: the disk is full, make room on it"
	case errors.Is(err, syscall.EROFS):
		why = "cannot be written: its file system is read-only, which may come from a damaged SD card"
	case errors.Is(err, os.ErrPermission):
		why = "cannot be used: this user has no permission, correct its owner"
	case errors.Is(err, errTaken):
		why = "is used by another process, stop one of them"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST):
		why = "cannot be made: something else than a folder has that name"
	case errors.Is(err, syscall.EIO):
		why = "cannot be used: the disk fails"
	}
	return fmt.Sprintf("the folder of the %s, %s, %s; meanwhile messages wait in memory (%d MB at most) and would not survive a restart",
		b.opts.Name, b.opts.Dir, why, (b.opts.MaxMemory+1<<19)>>20)
}

// recover tries to leave the memory for the disk.
func (b *Outbox) recover() {
	if err := b.leaveMemory(); err != nil {
		b.degrade(err)
		return
	}
	if b.problem != "" {
		b.problem = ""
		b.log.Warn("the "+b.opts.Name+" is on disk again", "folder", b.opts.Dir, "waiting", b.len())
		b.wakeKeeper() // the folder wants its fsync
	}
}

func (b *Outbox) leaveMemory() error {
	if !b.adopted {
		if err := b.adopt(); err != nil {
			return err
		}
	} else {
		b.folder.close() // it may have been unplugged, or removed and made again
		if err := b.folder.open(); err != nil {
			return err
		}
	}
	if err := b.folder.writable(); err != nil {
		return err
	}
	if _, memory := b.sizes((*segment).allBytes); memory > 0 {
		if err := b.folder.free(memory); err != nil {
			return err
		}
	}
	b.active = nil
	b.sweep()
	for _, s := range b.segments {
		if !s.inMemory() {
			continue
		}
		content, slots := b.gather(s)
		if err := b.rewrite(s, content, slots); err != nil {
			return err
		}
	}
	return nil
}

// Close syncs everything and gives the folder back. The error says that messages
// are lost because they were in memory, which is logged too. Later calls do
// nothing.
func (b *Outbox) Close() error { return b.close() }

func (b *Outbox) end() error {
	close(b.stop)
	<-b.stopped
	b.mu.Lock()
	if b.folder != nil && b.problem != "" {
		b.recover()
	}
	b.mu.Unlock()
	b.flush(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.seal()
	var err error
	if n := b.len(); n > 0 && !b.durable() && b.folder != nil {
		err = fmt.Errorf("outbox: %d messages in memory are lost: %s", n, b.problem)
		b.log.Warn("messages that waited in memory are lost", "messages", n, "why", b.problem)
	}
	for _, s := range b.segments {
		b.reader.forget(s)
		if s.file != nil {
			s.file.Close()
		}
	}
	if b.folder != nil {
		b.folder.close()
	}
	return err
}
