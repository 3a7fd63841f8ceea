package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteJSON writes the report as one JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable writes the report for people.
func (r Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	m := r.Machine
	if m.Board != "" {
		fmt.Fprintf(&b, "board      %s\n", m.Board)
	}
	fmt.Fprintf(&b, "processor  %s, %d processors, %s, %s\n", m.Processor, m.Processors, m.System, temperatures(m.Celsius))
	fmt.Fprintf(&b, "kernels    %s\n", m.Kernels)
	fmt.Fprintf(&b, "model      %s, %s\n\n", r.Model.Name, threads(r.Model.Threads))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\ttime\tleast .. most\trate\tanonymous\tfile\twhat")
	for _, x := range r.Results {
		if x.Skipped != "" {
			fmt.Fprintf(t, "%s\t-\t\t\t\t\t%s; %s\n", x.Name, x.What, x.Skipped)
			continue
		}
		rate := ""
		if x.Rate != nil {
			rate = fmt.Sprintf("%s %s/s", significant(x.Rate.Median), x.Unit)
		}
		what := x.What
		if x.Tokens > 0 {
			what += fmt.Sprintf(", %d tokens", x.Tokens)
		}
		fmt.Fprintf(t, "%s\t%s\t%s .. %s\t%s\t%s\t%s\t%s\n", x.Name, duration(x.Seconds.Median), duration(x.Seconds.Min), duration(x.Seconds.Max), rate,
			megabytes(x.Memory.Anonymous), megabytes(x.Memory.File), what)
	}
	t.Flush()
	fmt.Fprintf(&b, "\nmemory     after loading %s anonymous, %s of files; after the work %s and %s; at most %s and %s, %s together\n",
		megabytes(r.Memory.Loaded.Anonymous), megabytes(r.Memory.Loaded.File), megabytes(r.Memory.After.Anonymous), megabytes(r.Memory.After.File),
		megabytes(r.Memory.Peak.Anonymous), megabytes(r.Memory.Peak.File), megabytes(r.Memory.Resident))
	_, err := io.WriteString(w, b.String())
	return err
}

func threads(n int) string {
	switch n {
	case 0:
		return "one thread for each processor"
	case 1:
		return "1 thread"
	}
	return fmt.Sprintf("%d threads", n)
}

func temperatures(celsius []float64) string {
	if len(celsius) == 0 {
		return "no temperature sensor"
	}
	var parts []string
	for _, c := range celsius {
		parts = append(parts, fmt.Sprintf("%.0f °C", c))
	}
	return strings.Join(parts, " before, ") + " after"
}

func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// significant is a number with three digits that count.
func significant(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func megabytes(n int) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
