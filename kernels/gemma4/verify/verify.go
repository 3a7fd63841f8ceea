// Package verify compares a model with recorded results of the reference
// implementation: tokenisation, logits, pictures, sound and conversations.
//
// A folder of cases holds golden.json and the files that it names, which are
// NumPy arrays of float32, pictures and WAV files. Nothing outside the folder
// is read.
package verify

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"

	"sensed/kernels/gemma4"
)

// The bars hold for F16 weights computed in float32.
const (
	maxLogitError     = 2e-2 // absolute
	maxMelError       = 1e-4 // absolute
	maxEmbeddingError = 5e-3 // of the largest magnitude
	maxPixelsOff      = 1e-3 // share of bytes, and those by 1 at most
)

// Check is one comparison of a case.
type Check struct {
	What string
	// Error is the largest error found, or the number of things that differ.
	Error float64
	// Bar is what Error may be.
	Bar float64
	// Note says more about a comparison that failed.
	Note string
}

// Pass says whether the error is within the bar; one that is not a number is
// not.
func (c Check) Pass() bool { return c.Error <= c.Bar }

func (c Check) String() string {
	s := "equal"
	switch {
	case c.Bar > 0 && c.Error != 0:
		s = fmt.Sprintf("%.1e", c.Error)
	case !c.Pass():
		s = "differ"
	}
	s = c.What + " " + s
	if !c.Pass() && c.Bar > 0 {
		s += fmt.Sprintf(" (at most %.0e)", c.Bar)
	}
	if c.Note != "" {
		s += " (" + c.Note + ")"
	}
	return s
}

// Result is the outcome of one case.
type Result struct {
	Kind   string // tokenize, text, image, audio or chat
	Name   string
	Checks []Check
	Err    error // the case could not be run to its end
}

// Pass says whether the case ran and every check is within its bar.
func (r Result) Pass() bool {
	for _, c := range r.Checks {
		if !c.Pass() {
			return false
		}
	}
	return r.Err == nil && len(r.Checks) > 0
}

// String is one line for people.
func (r Result) String() string {
	verdict := "pass"
	if !r.Pass() {
		verdict = "FAIL"
	}
	var parts []string
	for _, c := range r.Checks {
		parts = append(parts, c.String())
	}
	if r.Err != nil {
		parts = append(parts, r.Err.Error())
	}
	return fmt.Sprintf("%s  %-8s  %-22s  %s", verdict, r.Kind, r.Name, strings.Join(parts, ", "))
}

// Report is the outcome of all cases.
type Report struct{ Results []Result }

// Failed counts the cases that did not pass.
func (r Report) Failed() int {
	n := 0
	for _, x := range r.Results {
		if !x.Pass() {
			n++
		}
	}
	return n
}

// String is one line for people.
func (r Report) String() string {
	if n := r.Failed(); n > 0 {
		return fmt.Sprintf("%d of %d cases fail", n, len(r.Results))
	}
	return fmt.Sprintf("all %d cases pass", len(r.Results))
}

// Run compares the model with every case in the folder and hands each result
// to onResult, which may be nil, as soon as it is known. A case that fails or
// is damaged does not stop the others. The error is about the folder or ctx.
func Run(ctx context.Context, m *gemma4.Model, folder string, onResult func(Result)) (Report, error) {
	dir, err := os.OpenRoot(folder)
	if err != nil {
		return Report{}, fmt.Errorf("verify: the folder of cases: %w", err)
	}
	defer dir.Close()
	cases, err := readCases(files{dir})
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	v := verifier{ctx: ctx, m: m, files: files{dir}}
	var report Report
	for _, c := range cases.all() {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		r := Result{Kind: c.kind(), Name: c.name()}
		r.Err = c.run(&v, &r)
		if err := ctx.Err(); err != nil {
			return report, err
		}
		report.Results = append(report.Results, r)
		if onResult != nil {
			onResult(r)
		}
	}
	return report, nil
}

// verifier is what a case runs with.
type verifier struct {
	ctx   context.Context
	m     *gemma4.Model
	files files
}

// equal checks two lists item by item.
func equal[T comparable](what string, got, want []T) Check {
	c := Check{What: what}
	for i := range max(len(got), len(want)) {
		if i < len(got) && i < len(want) && got[i] == want[i] {
			continue
		}
		if c.Error++; c.Note == "" {
			c.Note = fmt.Sprintf("from place %d of %d: %v, should be %v", i+1, len(want), at(got, i), at(want, i))
		}
	}
	return c
}

func at[T any](list []T, i int) any {
	if i < len(list) {
		return list[i]
	}
	return "none"
}

// same checks two single things.
func same[T comparable](what string, got, want T) Check { return equal(what, []T{got}, []T{want}) }

// near checks that numbers differ by at most bar, or by bar times the largest
// magnitude of the wanted ones when relative is set.
func near(what string, got, want []float32, bar float64, relative bool) Check {
	c := Check{What: what, Bar: bar}
	if len(got) != len(want) {
		c.Error, c.Note = math.Inf(1), fmt.Sprintf("%d numbers, should be %d", len(got), len(want))
		return c
	}
	largest, worst := 0.0, 0
	for i, w := range want {
		largest = max(largest, math.Abs(float64(w)))
		// max would keep a NaN, but not say where it is.
		if d := math.Abs(float64(got[i]) - float64(w)); d > c.Error || d != d {
			c.Error, worst = d, i
		}
	}
	if relative && largest > 0 {
		c.Error /= largest
	}
	if !c.Pass() && len(want) > 0 {
		c.Note = fmt.Sprintf("at %d of %d: %g, should be %g", worst, len(want), got[worst], want[worst])
	}
	return c
}
