package health

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Board reads the machine's own word about itself, from /sys and /proc below a
// root. What a machine does not have is left unknown; nothing is an error.
type Board struct{ root fs.FS }

// NewBoard returns the board whose /sys and /proc lie below root, such as
// os.DirFS("/").
func NewBoard(root fs.FS) *Board { return &Board{root} }

// Reading is what a board says at one moment.
type Reading struct {
	// Temperature of the processor; nil: unknown.
	Temperature *float64 `json:"temperature_c,omitempty"`
	// Power is nil on boards that do not tell.
	Power *Power `json:"power,omitempty"`
}

// Power is what the firmware of a Raspberry Pi says about supply and clock.
type Power struct {
	UnderVoltage bool `json:"under_voltage"`    // now
	Capped       bool `json:"frequency_capped"` // now
	Throttled    bool `json:"throttled"`        // now
	SoftLimit    bool `json:"soft_temperature_limit"`
	// The same, at any time since the board started.
	UnderVoltageOccurred bool `json:"under_voltage_occurred"`
	CappedOccurred       bool `json:"frequency_capped_occurred"`
	ThrottledOccurred    bool `json:"throttled_occurred"`
	SoftLimitOccurred    bool `json:"soft_temperature_limit_occurred"`
}

// Memory is in bytes; what is unknown is 0.
type Memory struct {
	Total     uint64 `json:"total"`     // of the board
	Available uint64 `json:"available"` // of the board, without swapping
	// Anonymous is what sensed needs for itself; File what it has mapped of the
	// model's files, which the kernel may take back.
	Anonymous uint64 `json:"anonymous"`
	File      uint64 `json:"file"`
	// Limit of the service and how much of it is left before something is
	// killed (what can be read again does not count); 0: there is none.
	Limit uint64 `json:"limit,omitempty"`
	Left  uint64 `json:"left,omitempty"`
	// Stalled is the share of the last ten seconds in which everything waited for
	// memory, in percent; nil: the kernel does not tell (psi=1 on its command line).
	Stalled *float64 `json:"stalled_percent,omitempty"`
}

// Read asks the board about heat and supply.
func (b *Board) Read() Reading {
	return Reading{Temperature: b.temperature(), Power: b.power()}
}

// temperature prefers the zone of the processor to others.
func (b *Board) temperature() *float64 {
	zones, _ := fs.Glob(b.root, "sys/class/thermal/thermal_zone*") // the pattern is right
	var other *float64
	for _, z := range zones {
		milli, ok := b.number(path.Join(z, "temp"))
		if !ok || milli < -55e3 || milli > 200e3 {
			continue
		}
		degrees := float64(milli) / 1000
		kind := b.word(path.Join(z, "type"))
		if strings.Contains(kind, "cpu") || strings.Contains(kind, "soc") || kind == "x86_pkg_temp" {
			return &degrees
		}
		if other == nil {
			other = &degrees
		}
	}
	return other
}

// power reads the firmware's bits where the kernel shows them, else the alarm
// of the supply alone. On a Raspberry Pi 5 the folder has an address in its name.
func (b *Board) power() *Power {
	for _, pattern := range []string{
		"sys/devices/platform/soc/soc:firmware/get_throttled",
		"sys/devices/platform/*firmware/get_throttled",
		"sys/devices/platform/soc*/*firmware/get_throttled",
	} {
		files, _ := fs.Glob(b.root, pattern) // the pattern is right
		for _, f := range files {
			if bits, err := strconv.ParseUint(strings.TrimPrefix(b.word(f), "0x"), 16, 32); err == nil {
				return powerOf(bits)
			}
		}
	}
	chips, _ := fs.Glob(b.root, "sys/class/hwmon/hwmon*")
	for _, c := range chips {
		if b.word(path.Join(c, "name")) == "rpi_volt" {
			if alarm, ok := b.number(path.Join(c, "in0_lcrit_alarm")); ok {
				return &Power{UnderVoltage: alarm != 0, UnderVoltageOccurred: alarm != 0}
			}
		}
	}
	return nil
}

func powerOf(bits uint64) *Power {
	is := func(n int) bool { return bits>>n&1 != 0 }
	return &Power{
		UnderVoltage: is(0), Capped: is(1), Throttled: is(2), SoftLimit: is(3),
		UnderVoltageOccurred: is(16), CappedOccurred: is(17), ThrottledOccurred: is(18), SoftLimitOccurred: is(19),
	}
}

// word returns the first line of a small file, "" when it cannot be read.
func (b *Board) word(name string) string {
	line, _, _ := strings.Cut(b.text(name), "\n")
	return strings.TrimSpace(line)
}

func (b *Board) number(name string) (int64, bool) {
	n, err := strconv.ParseInt(b.word(name), 10, 64)
	return n, err == nil
}

// text returns a file of the kernel, "" when it cannot be read.
func (b *Board) text(name string) string {
	data, err := fs.ReadFile(b.root, name)
	if err != nil {
		return ""
	}
	return string(data)
}
