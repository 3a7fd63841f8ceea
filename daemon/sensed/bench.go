package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strings"

	"sensed/daemon/app"
	"sensed/daemon/bench"
	"sensed/daemon/understand"
	"sensed/deploy/models/tiny"
	"sensed/kernels/gemma4"
)

func benchCommand() command {
	return command{
		name:    "bench",
		args:    "[--model M --projector P | --shape e2b|e4b] [FLAGS]",
		summary: "measure how fast a model is on this machine and how much memory it needs",
		about: `
Prints a table, or with --json one object: for each measurement the median of
the runs with the least and the greatest, and the most memory that was used
meanwhile. Anonymous memory is the program's own; memory of files is the model,
which the system can take back.

--shape writes a model of the real shape with random weights first (3.3 GB and
1.1 GB for e2b in q4_0), so that a board can be tried before anything is
downloaded. It is kept for the next time. Its answers mean nothing, and their
lengths are fixed.

A figure is only as good as the machine is quiet and cool.

With --serve the model stays loaded, and each line of standard input is the name
of a measurement (as in the first column of the table) that is run once and
answered with a line of JSON; deploy/bench/peer.py uses this.`,
		example: `
sensed bench --shape e2b
sensed bench --model gemma-4-E2B-it-Q4_0.gguf --projector mmproj-gemma-4-E2B-it-Q8_0.gguf --json
sensed bench --shape e2b --type q4_k_m --only prefill,decode --runs 5`,
		prepare: prepareBench,
	}
}

// benchFlags are what the command line says.
type benchFlags struct {
	model                    *app.Model
	shape, mix, folder, only string
	runs                     int
	json, serve              bool
}

func prepareBench(f *flag.FlagSet) func(context.Context, streams, []string) error {
	b := benchFlags{model: modelFlags(f)}
	packedFlag(f, b.model)
	f.StringVar(&b.shape, "shape", "", "`SHAPE` measure random weights in this shape: "+strings.Join(bench.ShapeNames(), " or "))
	f.StringVar(&b.mix, "type", "q4_0", "`TYPE` encoding of those weights: "+strings.Join(bench.MixNames(), ", "))
	f.StringVar(&b.folder, "dir", "", "`FOLDER` where that model is kept; without it: the user's cache")
	f.StringVar(&b.only, "only", "", "`A,B` what to measure: "+strings.Join(bench.GroupNames(), ", ")+",\nor names from the table; without it: everything")
	f.IntVar(&b.runs, "runs", 3, "`N` how often each is measured")
	f.BoolVar(&b.json, "json", false, "print one JSON object")
	f.BoolVar(&b.serve, "serve", false, "measure what standard input names")
	return func(ctx context.Context, s streams, args []string) error {
		if err := noArgs(args); err != nil {
			return err
		}
		if err := b.check(f); err != nil {
			return err
		}
		return b.run(ctx, s)
	}
}

// check refuses flags that do not go together.
func (b *benchFlags) check(f *flag.FlagSet) error {
	given := map[string]bool{}
	f.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	switch {
	case b.shape != "" && (b.model.Text != "" || b.model.Projector != ""):
		return app.Errorf(app.Usage, "--shape makes a model, so --model and --projector cannot be given with it")
	case b.shape == "" && (given["type"] || given["dir"]):
		return app.Errorf(app.Usage, "--type and --dir are about the model that --shape makes; give --shape too")
	case b.model.Text == "" && b.model.Projector != "":
		return app.Errorf(app.Usage, "a projector (%s) was given without its model; give --model too", b.model.Projector)
	case b.runs < 1:
		return app.Errorf(app.Usage, "--runs is %d and should be at least 1", b.runs)
	case b.model.Threads < 0:
		return app.Errorf(app.Usage, "--threads cannot be negative")
	case b.serve && (given["only"] || given["runs"] || b.json):
		return app.Errorf(app.Usage, "with --serve standard input says what to measure; --only, --runs and --json mean nothing")
	}
	if err := bench.CheckNames(split(b.only)); err != nil {
		return app.Errorf(app.Usage, "--only: %w", err)
	}
	return nil
}

func (b *benchFlags) run(ctx context.Context, s streams) error {
	o := bench.Options{
		Files: bench.Files{Text: b.model.Text, Projector: b.model.Projector}, Threads: b.model.Threads, Runs: b.runs, Only: split(b.only),
	}
	say := func(words string) { fmt.Fprintln(s.err, "sensed bench:", words) }
	if b.shape != "" {
		files, err := b.make(ctx, say)
		if err != nil {
			return err
		}
		o.Files = files
	}
	if o.Files.Text == "" {
		o.Name = tiny.Name + " (the bundled demonstration model)"
	}
	o.Open = opener(o.Files, gemma4.Options{Threads: b.model.Threads, Packed: b.model.Packed, Log: slog.New(slog.NewTextHandler(s.err, nil))})
	if b.serve {
		return bench.Serve(ctx, o, s.in, s.out)
	}
	o.OnResult = func(r bench.Result) { say("measured " + r.Name) }
	report, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	write := report.WriteTable
	if b.json {
		write = report.WriteJSON
	}
	if err := write(s.out); err != nil {
		return fmt.Errorf("the report cannot be written: %w", err)
	}
	return nil
}

// make writes the random model, unless it is there.
func (b *benchFlags) make(ctx context.Context, say func(string)) (bench.Files, error) {
	shape, err := bench.ShapeOf(b.shape)
	if err != nil {
		return bench.Files{}, app.Errorf(app.Usage, "--shape: %w", err)
	}
	mix, err := bench.MixOf(b.mix)
	if err != nil {
		return bench.Files{}, app.Errorf(app.Usage, "--type: %w", err)
	}
	folder := b.folder
	if folder == "" {
		if folder, err = bench.Folder(); err != nil {
			return bench.Files{}, err
		}
	}
	return bench.Make(ctx, folder, shape, mix, say)
}

// opener opens the files, or the bundled model when there are none.
func opener(files bench.Files, options gemma4.Options) bench.Opener {
	return func() (*gemma4.Model, error) {
		if files.Text != "" {
			m, err := gemma4.Open(files.Text, files.Projector, options)
			if err != nil {
				return nil, app.Errorf(app.BadModel, "model: %w", err)
			}
			return m, nil
		}
		text, err := understand.BundledFile(tiny.Text)
		if err != nil {
			return nil, err
		}
		projector, err := understand.BundledFile(tiny.Projector)
		if err != nil {
			return nil, errors.Join(err, text.Close())
		}
		return gemma4.New(text, projector, options)
	}
}
