package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Options say what to measure.
type Options struct {
	Name    string // of the model, for the report; "": as its file says
	Files   Files  // for the report; empty for the bundled model
	Threads int    // for the report; 0: one for each processor
	Open    Opener
	Runs    int      // of each measurement, at least 1
	Only    []string // groups or names, none: all
	// OnResult, when set, is told of each result as soon as it is known.
	OnResult func(Result)
}

// Report is everything that was measured.
type Report struct {
	Machine Machine  `json:"machine"`
	Model   Subject  `json:"model"`
	Results []Result `json:"results"`
	Memory  Total    `json:"memory"`
}

// Subject says which model was measured.
type Subject struct {
	Name      string `json:"name"`
	Text      string `json:"text,omitempty"`
	Projector string `json:"projector,omitempty"`
	Threads   int    `json:"threads"`
}

// Result is one measurement.
type Result struct {
	Name string `json:"name"`
	What string `json:"what"`
	// Skipped says why there is no figure.
	Skipped string  `json:"skipped,omitempty"`
	Seconds *Spread `json:"seconds,omitempty"`
	// Rate is units each second, Unit what is counted.
	Rate *Spread `json:"rate,omitempty"`
	Unit string  `json:"unit,omitempty"`
	// Tokens are those of the answers, for work that ends in answers.
	Tokens int `json:"answer_tokens,omitempty"`
	// Memory is the most that was used meanwhile.
	Memory *Memory `json:"memory,omitempty"`
}

// Spread is a figure: of all runs the median, the least and the greatest.
type Spread struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Runs   []float64 `json:"runs"`
}

// spreadOf returns the spread of at least one figure.
func spreadOf(runs []float64) *Spread {
	sorted := slices.Sorted(slices.Values(runs))
	n := len(sorted)
	return &Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1], Runs: runs}
}

// Total is the memory of the whole process. Peaks are of the part before a
// model is opened for a second time.
type Total struct {
	Loaded Memory `json:"loaded"` // after opening the model
	After  Memory `json:"after"`  // after the work
	Peak   Memory `json:"peak"`   // the most of each, sampled
	// Resident is the most of both together, as the system counts it.
	Resident int `json:"peak_resident_bytes"`
}

// Run measures. It returns ctx.Err() soon after ctx ends.
func Run(ctx context.Context, o Options) (Report, error) {
	list, err := chosen(o.Only)
	if err != nil {
		return Report{}, err
	}
	s, err := newSubject(o.Open)
	if err != nil {
		return Report{}, err
	}
	defer s.close()
	r := Report{Machine: thisMachine(), Model: Subject{cmp.Or(o.Name, s.model.Name()), o.Files.Text, o.Files.Projector, o.Threads}}
	r.Machine.measureHeat()
	if r.Memory.Loaded, _, err = memoryNow(); err != nil {
		return Report{}, err
	}
	w := watchMemory()
	defer w.close()
	settled := false
	for _, x := range list {
		if x.fresh && !settled {
			settled = true
			if err := r.Memory.settle(); err != nil {
				return Report{}, err
			}
		}
		w.reset()
		result, err := measure(ctx, s, x, o.Runs)
		if err != nil {
			return Report{}, fmt.Errorf("%s: %w", x.name, err)
		}
		if result.Skipped == "" {
			most, err := w.peak()
			if err != nil {
				return Report{}, err
			}
			result.Memory = &most
			if !x.fresh {
				r.Memory.Peak = r.Memory.Peak.most(most)
			}
		}
		r.Results = append(r.Results, result)
		if o.OnResult != nil {
			o.OnResult(result)
		}
	}
	if !settled {
		if err := r.Memory.settle(); err != nil {
			return Report{}, err
		}
	}
	r.Machine.measureHeat()
	return r, nil
}

// settle notes the memory after the work.
func (t *Total) settle() (err error) {
	t.After, t.Resident, err = memoryNow()
	t.Peak = t.Peak.most(t.After)
	return err
}

// measure runs x once to warm up, unless it is about being cold, and then as
// often as asked.
func measure(ctx context.Context, s *subject, x work, runs int) (Result, error) {
	out := Result{Name: x.name, What: x.what}
	warm := 1
	if x.fresh {
		warm = 0
	}
	var seconds, rate []float64
	for i := range warm + runs {
		d, err := x.once(ctx, s)
		if no := (unable{}); errors.As(err, &no) {
			out.Skipped = no.why
			return out, nil
		} else if err != nil {
			return out, err
		}
		if i < warm {
			continue
		}
		seconds = append(seconds, d.Seconds())
		if x.count > 0 {
			rate = append(rate, float64(x.count)/d.Seconds())
		}
	}
	out.Seconds, out.Tokens = spreadOf(seconds), s.tokens
	if rate != nil {
		out.Rate, out.Unit = spreadOf(rate), x.unit
	}
	return out, nil
}

// once is one run of x.
func (x work) once(ctx context.Context, s *subject) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.tokens = 0
	if x.fresh {
		if err := s.reopen(); err != nil {
			return 0, err
		}
	}
	return x.run(ctx, s)
}
