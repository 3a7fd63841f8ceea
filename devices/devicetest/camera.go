package devicetest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"image"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"sensed/devices"
)

// CameraOpts say what a camera is like.
type CameraOpts struct {
	// Finite means that the camera ends with io.EOF.
	Finite bool
	// Frames is how many pictures are looked at, and how many a finite camera
	// has at least. Default 8.
	Frames int
}

// patience is how long anything may take that should happen soon. It only
// passes when a test is about to fail.
const patience = 20 * time.Second

// Camera tests that the cameras which open returns keep the contract of
// [devices.Camera]. Each part of the suite opens one and closes it.
func Camera(t *testing.T, name string, open func(t *testing.T) devices.Camera, o CameraOpts) {
	t.Helper()
	if o.Frames == 0 {
		o.Frames = 8
	}
	parts := []struct {
		name  string
		check func(devices.Camera, CameraOpts) error
	}{
		{"order", checkOrder},
		{"ownership", checkOwnership},
		{"given away", checkGivenAway},
		{"glances", checkGlances},
		{"ended context", checkEndedContext},
		{"cancel", checkCancel},
		{"close unread", func(devices.Camera, CameraOpts) error { return nil }},
		{"end", checkEnd},
	}
	for _, p := range parts {
		t.Run(name+"/"+p.name, func(t *testing.T) {
			if r, w, err := os.Pipe(); err == nil { // the runtime opens its poller now, and keeps it
				_, _ = r.Close(), w.Close()
			}
			before := count()
			cam := open(t)
			err := p.check(cam, o)
			if e := cam.Close(); e != nil {
				t.Errorf("Close: %v", e)
			}
			if err != nil {
				t.Error(err)
			}
			if err := before.gone(); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkOrder: numbers rise from 1, times do not go back, pictures are pictures.
func checkOrder(cam devices.Camera, o CameraOpts) error {
	var last devices.Frame
	for i := range o.Frames {
		f, err := next(cam)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		switch {
		case f.Seq <= last.Seq:
			return fmt.Errorf("frame %d has Seq %d after %d", i, f.Seq, last.Seq)
		case f.Time.IsZero():
			return fmt.Errorf("frame %d has no time", i)
		case f.Time.Before(last.Time):
			return fmt.Errorf("frame %d was taken at %v, before %v", i, f.Time, last.Time)
		}
		if err := checkImage(f.Image); err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		last = f
	}
	return nil
}

func checkImage(img image.Image) error {
	switch img.(type) {
	case *image.YCbCr, *image.RGBA, *image.NRGBA, *image.Gray:
	default:
		return fmt.Errorf("the picture is a %T", img)
	}
	if b := img.Bounds(); b.Empty() || b.Min != (image.Point{}) {
		return fmt.Errorf("the picture has bounds %v: they begin at (0, 0) and hold pixels", b)
	}
	return nil
}

// checkOwnership: a delivered picture is never written again, also not after
// the camera is used further, nor does it share pixels with another one that
// changes.
func checkOwnership(cam devices.Camera, o CameraOpts) error {
	seed := maphash.MakeSeed()
	var frames []devices.Frame
	var sums []uint64
	for i := range o.Frames {
		f, err := next(cam)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		frames, sums = append(frames, f), append(sums, sum(seed, f.Image))
		for j, s := range sums {
			if sum(seed, frames[j].Image) != s {
				return fmt.Errorf("the picture of frame %d was written again when frame %d came", j, i)
			}
		}
	}
	return nil
}

func sum(seed maphash.Seed, img image.Image) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	switch p := img.(type) {
	case *image.YCbCr:
		h.Write(p.Y)
		h.Write(p.Cb)
		h.Write(p.Cr)
	case *image.RGBA:
		h.Write(p.Pix)
	case *image.NRGBA:
		h.Write(p.Pix)
	case *image.Gray:
		h.Write(p.Pix)
	}
	return h.Sum64()
}

// checkEndedContext: a context that has ended gives its error, and the camera
// works on after it.
func checkEndedContext(cam devices.Camera, o CameraOpts) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 2 {
		_, err := within(func() (devices.Frame, error) { return cam.Next(ctx) })
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("call of Next with an ended context returned %v", err)
		}
	}
	if _, err := next(cam); err != nil {
		return fmt.Errorf("after an ended context: %w", err)
	}
	return nil
}

// checkCancel: Next returns soon when its context ends meanwhile, and the
// camera works on after it.
func checkCancel(cam devices.Camera, o CameraOpts) error {
	if _, err := next(cam); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var err error
	for i := 0; err == nil; i++ {
		if i == 1 { // while it waits, or between two frames: both must do
			go cancel()
		}
		_, err = within(func() (devices.Frame, error) { return cam.Next(ctx) })
	}
	if o.Finite && errors.Is(err, io.EOF) {
		return nil
	}
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("call of Next whose context was cancelled returned %v", err)
	}
	if _, err := next(cam); err != nil && (!o.Finite || !errors.Is(err, io.EOF)) {
		return fmt.Errorf("after a cancelled Next: %w", err)
	}
	return nil
}

// checkEnd: a finite camera ends with io.EOF, again and again; another does not.
func checkEnd(cam devices.Camera, o CameraOpts) error {
	n := 0
	for ; o.Finite || n < 2*o.Frames; n++ {
		_, err := next(cam)
		if errors.Is(err, io.EOF) && o.Finite {
			break
		}
		if err != nil {
			return fmt.Errorf("frame %d: %w", n, err)
		}
	}
	if !o.Finite {
		return nil
	}
	if n < o.Frames {
		return fmt.Errorf("the camera ended after %d frames, want at least %d", n, o.Frames)
	}
	if _, err := next(cam); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after its end the camera returned %v, want io.EOF", err)
	}
	return nil
}

func next(cam devices.Camera) (devices.Frame, error) {
	return within(func() (devices.Frame, error) { return cam.Next(context.Background()) })
}

// within runs f and gives up after patience.
func within[T any](f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	c := make(chan result, 1)
	go func() {
		v, err := f()
		c <- result{v, err}
	}()
	select {
	case r := <-c:
		return r.v, r.err
	case <-time.After(patience):
		var zero T
		return zero, fmt.Errorf("no answer in %v", patience)
	}
}

// census is what the process holds.
type census struct {
	goroutines int
	files      int
}

func count() census {
	c := census{goroutines: runtime.NumGoroutine()}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		c.files = len(entries)
	}
	return c
}

// gone waits until the process holds no more than before.
func (before census) gone() error {
	var now census
	for start := time.Now(); time.Since(start) < patience; time.Sleep(time.Millisecond) {
		now = count()
		if now.goroutines <= before.goroutines && now.files <= before.files {
			return nil
		}
	}
	if now.files > before.files {
		return fmt.Errorf("%d files stay open", now.files-before.files)
	}
	buf := make([]byte, 1<<20)
	return fmt.Errorf("%d goroutines stay:\n%s", now.goroutines-before.goroutines, strings.TrimSpace(string(buf[:runtime.Stack(buf, true)])))
}
