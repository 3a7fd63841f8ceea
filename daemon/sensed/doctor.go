package main

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"

	"sensed/daemon/app"
)

func doctorCommand() command {
	return command{
		name:    "doctor",
		args:    "[--config FILE] [--json] [--bundle FILE]",
		summary: "look at everything that sensed needs, and say what to do",
		about: `
Looks at the board, the processor and its kernels, heat, supply, memory, disks and
their wear, and the clock; at the configuration, the model, the programs for
cameras; takes a picture of each camera and three seconds of each microphone, logs
in at the broker; and lets the demonstration model see a drawing and publish what it
is. Each line is ok, a warning or a failure, with what to do. While the daemon
runs it has the devices, and is asked about them instead.

--bundle writes an archive for whoever helps: these lines, the configuration
without its texts, the state of the daemon and its log. Passwords, pictures and
words are not in it.`,
		example: `
sudo sensed doctor
sudo sensed doctor --bundle sensed-support.tar.gz`,
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			d := app.Doctor{Program: buildVersion() + " (" + buildCommit() + ")", Root: os.Getenv(boardVariable)}
			f.StringVar(&d.Config, "config", "", "`FILE` of the configuration; without it: "+serviceConfig+", if it is\nthere")
			f.BoolVar(&d.JSON, "json", false, "print one JSON object: findings with check, state, what, do")
			f.StringVar(&d.Bundle, "bundle", "", "`FILE` of the archive (.tar.gz)")
			f.BoolVar(&d.Force, "force", false, "replace an archive that exists")
			return func(ctx context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if _, err := os.Stat(serviceConfig); d.Config == "" && !errors.Is(err, fs.ErrNotExist) { // one that may not be read is there
					d.Config = serviceConfig
				}
				d.Color = colorful(s.out)
				return d.Run(ctx, s.out)
			}
		},
	}
}
