package bench

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"sensed/kernels"
)

// Machine is what the figures were taken on.
type Machine struct {
	Board      string `json:"board,omitempty"` // as the firmware names it
	Processor  string `json:"processor"`
	Processors int    `json:"processors"`
	System     string `json:"system"` // operating system and architecture
	Kernels    string `json:"kernels"`
	// Celsius is the temperature of the hottest sensor before and after,
	// absent where there is none.
	Celsius []float64 `json:"celsius,omitempty"`
}

func thisMachine() Machine {
	return Machine{
		Board:      firstLine("/proc/device-tree/model"),
		Processor:  processor("/proc/cpuinfo"),
		Processors: runtime.NumCPU(),
		System:     runtime.GOOS + "/" + runtime.GOARCH,
		Kernels:    kernels.Kernels(),
	}
}

// firstLine is the first line of a small file, "" without one.
func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimRight(line, "\x00 ")
}

// armParts names the cores of Raspberry Pis by the number that the ARM
// architecture gives them (main ID register, part number).
var armParts = map[string]string{"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}

// processor reads the name of the processor from /proc/cpuinfo.
func processor(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	part := ""
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name":
			return value
		case "CPU part":
			part = value
		}
	}
	switch name := armParts[part]; {
	case name != "":
		return name
	case part != "":
		return "ARM part " + part
	}
	return "unknown"
}

// temperature is that of the hottest sensor below the folder, in degrees
// Celsius; ok is false when there is none.
func temperature(folder string) (celsius float64, ok bool) {
	sensors, err := filepath.Glob(filepath.Join(folder, "thermal_zone*", "temp"))
	if err != nil {
		return 0, false // the pattern is right
	}
	for _, path := range sensors {
		milli, err := strconv.Atoi(firstLine(path))
		if err != nil {
			continue // a sensor that is switched off
		}
		celsius, ok = max(celsius, float64(milli)/1000), true
	}
	return celsius, ok
}

// measureHeat notes the temperature now.
func (m *Machine) measureHeat() {
	if c, ok := temperature("/sys/class/thermal"); ok {
		m.Celsius = append(m.Celsius, c)
	}
}
