package health

import (
	"math"
	"path"
	"strconv"
	"strings"
)

// Memory asks about the memory of the board and of this process.
func (b *Board) Memory() Memory {
	board := fields(b.text("proc/meminfo"))
	self := fields(b.text("proc/self/status"))
	m := Memory{
		Total: board["MemTotal"], Available: board["MemAvailable"],
		Anonymous: self["RssAnon"] + self["RssShmem"], File: self["RssFile"],
		Stalled: stalled(b.text("proc/pressure/memory")),
	}
	m.Limit, m.Left = b.limit()
	return m
}

// limit returns the limit of the control group of this process and what of it
// is not taken by memory that cannot be read again (cgroup v2).
func (b *Board) limit() (limit, left uint64) {
	for line := range strings.Lines(b.text("proc/self/cgroup")) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		folder := path.Join("sys/fs/cgroup", path.Clean("/"+group))
		limit, err := strconv.ParseUint(b.word(path.Join(folder, "memory.max")), 10, 64)
		if err != nil { // "max": none
			return 0, 0
		}
		var file uint64
		for line := range strings.Lines(b.text(path.Join(folder, "memory.stat"))) {
			if n, ok := strings.CutPrefix(line, "file "); ok {
				file, _ = strconv.ParseUint(strings.TrimSpace(n), 10, 64)
			}
		}
		used, err := strconv.ParseUint(b.word(path.Join(folder, "memory.current")), 10, 64)
		if err != nil {
			return limit, limit
		}
		taken := used - min(used, file)
		return limit, limit - min(limit, taken)
	}
	return 0, 0
}

// fields reads lines such as "MemTotal:  8192 kB" into bytes.
func fields(text string) map[string]uint64 {
	out := map[string]uint64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		number, unit, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, err := strconv.ParseUint(number, 10, 54) // so that kB do not overflow
		if err != nil {
			continue
		}
		if strings.TrimSpace(unit) == "kB" {
			n *= 1024
		}
		out[strings.TrimSpace(name)] = n
	}
	return out
}

// stalled reads avg10 of the line "full" of a pressure file.
func stalled(text string) *float64 {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "full avg10=")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(rest, " ")
		if x, err := strconv.ParseFloat(number, 64); err == nil && x >= 0 && x <= 100 && !math.IsNaN(x) {
			return &x
		}
	}
	return nil
}
