package stream

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"

	"sensed/devices/mjpeg"
)

// Bounds of a decoded picture.
const (
	// MaxSide is the largest width and height.
	MaxSide = 8192
	// maxMemory is the most that decoding one picture may take, in bytes.
	maxMemory = 256 << 20
)

// DecodeJPEG decodes one picture from a camera; its bounds begin at (0, 0). The
// size is checked before any pixel is decoded.
func DecodeJPEG(data []byte) (img image.Image, err error) {
	// The decoder promises errors for damaged bytes. Should it panic all the
	// same, a bad cable must not end the daemon.
	defer func() {
		if p := recover(); p != nil {
			img, err = nil, fmt.Errorf("the picture is damaged (the decoder gave up: %v)", p)
		}
	}()
	data, err = mjpeg.Complete(data)
	if err != nil {
		return nil, err
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return nil, damagedJPEG(err)
	case c.ColorModel == color.CMYKModel:
		return nil, errors.New("the picture has four colours, as for printing")
	case c.Width <= 0 || c.Height <= 0 || c.Width > MaxSide || c.Height > MaxSide || 15*c.Width*c.Height > maxMemory: // 15 bytes a pixel when it is progressive
		return nil, fmt.Errorf("the picture is %dx%d, which is too large: choose a smaller size", c.Width, c.Height)
	}
	img, err = jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, damagedJPEG(err)
	}
	switch img.(type) {
	case *image.YCbCr, *image.Gray, *image.RGBA:
		return img, nil
	}
	return nil, fmt.Errorf("the picture is a JPEG of an unusual kind (%T)", img)
}

func damagedJPEG(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JPEG is cut off")
	}
	return fmt.Errorf("the picture is no good JPEG (%v)", err)
}

// JPEGGlance reads the luminance of JPEGs at a small size. It is used by one
// goroutine; the zero value is ready.
type JPEGGlance struct {
	thumb mjpeg.Thumb
	luma  Luma
}

// Glance returns the luminance of one picture, which is valid until the next call.
func (g *JPEGGlance) Glance(data []byte) (*image.Gray, error) {
	small, err := g.thumb.Decode(data)
	if !errors.Is(err, mjpeg.ErrUnsupported) {
		return small, err
	}
	img, err := DecodeJPEG(data)
	if err != nil {
		return nil, err
	}
	switch p := img.(type) {
	case *image.YCbCr:
		b := p.Bounds()
		return g.luma.Copy(p.Y, p.YStride, b.Dx(), b.Dy()), nil
	case *image.Gray:
		return p, nil
	}
	b := img.Bounds()
	gray := image.NewGray(b)
	for y := range b.Dy() {
		for x := range b.Dx() {
			gray.Set(x, y, img.At(x, y))
		}
	}
	return gray, nil
}
