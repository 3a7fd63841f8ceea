package app

import (
	"io"
	"log/slog"
	"os"

	"github.com/coreos/go-systemd/v22/journal"

	"sensed/daemon/config"
)

// Log is the daemon's log. How much it tells may change while it is used.
type Log struct {
	*slog.Logger
	level *slog.LevelVar
	ring  *logRing // its last lines
}

// NewLog makes the log that a configuration asks for: on w, or in systemd's
// journal. There, and only there, fields can be chosen by.
func NewLog(l config.Log, w io.Writer) *Log {
	level := new(slog.LevelVar)
	ring := &logRing{}
	log := &Log{slog.New(limited(ringed{Handler: handler(l.Format, w, level), ring: ring})), level, ring}
	log.set(l)
	return log
}

func handler(format string, w io.Writer, level slog.Leveler) slog.Handler {
	o := &slog.HandlerOptions{Level: level}
	if format == "auto" {
		format = "text"
		if ours, err := journal.StderrIsJournalStream(); err == nil && ours && w == os.Stderr {
			format = "journal"
		}
	}
	switch format {
	case "json":
		return slog.NewJSONHandler(w, o)
	case "journal":
		return journalHandler{level: level, send: journal.Send}
	}
	return slog.NewTextHandler(w, o)
}

// set follows a configuration, which was checked, as far as a log in use can.
func (l *Log) set(c config.Log) {
	var level slog.Level // info
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	l.level.Set(level)
}
