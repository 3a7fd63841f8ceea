package app

import (
	"context"
	"fmt"
	"io"

	"sensed/kernels/gemma4"
	"sensed/kernels/gemma4/verify"
)

// Verify compares a model with the recorded cases in a folder and writes a
// line for each to out.
func Verify(ctx context.Context, m Model, cases string, out io.Writer) error {
	model, err := gemma4.Open(m.Text, m.Projector, gemma4.Options{Threads: m.Threads, Context: m.Context, Exact: true})
	if err != nil {
		return &Error{BadModel, fmt.Errorf("model: %w", err)}
	}
	defer model.Close()
	report, err := verify.Run(ctx, model, cases, func(r verify.Result) { fmt.Fprintln(out, r) })
	if err != nil {
		return as(BadInput, err)
	}
	if _, err := fmt.Fprintln(out, report); err != nil {
		return fmt.Errorf("the report cannot be written: %w", err)
	}
	if n := report.Failed(); n > 0 {
		return Errorf(Failed, "%d cases fail", n)
	}
	return nil
}
