package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"sensed/daemon/config"
	"sensed/daemon/health"
)

// Doctor is what `sensed doctor` is asked for.
type Doctor struct {
	Config  string // file; "": none is known
	JSON    bool
	Color   bool
	Bundle  string // archive to write; "": none
	Force   bool   // an archive that exists is replaced
	Program string // version and commit of sensed
	Root    string // holds /sys and /proc of the board; "": /

	clock func() (now time.Time, synced bool) // nil: this machine's
	disk  func(path string) (free, total uint64, err error)
}

// State is how something is.
type State string

// The states. A warning is worth a look, a failure keeps sensed from working.
const (
	Well    State = "ok"
	Warning State = "warning"
	Failure State = "failure"
)

// Finding is one line of the doctor.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	What  string `json:"what"`
	Do    string `json:"do,omitempty"` // what to do about it

	public string // What for strangers; "": the same
}

// examination is one run of the doctor.
type examination struct {
	Doctor
	log      *slog.Logger
	findings []Finding
	tell     func(Finding)

	config  *config.Config // nil: none that is right
	running *health.Snapshot
}

// findingTime bounds what a single device or server may take.
const findingTime = 30 * time.Second

// Run looks at everything and writes a line for each thing as it is known, or
// one JSON object at the end. The error is of class Failed when there is a
// failure.
func (d Doctor) Run(ctx context.Context, out io.Writer) error {
	if d.Bundle != "" && !d.Force {
		if _, err := os.Lstat(d.Bundle); err == nil {
			return exists(d.Bundle)
		}
	}
	if d.Root == "" {
		d.Root = "/"
	}
	if d.clock == nil {
		d.clock = systemClock
	}
	if d.disk == nil {
		d.disk = diskOf
	}
	e := &examination{Doctor: d, log: slog.New(slog.DiscardHandler), tell: func(Finding) {}}
	var writing error
	if !d.JSON {
		e.tell = func(f Finding) {
			if _, err := io.WriteString(out, f.text(d.Color)); writing == nil {
				writing = err
			}
		}
	}
	for _, check := range []func(context.Context){
		e.program, e.board, e.processor, e.heat, e.supply, e.memory, e.disks, e.wear, e.time,
		e.configuration, e.daemon, e.model, e.tools, e.sources, e.broker, e.endToEnd,
	} {
		if check(ctx); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if d.JSON {
		writing = writeJSON(out, map[string]any{"findings": e.findings, "failures": e.count(Failure), "warnings": e.count(Warning)})
	}
	if writing != nil {
		return writing
	}
	if d.Bundle != "" {
		if err := e.bundle(ctx); err != nil {
			return err
		}
		if !d.JSON {
			fmt.Fprintf(out, "\n%s is written, for whoever helps you: it has no passwords, pictures or words in it, but look for yourself (tar -tzf)\n", d.Bundle)
		}
	}
	if n := e.count(Failure); n > 0 {
		return Errorf(Failed, "%d things keep sensed from working", n)
	}
	return nil
}

func (e *examination) count(s State) (n int) {
	for _, f := range e.findings {
		if f.State == s {
			n++
		}
	}
	return n
}

func (e *examination) find(f Finding) {
	e.findings = append(e.findings, f)
	e.tell(f)
}

func (e *examination) ok(check, format string, args ...any) {
	e.find(Finding{Check: check, State: Well, What: fmt.Sprintf(format, args...)})
}

func (e *examination) warn(check, what, do string) {
	e.find(Finding{Check: check, State: Warning, What: what, Do: do})
}

func (e *examination) fail(check, what, do string) {
	e.find(Finding{Check: check, State: Failure, What: what, Do: do})
}

// text is a finding for people.
func (f Finding) text(color bool) string {
	code := map[State]string{Well: green, Warning: yellow, Failure: red}[f.State]
	state := fmt.Sprintf("%-8s", f.State)
	if color {
		state = "\x1b[" + code + "m" + state + "\x1b[0m"
	}
	indent := "\n" + strings.Repeat(" ", 24)
	s := state + " " + fmt.Sprintf("%-14s", f.Check) + " " + strings.ReplaceAll(f.What, "\n", indent) + "\n"
	if f.Do != "" {
		s += indent[1:] + "-> " + f.Do + "\n"
	}
	return s
}

func (e *examination) program(context.Context) { e.ok("program", "sensed %s", e.Program) }

// configuration reads the file.
func (e *examination) configuration(context.Context) {
	const check = "configuration"
	if e.Config == "" {
		e.warn(check, "there is none", "sensed init writes one; --config names it")
		return
	}
	c, err := Load(e.Config)
	var bad *config.Error
	switch {
	case err == nil:
		e.config = c
		if len(c.Outdated()) > 0 {
			e.warn(check, fmt.Sprintf("%s: node %s, %d sources, written for an earlier version", e.Config, c.Node, len(c.Sources)), "sensed config migrate "+e.Config)
			return
		}
		e.ok(check, "%s: node %s, %d sources", e.Config, c.Node, len(c.Sources))
	case errors.As(err, &bad) && onlyCredentials(bad):
		e.warn(check, err.Error(), "only the service has its credentials: see what it says itself, below")
	case errors.As(err, &bad):
		where := []string{}
		for _, p := range bad.Problems {
			where = append(where, fmt.Sprintf("line %d, column %d", p.Line, p.Column))
		}
		e.find(Finding{Check: check, State: Failure, What: err.Error(), Do: "correct it; sensed config reference says what is possible",
			public: fmt.Sprintf("%d mistakes: %s", len(where), strings.Join(where, "; "))})
	case errors.Is(err, os.ErrPermission):
		e.fail(check, err.Error(), "run sensed doctor as root (sudo)")
	default:
		e.fail(check, err.Error(), "")
	}
}

// onlyCredentials tells whether nothing is wrong but that a credential of the
// service is not here.
func onlyCredentials(err *config.Error) bool {
	for _, p := range err.Problems {
		if !strings.HasPrefix(p.What, "there is no credential") {
			return false
		}
	}
	return len(err.Problems) > 0
}

// daemon asks the one that runs.
func (e *examination) daemon(ctx context.Context) {
	const check = "daemon"
	socket := ControlSocket()
	if e.config != nil && e.config.Health.Socket != "" {
		socket = e.config.Health.Socket
	}
	ctx, cancel := context.WithTimeout(ctx, findingTime)
	defer cancel()
	c := health.NewClient(socket)
	defer c.Close()
	s, _, err := c.Status(ctx)
	switch {
	case errors.Is(err, health.ErrNotRunning):
		e.ok(check, "it does not run; its devices and its broker are tried here")
	case err != nil:
		e.warn(check, err.Error(), "only root and the group sensed may ask it; journalctl -u sensed says more")
	default:
		e.running = &s
		if len(s.Problems) == 0 {
			e.ok(check, "it has run for %s and sees no problem; %d events published", upTime(s.Uptime), s.Events.Published)
		}
		for _, p := range s.Problems {
			e.warn(check, "it says: "+p, "")
		}
	}
}
