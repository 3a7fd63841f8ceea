package app

import (
	"log/slog"
	"os"
	"path/filepath"

	"sensed/daemon/config"
	"sensed/daemon/mqtt"
	"sensed/daemon/outbox"
)

// openOutbox opens the outbox that a configuration asks for. Without a path it
// lies in the service's own folder, and in memory when there is none.
func openOutbox(c *config.Config, log *slog.Logger) (*outbox.Outbox, error) {
	dir := c.Outbox.Path
	if state := os.Getenv("STATE_DIRECTORY"); dir == "" && filepath.IsAbs(state) {
		dir = filepath.Join(state, "outbox")
	}
	if dir == "" {
		log.Info("events wait for the broker in memory only; set outbox.path to keep them across restarts")
	}
	o, err := outbox.Open(outbox.Options{Dir: dir, MaxBytes: int64(c.Outbox.Megabytes) << 20, MaxAge: c.Outbox.Age, Log: log})
	return o, as(BadConfig, err)
}

// publishing is what a configuration says about MQTT.
func publishing(c *config.Config, url string, log *slog.Logger) mqtt.Options {
	b := c.Broker
	return mqtt.Options{
		Node: c.Node, URL: url, Fallbacks: b.Fallbacks, ClientID: b.ClientID,
		Username: b.Username, PasswordFile: b.PasswordFile,
		CAFile: b.CAFile, CertFile: b.CertFile, KeyFile: b.KeyFile, ServerName: b.ServerName,
		Log: log, Drain: outboxDrain,
	}
}
