package app

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"sensed/daemon/config"
	"sensed/daemon/health"
)

// Reloaded says what a reload did, in the names of the configuration's sections.
type Reloaded struct {
	Applied []string `json:"applied"` // changed and in use now
	Restart []string `json:"restart"` // changed and used after a restart only
}

// String says it in a sentence.
func (r Reloaded) String() string {
	s := "the configuration is read again: "
	switch {
	case len(r.Applied)+len(r.Restart) == 0:
		return s + "nothing has changed"
	case len(r.Applied) > 0:
		s += strings.Join(r.Applied, ", ") + " applied"
	default:
		s += "nothing applied"
	}
	if len(r.Restart) > 0 {
		s += "; restart sensed for " + strings.Join(r.Restart, ", ")
	}
	return s
}

// reload is a wish for one, on its way to who can do it. Without one (nil), as
// at the start, its methods tell nobody.
type reload struct {
	config *config.Config // the new one, once read
	told   chan struct{}  // closed when the outcome is there
	result Reloaded
	err    error
}

// Reload reads the configuration again and lets it be used, without dropping
// the model. When it returns an error, the old one is still in use.
func (d *daemon) Reload(ctx context.Context) (Reloaded, error) {
	r := &reload{told: make(chan struct{})}
	select {
	case d.requests <- r:
	case <-ctx.Done():
		return Reloaded{}, ctx.Err()
	}
	select {
	case <-r.told:
		return r.result, r.err
	case <-ctx.Done():
		return Reloaded{}, ctx.Err()
	}
}

// hangups turns signals into reloads until ctx ends.
func (d *daemon) hangups(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-signals:
			_, _ = d.Reload(ctx) // the log tells how it went
		case <-ctx.Done():
			return
		}
	}
}

// read reads the configuration and tells whether it is good.
func (r *reload) read(d *daemon) bool {
	c, err := Load(d.path)
	if err != nil {
		r.refuse(d.log, fmt.Errorf("the new configuration is wrong, going on with the old one:\n%w", err))
		return false
	}
	r.config = c
	tellOutdated(d.log, c)
	return true
}

func (r *reload) refuse(log *Log, err error) {
	log.Error(err.Error())
	r.err = err
	close(r.told)
}

// applied tells that the new configuration works. first is the one with which
// the process started.
func (r *reload) applied(log *Log, monitor *health.Monitor, before, now, first *config.Config) {
	if r == nil {
		return
	}
	log.set(now.Log)
	monitor.SetEvery(now.Health.Every)
	r.result = Reloaded{Applied: changes(before, now, fixed()...), Restart: restarts(first, now)}
	log.Info(r.result.String())
	close(r.told)
}

// fixed are the sections of a configuration that are read at the start only.
func fixed() []string { return []string{"Model", "Web"} }

// restarts names what of a configuration is used after a restart only; first is
// the one with which the process started.
func restarts(first, now *config.Config) []string {
	out := []string{}
	for _, s := range changes(first, now) {
		if slices.ContainsFunc(fixed(), func(f string) bool { return strings.EqualFold(f, s) }) {
			out = append(out, s)
		}
	}
	out = append(out, restartFor(first.Health, now.Health)...)
	if first.Log.Format != now.Log.Format {
		out = append(out, "log.format")
	}
	return out
}

// done tells whether nobody waits for the outcome any more.
func (r *reload) done() bool {
	if r == nil {
		return true
	}
	select {
	case <-r.told:
		return true
	default:
		return false
	}
}

// changes names the sections in which two configurations differ, but for some
// fields of [config.Config].
func changes(a, b *config.Config, but ...string) []string {
	out := []string{}
	x, y := reflect.ValueOf(*a), reflect.ValueOf(*b)
	for _, f := range reflect.VisibleFields(x.Type()) {
		if !f.IsExported() || slices.Contains(but, f.Name) {
			continue
		}
		if !reflect.DeepEqual(x.FieldByIndex(f.Index).Interface(), y.FieldByIndex(f.Index).Interface()) {
			out = append(out, strings.ToLower(f.Name))
		}
	}
	return out
}
