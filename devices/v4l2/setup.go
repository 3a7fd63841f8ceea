//go:build linux && (amd64 || arm64)

package v4l2

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wantBuffers is how many pictures may wait in the driver.
const wantBuffers = 4

// maxFrame is the largest buffer that is mapped, in bytes.
const maxFrame = 4 * MaxSide * MaxSide

// setUp agrees with the camera on a format and starts the stream. After an
// error the caller closes c.
func (c *camera) setUp() error {
	if err := c.check(); err != nil {
		return err
	}
	if err := c.agree(); err != nil {
		return err
	}
	if err := c.setRate(); err != nil {
		return err
	}
	if err := c.setControls(); err != nil {
		return err
	}
	if err := c.allocate(); err != nil {
		return err
	}
	typ := int32(bufTypeVideoCapture)
	if err := c.port.ioctl(vidiocStreamOn, unsafe.Pointer(&typ)); err != nil {
		return c.src.explain(stepStart, err)
	}
	c.streaming = true
	return nil
}

// check looks whether the device gives pictures at all.
func (c *camera) check() error {
	var caps capability
	if err := c.port.ioctl(vidiocQueryCap, unsafe.Pointer(&caps)); err != nil {
		return c.src.explain(stepCaps, err)
	}
	c.card = text(caps.card[:])
	c.id = identity{c.card, text(caps.busInfo[:])}
	can := caps.capabilities
	if can&capDeviceCaps != 0 { // of this node, not of all nodes of the device
		can = caps.deviceCaps
	}
	switch {
	case can&(capVideoM2M|capVideoM2MMPlane) != 0:
		return fmt.Errorf("%s (%s): this is a converter of the board, not a camera: choose one that v4l2-ctl --list-devices shows", c.src, c.card)
	case can&capVideoCapture == 0 && can&capVideoCaptureMPlane != 0:
		return fmt.Errorf("%s (%s): it gives its pictures in several planes: cameras of the board are played by the source libcamera", c.src, c.card)
	case can&capVideoCapture == 0 && can&capMetaCapture != 0:
		return fmt.Errorf("%s (%s): this node gives data about pictures, not pictures: the node before it is the camera", c.src, c.card)
	case can&capVideoCapture == 0:
		return fmt.Errorf("%s (%s): this device gives no pictures: choose one that v4l2-ctl --list-devices shows", c.src, c.card)
	case can&capStreaming == 0:
		return fmt.Errorf("%s (%s): its driver cannot stream: use another camera", c.src, c.card)
	}
	return nil
}

// agree chooses a pixel format that both sides know and sets it.
func (c *camera) agree() error {
	var offered []uint32
	for i := range uint32(64) { // no driver has so many
		d := fmtDesc{index: i, typ: bufTypeVideoCapture}
		err := c.port.ioctl(vidiocEnumFmt, unsafe.Pointer(&d))
		if errors.Is(err, unix.EINVAL) {
			break
		}
		if err != nil {
			return c.src.explain(stepFormats, err)
		}
		offered = append(offered, d.pixelFormat)
	}
	p, code := c.choose(offered)
	if p == nil {
		wanted := strings.Join(pixelNames(), ", ")
		if c.src.format != nil {
			wanted = c.src.format.name
		}
		return fmt.Errorf("%s (%s): the camera offers %s, wanted is %s: change the format, or use another camera", c.src, c.card, codes(offered), wanted)
	}
	f := format{typ: bufTypeVideoCapture, pix: pixFormat{
		width: uint32(c.src.o.Width), height: uint32(c.src.o.Height), pixelFormat: code, field: fieldNone, priv: privMagic,
	}}
	if err := c.port.ioctl(vidiocSetFmt, unsafe.Pointer(&f)); err != nil {
		return c.src.explain(stepFormat, err)
	}
	agreed, err := newLayout(f.pix)
	if err != nil {
		return fmt.Errorf("%s (%s): %w", c.src, c.card, err)
	}
	if agreed.width != c.src.o.Width || agreed.height != c.src.o.Height {
		if c.src.sized {
			return fmt.Errorf("%s (%s): it gives no pictures of %dx%d in the format %s: choose one of its sizes: %s",
				c.src, c.card, c.src.o.Width, c.src.o.Height, p.name, sizeNames(sizesOf(c.port, code), agreed))
		}
		c.src.o.Log.Info("camera has a size of its own", "device", c.src.o.Device, "size", fmt.Sprintf("%dx%d", agreed.width, agreed.height))
	}
	c.format = agreed
	return nil
}

// choose picks the wanted format among the offered codes, or the best one that
// the camera has in the wanted size and rate, or else the best one.
func (c *camera) choose(offered []uint32) (p *pixel, code uint32) {
	for _, px := range pixels() {
		if c.src.format != nil && px.name != c.src.format.name {
			continue
		}
		for _, o := range offered {
			if !px.has(o) {
				continue
			}
			if p == nil {
				p, code = &px, o
			}
			if c.src.format != nil || c.fits(o) {
				return &px, o
			}
		}
	}
	return p, code
}

// fits tells whether the camera says that it has a format in the wanted size and
// rate. Drivers need not say anything.
func (c *camera) fits(code uint32) bool {
	w, h := c.src.o.Width, c.src.o.Height
	sizes := sizesOf(c.port, code)
	if len(sizes) == 0 {
		return true
	}
	for i, s := range sizes {
		exact := s.Width == w && s.Height == h
		// Of a range the smallest and the largest are listed.
		between := len(sizes) == 2 && i == 1 && sizes[0].Width <= w && w <= s.Width && sizes[0].Height <= h && h <= s.Height
		if !exact && !between {
			continue
		}
		rates := ratesOf(c.port, code, uint32(w), uint32(h))
		return len(rates) == 0 || slices.ContainsFunc(rates, func(r float64) bool { return r >= 0.95*c.src.o.FPS })
	}
	return false
}

// sizeNames lists sizes for messages; without any the one that the driver gave.
func sizeNames(sizes []SizeInfo, given *layout) string {
	names := []string{fmt.Sprintf("%dx%d", given.width, given.height)}
	for i, s := range sizes {
		if i == 0 {
			names = nil
		}
		names = append(names, fmt.Sprintf("%dx%d", s.Width, s.Height))
	}
	return strings.Join(names, ", ")
}

func codes(offered []uint32) string {
	if len(offered) == 0 {
		return "no format"
	}
	var s []string
	for _, v := range offered {
		s = append(s, fourCCText(v))
	}
	return strings.Join(s, " ")
}

// setRate asks for a frame rate. Drivers need not know this request: what they
// give too much is left out later.
func (c *camera) setRate() error {
	if c.src.o.FPS == 0 {
		return nil
	}
	p := streamParm{typ: bufTypeVideoCapture}
	p.capture.timePerFrame = fract{1000, uint32(math.Round(c.src.o.FPS * 1000))}
	if p.capture.timePerFrame.denominator == 0 {
		p.capture.timePerFrame.denominator = 1
	}
	err := c.port.ioctl(vidiocSetParm, unsafe.Pointer(&p))
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	if err != nil {
		return c.src.explain(stepRate, err)
	}
	return nil
}

// allocate gets buffers of the driver, maps them and queues them.
func (c *camera) allocate() error {
	req := requestBuffers{count: wantBuffers, typ: bufTypeVideoCapture, memory: memoryMMap}
	err := c.port.ioctl(vidiocReqBufs, unsafe.Pointer(&req))
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%s (%s): its driver shares no buffers: use another camera", c.src, c.card)
	}
	if err != nil {
		return c.src.explain(stepBuffers, err)
	}
	c.allocated = true
	if req.count == 0 || req.count > 32 {
		return fmt.Errorf("%s (%s): the driver gave %d buffers: use another camera", c.src, c.card, req.count)
	}
	for i := range req.count {
		b := buffer{index: i, typ: bufTypeVideoCapture, memory: memoryMMap}
		if err := c.port.ioctl(vidiocQueryBuf, unsafe.Pointer(&b)); err != nil {
			return c.src.explain(stepBuffers, err)
		}
		if b.length == 0 || b.length > maxFrame {
			return fmt.Errorf("%s (%s): the driver has buffers of %d bytes for %s: use another size or camera", c.src, c.card, b.length, c.format)
		}
		m, err := c.port.mmap(int64(uint32(b.offset)), int(b.length))
		if err != nil {
			return c.src.explain(stepMap, err)
		}
		c.buffers = append(c.buffers, m)
	}
	for i := range c.buffers {
		if err := c.queue(uint32(i)); err != nil {
			return err
		}
	}
	return nil
}

// queue gives a buffer to the driver.
func (c *camera) queue(i uint32) error {
	b := buffer{index: i, typ: bufTypeVideoCapture, memory: memoryMMap}
	if err := c.port.ioctl(vidiocQBuf, unsafe.Pointer(&b)); err != nil {
		return c.src.explain(stepQueue, err)
	}
	return nil
}
