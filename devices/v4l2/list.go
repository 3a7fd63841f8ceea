//go:build linux && (amd64 || arm64)

package v4l2

import (
	"cmp"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Info is a camera that is there, or a device node of which nothing can be known.
type Info struct {
	Path string // /dev/video0
	// ID is a name that stays when devices come and go, or "".
	ID string
	// Card is what the camera calls itself, Driver and Bus where it is.
	Card, Driver, Bus string
	Formats           []FormatInfo
	// Problem says why it cannot be used, and what to do; "" when it can.
	Problem string
}

// FormatInfo is a format of pixels that a camera has.
type FormatInfo struct {
	// Name is as in [Opts], or the code of a format that this package cannot play.
	Name  string
	Known bool // it can be played
	// Sizes are those that the camera has; of one that has any size between two
	// the smallest and the largest.
	Sizes []SizeInfo
}

// SizeInfo is a size of pictures.
type SizeInfo struct {
	Width, Height int
	// Rates are the frames in a second that it can have, the most first.
	Rates []float64
}

// most bounds what is asked of a driver, which need not end.
const most = 64

// Drivers of the board that show device nodes like those of cameras.
var (
	// raw give what the sensors on the camera port see.
	raw = []string{"unicam", "rp1-cfe"}
	// inner convert pictures.
	inner = []string{"bcm2835-codec", "bcm2835-isp", "pispbe", "rpivid", "rpi-hevc-dec"}
)

// List returns the cameras of this machine by their numbers. It starts none of
// them.
func List() []Info { return listIn("/", linux{}) }

func listIn(root string, k kernel) []Info {
	paths, _ := filepath.Glob(filepath.Join(root, "dev/video*")) // the pattern is good
	slices.SortFunc(paths, func(a, b string) int { return cmp.Or(number(a)-number(b), strings.Compare(a, b)) })
	names := staying(root)
	var out []Info
	for _, path := range paths {
		info, ok := inspect(k, "/dev/"+filepath.Base(path))
		if ok {
			info.ID = names[filepath.Base(path)]
			out = append(out, info)
		}
	}
	return out
}

// number is that at the end of a name, or -1.
func number(path string) int {
	n, err := strconv.Atoi(lastDigits.FindString(path))
	if err != nil {
		return -1
	}
	return n
}

var lastDigits = regexp.MustCompile(`\d+$`)

// staying returns the names that stay by the names of the device nodes. That of
// the camera itself is better than that of the socket that it is plugged into.
func staying(root string) map[string]string {
	out := map[string]string{}
	for _, folder := range []string{"by-id", "by-path"} {
		links, _ := filepath.Glob(filepath.Join(root, "dev/v4l", folder, "*")) // the pattern is good
		for _, link := range links {
			node, err := filepath.EvalSymlinks(link)
			if err != nil {
				continue // the camera went away
			}
			if base := filepath.Base(node); out[base] == "" {
				out[base] = "/dev/v4l/" + folder + "/" + filepath.Base(link)
			}
		}
	}
	return out
}

// inspect asks a device node what it can do. ok is false when it is no camera.
func inspect(k kernel, path string) (info Info, ok bool) {
	s := &Source{o: Opts{Device: path}, kernel: k}
	info.Path = path
	p, err := k.open(path)
	if err != nil {
		info.Problem = strings.TrimPrefix(s.explain(stepOpen, err).Error(), s.String()+": ")
		return info, true
	}
	defer p.close() // nothing was begun
	var caps capability
	if err := p.ioctl(vidiocQueryCap, unsafe.Pointer(&caps)); err != nil {
		return info, false
	}
	can := caps.capabilities
	if can&capDeviceCaps != 0 {
		can = caps.deviceCaps
	}
	info.Card, info.Driver, info.Bus = text(caps.card[:]), text(caps.driver[:]), text(caps.busInfo[:])
	if can&capVideoCapture == 0 || can&capStreaming == 0 || can&(capVideoM2M|capVideoM2MMPlane) != 0 || slices.Contains(inner, info.Driver) {
		return info, false
	}
	if slices.Contains(raw, info.Driver) {
		info.Problem = "it gives what the sensor of a camera on the board's camera port sees: such cameras are played by the source libcamera"
		return info, true
	}
	info.Formats = formatsOf(p)
	if !slices.ContainsFunc(info.Formats, func(f FormatInfo) bool { return f.Known }) {
		info.Problem = "it has no format that sensed knows: use another camera"
	}
	return info, true
}

func formatsOf(p port) []FormatInfo {
	var out []FormatInfo
	for i := range uint32(most) {
		d := fmtDesc{index: i, typ: bufTypeVideoCapture}
		if p.ioctl(vidiocEnumFmt, unsafe.Pointer(&d)) != nil {
			break
		}
		f := FormatInfo{Name: strings.TrimSpace(fourCCText(d.pixelFormat))}
		for _, px := range pixels() {
			if px.has(d.pixelFormat) {
				f.Name, f.Known = px.name, true
			}
		}
		f.Sizes = sizesOf(p, d.pixelFormat)
		out = append(out, f)
	}
	return out
}

func sizesOf(p port, code uint32) []SizeInfo {
	var out []SizeInfo
	for i := range uint32(most) {
		e := sizeEnum{index: i, pixelFormat: code}
		if p.ioctl(vidiocEnumSizes, unsafe.Pointer(&e)) != nil {
			break
		}
		if e.typ != enumDiscrete {
			for _, s := range [][2]uint32{{e.minWidth(), e.minHeight()}, {e.maxWidth(), e.maxHeight()}} {
				out = append(out, SizeInfo{int(s[0]), int(s[1]), ratesOf(p, code, s[0], s[1])})
			}
			break
		}
		w, h := e.union[0], e.union[1]
		out = append(out, SizeInfo{int(w), int(h), ratesOf(p, code, w, h)})
	}
	return out
}

func ratesOf(p port, code, width, height uint32) []float64 {
	var out []float64
	for i := range uint32(most) {
		e := rateEnum{index: i, pixelFormat: code, width: width, height: height}
		if p.ioctl(vidiocEnumRates, unsafe.Pointer(&e)) != nil {
			break
		}
		// Of a range the first interval is the shortest.
		if f := e.union[0]; f.numerator > 0 {
			out = append(out, math.Round(100*float64(f.denominator)/float64(f.numerator))/100)
		}
		if e.typ != enumDiscrete {
			break
		}
	}
	slices.SortFunc(out, func(a, b float64) int { return cmp.Compare(b, a) })
	return slices.Compact(out)
}

// sizeEnum is v4l2_frmsizeenum. Its union is width and height, or the bounds of
// a range: width from, to and step, then height.
type sizeEnum struct {
	index       uint32
	pixelFormat uint32
	typ         uint32
	union       [6]uint32
	reserved    [2]uint32
}

func (e *sizeEnum) minWidth() uint32  { return e.union[0] }
func (e *sizeEnum) maxWidth() uint32  { return e.union[1] }
func (e *sizeEnum) minHeight() uint32 { return e.union[3] }
func (e *sizeEnum) maxHeight() uint32 { return e.union[4] }

// rateEnum is v4l2_frmivalenum. Its union is the interval, or the bounds of a
// range: from, to and step.
type rateEnum struct {
	index         uint32
	pixelFormat   uint32
	width, height uint32
	typ           uint32
	union         [3]fract
	reserved      [2]uint32
}

const (
	enumDiscrete = 1

	vidiocEnumSizes = iocRead | iocWrite | unsafe.Sizeof(sizeEnum{})<<16 | 'V'<<8 | 74
	vidiocEnumRates = iocRead | iocWrite | unsafe.Sizeof(rateEnum{})<<16 | 'V'<<8 | 75
)
