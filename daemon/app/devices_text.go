package app

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// text is the listing for people: first what stands in the configuration, then
// what it is.
func (l *Listing) text() string {
	var b strings.Builder
	b.WriteString("Cameras (source:)\n")
	for _, c := range l.Cameras {
		about := c.Name
		if c.Device != "" && !strings.Contains(c.Source, c.Device) {
			about = strings.TrimSpace(about + "  " + c.Device)
		}
		row(&b, c.Source, about)
		for _, line := range c.formats() {
			row(&b, "", line)
		}
		problem(&b, c.Problem)
	}
	nothing(&b, len(l.Cameras), "no camera is connected; scene: draws pictures, replay: plays a folder of them")
	b.WriteString("\nMicrophones (source:)\n")
	for _, m := range l.Microphones {
		about := fmt.Sprintf("%q, %d channels, %s Hz", m.Name, m.Channels, decimal(m.Rate))
		if m.Default {
			about += ", the default"
		}
		row(&b, m.Source, about)
	}
	nothing(&b, len(l.Microphones), "no microphone is connected; wav: plays recordings")
	b.WriteString("\nBuses (in lepton: and arducam:)\n")
	for _, x := range l.Buses {
		row(&b, x.Option, strings.TrimSpace(x.Device+"  "+x.About))
		problem(&b, x.Problem)
	}
	nothing(&b, len(l.Buses), "no SPI port or I2C bus; on a Raspberry Pi: dtparam=spi=on and dtparam=i2c_arm=on in /boot/firmware/config.txt")
	b.WriteString("\nPins (pin:)\n")
	for _, c := range l.Chips {
		row(&b, c.Device, c.Label)
		for _, line := range c.pins() {
			row(&b, "", line)
		}
		problem(&b, c.Problem)
	}
	nothing(&b, len(l.Chips), "no GPIO chip")
	if len(l.Problems) > 0 {
		b.WriteString("\nProblems\n")
		for _, p := range l.Problems {
			fmt.Fprintf(&b, "  %s\n", p)
		}
	}
	return b.String()
}

// row is a line: what to write, and what it is.
func row(b *strings.Builder, what, about string) {
	if about == "" {
		fmt.Fprintf(b, "  %s\n", what)
		return
	}
	if what == "" {
		fmt.Fprintf(b, "      %s\n", about)
		return
	}
	fmt.Fprintf(b, "  %-28s  %s\n", what, about)
}

func problem(b *strings.Builder, why string) {
	if why != "" {
		fmt.Fprintf(b, "      cannot be used: %s\n", why)
	}
}

func nothing(b *strings.Builder, n int, words string) {
	if n == 0 {
		fmt.Fprintf(b, "  none: %s\n", words)
	}
}

// formats are the formats that can be played with their sizes, those with the
// same ones in a line (yuyv, mjpeg: 640x480 at 30, 15; 1280x720 at 10), then the
// names of the others.
func (c *ListedCamera) formats() []string {
	var order, unusable []string
	names := map[string][]string{} // by their sizes
	for _, f := range c.Format {
		if !f.Usable {
			unusable = append(unusable, f.Name)
			continue
		}
		sizes := f.sizes()
		if names[sizes] == nil {
			order = append(order, sizes)
		}
		names[sizes] = append(names[sizes], f.Name)
	}
	var lines []string
	for _, sizes := range order {
		parts := slices.DeleteFunc([]string{strings.Join(names[sizes], ", "), sizes}, func(s string) bool { return s == "" })
		lines = append(lines, strings.Join(parts, ": "))
	}
	if len(unusable) > 0 {
		lines = append(lines, "not for sensed: "+strings.Join(unusable, ", "))
	}
	return lines
}

// sizes is as in 640x480 at 30, 15; 1280x720 at 10.
func (f *ListedFormat) sizes() string {
	var sizes []string
	for _, s := range f.Sizes {
		words := s.Size
		for i, fps := range s.FPS {
			words += []string{" at ", ", "}[min(i, 1)] + decimal(fps)
		}
		sizes = append(sizes, words)
	}
	return strings.Join(sizes, "; ")
}

// pins are the names of a chip's pins, some in a line.
func (c *ListedChip) pins() (lines []string) {
	line := ""
	for _, p := range c.Pins {
		name := p.Pin
		if p.User != "" {
			name += " (used by " + p.User + ")"
		}
		if line != "" && len(line)+len(name) > 90 {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + name)
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// decimal writes a number without needless zeros.
func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
