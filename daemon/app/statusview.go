package app

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"sensed/daemon/health"
)

// StatusView draws a snapshot for a person: lines of at most width columns (0:
// as long as they are), with colours if wanted. What came from outside cannot
// move the cursor.
func StatusView(s health.Snapshot, width int, color bool) string {
	v := &view{width: width, color: color}
	v.line("", "%s  sensed %s  up %s", s.Node, s.Program, upTime(s.Uptime))
	v.line(warnIf(s.Model.File == ""), "model   %s", strings.Join(modelWords(s.Model), ", "))
	v.line("", "speed   %s", speedWords(s.Speed))
	v.line(warnIf(hot(s.Board)), "board   %s", strings.Join(boardWords(s), ", "))
	v.line(warnIf(s.Load.Level != health.Normal), "load    %s", because(s.Load.Name, s.Load.Why))
	v.line("", "queue   %d waiting, %d answered, %d failed, %d dropped", s.Queue.Waiting, s.Queue.Answered, s.Queue.Failed, dropped(s.Queue))
	broker := "connected"
	if !s.Broker.Connected {
		broker = because("not connected", s.Broker.Problem)
	}
	v.line(warnIf(!s.Broker.Connected), "broker  %s, %s", s.Broker.Address, broker)
	v.line(warnIf(s.Outbox.Problem != ""), "outbox  %s", outboxWords(s.Outbox))
	v.line("", "")
	for _, src := range s.Sources {
		mark := ""
		switch src.State {
		case "absent", "lost", "failed":
			mark = yellow
		}
		v.line(mark, "%-12s %-10s %s", src.Name, src.Kind, because(src.State, src.Why))
		v.line("", "%12s %d seen, %d asked, %d answered", "", src.Seen, src.Asked, src.Answered)
		if src.Last != "" {
			v.line("", "%12s %s  %s", "", src.LastAt, src.Last)
		}
	}
	if len(s.Sources) == 0 {
		v.line("", "no sources: nothing is looked at or listened to")
	}
	if len(s.Problems) > 0 {
		v.line("", "")
	}
	for _, p := range s.Problems {
		v.line(yellow, "! %s", p)
	}
	return v.text.String()
}

// view collects lines.
type view struct {
	width int
	color bool
	text  strings.Builder
}

func (v *view) line(color, format string, args ...any) {
	line := strings.TrimRight(printable(fmt.Sprintf(format, args...)), " ")
	if letters := []rune(line); v.width > 1 && len(letters) > v.width {
		line = string(letters[:v.width-1]) + "…"
	}
	if v.color && color != "" {
		line = "\x1b[" + color + "m" + line + "\x1b[0m"
	}
	v.text.WriteString(line + "\n")
}

// printable replaces what could move the cursor of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

func warnIf(bad bool) string {
	if bad {
		return yellow
	}
	return ""
}

func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + " (" + why + ")"
}

func upTime(seconds float64) string {
	d := time.Duration(seconds) * time.Second
	if d < 24*time.Hour {
		return d.String()
	}
	return fmt.Sprintf("%dd%s", d/(24*time.Hour), d%(24*time.Hour))
}

func modelWords(m health.Model) []string {
	out := []string{m.Name}
	if m.Quant != "" {
		out[0] += " " + m.Quant
	}
	if m.File == "" {
		out = append(out, "inside the program: a demonstration, which knows drawings only")
	} else {
		out = append(out, m.File)
	}
	out = append(out, m.Kernels)
	if m.Busy {
		out = append(out, "at work")
	}
	return out
}

func speedWords(s health.Speed) string {
	if s == (health.Speed{}) {
		return "nothing was asked in the last minutes"
	}
	l := s.Latency
	return fmt.Sprintf("%.1f tokens/s; %s from capture to answer (wait %s, encode %s, prefill %s, decode %s)",
		s.TokensPerSecond, took(l.Total), took(l.Wait), took(l.Encode), took(l.Prefill), took(l.Decode))
}

func took(ms float64) string {
	if ms < 1000 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

func hot(b health.Reading) bool {
	return b.Power != nil && (b.Power.UnderVoltage || b.Power.Throttled || b.Power.Capped)
}

func boardWords(s health.Snapshot) []string {
	var out []string
	if t := s.Board.Temperature; t != nil {
		out = append(out, fmt.Sprintf("%.1f °C", *t))
	}
	if p := s.Board.Power; p != nil {
		now, since := []string{}, []string{}
		for _, b := range []struct {
			what        string
			now, before bool
		}{{"under-voltage", p.UnderVoltage, p.UnderVoltageOccurred}, {"throttled", p.Throttled, p.ThrottledOccurred}, {"clock capped", p.Capped, p.CappedOccurred}, {"soft temperature limit", p.SoftLimit, p.SoftLimitOccurred}} {
			switch {
			case b.now:
				now = append(now, b.what)
			case b.before:
				since = append(since, b.what)
			}
		}
		out = append(out, now...)
		if len(since) > 0 {
			out = append(out, "since it started: "+strings.Join(since, " and "))
		}
	}
	m := s.Memory
	out = append(out, fmt.Sprintf("sensed has %s, and %s of the model's files", size(m.Anonymous), size(m.File)), fmt.Sprintf("%s of %s available", size(m.Available), size(m.Total)))
	if m.Limit > 0 {
		out = append(out, fmt.Sprintf("limit %s, %s left", size(m.Limit), size(m.Left)))
	}
	return out
}

func size(bytes uint64) string {
	switch {
	case bytes >= 10<<30:
		return fmt.Sprintf("%d GB", bytes>>30)
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MB", bytes>>20)
	}
	return fmt.Sprintf("%d kB", bytes>>10)
}

func dropped(q health.Queue) (n uint64) {
	for _, d := range q.Drops {
		n += d.Count
	}
	return n
}

func outboxWords(o health.Outbox) string {
	where := "in memory only"
	if o.Durable {
		where = "on disk"
	}
	s := fmt.Sprintf("%s, %d messages wait (%s)", where, o.Messages, size(o.Bytes))
	if o.Dropped > 0 {
		s += fmt.Sprintf(", %d dropped", o.Dropped)
	}
	if o.Problem != "" {
		s += "; " + o.Problem
	}
	return s
}
