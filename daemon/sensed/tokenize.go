package main

import (
	"context"
	"flag"

	"sensed/daemon/app"
)

func tokenizeCommand() command {
	return command{
		name:    "tokenize",
		args:    "[--model M] [--decode] < TEXT",
		summary: "turn lines of text into token ids, or back",
		about: `
Reads standard input and prints for each line the ids of its tokens as a JSON
array; nothing is added in front or behind. Control tokens that are written out,
such as <|turn>, become their ids. With --decode each line is such an array and
its text is printed.

A line that cannot be used is named by its number on standard error and becomes
null (an empty line with --decode); the exit code is then 5.`,
		example: `
echo 'Hello world' | sensed tokenize
echo '[2, 105, 2364]' | sensed tokenize --decode --model gemma-4-E2B-it-Q4_0.gguf`,
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			var o app.TokenizeOptions
			f.StringVar(&o.Model, "model", "", "`FILE` GGUF file; without it: the bundled demonstration model")
			f.BoolVar(&o.Decode, "decode", false, "from ids to text")
			f.BoolVar(&o.Plain, "plain", false, "written-out control tokens are plain text")
			return func(ctx context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				if o.Decode && o.Plain {
					return app.Errorf(app.Usage, "--plain says how text is read and means nothing with --decode")
				}
				return app.Tokenize(ctx, o, s.in, s.out, s.err)
			}
		},
	}
}
