package gpio

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestList(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "dev"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gpiochip0", "gpiochip10", "gpiochip2", "gpiochip3"} {
		if err := os.WriteFile(filepath.Join(root, "dev", name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("gpiochip0", filepath.Join(root, "dev/gpiochip4")); err != nil {
		t.Fatal(err)
	}
	call := func(fd, request uintptr, arg unsafe.Pointer) error {
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		switch {
		case name == "gpiochip2":
			return unix.EACCES
		case name == "gpiochip3" && request == ioctlLine:
			return unix.EIO
		case request == ioctlChip:
			c := (*chipInfo)(arg)
			copy(c.label[:], "pinctrl-"+name)
			c.lines = 3
			return nil
		}
		l := (*lineInfo)(arg)
		switch l.offset {
		case 0:
			copy(l.name[:], "ID_SDA")
			l.flags = lineUsed
		case 1:
			copy(l.name[:], "GPIO17")
			copy(l.consumer[:], "sensed")
			l.flags = lineUsed
		case 2:
			copy(l.name[:], "-")
		}
		return nil
	}
	lines := []Line{{0, "ID_SDA", "the kernel"}, {1, "GPIO17", "sensed"}, {2, "", ""}}
	want := []Chip{
		{Path: "/dev/gpiochip0", Label: "pinctrl-gpiochip0", Lines: lines},
		{Path: "/dev/gpiochip2", Problem: "this user may not use it: put the user into the group gpio (sudo usermod -aG gpio USER) and start anew"},
		{Path: "/dev/gpiochip3", Label: "pinctrl-gpiochip3", Problem: "it does not say what its line 0 is: input/output error"},
		{Path: "/dev/gpiochip10", Label: "pinctrl-gpiochip10", Lines: lines},
	}
	if d := cmp.Diff(want, listIn(root, call)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// These are files and no chips.
	for _, c := range listIn(root, kernel) {
		if !strings.Contains(c.Problem, "does not say what it is") {
			t.Errorf("%+v", c)
		}
	}
	if got := listIn(t.TempDir(), kernel); got != nil {
		t.Errorf("a machine without chips has %v", got)
	}
}

// The layouts are those of the kernel's header.
func TestListLayouts(t *testing.T) {
	var l lineInfo
	var c strings.Builder
	c.WriteString("#include <stddef.h>\n#include <linux/gpio.h>\n")
	for expr, v := range map[string]uintptr{
		"sizeof(struct gpiochip_info)": unsafe.Sizeof(chipInfo{}), "sizeof(struct gpio_v2_line_info)": unsafe.Sizeof(l),
		"offsetof(struct gpio_v2_line_info, offset)": unsafe.Offsetof(l.offset), "offsetof(struct gpio_v2_line_info, flags)": unsafe.Offsetof(l.flags),
		"GPIO_GET_CHIPINFO_IOCTL": ioctlChip, "GPIO_V2_GET_LINEINFO_IOCTL": ioctlLine, "GPIO_V2_LINE_FLAG_USED": lineUsed,
	} {
		fmt.Fprintf(&c, "_Static_assert((unsigned long)(%s) == %#xul, \"%s is not %d\");\n", expr, v, expr, v)
	}
	path, err := exec.LookPath("gcc")
	if err != nil {
		t.Fatal("this test needs gcc: apt install gcc libc6-dev")
	}
	cmd := exec.Command(path, "-fsyntax-only", "-x", "c", "-")
	cmd.Stdin = strings.NewReader(c.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
