package main

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"sensed/daemon/app"
)

func demoCommand() command {
	return command{
		name:    "demo",
		args:    "[--once] [--json] [--port N] [--page N]",
		summary: "show the whole daemon at work, without any hardware",
		about: `
Plays the bundled scenes as a camera and the bundled sentences as a microphone
through the daemon's own gates, scheduler, model and MQTT broker, and prints what
a subscriber receives: one line per event with its time, source, kind, latency
and words or boxes. A page on this machine shows it all to a browser; its address
is printed.

The model is a demonstration of 5.9 M parameters for drawn scenes and synthetic
speech. The real one is Gemma 4 E2B (see sensed infer -h and sensed run -h).`,
		example: `
sensed demo
sensed demo --once --json | jq -c 'select(.kind == "caption") | .text'`,
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			var o app.DemoOptions
			f.BoolVar(&o.Once, "once", false, "end after every sample was seen and heard once; the exit code\ntells whether each got its answers")
			f.BoolVar(&o.JSON, "json", false, "print one JSON object a line, each with its kind: caption, objects,\ntranscript, motion, sound or status")
			f.IntVar(&o.Port, "port", 0, "`N` port of the broker on 127.0.0.1; without it: any free one")
			f.IntVar(&o.Page, "page", 0, "`N` port of the page on 127.0.0.1; without it: any free one; -1: no page")
			return func(ctx context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if o.Port < 0 || o.Port > 65535 {
					return app.Errorf(app.Usage, "--port is %d; a port is 1 to 65535, or 0 for any free one", o.Port)
				}
				if o.Page < -1 || o.Page > 65535 {
					return app.Errorf(app.Usage, "--page is %d; a port is 1 to 65535, or 0 for any free one, or -1 for no page", o.Page)
				}
				o.Program = buildVersion()
				o.Color = !o.JSON && colorful(s.out)
				return app.Demo(ctx, o, s.out, s.err, logTo(s, slog.LevelWarn))
			}
		},
	}
}

// colorful tells whether w is a terminal whose owner likes colours
// (https://no-color.org).
func colorful(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
