package app

import (
	"fmt"
	"strings"

	"sensed/daemon/event"
)

// Colours of the terminal (ECMA-48, select graphic rendition).
const (
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	blue    = "34"
	magenta = "35"
	cyan    = "36"
)

func (v *viewer) paint(code, s string) string {
	if !v.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// color is how a kind of event looks.
func color(k event.Kind) string {
	switch k {
	case event.Caption, event.Answer:
		return green
	case event.Objects:
		return cyan
	case event.Transcript:
		return yellow
	case event.Motion, event.Sound, event.Pin, event.Temperature:
		return blue
	}
	return magenta
}

// line is one event for people: time, source, kind, latency, and the words last,
// so that long ones do not break the columns.
func (v *viewer) line(e event.Event) string {
	source := e.Source
	if source == "" {
		source = "sensed"
	}
	latency := ""
	if e.Latency != nil {
		latency = fmt.Sprintf("%.0f ms", e.Latency.Total)
	}
	words := v.words(e)
	if e.Sample != "" {
		words += "  " + v.paint(dim, e.Sample)
	}
	return strings.TrimRight(fmt.Sprintf("%s  %-10s  %s  %8s  %s",
		v.paint(dim, e.Time.Local().Format("15:04:05")), source,
		v.paint(color(e.Kind), fmt.Sprintf("%-10s", e.Kind)), latency, words), " ")
}

// words is what an event says.
func (v *viewer) words(e event.Event) string {
	switch {
	case e.Error == event.NoWords:
		return e.Error
	case e.Error != "":
		return v.paint(red, strings.TrimSpace(e.State+" "+e.Error))
	case e.State != "":
		return e.State
	case e.Active != nil && !*e.Active:
		return fmt.Sprintf("over after %.1f s", e.Duration)
	case e.Kind == event.Objects:
		return v.boxes(e.Objects)
	case e.Kind == event.Motion && e.Level != nil:
		return fmt.Sprintf("%.0f%% of the picture", 100**e.Level)
	case e.Kind == event.Sound && e.Level != nil:
		return fmt.Sprintf("%.0f dB", *e.Level)
	case e.Temperature != nil:
		return fmt.Sprintf("%.1f to %.1f °C", e.Temperature.Min, e.Temperature.Max)
	case e.Kind == event.Transcript:
		return fmt.Sprintf("%q", e.Text)
	}
	return e.Text
}

func (v *viewer) boxes(objects []event.Object) string {
	if len(objects) == 0 {
		return v.paint(dim, "nothing")
	}
	var parts []string
	for _, o := range objects {
		parts = append(parts, fmt.Sprintf("%s %.0f%% %s", v.paint(bold, o.Label), 100*o.Score,
			v.paint(dim, fmt.Sprintf("#%d [%d %d %d %d]", o.Track, o.Pixels[0], o.Pixels[1], o.Pixels[2], o.Pixels[3]))))
	}
	return strings.Join(parts, ", ")
}
