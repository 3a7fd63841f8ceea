package main

import (
	"context"
	"flag"

	"sensed/daemon/app"
)

func devicesCommand() command {
	return command{
		name:    "devices",
		args:    "[--json]",
		summary: "list the cameras, microphones, buses and pins of this machine",
		about: `
Lists what is there, each with the words that name it in the configuration, and
for what cannot be used the reason and what to do about it (which group to join,
for instance). Nothing is opened for use: it may run beside the daemon.

Of a camera the formats, sizes and frames in a second are listed. A name below
/dev/v4l/by-id stays when devices are plugged in and out.`,
		example: `
sensed devices
sensed devices --json`,
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			asJSON := f.Bool("json", false, "print one JSON object")
			return func(ctx context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				return app.Devices(ctx, *asJSON, s.out)
			}
		},
	}
}
