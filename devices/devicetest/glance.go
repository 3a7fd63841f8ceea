package devicetest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"image"
	"io"

	"sensed/devices"
)

// poison is what byte number i of a plane is set to, to see who still uses it.
func poison(i int) uint8 { return uint8(i*37 + i>>8*91 + 11) }

// checkGivenAway: a delivered picture is the caller's alone. It writes to it, as
// a blackout does, and no later picture shows what was written.
func checkGivenAway(cam devices.Camera, o CameraOpts) error {
	for i := range o.Frames {
		f, err := next(cam)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		if poisoned(f.Image) {
			return fmt.Errorf("the picture of frame %d shows what was written to the one before", i)
		}
		write(f.Image)
	}
	return nil
}

// checkGlances: a camera that has glances numbers them as it does pictures; a
// whole picture belongs to its glance and is never written again, whatever
// happens to glances; and neither writing to a glance nor calling Whole out of
// turn does harm. Cameras without glances pass.
func checkGlances(cam devices.Camera, o CameraOpts) error {
	g, ok := cam.(devices.Glancer)
	if !ok {
		return nil
	}
	if _, err := g.Whole(); err == nil {
		return errors.New("a whole picture came before any glance")
	}
	seed := maphash.MakeSeed()
	var last devices.Frame
	var kept []devices.Frame
	var sums []uint64
	for i := range o.Frames {
		shown, err := within(func() (devices.Frame, error) { return g.Glance(context.Background()) })
		if o.Finite && errors.Is(err, io.EOF) {
			return nil
		}
		switch {
		case err != nil:
			return fmt.Errorf("glance %d: %w", i, err)
		case shown.Seq <= last.Seq || shown.Time.Before(last.Time) || shown.Time.IsZero():
			return fmt.Errorf("glance %d is number %d of %v, after number %d of %v", i, shown.Seq, shown.Time, last.Seq, last.Time)
		}
		if err := checkImage(shown.Image); err != nil {
			return fmt.Errorf("glance %d: %w", i, err)
		}
		if poisoned(shown.Image) {
			return fmt.Errorf("glance %d shows what was written to the one before", i)
		}
		last = shown
		write(shown.Image)
		if i%3 == 2 {
			continue // nobody asks
		}
		whole, err := g.Whole()
		if err != nil {
			return fmt.Errorf("the whole picture of glance %d: %w", i, err)
		}
		if whole.Seq != shown.Seq || !whole.Time.Equal(shown.Time) || whole.Name != shown.Name {
			return fmt.Errorf("glance %d is number %d of %v (%q), its whole picture number %d of %v (%q)", i, shown.Seq, shown.Time, shown.Name, whole.Seq, whole.Time, whole.Name)
		}
		if err := checkImage(whole.Image); err != nil {
			return fmt.Errorf("the whole picture of glance %d: %w", i, err)
		}
		if poisoned(whole.Image) {
			return fmt.Errorf("the whole picture of glance %d shows what was written to a glance", i)
		}
		if _, err := g.Whole(); err == nil {
			return fmt.Errorf("the whole picture of glance %d was given away twice", i)
		}
		kept, sums = append(kept, whole), append(sums, sum(seed, whole.Image))
		for j := range kept {
			if sum(seed, kept[j].Image) != sums[j] {
				return fmt.Errorf("whole picture %d was written again by glance %d", j, i)
			}
		}
	}
	return nil
}

// planes returns the pixels of a picture.
func planes(img image.Image) [][]uint8 {
	switch m := img.(type) {
	case *image.YCbCr:
		return [][]uint8{m.Y, m.Cb, m.Cr}
	case *image.RGBA:
		return [][]uint8{m.Pix}
	case *image.NRGBA:
		return [][]uint8{m.Pix}
	case *image.Gray:
		return [][]uint8{m.Pix}
	}
	return nil
}

func write(img image.Image) {
	for _, p := range planes(img) {
		for i := range p {
			p[i] = poison(i)
		}
	}
}

// poisoned says whether most of the first plane was written by [write].
func poisoned(img image.Image) bool {
	ps := planes(img)
	if len(ps) == 0 {
		return false
	}
	n := 0
	for i, v := range ps[0] {
		if v == poison(i) {
			n++
		}
	}
	return 2*n > len(ps[0])
}
