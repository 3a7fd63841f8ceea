//go:build linux && (amd64 || arm64)

package v4l2

import (
	"context"
	"errors"
	"fmt"
	"image"

	"sensed/devices"
	"sensed/devices/mjpeg"
)

// Glance returns the luminance of the newest picture. Of a JPEG only as much is
// decoded as that needs. The driver's buffer is kept for [camera.Whole] until
// the next call, so that nothing is copied; the others take the next pictures.
func (c *camera) Glance(ctx context.Context) (devices.Frame, error) {
	for {
		b, at, err := c.newPicture(ctx)
		if err != nil {
			return devices.Frame{}, err
		}
		c.held, c.holding = b, true
		gray, damage := c.luminance(b)
		if err := c.judge(ctx, damage); err != nil {
			return devices.Frame{}, err
		}
		if damage == nil {
			c.deliver(b, at)
			f := c.frame
			f.Image = gray
			return f, nil
		}
	}
}

// Whole returns the picture of the last glance.
func (c *camera) Whole() (devices.Frame, error) {
	if c.closed || !c.holding {
		return devices.Frame{}, fmt.Errorf("%s: a whole picture was asked for that nobody glanced at, or twice", c.src)
	}
	c.holding = false
	img, damage, err := c.picture(c.held)
	if err == nil && damage != nil {
		// The glance did not look at all of it.
		err = fmt.Errorf("%s: %w", c.src, damage)
	}
	if err != nil {
		return devices.Frame{}, err
	}
	f := c.frame
	f.Image = img
	return f, nil
}

// release gives the buffer of a glance back whose picture nobody asked for.
func (c *camera) release() error {
	if !c.holding {
		return nil
	}
	c.holding = false
	return c.queue(c.held.index)
}

// luminance reads what a glance needs from b. What is wrong with the picture
// itself is told as damage.
func (c *camera) luminance(b buffer) (gray *image.Gray, damage error) {
	data := c.buffers[b.index][:min(int(b.bytesUsed), len(c.buffers[b.index]))]
	if b.flags&bufFlagError != 0 {
		return nil, errors.New("the driver says that data are missing")
	}
	if !c.format.compressed() {
		if need := c.format.pixel.need(c.format.width, c.format.height, c.format.stride); len(data) < need {
			return nil, fmt.Errorf("the picture is cut off: %d of %d bytes came", len(data), need)
		}
		gray = c.canvas(image.Rect(0, 0, c.format.width, c.format.height))
		c.format.pixel.luma(gray, data, c.format.stride)
		return gray, nil
	}
	gray, damage = c.thumb.Decode(data)
	if !errors.Is(damage, mjpeg.ErrUnsupported) {
		return gray, damage
	}
	img, damage := c.format.decode(data)
	if damage != nil {
		return nil, damage
	}
	gray = c.canvas(img.Bounds())
	switch m := img.(type) {
	case *image.YCbCr:
		copyRows(gray, m.Y, m.YStride)
	case *image.Gray:
		copyRows(gray, m.Pix, m.Stride)
	default:
		for y := range gray.Rect.Dy() {
			for x := range gray.Rect.Dx() {
				gray.Set(x, y, img.At(x, y))
			}
		}
	}
	return gray, nil
}

// canvas is the grey picture that glances share.
func (c *camera) canvas(r image.Rectangle) *image.Gray {
	if c.gray == nil || c.gray.Rect != r {
		c.gray = image.NewGray(r)
	}
	return c.gray
}

func copyRows(dst *image.Gray, src []byte, stride int) {
	for y := range dst.Rect.Dy() {
		copy(dst.Pix[y*dst.Stride:][:dst.Rect.Dx()], src[y*stride:])
	}
}

// every takes each second byte of a row as luminance, from the first one on.
func every(first int) func(dst *image.Gray, b []byte, stride int) {
	return func(dst *image.Gray, b []byte, stride int) {
		for y := range dst.Rect.Dy() {
			row, src := dst.Pix[y*dst.Stride:][:dst.Rect.Dx()], b[y*stride+first:]
			for x := range row {
				row[x] = src[2*x]
			}
		}
	}
}

// weigh makes luminance of three bytes a pixel, as ITU-R BT.601 does.
func weigh(red, blue int) func(dst *image.Gray, b []byte, stride int) {
	return func(dst *image.Gray, b []byte, stride int) {
		for y := range dst.Rect.Dy() {
			row, src := dst.Pix[y*dst.Stride:][:dst.Rect.Dx()], b[y*stride:]
			for x := range row {
				p := src[3*x : 3*x+3]
				row[x] = uint8((77*uint32(p[red]) + 150*uint32(p[1]) + 29*uint32(p[blue])) >> 8)
			}
		}
	}
}
