//go:build linux && (amd64 || arm64)

package v4l2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// shelf is a kernel with several device nodes, by their paths. It can be asked
// only.
type shelf map[string]*shelved

type shelved struct {
	err          error
	caps         uint32
	card, driver string
	formats      []string
	sizes        [][2]uint32
	ranged       bool // sizes are from and to, and so are the rates
	rates        []fract
	endless      bool // has no last of anything
	closed       int
}

func (s shelf) open(path string) (port, error) {
	n := s[path]
	if n == nil {
		return nil, unix.ENOENT
	}
	if n.err != nil {
		return nil, n.err
	}
	return n, nil
}

func (n *shelved) close() error                              { n.closed++; return nil }
func (n *shelved) mmap(int64, int) ([]byte, error)           { return nil, unix.EINVAL }
func (n *shelved) munmap([]byte) error                       { return unix.EINVAL }
func (n *shelved) wait(context.Context, time.Duration) error { return errSilent }
func (n *shelved) last(i uint32, of int) bool                { return int(i) >= of && !n.endless }
func pick[T any](list []T, i uint32) T                       { return list[int(i)%len(list)] }
func (n *shelved) ioctl(request uintptr, arg unsafe.Pointer) error {
	switch request {
	case vidiocQueryCap:
		c := (*capability)(arg)
		copy(c.card[:], n.card)
		copy(c.driver[:], n.driver)
		copy(c.busInfo[:], "usb-1")
		c.capabilities, c.deviceCaps = n.caps|capDeviceCaps|capVideoCapture, n.caps
		return nil
	case vidiocEnumFmt:
		d := (*fmtDesc)(arg)
		if n.last(d.index, len(n.formats)) {
			return unix.EINVAL
		}
		d.pixelFormat = fourCC(pick(n.formats, d.index))
		return nil
	case vidiocEnumSizes:
		e := (*sizeEnum)(arg)
		if n.last(e.index, len(n.sizes)) || n.ranged && e.index > 0 {
			return unix.EINVAL
		}
		if n.ranged {
			e.typ, e.union = 3, [6]uint32{n.sizes[0][0], n.sizes[1][0], 2, n.sizes[0][1], n.sizes[1][1], 2}
			return nil
		}
		s := pick(n.sizes, e.index)
		e.typ, e.union[0], e.union[1] = enumDiscrete, s[0], s[1]
		return nil
	case vidiocEnumRates:
		e := (*rateEnum)(arg)
		if n.last(e.index, len(n.rates)) || n.ranged && e.index > 0 {
			return unix.EINVAL
		}
		e.typ, e.union[0] = enumDiscrete, pick(n.rates, e.index)
		if n.ranged {
			e.typ, e.union[1] = 2, fract{1, 1}
		}
		return nil
	}
	return unix.ENOTTY
}

func TestList(t *testing.T) {
	camera := uint32(capVideoCapture | capStreaming)
	s := shelf{
		"/dev/video0": {caps: camera, card: "Webcam", driver: "uvcvideo", formats: []string{"MJPG", "YUYV", "S560"},
			sizes: [][2]uint32{{640, 480}, {1280, 720}}, rates: []fract{{1, 5}, {1, 30}, {1001, 30000}, {1, 30}}},
		"/dev/video1":  {caps: capMetaCapture | capStreaming, card: "Webcam", driver: "uvcvideo"},
		"/dev/video2":  {err: unix.EACCES},
		"/dev/video3":  {caps: camera, card: "unicam", driver: "unicam", formats: []string{"pRAA"}},
		"/dev/video10": {caps: capVideoM2MMPlane | capStreaming, card: "bcm2835-codec-decode", driver: "bcm2835-codec"},
		"/dev/video11": {caps: camera, card: "vivid", driver: "vivid", formats: []string{"NV12"}, ranged: true,
			sizes: [][2]uint32{{320, 180}, {3840, 2160}}, rates: []fract{{1, 60}}},
		"/dev/video12": {caps: camera, card: "Odd", driver: "odd", formats: []string{"S560"}},
		"/dev/video13": {caps: camera, card: "isp", driver: "bcm2835-isp", formats: []string{"YUYV"}},
	}
	root := t.TempDir()
	for _, dir := range []string{"dev/v4l/by-id", "dev/v4l/by-path"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for path := range s {
		if err := os.WriteFile(filepath.Join(root, path), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, node := range map[string]string{
		"by-id/usb-Webcam-index0": "video0", "by-path/pci-usb-index0": "video0", "by-path/platform-vivid": "video11", "by-id/gone": "video99",
	} {
		if err := os.Symlink("../../"+node, filepath.Join(root, "dev/v4l", link)); err != nil {
			t.Fatal(err)
		}
	}
	fast := []float64{30, 29.97, 5}
	sizes := []SizeInfo{{640, 480, fast}, {1280, 720, fast}}
	want := []Info{
		{Path: "/dev/video0", ID: "/dev/v4l/by-id/usb-Webcam-index0", Card: "Webcam", Driver: "uvcvideo", Bus: "usb-1",
			Formats: []FormatInfo{{"mjpeg", true, sizes}, {"yuyv", true, sizes}, {"S560", false, sizes}}},
		{Path: "/dev/video2", Problem: "group video"},
		{Path: "/dev/video3", Card: "unicam", Driver: "unicam", Bus: "usb-1", Problem: "libcamera"},
		{Path: "/dev/video11", ID: "/dev/v4l/by-path/platform-vivid", Card: "vivid", Driver: "vivid", Bus: "usb-1",
			Formats: []FormatInfo{{"nv12", true, []SizeInfo{{320, 180, []float64{60}}, {3840, 2160, []float64{60}}}}}},
		{Path: "/dev/video12", Card: "Odd", Driver: "odd", Bus: "usb-1", Formats: []FormatInfo{{"S560", false, nil}}, Problem: "no format that sensed knows"},
	}
	got := listIn(root, s)
	same := cmp.Comparer(func(a, b string) bool {
		return a == b || a != "" && b != "" && (strings.Contains(a, b) || strings.Contains(b, a))
	})
	if d := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Problem" }, same)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for path, n := range s {
		if n.err == nil && n.closed != 1 {
			t.Errorf("%s was closed %d times", path, n.closed)
		}
	}
	if got := listIn(t.TempDir(), s); got != nil {
		t.Errorf("a machine without cameras has %v", got)
	}
}

// A driver that never says that there is no more does not keep us for ever.
func TestListEnds(t *testing.T) {
	n := &shelved{caps: capVideoCapture | capStreaming, formats: []string{"YUYV"}, sizes: [][2]uint32{{64, 48}}, rates: []fract{{0, 5}, {1, 5}}, endless: true}
	info, ok := inspect(shelf{"/dev/video0": n}, "/dev/video0")
	if !ok || len(info.Formats) != most || len(info.Formats[0].Sizes) != most || len(info.Formats[0].Sizes[0].Rates) != 1 {
		t.Errorf("%t, %d formats", ok, len(info.Formats))
	}
	if _, ok := inspect(shelf{"/dev/video0": {err: errors.New("it burns")}}, "/dev/video0"); !ok {
		t.Error("a device that does not open is left out")
	}
}

// The layouts are those of the kernel's header.
func TestListLayouts(t *testing.T) {
	var e sizeEnum
	var r rateEnum
	var c strings.Builder
	c.WriteString("#include <stddef.h>\n#include <sys/time.h>\n#include <linux/videodev2.h>\n")
	for expr, v := range map[string]uintptr{
		"sizeof(struct v4l2_frmsizeenum)": unsafe.Sizeof(e), "offsetof(struct v4l2_frmsizeenum, discrete)": unsafe.Offsetof(e.union),
		"offsetof(struct v4l2_frmsizeenum, stepwise.max_height)": unsafe.Offsetof(e.union) + 16,
		"sizeof(struct v4l2_frmivalenum)":                        unsafe.Sizeof(r), "offsetof(struct v4l2_frmivalenum, discrete)": unsafe.Offsetof(r.union),
		"V4L2_FRMSIZE_TYPE_DISCRETE": enumDiscrete, "V4L2_FRMIVAL_TYPE_DISCRETE": enumDiscrete,
		"VIDIOC_ENUM_FRAMESIZES": vidiocEnumSizes, "VIDIOC_ENUM_FRAMEINTERVALS": vidiocEnumRates,
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
