package app

import (
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"sensed/daemon/config"
	"sensed/daemon/outbox"
)

// archiveSync is how much of the timeline a power cut may take: what comes within
// that time goes to the disk with one fsync.
const archiveSync = 30 * time.Second

// archive keeps the timeline of the page on disk, in an outbox that nobody
// empties: its oldest records go when there is no more room, or with their age.
type archive struct {
	box *outbox.Outbox
	log *slog.Logger
}

// openArchive opens the archive that a configuration asks for; nil: none.
func openArchive(w config.Web, log *slog.Logger) *archive {
	path := w.Timeline.Path
	if path == "" {
		path = filepath.Join(filepath.Dir(PasswordFile()), "timeline")
	}
	if w.Timeline.Keep == config.KeepNothing {
		if _, err := os.Stat(path); err == nil {
			log.Warn("the timeline is not kept any more, but what was kept is still there; remove the folder if it should go", "folder", path)
		}
		return nil
	}
	box, err := outbox.Open(outbox.Options{
		Dir: path, MaxBytes: int64(w.Megabytes) << 20, MaxAge: w.Timeline.Age, SyncEvery: archiveSync,
		Name: "timeline", Ring: true, Log: log,
	})
	if err != nil { // the configuration was checked
		log.Warn("the timeline is not kept", "err", err)
		return nil
	}
	return &archive{box, log}
}

// Append adds a record.
func (a *archive) Append(record []byte) error { return a.box.Append(outbox.Message{Body: record}) }

// Records are those that it holds, oldest first.
func (a *archive) Records() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		last := uint64(0)
		for {
			e, ok := a.box.Peek(last)
			if !ok || !yield(e.Body) {
				return
			}
			last = e.Number
		}
	}
}

func (a *archive) close() {
	if err := a.box.Close(); err != nil {
		a.log.Warn("a part of the timeline is lost", "err", err)
	}
}
