// Package stream has what those sources share that come as a stream of bytes
// from a program or from the network: a camera that hands over the newest
// picture, a microphone that keeps the time of a stream, and the ways from
// bytes to pictures.
package stream

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"sync"
	"time"

	"sensed/devices"
)

// maxDamaged is after how many damaged pictures in a row a camera is given up.
const maxDamaged = 60

// ErrSilent is what Explain is asked about when a stream goes on and brings
// nothing.
var ErrSilent = errors.New("it may hang")

// Pictures is a running source of pictures. Read is called by one goroutine,
// Decode by another.
type Pictures struct {
	// Name is what the camera is called in messages.
	Name string
	// Read waits for the next picture and appends it, still encoded, to buf.
	Read func(buf []byte) ([]byte, error)
	// Decode makes a picture of what Read returned, and keeps none of it.
	Decode func(data []byte) (image.Image, error)
	// Glance makes the luminance of it, often smaller, and may use the memory of
	// the last one again.
	Glance func(data []byte) (*image.Gray, error)
	// Stop ends the stream: a Read that waits returns, and all is given back.
	// It is called once.
	Stop func()
	// Explain makes the error of Next of the one with which Read ended, or of one
	// that wraps [ErrSilent]. It is called before Stop and by either goroutine;
	// pictures is how many had come.
	Explain func(err error, pictures uint64) error
	// FPS is how many pictures a second are wanted; what comes faster is thinned
	// out before it is decoded. Zero means all.
	FPS float64
	// Silence is how long no picture may come before the camera counts as lost.
	Silence time.Duration
	// Log hears of damaged pictures.
	Log *slog.Logger
}

// Camera is a [devices.Glancer] of a stream. A goroutine reads the stream
// without a pause and keeps the newest picture; Next decodes it. There are
// three buffers: one is read into, one waits, one is decoded.
type Camera struct {
	o    Pictures
	done chan struct{} // closed when the reading goroutine has ended

	// fresh has an element when something has changed since Next last looked.
	fresh chan struct{}

	mu      sync.Mutex
	waiting picture
	err     error // why there is nothing more

	// Of the goroutine that reads.
	seq uint64
	due time.Time // of the next picture, when the rate is limited

	// Of the goroutine that calls Next.
	taken   picture // the newest that was shown
	glanced bool    // and it may be had as a whole
	last    time.Time
	damaged int // in a row
	closed  bool
}

// picture is one that is still encoded; Seq 0: there is none.
type picture struct {
	data []byte
	seq  uint64
	at   time.Time
}

// NewCamera starts to read. The caller closes the camera.
func NewCamera(o Pictures) *Camera {
	c := &Camera{o: o, done: make(chan struct{}), fresh: make(chan struct{}, 1)}
	go c.read()
	return c
}

// read reads pictures until the stream ends.
func (c *Camera) read() {
	defer close(c.done)
	var buf []byte
	for {
		var err error
		buf, err = c.o.Read(buf[:0])
		if err != nil {
			err = c.o.Explain(err, c.seq)
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
			c.wake()
			return
		}
		at := time.Now().Round(0) // by the wall clock, which may be set
		if c.tooEarly(at) {
			continue
		}
		c.seq++
		c.mu.Lock()
		buf, c.waiting = c.waiting.data, picture{buf, c.seq, at}
		c.mu.Unlock()
		c.wake()
	}
}

func (c *Camera) wake() {
	select {
	case c.fresh <- struct{}{}:
	default:
	}
}

// tooEarly says whether a picture of time t is to be left out for the wanted
// rate. A quarter of the spacing is left to the unsteadiness of the camera.
func (c *Camera) tooEarly(t time.Time) bool {
	if c.o.FPS == 0 {
		return false
	}
	every := time.Duration(float64(time.Second) / c.o.FPS)
	if early := c.due.Sub(t); early > every/4 && early <= every { // more: the clock was set back
		return true
	}
	c.due = c.due.Add(every)
	if ahead := c.due.Sub(t); ahead <= 0 || ahead > 2*every { // the first picture, a pause, a set clock
		c.due = t.Add(every)
	}
	return false
}

// Wait waits until the first picture has come. It returns the error of the
// camera when it ends before, and what late returns when limit has passed.
func (c *Camera) Wait(ctx context.Context, limit time.Duration, late func() error) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		c.mu.Lock()
		came, err := c.waiting.seq > 0, c.err
		c.mu.Unlock()
		switch {
		case came:
			c.wake() // what was seen here is not lost for Next
			return nil
		case err != nil:
			return err
		}
		select {
		case <-c.fresh:
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return late()
		}
	}
}

// Next returns the newest picture.
func (c *Camera) Next(ctx context.Context) (devices.Frame, error) {
	c.glanced = false
	return c.show(ctx, c.o.Decode)
}

// Glance returns the luminance of the newest picture.
func (c *Camera) Glance(ctx context.Context) (devices.Frame, error) {
	c.glanced = false
	return c.show(ctx, func(data []byte) (image.Image, error) {
		g, err := c.o.Glance(data)
		if err != nil {
			return nil, err // and no picture that is a nil pointer
		}
		c.glanced = true
		return g, nil
	})
}

// Whole returns the picture of the last Glance.
func (c *Camera) Whole() (devices.Frame, error) {
	if c.closed || !c.glanced {
		return devices.Frame{}, errors.New(c.o.Name + ": there is no picture that was glanced at")
	}
	c.glanced = false
	img, err := c.o.Decode(c.taken.data)
	if err != nil {
		return devices.Frame{}, fmt.Errorf("%s: %w", c.o.Name, err)
	}
	return c.frame(img), nil
}

// show waits for a picture that decode reads.
func (c *Camera) show(ctx context.Context, decode func([]byte) (image.Image, error)) (devices.Frame, error) {
	var silent <-chan time.Time
	for {
		if err := ctx.Err(); err != nil {
			return devices.Frame{}, err
		}
		if c.closed {
			return devices.Frame{}, errors.New(c.o.Name + ": it is closed")
		}
		ok, err := c.take()
		if err != nil {
			return devices.Frame{}, err
		}
		if ok {
			img, err := decode(c.taken.data)
			if err == nil {
				c.damaged = 0
				return c.frame(img), nil
			}
			if err := c.damage(err); err != nil {
				return devices.Frame{}, err
			}
			continue
		}
		if silent == nil {
			timer := time.NewTimer(c.o.Silence)
			defer timer.Stop()
			silent = timer.C
		}
		select {
		case <-c.fresh:
		case <-ctx.Done():
		case <-silent:
			err := c.o.Explain(fmt.Errorf("no picture came for %v: %w", c.o.Silence, ErrSilent), c.taken.seq)
			c.fail(err)
			return devices.Frame{}, err
		}
	}
}

// take moves the waiting picture to taken. An error comes after the last picture.
func (c *Camera) take() (ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting.seq == 0 {
		return false, c.err
	}
	c.taken, c.waiting = c.waiting, picture{data: c.taken.data}
	return true, nil
}

// fail makes err the error of the camera, unless it has one.
func (c *Camera) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// damage counts a damaged picture and returns an error when it is one too many.
func (c *Camera) damage(err error) error {
	c.damaged++
	c.o.Log.Debug("a damaged picture was left out", "camera", c.o.Name, "error", err)
	if c.damaged < maxDamaged {
		return nil
	}
	err = fmt.Errorf("%s: %d damaged pictures in a row (%w): look after its cable, network and settings: %w", c.o.Name, c.damaged, err, devices.ErrLost)
	c.fail(err)
	return err
}

// frame is the taken picture. Those that were missed leave a gap in the numbers.
func (c *Camera) frame(img image.Image) devices.Frame {
	if c.taken.at.Before(c.last) { // the clock was set back
		c.taken.at = c.last
	}
	c.last = c.taken.at
	return devices.Frame{Time: c.taken.at, Seq: c.taken.seq, Image: img}
}

// Close ends the stream.
func (c *Camera) Close() error {
	if c.closed {
		return errors.New(c.o.Name + ": it is closed already")
	}
	c.closed = true
	c.o.Stop()
	<-c.done
	return nil
}
