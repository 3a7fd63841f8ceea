package app

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"log/slog"
	"sync"

	"golang.org/x/image/draw"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/devices"
)

const (
	// maxPicture bounds a published picture: brokers disconnect who sends much.
	maxPicture = 200 << 10
	// pictureSide is the longer side of a published picture, in pixels.
	pictureSide = 640
)

// thumbnail is a picture as a JPEG of at most maxPicture bytes.
func thumbnail(img image.Image) ([]byte, error) {
	size := img.Bounds().Size()
	if size.X <= 0 || size.Y <= 0 {
		return nil, fmt.Errorf("a picture of %d by %d pixels cannot be published", size.X, size.Y)
	}
	for side := pictureSide; side >= 80; side /= 2 {
		small := shrink(img, side)
		for _, quality := range []int{80, 60, 40} {
			var b bytes.Buffer
			if err := jpeg.Encode(&b, small, &jpeg.Options{Quality: quality}); err != nil {
				return nil, fmt.Errorf("a picture cannot be published: %w", err)
			}
			if b.Len() <= maxPicture {
				return b.Bytes(), nil
			}
		}
	}
	return nil, fmt.Errorf("a picture of %d by %d pixels does not become smaller than %d bytes", size.X, size.Y, maxPicture)
}

// shrink scales a picture so that neither side is longer than side.
func shrink(img image.Image, side int) image.Image {
	b := img.Bounds()
	longer := max(b.Dx(), b.Dy())
	if longer <= side {
		return img
	}
	small := image.NewRGBA(image.Rect(0, 0, max(1, b.Dx()*side/longer), max(1, b.Dy()*side/longer)))
	draw.ApproxBiLinear.Scale(small, small.Bounds(), img, b, draw.Src, nil)
	return small
}

// gallery publishes the pictures of cameras, retained, and takes back those of
// cameras that are closed on purpose.
type gallery struct {
	node      string
	publisher *mqtt.Publisher
	log       *slog.Logger

	mu     sync.Mutex
	closed map[string]bool // by source; guarded by mu
}

// show publishes a picture unless its camera was closed meanwhile.
func (g *gallery) show(source string, f devices.Frame) {
	if err := g.put(source, f.Image); err != nil {
		g.log.Warn("a picture cannot be published", "source", source, "err", err)
	}
}

func (g *gallery) put(source string, img image.Image) error {
	data, err := thumbnail(img)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed[source] {
		return fmt.Errorf("source %s is switched off", source)
	}
	return g.publisher.Retain(event.SourceTopic(g.node, source, event.TopicImage), data)
}

// close takes the picture of a camera back and shows no more, or opens again.
func (g *gallery) close(source string, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed[source] = closed
	if !closed {
		return
	}
	if err := g.publisher.Retain(event.SourceTopic(g.node, source, event.TopicImage), nil); err != nil {
		g.log.Warn("the picture of a source cannot be taken back", "source", source, "err", err)
	}
}
