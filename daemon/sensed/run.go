package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"sensed/daemon/app"
)

// boardVariable names a folder with the sys and proc of another board, for tests.
const boardVariable = "SENSED_BOARD"

// atTerminal returns what shows a text to somebody at a terminal, nil when w is
// none.
func atTerminal(w io.Writer) func(string) {
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(text string) { fmt.Fprint(w, text) }
}

func runCommand() command {
	return command{
		name:    "run",
		args:    "--config FILE [--check]",
		summary: "run the daemon that a configuration describes",
		about: `
Opens the configured cameras and microphones, asks the model about them and
publishes the answers to the configured MQTT broker, or to one of its own on
this machine. A source that fails, or a broker that is not there, is tried again
and stops nothing else. SIGHUP (or sensed reload) reads the configuration again
and keeps the loaded model. SIGTERM and SIGINT end it within five seconds.

Topics: sensed/NODE/status is online or offline; sensed/NODE/SOURCE/KIND carries
events as JSON, KIND being caption, objects, transcript, answer, motion, sound,
pin, temperature or status. sensed/NODE/ask and others take commands, and
sensed/NODE/SOURCE/SWITCH/set switches; deploy/docs/mqtt.md has them all.`,
		example: `
sensed run --config sensed.yaml --check
sensed run --config sensed.yaml
mosquitto_sub -v -t 'sensed/#'`,
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			path := f.String("config", "", "`FILE` YAML file that says what to do")
			check := f.Bool("check", false, "only say whether the configuration is right and its model can be opened")
			return func(ctx context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if *path == "" {
					return app.Errorf(app.Usage, "--config is missing; it names the YAML file that says what to do")
				}
				c, err := app.Load(*path)
				if err != nil {
					return err
				}
				if *check {
					return app.CheckRun(*path, c, s.out)
				}
				hangup := make(chan os.Signal, 1) // more than one are as good as one
				signal.Notify(hangup, syscall.SIGHUP)
				defer signal.Stop(hangup)
				err = app.Run(ctx, app.RunOptions{Path: *path, Config: c, Log: app.NewLog(c.Log, s.err), Hangup: hangup,
					Terminal: atTerminal(s.err), Program: buildVersion(), Root: os.Getenv(boardVariable)})
				if errors.Is(err, app.ErrRestart) {
					return again()
				}
				if ctx.Err() != nil && errors.Is(err, context.Canceled) {
					return nil // a signal is how the daemon ends
				}
				return err
			}
		},
	}
}
