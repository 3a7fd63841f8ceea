// Package devices holds what every sense has in common: the values that a
// camera or a microphone delivers, who owns them, and how a device says that
// it is not there.
//
// A device package (v4l2, replay, scene, wave, portaudio, ...) knows its
// hardware and this package, nothing of the daemon above it.
package devices

import (
	"context"
	"errors"
	"image"
	"time"
)

// SampleRate is the rate of every [PCM] chunk, in hertz: what the model hears.
const SampleRate = 16000

var (
	// ErrAbsent says that the device is not there (yet). It is a quiet state:
	// the caller waits and tries again.
	ErrAbsent = errors.New("device is absent")
	// ErrLost says that an open device stopped working: unplugged, taken by
	// another process, or silent for too long. The caller closes and reopens.
	ErrLost = errors.New("device is lost")
)

// Frame is one picture.
//
// Ownership: the camera gives the frame away and keeps nothing of it. Whoever
// gets it from [Camera.Next] may write to Image until he shows it to others;
// from then on nobody does. Any number of readers may hold it, and the garbage
// collector ends it. A camera therefore never reuses the pixels of a frame that
// it has delivered. The pixels of [Glancer.Glance] are another matter.
type Frame struct {
	// Time is when the picture was taken, by the wall clock of this board.
	Time time.Time
	// Seq counts the frames of one open camera from 1; a gap is a dropped frame.
	Seq uint64
	// Image holds the pixels: *image.YCbCr, *image.RGBA, *image.NRGBA or *image.Gray.
	Image image.Image
	// Name says which sample this is when the frame was replayed, else "".
	Name string
	// Thermal holds what a thermal camera measured, else nil.
	Thermal *Thermal
}

// PCM is a chunk of sound: mono float32 in [-1, 1] at [SampleRate].
//
// Ownership is as for [Frame]: delivered samples are never written again.
type PCM struct {
	// Time is when the first sample was heard, by the wall clock of this board.
	Time time.Time
	// Samples may have any length above zero.
	Samples []float32
	// Name says which sample this is when the sound was replayed, else "".
	Name string
}

// Camera is an open source of pictures, used by one goroutine.
type Camera interface {
	// Next waits for the next picture. It returns ctx.Err() soon after ctx
	// ends, io.EOF when a finite source has no more, and an error wrapping
	// [ErrLost] when the device is gone.
	Next(ctx context.Context) (Frame, error)
	// Close frees the device. It may be called once, also after an error.
	Close() error
}

// Glancer is a camera that can give less than a whole picture when that is all
// that is needed to see whether something moves. Most pictures end there: they
// need not be decoded, and cost no memory.
type Glancer interface {
	Camera
	// Glance waits for the next picture as Next does, and returns its luminance
	// in Image, often smaller than the picture. Whole returns that picture, and
	// may be called once after each Glance; then the frame belongs to the caller
	// as one of Next, and has the same Time, Seq and Name.
	//
	// Ownership: the pixels of a glance stay the camera's. The caller may read
	// and write them until the next call of any method of the camera but Whole,
	// keeps no reference beyond that, and so must not hand them on.
	Glance(ctx context.Context) (Frame, error)
	Whole() (Frame, error)
}

// Microphone is an open source of sound, used by one goroutine.
// Its methods behave as those of [Camera].
type Microphone interface {
	Next(ctx context.Context) (PCM, error)
	Close() error
}
