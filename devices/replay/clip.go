package replay

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"path/filepath"
	"time"

	"sensed/devices"
)

// patience is how long ffmpeg may take for one picture: at one frame a second
// it decodes all those between, and a Pi 4 takes its time for 4K video.
const patience = time.Minute

// clip plays a video.
type clip struct {
	src  *Source
	pace devices.Pace
	run  *decoder
	pass int    // frames of this pass
	seq  uint64 // frames of all passes
	next image.Image
}

func (s *Source) openClip(ctx context.Context) (devices.Camera, error) {
	c := &clip{src: s}
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// start begins a pass and waits for its first picture, so that a file which is
// no video is reported by Open.
func (c *clip) start(ctx context.Context) error {
	run, err := startDecoder(c.src.o.FFmpeg, c.src.o.Path, videoFilter(c.src.o.FPS, 0), c.src.o.Limits)
	if err != nil {
		return fmt.Errorf("%s: %w", c.src, err)
	}
	c.run, c.pass = run, 0
	c.next, err = run.frame(ctx)
	if err != nil {
		run.close()
		c.run = nil
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, io.EOF) {
			err = &BadFile{Name: filepath.Base(c.src.o.Path), Why: "is a video without pictures: replace it"}
		}
		return fmt.Errorf("%s: %w", c.src, err)
	}
	fps := c.src.o.FPS
	if fps == 0 {
		fps = run.fps
	}
	if c.pace.Every == 0 {
		c.pace = devices.Pace{Clock: c.src.o.Clock, Every: every(fps)}
	}
	return nil
}

// Next returns the next picture of the clip.
func (c *clip) Next(ctx context.Context) (devices.Frame, error) {
	if err := ctx.Err(); err != nil {
		return devices.Frame{}, err
	}
	if c.next == nil {
		if err := c.advance(ctx); err != nil {
			return devices.Frame{}, err
		}
	}
	now, err := c.pace.Wait(ctx)
	if err != nil {
		return devices.Frame{}, err // the picture is kept for the next call
	}
	img := c.next
	c.next = nil
	c.pass++
	c.seq++
	return devices.Frame{Time: now, Seq: c.seq, Image: img, Name: filepath.Base(c.src.o.Path)}, nil
}

// advance decodes the next picture into c.next.
func (c *clip) advance(ctx context.Context) error {
	if c.run == nil { // the pass is over, or a new one could not begin
		if !c.src.o.Loop {
			return io.EOF
		}
		return c.start(ctx)
	}
	img, err := c.run.frame(ctx)
	if err == nil {
		c.next = img
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err() // ffmpeg goes on; its picture waits
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: after %d pictures: %w", c.src, c.pass, err)
	}
	c.run.close()
	c.run = nil
	return c.advance(ctx)
}

// Close ends ffmpeg.
func (c *clip) Close() error {
	if c.run != nil {
		c.run.close()
		c.run = nil
	}
	c.next = nil
	return nil
}

// ClipFrame is one picture of a video clip.
type ClipFrame struct {
	At    time.Duration // from the start of the clip
	Image image.Image
}

// ClipSide is the longest side of a picture that [Clip] returns, in pixels.
// The model looks at less than half of that.
const ClipSide = 1024

// Clip takes fps pictures a second from the beginning of the video at path,
// maxFrames at most, each with its moment. Larger pictures are scaled down to
// [ClipSide]. It needs the program ffmpeg.
func Clip(ctx context.Context, path string, fps float64, maxFrames int) ([]ClipFrame, error) {
	s, err := New(Opts{Path: path, FPS: fps})
	if err != nil {
		return nil, err
	}
	if fps == 0 || maxFrames <= 0 {
		return nil, fmt.Errorf("replay: %v frames a second and %d frames at most: give numbers above 0", fps, maxFrames)
	}
	if err := regular(path); err != nil {
		return nil, err
	}
	run, err := startDecoder(s.o.FFmpeg, path, videoFilter(fps, ClipSide), s.o.Limits)
	if err != nil {
		return nil, err
	}
	defer run.close()
	var frames []ClipFrame
	for len(frames) < maxFrames {
		img, err := run.frame(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		at := time.Duration(float64(len(frames)) / fps * float64(time.Second))
		frames = append(frames, ClipFrame{at, img})
	}
	if len(frames) == 0 {
		return nil, &BadFile{Name: filepath.Base(path), Why: "is a video without pictures: replace it"}
	}
	return frames, nil
}
