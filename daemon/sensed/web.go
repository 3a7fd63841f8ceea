package main

import (
	"context"
	"flag"

	"sensed/daemon/app"
)

func webCommand() command {
	return command{
		name:    "web",
		args:    "password",
		summary: "set the password of the page",
		about: `
The page of a node shows what it sees and hears; deploy/docs/web.md tells about it.`,
		subs: []command{webPasswordCommand()},
	}
}

func webPasswordCommand() command {
	return command{
		name:    "web password",
		args:    "[--config FILE] [--generate]",
		summary: "set the password of the page, or another one",
		about: `
Asks for the password, or reads it from the first line of standard input, and
keeps its hash (argon2id) where the daemon looks for it: in /var/lib/sensed for
root, else in ~/.local/state/sensed, or where web.password_file of the
configuration says. A daemon that runs takes it at once; whoever was logged in
has to log in again. With a password set, the page asks for it on this machine,
too, and lets the configuration be edited.`,
		example: `
sudo sensed web password
sensed web password --config sensed.yaml --generate`,
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			var o app.WebPasswordOptions
			f.StringVar(&o.Config, "config", "", "`FILE` YAML file of the daemon, where it has web.password_file")
			f.BoolVar(&o.Generate, "generate", false, "make a password up and print it")
			return func(ctx context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				return app.SetWebPassword(ctx, o, s.in, s.out, s.err)
			}
		},
	}
}
