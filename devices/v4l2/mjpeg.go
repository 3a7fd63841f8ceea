//go:build linux && (amd64 || arm64)

package v4l2

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"sensed/devices/mjpeg"
)

// decode makes a picture of one JPEG of a camera.
func (l *layout) decode(b []byte) (img image.Image, err error) {
	// The decoder promises errors for damaged bytes. Should it panic all the
	// same, a bad cable must not end the daemon.
	defer func() {
		if p := recover(); p != nil {
			img, err = nil, fmt.Errorf("the decoder gave up: %v", p)
		}
	}()
	b, err = mjpeg.Complete(b)
	if err != nil {
		return nil, err
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("the picture is no good JPEG: %v", err)
	}
	// Some cameras round the height up; nothing honest is twice as large.
	if c.Width <= 0 || c.Height <= 0 || c.Width*c.Height > 2*l.width*l.height {
		return nil, fmt.Errorf("the picture says that it is %dx%d, agreed was %dx%d", c.Width, c.Height, l.width, l.height)
	}
	if c.ColorModel == color.CMYKModel {
		return nil, errors.New("the picture has four colours")
	}
	img, err = jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("the picture is no good JPEG: %v", err)
	}
	return img, nil
}
