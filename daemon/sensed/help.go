package main

import (
	"flag"
	"fmt"
	"strings"
)

const exitCodes = `Exit codes:
  0    done
  1    something failed while working, or a model file cannot be used
  2    the command line is wrong
  3    the configuration is wrong
  4    run: the model files are missing, damaged or do not belong together
  5    a picture, a sound or a line of input cannot be used
  6    no daemon runs that could be asked
  130  interrupted
`

func overview() string {
	var b strings.Builder
	b.WriteString(`sensed looks and listens on this machine: camera frames and microphone sound go
into Gemma 4 on the processor, captions, boxes and transcripts come out over MQTT.

Usage: sensed COMMAND [FLAGS]

Commands:
`)
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-9s %s\n", c.name, c.summary)
	}
	b.WriteString(`
sensed COMMAND -h tells everything about one command. To begin:

  sensed demo                       see it work: no camera, broker or download needed
  sensed infer --image photo.jpg    ask the bundled demonstration model about a picture
  sensed run --config sensed.yaml   the daemon

` + exitCodes)
	return b.String()
}

// groupHelp is the text about a group of commands.
func (c command) groupHelp() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage: sensed %s %s\n\n%s\n\nCommands:\n", c.summary, c.name, c.args, strings.TrimSpace(c.about))
	for _, sub := range c.subs {
		fmt.Fprintf(&b, "  sensed %-17s %s\n", sub.name, sub.summary)
	}
	fmt.Fprintf(&b, "\nsensed %s COMMAND -h tells everything about one.\n\n%s", c.name, exitCodes)
	return b.String()
}

// help is the full text about one command.
func (c command) help(f *flag.FlagSet) string {
	var b strings.Builder
	usage := "sensed " + c.name
	if c.args != "" {
		usage += " " + c.args
	}
	fmt.Fprintf(&b, "%s\n\nUsage: %s\n\n%s\n", c.summary, usage, strings.TrimSpace(c.about))
	rows := flagRows(f)
	if len(rows) > 0 {
		b.WriteString("\nFlags:\n")
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, r[0], strings.ReplaceAll(r[1], "\n", "\n"+strings.Repeat(" ", width+4)))
	}
	if c.example != "" {
		b.WriteString("\nExamples:\n")
		for line := range strings.Lines(strings.TrimSpace(c.example)) {
			b.WriteString("  " + line)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n" + exitCodes)
	return b.String()
}

// flagRows returns each flag with its meaning, in the order of their names. A
// placeholder in back quotes at the beginning of a flag's usage stands behind
// the flag and not in its meaning.
func flagRows(f *flag.FlagSet) [][2]string {
	var rows [][2]string
	f.VisitAll(func(fl *flag.Flag) {
		name, usage := "--"+fl.Name, fl.Usage
		if rest, ok := strings.CutPrefix(usage, "`"); ok {
			value, meaning, _ := strings.Cut(rest, "`")
			name, usage = name+" "+value, strings.TrimSpace(meaning)
		}
		rows = append(rows, [2]string{name, usage})
	})
	return rows
}
