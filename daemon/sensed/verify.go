package main

import (
	"context"
	"flag"

	"sensed/daemon/app"
)

func verifyCommand() command {
	return command{
		name:    "verify",
		args:    "--model M --projector P CASES",
		summary: "compare a model's results with recorded ones",
		about: `
CASES is a folder with golden.json and the files that it names: recorded
tokens, logits, resized pictures, embeddings and answers of the reference
implementation. Prints for each case the largest errors and pass or FAIL; the
exit code is 1 when one fails.`,
		example: "sensed verify --model text-f16.gguf --projector mmproj-f16.gguf cases/",
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			model := modelFlags(f)
			return func(ctx context.Context, s streams, args []string) error {
				if len(args) != 1 {
					return app.Errorf(app.Usage, "one folder of cases is needed, after the flags; %d arguments were given", len(args))
				}
				if model.Text == "" {
					return app.Errorf(app.Usage, "--model is missing; it names the GGUF file that the cases were recorded from")
				}
				return app.Verify(ctx, *model, args[0], s.out)
			}
		},
	}
}
