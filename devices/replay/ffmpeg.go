package replay

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sensed/devices"
	"sensed/devices/child"
	"sensed/devices/stream"
)

// decoder is a running ffmpeg that turns a video file into pictures.
type decoder struct {
	name   string // of the video, for messages
	run    *child.Process
	fps    float64
	frames chan image.Image // closed after the last picture, when err is set
	err    error
	stop   chan struct{} // closed when nobody wants more pictures
	done   chan struct{} // closed when the reader has ended
}

// videoFilter gives full-range BT.601 pictures, which is what image.YCbCr
// means, at fps pictures a second (0: as the video has them), with no side
// above side (0: any).
func videoFilter(fps float64, side int) string {
	var f []string
	if fps > 0 {
		// Rounding up shows at each moment what a viewer would see then.
		f = append(f, "fps=fps="+strconv.FormatFloat(fps, 'f', -1, 64)+":round=up")
	}
	scale := "scale=out_color_matrix=bt601:out_range=full"
	if side > 0 {
		scale += fmt.Sprintf(":w='min(iw,%d)':h='min(ih,%d)':force_original_aspect_ratio=decrease", side, side)
	}
	return strings.Join(append(f, scale, "format=yuvj420p"), ",")
}

// regular refuses what is no file.
func regular(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return &BadFile{filepath.Base(path), fmt.Sprintf("cannot be read: %v", err), err}
	}
	if !info.Mode().IsRegular() {
		return &BadFile{Name: filepath.Base(path), Why: "is not a file: name a video clip"}
	}
	return nil
}

// startDecoder runs program on the video at path.
func startDecoder(program, path, filter string, lim Limits) (*decoder, error) {
	name := filepath.Base(path)
	run, err := child.Start(child.Opts{Program: program, Args: []string{
		"-nostdin", "-hide_banner", "-loglevel", "error",
		// Only this file: a video may name others, on this machine or elsewhere.
		"-protocol_whitelist", "file",
		"-max_pixels", strconv.FormatInt(lim.Memory/3, 10),
		"-i", "file:" + path,
		"-map", "0:v:0", "-an", "-sn", "-dn",
		"-vf", filter, "-fps_mode", "cfr",
		"-f", "yuv4mpegpipe", "-strict", "-1", "pipe:1",
	}})
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%s is played by the program ffmpeg, which is not here: install it (sudo apt install ffmpeg): %w", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := &decoder{name: name, run: run, frames: make(chan image.Image), stop: make(chan struct{}), done: make(chan struct{})}
	go d.pump(lim)
	return d, nil
}

// pump reads pictures until the video or the decoder ends.
func (d *decoder) pump(lim Limits) {
	defer close(d.done)
	defer close(d.frames)
	err := d.read(lim)
	if errors.Is(err, context.Canceled) {
		d.err = err
		return
	}
	whole := errors.Is(err, io.EOF)
	if !whole {
		d.run.Stop() // it may go on, and its words be cut off
	}
	exit := d.run.Exit()
	if whole && exit == nil {
		d.err = io.EOF
		return
	}
	reason := d.run.Said()
	switch {
	case reason != "":
	case !whole:
		reason = err.Error()
	default:
		reason = exit.Error()
	}
	d.err = &BadFile{d.name, "cannot be played as a video (ffmpeg: " + reason + "): replace it", exit}
}

// read hands the pictures over. It returns io.EOF after the last.
func (d *decoder) read(lim Limits) error {
	y, err := stream.NewY4M(d.run, lim.Side, lim.Memory)
	if err != nil {
		return d.stopped(err)
	}
	d.fps = y.FPS
	if !(d.fps > 0 && d.fps <= MaxFPS) {
		d.fps = 25
	}
	for {
		data, err := y.Next(nil)
		if err != nil {
			return d.stopped(err)
		}
		select {
		case d.frames <- y.Image(data):
		case <-d.stop:
			return context.Canceled
		}
	}
}

// stopped returns context.Canceled for an error that came of close.
func (d *decoder) stopped(err error) error {
	select {
	case <-d.stop:
		return context.Canceled
	default:
		return err
	}
}

// frame returns the next picture, io.EOF after the last, ctx.Err() when ctx
// ends first (the picture then waits for the next call).
func (d *decoder) frame(ctx context.Context) (image.Image, error) {
	stall := time.NewTimer(patience)
	defer stall.Stop()
	select {
	case img, ok := <-d.frames:
		if !ok {
			return nil, d.err
		}
		return img, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-stall.C:
		return nil, fmt.Errorf("%s: ffmpeg gave no picture for %v: %w", d.name, patience, devices.ErrLost)
	}
}

// close ends ffmpeg and waits for its end.
func (d *decoder) close() {
	close(d.stop)
	d.run.Stop()
	<-d.done
}
