//go:build linux && (amd64 || arm64)

package v4l2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sensed/devices"
	"sensed/devices/mjpeg"
)

// A camera is given up after so many damaged pictures, or so many calls of the
// driver that lead to none, without a good one between them.
const (
	maxDamaged  = 60
	maxSpurious = 200
)

// camera is an open stream.
type camera struct {
	src    *Source
	port   port
	id     identity
	card   string  // what the camera calls itself
	format *layout // what was agreed

	buffers   [][]byte // mapped memory, by index
	allocated bool     // the driver holds buffers
	streaming bool
	closed    bool
	err       error // after which there is nothing more

	frame    devices.Frame // the last one delivered, without its picture
	sequence uint32        // its number in the driver
	thinned  uint64        // pictures left out on purpose since
	due      time.Time     // of the next picture, when the rate is limited
	damaged  int           // in a row

	held    buffer // of the last glance, whose picture is not given away yet
	holding bool
	thumb   mjpeg.Thumb
	gray    *image.Gray // for glances at what is no JPEG
}

var _ devices.Glancer = (*camera)(nil)

// Next returns the newest picture.
func (c *camera) Next(ctx context.Context) (devices.Frame, error) {
	for {
		b, at, err := c.newPicture(ctx)
		if err != nil {
			return devices.Frame{}, err
		}
		img, damage, err := c.picture(b)
		if err != nil {
			return devices.Frame{}, c.fail(ctx, err)
		}
		if err := c.judge(ctx, damage); err != nil {
			return devices.Frame{}, err
		}
		if damage == nil {
			c.deliver(b, at)
			f := c.frame
			f.Image = img
			return f, nil
		}
	}
}

// newPicture waits for the newest picture that is due.
func (c *camera) newPicture(ctx context.Context) (b buffer, at time.Time, err error) {
	if c.closed {
		return buffer{}, time.Time{}, fmt.Errorf("%s: it is closed", c.src)
	}
	if c.err != nil {
		return buffer{}, time.Time{}, c.err
	}
	if err := c.release(); err != nil {
		return buffer{}, time.Time{}, c.fail(ctx, err)
	}
	for {
		b, err := c.dequeue(ctx)
		if err != nil {
			return buffer{}, time.Time{}, c.fail(ctx, err)
		}
		at := c.taken(b)
		if !c.tooEarly(at) {
			return b, at, nil
		}
		c.thinned++
		if err := c.queue(b.index); err != nil {
			return buffer{}, time.Time{}, c.fail(ctx, err)
		}
	}
}

// judge counts damaged pictures, and says when there are too many.
func (c *camera) judge(ctx context.Context, damage error) error {
	if damage == nil {
		c.damaged = 0
		return nil
	}
	c.damaged++
	c.src.o.Log.Debug("damaged picture left out", "device", c.src.o.Device, "err", damage)
	if c.damaged >= maxDamaged {
		return c.fail(ctx, fmt.Errorf("%s: %d damaged pictures in a row (%w): try another cable, port or format: %w",
			c.src, c.damaged, damage, devices.ErrLost))
	}
	return nil
}

// fail remembers an error that the camera does not recover from.
func (c *camera) fail(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		c.err = err
	}
	return err
}

// dequeue waits for a buffer with a picture, and goes on to the newest when
// several wait.
func (c *camera) dequeue(ctx context.Context) (buffer, error) {
	limit := c.src.o.Silence
	if fps := c.src.o.FPS; fps > 0 {
		limit = max(limit, 3*interval(fps))
	}
	for range maxSpurious {
		if err := ctx.Err(); err != nil {
			return buffer{}, err
		}
		b, err := c.tryDequeue()
		if errors.Is(err, unix.EAGAIN) {
			err = c.port.wait(ctx, limit)
			if errors.Is(err, errSilent) {
				return buffer{}, fmt.Errorf("%s: no picture for %v: connect it anew: %w", c.src, limit, devices.ErrLost)
			}
			if ctx.Err() != nil {
				return buffer{}, ctx.Err()
			}
			if err != nil {
				return buffer{}, c.src.explain(stepPicture, err)
			}
			continue
		}
		if err != nil {
			return buffer{}, c.src.explain(stepPicture, err)
		}
		return c.newest(b)
	}
	return buffer{}, fmt.Errorf("%s: its driver announces pictures and gives none: %w", c.src, devices.ErrLost)
}

func (c *camera) newest(b buffer) (buffer, error) {
	for range c.buffers {
		next, err := c.tryDequeue()
		if err != nil {
			break // EAGAIN mostly; another error comes again in the next call
		}
		if err := c.queue(b.index); err != nil {
			return buffer{}, err
		}
		b = next
	}
	return b, nil
}

func (c *camera) tryDequeue() (buffer, error) {
	b := buffer{typ: bufTypeVideoCapture, memory: memoryMMap}
	if err := c.port.ioctl(vidiocDQBuf, unsafe.Pointer(&b)); err != nil {
		return buffer{}, err
	}
	if b.index >= uint32(len(c.buffers)) {
		return buffer{}, fmt.Errorf("the driver gave buffer %d of %d", b.index, len(c.buffers))
	}
	return b, nil
}

// picture reads the pixels of b and gives b back to the driver. What is wrong
// with the picture itself is told as damage.
func (c *camera) picture(b buffer) (img image.Image, damage, err error) {
	data := c.buffers[b.index][:min(int(b.bytesUsed), len(c.buffers[b.index]))]
	switch {
	case b.flags&bufFlagError != 0:
		damage = errors.New("the driver says that data are missing")
	case c.format.compressed():
		// The buffer goes back before the decoding, which takes long.
		data = bytes.Clone(data)
	default:
		img, damage = c.format.unpack(data)
	}
	if err := c.queue(b.index); err != nil {
		return nil, nil, err
	}
	if damage == nil && img == nil {
		img, damage = c.format.decode(data)
	}
	return img, damage, nil
}

// taken returns when the picture in b was taken, by the clock of the wall.
func (c *camera) taken(b buffer) time.Time {
	wall, mono := c.src.now()
	t := wall
	if b.flags&bufFlagTimestampMask == bufFlagTimestampMonotonic {
		stamp := time.Duration(b.timestamp.sec)*time.Second + time.Duration(b.timestamp.usec)*time.Microsecond
		// Some drivers leave the stamp empty, or take another clock.
		if age := mono - stamp; age >= 0 && age < time.Minute {
			t = wall.Add(-age)
		}
	}
	if t.Before(c.frame.Time) {
		t = c.frame.Time
	}
	return t
}

// tooEarly says whether a picture taken at t is to be left out for the wanted
// rate. A quarter of the spacing is left to the unsteadiness of the camera.
func (c *camera) tooEarly(t time.Time) bool {
	fps := c.src.o.FPS
	if fps == 0 {
		return false
	}
	every := interval(fps)
	if t.Before(c.due.Add(-every / 4)) {
		return true
	}
	c.due = c.due.Add(every)
	if !c.due.After(t) { // the first picture, or a pause
		c.due = t.Add(every)
	}
	return false
}

func interval(fps float64) time.Duration { return time.Duration(float64(time.Second) / fps) }

// deliver numbers a picture. Those that were left out on purpose make no gap.
func (c *camera) deliver(b buffer, at time.Time) {
	step := uint64(1)
	if ahead := uint64(b.sequence - c.sequence); c.frame.Seq > 0 && ahead < 1<<31 && ahead > c.thinned {
		step = ahead - c.thinned
	}
	c.frame.Seq += step
	c.frame.Time = at
	c.sequence, c.thinned = b.sequence, 0
}

// Close stops the stream and gives everything back.
func (c *camera) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	var errs []error
	note := func(err error) {
		// An unplugged camera refuses everything; then there is nothing to stop.
		if err != nil && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, err)
		}
	}
	if c.streaming {
		typ := int32(bufTypeVideoCapture)
		note(c.port.ioctl(vidiocStreamOff, unsafe.Pointer(&typ)))
	}
	for _, m := range c.buffers {
		note(c.port.munmap(m))
	}
	c.buffers = nil
	if c.allocated {
		none := requestBuffers{typ: bufTypeVideoCapture, memory: memoryMMap}
		note(c.port.ioctl(vidiocReqBufs, unsafe.Pointer(&none)))
	}
	note(c.port.close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: cannot close it: %w", c.src, err)
	}
	return nil
}
