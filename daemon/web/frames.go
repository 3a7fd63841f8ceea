package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"sync"
	"time"

	"golang.org/x/image/draw"
)

const (
	thumbWidth   = 320 // pixels
	thumbQuality = 70
	frameQuality = 75

	minWidth, maxWidth, usualWidth = 160, 1280, 640

	// framePause is the least time between two frames. It grows so that frames
	// take no more than a twentieth of a core.
	framePause = 100 * time.Millisecond
	frameShare = 20
	// unfetched is how long a frame waits to be fetched before the next is offered.
	unfetched = 2 * time.Second
	// frameWait is how long a request waits for a frame.
	frameWait = 20 * time.Second
)

// Picture is a picture of a camera, to which nobody writes any more.
type Picture struct {
	Image image.Image
	// Width and Height of what the camera delivered, in pixels; Image may have
	// another size.
	Width, Height int
	Time          time.Time
	Sample        string
	Area          float64
	Moving        bool
	Thermal       *Scale
	Heat          *Heat
}

// camera is what a hub knows of a camera that somebody looks at.
type camera struct {
	waiting int           // requests for the next frame
	frame   *frame        // nil: there is none
	next    chan struct{} // closed when a frame comes; nil: nobody waits
	asked   time.Time     // when the next frame was asked for
	offered time.Time     // when the last came
	fetched bool          // somebody has it
	cost    time.Duration // of a frame
}

// frame is a picture that can be fetched, and what was made of it.
type frame struct {
	Frame
	image image.Image

	mu   sync.Mutex
	jpeg map[int][]byte // by width
}

// looked tells whether somebody looks at a camera. The lock is held.
func (h *Hub) looked(source string, c *camera) bool {
	return c.waiting > 0 || h.wanted("frame", source)
}

// forget lets go of what nobody looks at any more. The lock is held.
func (h *Hub) forget() {
	for name, k := range h.sources {
		if k.camera.frame != nil && !h.looked(name, &k.camera) {
			k.camera.frame = nil
		}
	}
}

// Looks tells whether somebody wants the picture that a camera has now. Who is
// told so calls Show.
func (h *Hub) Looks(source string) bool {
	if h.readers.Load() == 0 {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.sources[source]
	if k == nil || !h.looked(source, &k.camera) {
		return false
	}
	c, now := &k.camera, time.Now()
	since := now.Sub(c.offered)
	if since < max(framePause, frameShare*c.cost) || !c.fetched && c.frame != nil && since < unfetched {
		return false
	}
	c.asked = now
	return true
}

// Show takes the picture that a camera has now.
func (h *Hub) Show(source string, p Picture) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.sources[source]
	if k == nil || !h.looked(source, &k.camera) {
		return
	}
	c := &k.camera
	h.seq++
	c.frame = &frame{
		Frame: Frame{
			Source: source, Seq: h.seq, Time: p.Time, Width: p.Width, Height: p.Height, Sample: p.Sample,
			Area: p.Area, Moving: p.Moving, Thermal: p.Thermal, Heat: p.Heat,
		},
		image: p.Image, jpeg: map[int][]byte{},
	}
	c.offered, c.fetched = time.Now(), false
	c.cost = c.offered.Sub(c.asked)
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
	h.tellJSON("frame", c.frame.Frame)
}

// Closed says that a camera was closed: what it showed is not shown any more.
func (h *Hub) Closed(source string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.sources[source]; k != nil {
		k.camera.frame = nil
	}
}

var (
	errNoCamera = errors.New("there is no camera of that name")
	errNoFrame  = fmt.Errorf("no picture came within %v", frameWait)
)

// fetch returns the newest frame of a camera, waiting for one when there is none
// or it must be a new one.
func (h *Hub) fetch(ctx context.Context, source string, fresh bool) (*frame, error) {
	h.mu.Lock()
	k := h.sources[source]
	if k == nil || k.sense != senseCamera {
		h.mu.Unlock()
		return nil, errNoCamera
	}
	c := &k.camera
	if f := c.frame; f != nil && !fresh {
		c.fetched = true
		h.mu.Unlock()
		return f, nil
	}
	h.readers.Add(1)
	c.waiting++
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		c.waiting--
		h.forget()
		h.readers.Add(-1)
	}()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	next := c.next
	c.fetched = true // whoever waits takes the next one
	h.mu.Unlock()

	limit := time.NewTimer(frameWait)
	defer limit.Stop()
	select {
	case <-next:
	case <-limit.C:
		return nil, errNoFrame
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h.mu.Lock()
	f := c.frame
	c.fetched = true
	h.mu.Unlock()
	if f == nil {
		return nil, errNoFrame // it was closed again
	}
	return f, nil
}

// spent adds to what a frame costs.
func (h *Hub) spent(source string, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.sources[source]; k != nil {
		k.camera.cost += d
	}
}

// encoded returns the frame as a JPEG of at most a width, made once for all who
// want it, and how long making it took.
func (f *frame) encoded(width int) (data []byte, took time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if data = f.jpeg[width]; data != nil {
		return data, 0, nil
	}
	began := time.Now()
	if data, err = encode(f.image, width, frameQuality); err != nil {
		return nil, 0, err
	}
	f.jpeg[width] = data
	return data, time.Since(began), nil
}

// encode makes a JPEG of a picture that is at most so wide.
func encode(img image.Image, width, quality int) ([]byte, error) {
	b := img.Bounds()
	if b.Dx() > width {
		small := image.NewRGBA(image.Rect(0, 0, width, max(1, b.Dy()*width/b.Dx())))
		draw.ApproxBiLinear.Scale(small, small.Bounds(), img, b, draw.Src, nil)
		img = small
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("a picture of %d by %d pixels does not become a JPEG: %w", b.Dx(), b.Dy(), err)
	}
	return out.Bytes(), nil
}
