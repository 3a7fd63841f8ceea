// Command sensed looks and listens: camera frames and microphone sound go into
// Gemma 4 on this machine's processor, and captions, boxes and transcripts come
// out over MQTT.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"sensed/daemon/app"
)

func main() {
	// Garbage may take half of what lives, not as much again: on a board the model
	// has more use for that memory. GOGC still decides when it is set.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	// A reader that goes away (`sensed demo | head`) is an error of the write
	// then, and what has to be cleaned up still is.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is one subcommand.
type command struct {
	name    string
	args    string // what follows the name in its usage line
	summary string // one line
	about   string // paragraphs
	example string // lines
	// prepare declares the flags and returns what to do once they are parsed.
	prepare func(f *flag.FlagSet) func(ctx context.Context, s streams, args []string) error
	// subs are the commands of a group, which does nothing by itself; their names
	// begin with the group's.
	subs []command
}

// commands are in the order of the help.
func commands() []command {
	return []command{demoCommand(), initCommand(), runCommand(), statusCommand(), reloadCommand(), doctorCommand(), devicesCommand(), captureCommand(), modelCommand(), configCommand(), webCommand(), inferCommand(), tokenizeCommand(), verifyCommand(), benchCommand(), versionCommand()}
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	if len(args) == 0 {
		fmt.Fprint(s.err, overview())
		return int(app.Usage)
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-h", "-help", "--help", "help":
		if len(rest) == 0 || name != "help" {
			fmt.Fprint(s.out, overview())
			return 0
		}
		name, rest = rest[0], append(rest[1:], "-h")
	case "-version", "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return c.choose(ctx, rest, s)
		}
	}
	fmt.Fprintf(s.err, "sensed: there is no command %q; the commands are %s (sensed help tells more)\n", name, strings.Join(commandNames(), ", "))
	return int(app.Usage)
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// choose executes the command, or that of its group which the arguments name.
func (c command) choose(ctx context.Context, args []string, s streams) int {
	if len(c.subs) == 0 {
		return c.execute(ctx, args, s)
	}
	var names []string
	for _, sub := range c.subs {
		short := strings.TrimPrefix(sub.name, c.name+" ")
		if names = append(names, short); len(args) > 0 && args[0] == short {
			return sub.execute(ctx, args[1:], s)
		}
	}
	if len(args) > 0 && slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]) {
		fmt.Fprint(s.out, c.groupHelp())
		return 0
	}
	what := "says nothing by itself"
	if len(args) > 0 {
		what = fmt.Sprintf("has no %q", args[0])
	}
	fmt.Fprintf(s.err, "sensed %s: it %s; what it has is %s (sensed %s -h tells more)\n", c.name, what, strings.Join(names, ", "), c.name)
	return int(app.Usage)
}

func (c command) execute(ctx context.Context, args []string, s streams) int {
	f := flag.NewFlagSet(c.name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // errors are reported below, and once
	work := c.prepare(f)
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(s.out, c.help(f))
		return 0
	case err != nil:
		fmt.Fprintf(s.err, "sensed %s: %s (sensed %s -h tells more)\n", c.name, dashes(err.Error()), c.name)
		return int(app.Usage)
	}
	err := work(ctx, s, f.Args())
	if errors.Is(err, flag.ErrHelp) { // asked for behind an argument
		fmt.Fprint(s.out, c.help(f))
		return 0
	}
	class := app.ClassOf(err)
	switch {
	case class == app.Interrupted:
		fmt.Fprintf(s.err, "sensed %s: interrupted\n", c.name)
	case errors.Is(err, syscall.EPIPE): // the reader has seen enough
	case err != nil:
		fmt.Fprintf(s.err, "sensed %s: %v\n", c.name, err)
	}
	return c.exitCode(class)
}

// exitCode is the class, but a model that cannot be used is told apart by the
// daemon only, which the service manager then does not start again and again.
func (c command) exitCode(class app.Class) int {
	if class == app.BadModel && c.name != "run" {
		return int(app.Failed)
	}
	return int(class)
}

// dashes writes the flags in the messages of package flag as the help does.
func dashes(s string) string {
	return strings.NewReplacer("flag -", "flag --", "for -", "for --", ": -", ": --").Replace(s)
}

// noArgs refuses arguments that are no flags.
func noArgs(args []string) error {
	if len(args) > 0 {
		return app.Errorf(app.Usage, "%q is not understood; this command takes flags only", args[0])
	}
	return nil
}
