package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"sensed/daemon/config"
)

// FoundProblem is a mistake in what `sensed config check --json` prints.
type FoundProblem struct {
	Line   int    `json:"line,omitempty"` // from 1, as the column
	Column int    `json:"column,omitempty"`
	Field  string `json:"field,omitempty"` // such as sources[0].name
	What   string `json:"what"`
	Hint   string `json:"hint,omitempty"`
}

// CheckConfig tells whether a configuration is right.
func CheckConfig(path string, asJSON bool, out io.Writer) error {
	c, err := Load(path)
	outdated := []FoundProblem{}
	if c != nil {
		for _, p := range c.Outdated() {
			outdated = append(outdated, FoundProblem(p))
		}
	}
	if asJSON {
		problems := []FoundProblem{}
		var bad *config.Error
		if errors.As(err, &bad) {
			for _, p := range bad.Problems {
				problems = append(problems, FoundProblem(p))
			}
		}
		if err == nil || bad != nil {
			return errors.Join(err, writeJSON(out, map[string]any{"file": path, "problems": problems, "outdated": outdated}))
		}
	}
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(out, "%s is right: node %s, %d sources, %d triggers\n", path, c.Node, len(c.Sources), len(c.Triggers)); err != nil {
		return err
	}
	for _, p := range c.Outdated() {
		if _, err := fmt.Fprintf(out, "%s:%s\n", path, p); err != nil {
			return err
		}
	}
	return nil
}

// CheckRun tells whether the daemon could work with a configuration that is
// right: it opens the model, and nothing else.
func CheckRun(path string, c *config.Config, out io.Writer) error {
	m := configured(c)
	m.Packed = config.PackedOff // making that file is the daemon's
	engine, err := m.open(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	name := engine.Model()
	if err := engine.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s is right: node %s, %d sources, %d triggers, model %s\n", path, c.Node, len(c.Sources), len(c.Triggers), name)
	return err
}

// configured is the model that a configuration wants.
func configured(c *config.Config) Model {
	m := c.Model
	return Model{Text: m.Text, Projector: m.Projector, Drafter: m.Drafter, Profile: m.Profile, Threads: m.Threads, Context: m.Context, Packed: m.Packed}
}
