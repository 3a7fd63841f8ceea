package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"

	"sensed/daemon/app"
	"sensed/daemon/modelstore"
)

func modelCommand() command {
	return command{
		name:    "model",
		args:    "list | pull | verify | use | rm",
		summary: "fetch models, check them and choose between them",
		about: `
Keeps models in a folder: the service's (/var/lib/sensed/models) for root, else
~/.local/share/sensed/models; --dir names another. A configuration names a model
in it with "model: NAME", or with "model: current" the one that was chosen last.`,
		subs: []command{modelListCommand(), modelPullCommand(), modelVerifyCommand(), modelUseCommand(), modelRemoveCommand()},
	}
}

func dirFlag(f *flag.FlagSet) *string {
	return f.String("dir", app.ModelFolder(), "`FOLDER` where the models are")
}

// withFlags parses the flags that stand behind the first arguments, and returns
// all arguments that are none.
func withFlags(f *flag.FlagSet, args []string) ([]string, error) {
	var out []string
	for len(args) > 0 {
		if !strings.HasPrefix(args[0], "-") {
			out, args = append(out, args[0]), args[1:]
			continue
		}
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, app.Errorf(app.Usage, "%s (sensed %s -h tells more)", dashes(err.Error()), f.Name())
		}
		args = f.Args()
	}
	return out, nil
}

// oneName is the argument of a command that takes one.
func oneName(f *flag.FlagSet, args []string) (string, error) {
	args, err := withFlags(f, args)
	if err == nil && len(args) != 1 {
		err = app.Errorf(app.Usage, "one model is needed, %d are given; sensed model list tells their names", len(args))
	}
	if err != nil {
		return "", err
	}
	return args[0], nil
}

func modelListCommand() command {
	return command{
		name:    "model list",
		args:    "[--json] [--dir FOLDER]",
		summary: "show the models that are there, and those that can be pulled",
		about:   "Shows names, sizes and sources; the one in use is marked. Asks no network.",
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			dir := dirFlag(f)
			asJSON := f.Bool("json", false, "print one JSON object; sizes are in bytes")
			return func(_ context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				return app.ListModels(*dir, *asJSON, s.out)
			}
		},
	}
}

func modelPullCommand() command {
	return command{
		name:    "model pull",
		args:    "NAME|OWNER/REPOSITORY|URL [FLAGS]",
		summary: "fetch a model from Hugging Face or any web server",
		about: `
NAME is one that sensed model list shows. A repository of Hugging Face may have
@REVISION and :QUANT behind it; its text file of that quantisation, its projector
(mmproj) and its drafter are fetched. A URL is that of the text file; --projector
and --drafter name the others then.

Memory and free disk are looked at first. A cut connection is tried again, and a
pull that was ended goes on where it was. Sizes and SHA-256 must be those that the
publisher says, and the files must open together; then, and only then, they are
a model. A model that is there is never written over. The first one is in use at
once, later ones with sensed model use.

A proxy is taken from HTTPS_PROXY and NO_PROXY, authorities from SSL_CERT_FILE.`,
		example: `
sensed model pull e2b
sensed model pull unsloth/gemma-4-E2B-it-GGUF:Q4_K_M --as e2b-k
sensed model pull https://files.lan/text.gguf --projector https://files.lan/mmproj.gguf`,
		prepare: preparePull,
	}
}

func preparePull(f *flag.FlagSet) func(context.Context, streams, []string) error {
	p := app.ModelPull{Root: os.Getenv(boardVariable)}
	dir := dirFlag(f)
	f.StringVar(&p.Name, "as", "", "`NAME` in the folder; without it: made of the source")
	f.StringVar(&p.Projector, "projector", "", "`URL` of the projector; none: only words are understood; without it:\nthat of the repository")
	f.StringVar(&p.Drafter, "drafter", "", "`URL` of the drafter; none: without; without it: that of the repository")
	f.StringVar(&p.SHA256, "sha256", "", "`HASH` of the text file, if that is a URL; without it: what the server\nsays (X-Linked-Etag)")
	f.StringVar(&p.Endpoint, "endpoint", cmp.Or(os.Getenv("HF_ENDPOINT"), modelstore.Endpoint), "`URL` of Hugging Face or a mirror (or HF_ENDPOINT)")
	f.StringVar(&p.TokenFile, "token-file", tokenFile(), "`FILE` with a token of Hugging Face in its first line, for closed\nrepositories (or HF_TOKEN_PATH); nobody else may read it")
	f.StringVar(&p.Proxy, "proxy", "", "`URL` of a proxy; without it: that of the environment")
	f.BoolVar(&p.Force, "force", false, "also when disk or memory look too small")
	return func(ctx context.Context, s streams, args []string) error {
		name, err := oneName(f, args)
		if err != nil {
			return err
		}
		p.SHA256 = strings.ToLower(p.SHA256)
		p.Source, p.Dir = name, *dir
		show := showProgress(s.err)
		defer show.end()
		return p.Run(ctx, s.out, show)
	}
}

// tokenFile is where a token is when no flag says so.
func tokenFile() string {
	if path := os.Getenv("HF_TOKEN_PATH"); path != "" {
		return path
	}
	if folder := os.Getenv("CREDENTIALS_DIRECTORY"); folder != "" {
		path := filepath.Join(folder, "sensed.hf-token")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

func modelVerifyCommand() command {
	return command{
		name:    "model verify",
		args:    "[NAME]... [--dir FOLDER]",
		summary: "read every byte of models and compare their hashes",
		about: `
An SD card may lose bits. Takes a minute for each few GB; without a name all
complete models are read. The exit code is 1 when one is damaged.`,
		example: "sensed model verify e2b",
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			dir := dirFlag(f)
			return func(ctx context.Context, s streams, args []string) error {
				names, err := withFlags(f, args)
				if err != nil {
					return err
				}
				show := showProgress(s.err)
				defer show.end()
				return app.VerifyModels(ctx, *dir, names, s.out, show)
			}
		},
	}
}

func modelUseCommand() command {
	return command{
		name:    "model use",
		args:    "NAME [--dir FOLDER]",
		summary: "choose the model that \"model: current\" means",
		about: `
Moves a link, in one step. A running daemon keeps the model it has loaded until it
is started anew.`,
		example: "sensed model use e2b\nsystemctl restart sensed",
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			dir := dirFlag(f)
			return func(_ context.Context, s streams, args []string) error {
				name, err := oneName(f, args)
				if err != nil {
					return err
				}
				return app.UseModel(*dir, name, s.out)
			}
		},
	}
}

func modelRemoveCommand() command {
	return command{
		name:    "model rm",
		args:    "NAME [--force] [--dir FOLDER]",
		summary: "delete a model, or what came of one",
		about: `
Deletes the files of the model and the packed weights that sensed made of them.
The model in use is kept unless --force is given.`,
		example: "sensed model rm e4b",
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			dir := dirFlag(f)
			force := f.Bool("force", false, "also when it is the one in use")
			return func(_ context.Context, s streams, args []string) error {
				name, err := oneName(f, args)
				if err != nil {
					return err
				}
				return app.RemoveModel(*dir, name, *force, s.out)
			}
		},
	}
}
