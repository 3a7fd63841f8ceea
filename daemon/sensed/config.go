package main

import (
	"context"
	"flag"
	"io"
	"os"

	"sensed/daemon/app"
	"sensed/daemon/config"
)

// serviceConfig is the configuration of the service.
const serviceConfig = "/etc/sensed/sensed.yaml"

func configCommand() command {
	return command{
		name:    "config",
		args:    "check | migrate | schema | sample | reference",
		summary: "check a configuration, and say what can be in one",
		about:   "A configuration is one YAML file. sensed init writes a first one.",
		subs:    []command{configCheckCommand(), configMigrateCommand(), configSchemaCommand(), configSampleCommand(), configReferenceCommand()},
	}
}

func configCheckCommand() command {
	return command{
		name:    "config check",
		args:    "[FILE] [--json]",
		summary: "name each mistake with line, column and what to do",
		about: `
Without FILE: ` + serviceConfig + `. An unknown key is a mistake, too. Small
files that it names, such as that of a password, are looked at; devices and the
content of models are not (sensed run --check opens the model, sensed doctor tries
everything). The exit code is 3 when something is wrong.`,
		example: "sensed config check sensed.yaml",
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			asJSON := f.Bool("json", false, "print one JSON object with the problems: line, column, field, what, hint")
			return func(_ context.Context, s streams, args []string) error {
				args, err := withFlags(f, args)
				if err != nil {
					return err
				}
				path, err := oneConfig(args)
				if err != nil {
					return err
				}
				return app.CheckConfig(path, *asJSON, s.out)
			}
		},
	}
}

func configMigrateCommand() command {
	return command{
		name:    "config migrate",
		args:    "[FILE]",
		summary: "write a file of an earlier version in the words of this one",
		about: `
Without FILE: ` + serviceConfig + `. Keys that have another name by now are renamed, those
that are gone become comments; everything else, comments too, stays as it is. The
old file is kept beside it as FILE.v1, with the number of its version, and the new
one appears as a whole or not at all. Nothing needs this: sensed reads earlier
versions as they are, and says so in the log.`,
		example: "sudo sensed config migrate",
		prepare: func(*flag.FlagSet) func(context.Context, streams, []string) error {
			return func(_ context.Context, s streams, args []string) error {
				path, err := oneConfig(args)
				if err != nil {
					return err
				}
				return app.MigrateConfig(path, s.out)
			}
		},
	}
}

// oneConfig is the file that arguments name, or that of the service.
func oneConfig(args []string) (string, error) {
	switch len(args) {
	case 0:
		return serviceConfig, nil
	case 1:
		return args[0], nil
	}
	return "", app.Errorf(app.Usage, "one file is wanted at a time, %d are given", len(args))
}

// printing is a command that prints a text.
func printing(name, summary, about string, text func() ([]byte, error)) command {
	return command{
		name: name, summary: summary, about: about,
		prepare: func(*flag.FlagSet) func(context.Context, streams, []string) error {
			return func(_ context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				data, err := text()
				if err == nil {
					_, err = s.out.Write(data)
				}
				return err
			}
		},
	}
}

func configSchemaCommand() command {
	return printing("config schema", "print a JSON Schema for editors",
		"Editors with a YAML language server complete and check the file with it. Save it,\nand put # yaml-language-server: $schema=FILE into the first line.", config.Schema)
}

func configSampleCommand() command {
	return printing("config sample", "print a configuration that shows everything",
		"Each key with its meaning and default.", func() ([]byte, error) { return config.Sample(), nil })
}

func configReferenceCommand() command {
	return printing("config reference", "print the meaning of every key as Markdown",
		"The same as deploy/docs/configuration.md.", func() ([]byte, error) { return []byte(config.Reference()), nil })
}

func initCommand() command {
	return command{
		name:    "init",
		args:    "[--config FILE] [FLAGS]",
		summary: "write a configuration for this machine",
		about: `
Looks for cameras, a microphone, an MQTT broker (under the usual names, and those
that the network announces by mDNS), the memory of the board and the model that is
in use, and writes a file with comments. On a terminal it asks about each; --yes,
or input from elsewhere, takes what is found. Flags answer questions beforehand; none wants none.

A file that exists stays as it is, unless --force is given; it is kept as
FILE.old then. The new one appears as a whole or not at all.`,
		example: `
sensed init
sensed init --yes --broker mqtt://homeassistant.local --username sensed \
            --password-file password.txt --camera v4l2:/dev/video0 --microphone none`,
		prepare: prepareInit,
	}
}

func prepareInit(f *flag.FlagSet) func(context.Context, streams, []string) error {
	path := "sensed.yaml"
	if os.Geteuid() == 0 {
		path = serviceConfig
	}
	s := app.Setup{Root: os.Getenv(boardVariable)}
	f.StringVar(&s.Path, "config", path, "`FILE` to write")
	f.StringVar(&s.Node, "node", "", "`NAME` of this machine in topics; without it: the host name")
	f.Var((*list)(&s.Cameras), "camera", "`SOURCE` of pictures; may be given several times")
	f.Var((*list)(&s.Microphones), "microphone", "`SOURCE` of sound; may be given several times")
	f.StringVar(&s.Broker, "broker", "", "`URL` of the MQTT broker; none: the one inside sensed")
	f.StringVar(&s.Username, "username", "", "`NAME` of the user at the broker")
	f.StringVar(&s.PasswordFile, "password-file", "", "`FILE` with the password in its first line")
	f.StringVar(&s.Model, "model", "", "`NAME` of a model of sensed model list, current for the one in use, or none")
	f.BoolVar(&s.Force, "force", false, "replace a file that exists")
	yes := f.Bool("yes", false, "ask nothing")
	return func(ctx context.Context, st streams, args []string) error {
		if err := noArgs(args); err != nil {
			return err
		}
		s.In, s.Ask = st.in, !*yes && reads(st.in)
		return s.Run(ctx, st.out)
	}
}

// reads tells whether r is somebody at a terminal.
func reads(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && isTerminal(f)
}
