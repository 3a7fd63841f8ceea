//go:build linux && (amd64 || arm64)

package v4l2

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fake is a kernel with one camera. It behaves as a driver does: what is asked
// in the wrong order or twice is refused, and what is not given back is counted.
type fake struct {
	mu sync.Mutex

	// What the camera is like.
	caps          uint32
	formats       []string
	width, height int // the only size that it has; 0: any
	pad           int // bytes after each row
	limit         int // pictures that it gives before it falls silent; 0: no limit
	burst         int // pictures that are ready at each wait; default 1
	spacing       time.Duration
	every         func(n int, b *buffer) // changes the n-th picture, from 1
	picture       func(n int, p pixFormat) []byte
	spurious      bool // announces pictures and gives none
	switchTo      string
	bufferLength  uint32
	bufferCount   uint32
	card, bus     string
	controls      map[uint32]*fakeControl
	sizes         map[string][][2]uint32 // by format; none: it does not say
	rates         map[string]fract       // intervals, likewise

	// Faults: the n-th operation, from 1, fails with err; after it everything
	// does when gone is true.
	failAt int
	err    error
	gone   bool

	// What happened.
	ops    []string
	opened int
	maps   map[*byte]bool
	parm   fract

	format    pixFormat
	buffers   []*fakeBuffer
	queue     []int // with the driver, oldest first
	done      []buffer
	streaming bool
	given     int
	mono      time.Duration
}

type fakeControl struct {
	min, max, value int32
	flags           uint32
	menu            []uint32
}

type fakeBuffer struct {
	mem    []byte
	queued bool
}

const epoch = 1000 * time.Second // what the monotonic clock of a fake says first

func newFake() *fake {
	return &fake{caps: capVideoCapture | capStreaming, formats: []string{"YUYV"}, spacing: time.Second / 30, mono: epoch, maps: map[*byte]bool{}}
}

// source returns a camera of the fake.
func (f *fake) source(t *testing.T, o Opts) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.kernel = f
	s.now = func() (time.Time, time.Duration) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return wallStart.Add(f.mono - epoch), f.mono
	}
	return s
}

var wallStart = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// op notes an operation and returns the fault that it has.
func (f *fake) op(name string) error {
	f.ops = append(f.ops, name)
	n := len(f.ops)
	if f.failAt > 0 && (n == f.failAt || f.gone && n > f.failAt) {
		return f.err
	}
	return nil
}

func (f *fake) open(path string) (port, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.op("open"); err != nil {
		return nil, err
	}
	f.opened++
	return f, nil
}

func (f *fake) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	// A file descriptor is gone also when close has an error to tell.
	f.opened--
	f.streaming, f.buffers, f.queue, f.done = false, nil, nil, nil
	return f.op("close")
}

func (f *fake) mmap(offset int64, length int) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.op("mmap"); err != nil {
		return nil, err
	}
	i := int(offset / 0x10000)
	if offset%0x10000 != 0 || i >= len(f.buffers) || length != len(f.buffers[i].mem) || f.maps[&f.buffers[i].mem[0]] {
		return nil, unix.EINVAL
	}
	f.maps[&f.buffers[i].mem[0]] = true
	return f.buffers[i].mem, nil
}

func (f *fake) munmap(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.maps[&b[0]] {
		return unix.EINVAL
	}
	delete(f.maps, &b[0])
	return f.op("munmap")
}

func (f *fake) wait(ctx context.Context, limit time.Duration) error {
	f.mu.Lock()
	err := f.op("wait")
	silent := f.limit > 0 && f.given >= f.limit
	if !silent && !f.spurious {
		for range max(1, f.burst) {
			f.fill()
		}
	}
	f.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case silent && ctx.Done() != nil:
		<-ctx.Done()
		return ctx.Err()
	case silent:
		return errSilent
	}
	return nil
}

// fill takes one picture into the oldest buffer, as the interrupt of a driver does.
func (f *fake) fill() {
	f.mono += f.spacing
	f.given++
	if len(f.queue) == 0 || !f.streaming {
		return // nowhere to put it: the picture is lost
	}
	i := f.queue[0]
	f.queue = f.queue[1:]
	data := f.pixels(f.given)
	b := buffer{index: uint32(i), typ: bufTypeVideoCapture, memory: memoryMMap, flags: bufFlagTimestampMonotonic, sequence: uint32(f.given - 1)}
	b.bytesUsed = uint32(copy(f.buffers[i].mem, data))
	b.timestamp = timeval{int64(f.mono / time.Second), int64(f.mono % time.Second / time.Microsecond)}
	if f.every != nil {
		f.every(f.given, &b)
	}
	f.buffers[i].queued = false
	f.done = append(f.done, b)
}

func (f *fake) pixels(n int) []byte {
	if f.picture != nil {
		return f.picture(n, f.format)
	}
	b := make([]byte, f.format.sizeImage)
	for i := range b {
		b[i] = byte(n + i)
	}
	return b
}

func (f *fake) ioctl(request uintptr, arg unsafe.Pointer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, answer := f.request(request, arg)
	if err := f.op(name); err != nil {
		return err
	}
	return answer()
}

func (f *fake) request(request uintptr, arg unsafe.Pointer) (string, func() error) {
	switch request {
	case vidiocQueryCap:
		return "querycap", func() error {
			c := (*capability)(arg)
			copy(c.card[:], cmp.Or(f.card, "Fake Camera"))
			copy(c.busInfo[:], cmp.Or(f.bus, "usb-1"))
			c.capabilities, c.deviceCaps = f.caps|capDeviceCaps|capVideoCapture, f.caps
			return nil
		}
	case vidiocEnumFmt:
		return "enum_fmt", func() error {
			d := (*fmtDesc)(arg)
			if d.typ != bufTypeVideoCapture || int(d.index) >= len(f.formats) {
				return unix.EINVAL
			}
			d.pixelFormat = fourCC(f.formats[d.index])
			return nil
		}
	case vidiocSetFmt:
		return "s_fmt", func() error { return f.setFormat((*format)(arg)) }
	case vidiocSetParm:
		return "s_parm", func() error {
			f.parm = (*streamParm)(arg).capture.timePerFrame
			return nil
		}
	case vidiocReqBufs:
		r := (*requestBuffers)(arg)
		return fmt.Sprintf("reqbufs(%d)", min(r.count, 1)), func() error { return f.requestBuffers(r) }
	case vidiocQueryBuf:
		return "querybuf", func() error {
			b := (*buffer)(arg)
			if int(b.index) >= len(f.buffers) {
				return unix.EINVAL
			}
			b.length, b.offset = uint32(len(f.buffers[b.index].mem)), uint64(b.index)*0x10000
			return nil
		}
	case vidiocQBuf:
		return "qbuf", func() error {
			b := (*buffer)(arg)
			if int(b.index) >= len(f.buffers) || f.buffers[b.index].queued || b.memory != memoryMMap || b.typ != bufTypeVideoCapture {
				return unix.EINVAL
			}
			f.buffers[b.index].queued = true
			f.queue = append(f.queue, int(b.index))
			return nil
		}
	case vidiocDQBuf:
		return "dqbuf", func() error {
			if !f.streaming {
				return unix.EINVAL
			}
			if len(f.done) == 0 {
				return unix.EAGAIN
			}
			*(*buffer)(arg) = f.done[0]
			f.done = f.done[1:]
			return nil
		}
	case vidiocStreamOn:
		return "streamon", func() error {
			if *(*int32)(arg) != bufTypeVideoCapture || len(f.queue) == 0 {
				return unix.EINVAL
			}
			f.streaming = true
			return nil
		}
	case vidiocStreamOff:
		return "streamoff", func() error {
			f.streaming, f.queue, f.done = false, nil, nil
			return nil
		}
	}
	return f.question(request, arg)
}

// question is a request that changes nothing, or a control.
func (f *fake) question(request uintptr, arg unsafe.Pointer) (string, func() error) {
	switch request {
	case vidiocEnumSizes:
		return "enum_sizes", func() error {
			e := (*sizeEnum)(arg)
			sizes := f.sizes[fourCCText(e.pixelFormat)]
			if int(e.index) >= len(sizes) {
				return unix.EINVAL
			}
			e.typ = enumDiscrete
			copy(e.union[:], sizes[e.index][:])
			return nil
		}
	case vidiocEnumRates:
		return "enum_rates", func() error {
			e := (*rateEnum)(arg)
			rate, ok := f.rates[fourCCText(e.pixelFormat)]
			if !ok || e.index > 0 {
				return unix.EINVAL
			}
			e.typ, e.union[0] = enumDiscrete, rate
			return nil
		}
	case vidiocQueryCtrl:
		return "queryctrl", func() error {
			q := (*queryControl)(arg)
			c := f.controls[q.id]
			if c == nil {
				return unix.EINVAL
			}
			q.minimum, q.maximum, q.standard, q.step, q.flags = c.min, c.max, c.value, 1, c.flags
			return nil
		}
	case vidiocQueryMenu:
		return "querymenu", func() error {
			m := (*queryMenu)(arg)
			if c := f.controls[m.id]; c == nil || !slices.Contains(c.menu, m.index) {
				return unix.EINVAL
			}
			return nil
		}
	case vidiocSetCtrl:
		return "s_ctrl", func() error {
			v := (*control)(arg)
			c := f.controls[v.id]
			if c == nil || v.value < c.min || v.value > c.max {
				return unix.EINVAL
			}
			c.value = v.value
			return nil
		}
	}
	return "unknown", func() error { return unix.ENOTTY }
}

func (f *fake) setFormat(a *format) error {
	if a.typ != bufTypeVideoCapture || f.streaming || len(f.buffers) > 0 {
		return unix.EBUSY
	}
	p := &a.pix
	if f.width > 0 {
		p.width, p.height = uint32(f.width), uint32(f.height)
	}
	if f.switchTo != "" {
		p.pixelFormat = fourCC(f.switchTo)
	}
	w, h := int(p.width), int(p.height)
	p.bytesPerLine, p.sizeImage = 0, uint32(w*h*2)
	for _, px := range pixels() {
		if px.has(p.pixelFormat) && px.line != nil {
			p.bytesPerLine = uint32(px.line(w) + f.pad)
			p.sizeImage = uint32(px.need(w, h, int(p.bytesPerLine)) + f.pad)
		}
	}
	p.quantization = quantizationFull
	f.format = *p
	return nil
}

func (f *fake) requestBuffers(r *requestBuffers) error {
	if len(f.maps) > 0 || f.streaming || r.typ != bufTypeVideoCapture || r.memory != memoryMMap {
		return unix.EBUSY
	}
	f.buffers, f.queue, f.done = nil, nil, nil
	if r.count > 0 && f.bufferCount > 0 {
		r.count = f.bufferCount
	}
	length := f.format.sizeImage
	if f.bufferLength > 0 {
		length = f.bufferLength
	}
	if r.count > 32 {
		return nil
	}
	for range r.count {
		f.buffers = append(f.buffers, &fakeBuffer{mem: make([]byte, length)})
	}
	return nil
}

// returned fails the test when the camera kept something.
func (f *fake) returned(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opened != 0 || len(f.maps) != 0 || f.streaming || len(f.buffers) != 0 {
		t.Errorf("not given back: %d open, %d mapped, streaming %v, %d buffers", f.opened, len(f.maps), f.streaming, len(f.buffers))
	}
}
