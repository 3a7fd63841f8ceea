package bus

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Info is a bus that is there.
type Info struct {
	Name string // as periph names it: SPI0.0 or I2C1
	Path string // of its device node
	// About is what the kernel says about it, or "".
	About string
	// Problem says why this process cannot use it, and what to do; "" when it can.
	Problem string
}

// numbers finds the numbers in the name of a device node.
var numbers = regexp.MustCompile(`\d+`)

// List returns the SPI ports and then the I2C buses of this machine, in order.
func List() []Info { return listIn("/", os.OpenFile) }

// listIn is List for a tree of files; open is os.OpenFile.
func listIn(root string, open func(string, int, fs.FileMode) (*os.File, error)) []Info {
	var out []Info
	for _, k := range []kind{spiKind, i2cKind} {
		paths, _ := filepath.Glob(filepath.Join(root, k.glob)) // the pattern is good
		slices.SortFunc(paths, func(a, b string) int { return slices.Compare(order(a), order(b)) })
		for _, path := range paths {
			node := "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
			n := numbers.FindAllString(filepath.Base(node), -1)
			// i2c holds a digit of its own.
			if k.name == "I2C" {
				n = n[1:]
			}
			if len(n) == 0 {
				continue
			}
			info := Info{Name: k.name + strings.Join(n, "."), Path: node}
			if k.name == "I2C" {
				info.About = read(filepath.Join(root, "sys/bus/i2c/devices/i2c-"+n[0]+"/name"))
			} else {
				info.About = strings.TrimPrefix(read(filepath.Join(root, "sys/bus/spi/devices/spi"+strings.Join(n, ".")+"/modalias")), "spi:")
			}
			f, err := open(path, os.O_RDWR, 0)
			switch {
			case err == nil:
				_ = f.Close() // nothing was written
			case errors.Is(err, fs.ErrPermission):
				info.Problem = advice(k.group)
			default:
				info.Problem = cmp.Or(err.Error(), "it does not open")
			}
			out = append(out, info)
		}
	}
	return out
}

// order makes SPI0.2 come before SPI0.10.
func order(path string) []int {
	var out []int
	for _, s := range numbers.FindAllString(filepath.Base(path), -1) {
		n, _ := strconv.Atoi(s) // too long a number sorts anywhere
		out = append(out, n)
	}
	return out
}

// read returns the line in a file of sysfs, or "".
func read(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.ToValidUTF8(strings.TrimSpace(line), "?")
}
