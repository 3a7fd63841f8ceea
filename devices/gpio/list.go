package gpio

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Chip is a GPIO chip of this machine.
type Chip struct {
	Path  string // /dev/gpiochip0
	Label string // what the kernel calls the hardware
	Lines []Line
	// Problem says why its lines cannot be used, and what to do; "" when they can.
	Problem string
}

// Line is a pin of a chip.
type Line struct {
	Number int
	// Name is that of the pin, or "" for one that leads nowhere.
	Name string
	// User is what holds the pin, or "" when it is free.
	User string
}

// chipInfo is gpiochip_info of the kernel (linux/gpio.h).
type chipInfo struct {
	name, label [32]byte
	lines       uint32
}

// lineInfo is gpio_v2_line_info.
type lineInfo struct {
	name, consumer [32]byte
	offset         uint32
	attributes     uint32
	flags          uint64
	_              [10][16]byte
	_              [4]uint32
}

const (
	lineUsed = 1 << 0

	ioctlChip = 2<<30 | unsafe.Sizeof(chipInfo{})<<16 | 0xb4<<8 | 1
	ioctlLine = 3<<30 | unsafe.Sizeof(lineInfo{})<<16 | 0xb4<<8 | 5

	// mostLines bounds what a chip is believed to have.
	mostLines = 1024
)

// ioctl makes a request to an open chip.
type ioctl func(fd, request uintptr, arg unsafe.Pointer) error

func kernel(fd, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// List returns the GPIO chips of this machine with their pins. It changes none.
func List() []Chip { return listIn("/", kernel) }

func listIn(root string, call ioctl) []Chip {
	paths, _ := filepath.Glob(filepath.Join(root, "dev/gpiochip*")) // the pattern is good
	slices.SortFunc(paths, func(a, b string) int { return cmp.Or(number(a)-number(b), strings.Compare(a, b)) })
	var out []Chip
	for _, path := range paths {
		// The Pi 5 has links for programs that look for the numbers of older kernels.
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			continue
		}
		c := Chip{Path: "/dev/" + filepath.Base(path)}
		err := c.ask(path, call)
		switch {
		case errors.Is(err, fs.ErrPermission):
			c.Problem = "this user may not use it: put the user into the group gpio (sudo usermod -aG gpio USER) and start anew"
		case err != nil:
			c.Problem = err.Error()
		}
		out = append(out, c)
	}
	return out
}

var lastDigits = regexp.MustCompile(`\d+$`)

// number is that at the end of a name, or -1.
func number(path string) int {
	n, err := strconv.Atoi(lastDigits.FindString(path))
	if err != nil {
		return -1
	}
	return n
}

// ask fills in what the kernel knows of the chip.
func (c *Chip) ask(path string, call ioctl) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	var chip chipInfo
	if err := call(f.Fd(), ioctlChip, unsafe.Pointer(&chip)); err != nil {
		return fmt.Errorf("it does not say what it is: %w", err)
	}
	c.Label = text(chip.label[:])
	for i := range min(chip.lines, mostLines) {
		line := lineInfo{offset: i}
		if err := call(f.Fd(), ioctlLine, unsafe.Pointer(&line)); err != nil {
			return fmt.Errorf("it does not say what its line %d is: %w", i, err)
		}
		l := Line{Number: int(i), Name: text(line.name[:])}
		if l.Name == "-" || l.Name == "_" {
			l.Name = ""
		}
		if line.flags&lineUsed != 0 {
			l.User = cmp.Or(text(line.consumer[:]), "the kernel")
		}
		c.Lines = append(c.Lines, l)
	}
	return nil
}

// text is a string of the kernel, which ends with a zero byte.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(b), "?")
}
