package arducam

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"sensed/devices"
)

// maxDamaged is how many broken pictures in a row mean that the camera is lost.
const maxDamaged = 8

// damage is what is wrong with one picture; the next may be good.
type damage struct{ why string }

func (d *damage) Error() string { return d.why }

// Next takes the next picture.
func (d *Dev) Next(ctx context.Context) (devices.Frame, error) {
	if d.halted {
		return devices.Frame{}, fmt.Errorf("%s: it is closed", d)
	}
	if d.err != nil {
		return devices.Frame{}, d.err
	}
	if _, err := d.pace.Wait(ctx); err != nil {
		return devices.Frame{}, err
	}
	var broken *damage
	for range maxDamaged {
		if err := ctx.Err(); err != nil {
			return devices.Frame{}, err
		}
		began := d.o.Clock.Now()
		data, err := d.capture(ctx)
		var img image.Image
		if err == nil {
			img, err = d.decode(data)
		}
		switch {
		case err == nil:
			d.seq++
			if began.After(d.last) { // the clock may be set back
				d.last = began
			}
			return devices.Frame{Time: d.last, Seq: d.seq, Image: img}, nil
		case !errors.As(err, &broken):
			return devices.Frame{}, d.fail(err)
		}
		d.o.Log.Debug("broken picture left out", "camera", d.name, "err", err)
	}
	return devices.Frame{}, d.fail(fmt.Errorf("%s: %d broken pictures in a row (%w): use shorter wires or a lower speed, and let nothing else use the port: %w",
		d, maxDamaged, broken, devices.ErrLost))
}

// fail remembers an error that the camera does not recover from.
func (d *Dev) fail(err error) error {
	if errors.Is(err, devices.ErrLost) {
		d.err = err
	}
	return err
}

// decode finds the picture in what was in the memory.
func (d *Dev) decode(data []byte) (image.Image, error) {
	data, err := find(data)
	if err != nil {
		return nil, err
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, &damage{fmt.Sprintf("a JPEG picture that cannot be read: %v", err)}
	}
	if c.Width != d.o.Width || c.Height != d.o.Height {
		return nil, &damage{fmt.Sprintf("a picture of %dx%d instead of %dx%d", c.Width, c.Height, d.o.Width, d.o.Height)}
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, &damage{fmt.Sprintf("a JPEG picture that cannot be read: %v", err)}
	}
	switch img.(type) {
	case *image.YCbCr, *image.Gray:
		return img, nil
	}
	return nil, &damage{fmt.Sprintf("a JPEG picture of an unknown kind (%T)", img)}
}

// find returns the JPEG picture among other bytes, from its first marker to its
// last.
func find(data []byte) ([]byte, error) {
	i := bytes.Index(data, []byte{0xff, 0xd8, 0xff})
	if i < 0 {
		return nil, &damage{fmt.Sprintf("no picture begins in %d bytes", len(data))}
	}
	data = data[i:]
	// Inside of a picture 0xff is followed by 0, by a restart marker or by that
	// of a segment; the first end marker is its end.
	j := bytes.Index(data, []byte{0xff, 0xd9})
	if j < 0 {
		return nil, &damage{fmt.Sprintf("a picture has no end in %d bytes", len(data))}
	}
	return data[:j+2], nil
}
