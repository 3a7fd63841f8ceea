package app

import (
	"io"
	"log/slog"

	"sensed/daemon/config"
)

// Log is the daemon's log. How much it tells may change while it is used.
type Log struct {
	*slog.Logger
	level *slog.LevelVar
}

// NewLog makes the log that a configuration asks for.
func NewLog(l config.Log, w io.Writer) *Log {
	level := new(slog.LevelVar)
	o := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, o)
	if l.Format == "json" {
		h = slog.NewJSONHandler(w, o)
	}
	log := &Log{slog.New(h), level}
	log.set(l)
	return log
}

// set follows a configuration, which was checked, as far as a log in use can.
func (l *Log) set(c config.Log) {
	var level slog.Level // info
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	l.level.Set(level)
}
