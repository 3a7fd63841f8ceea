package replay

import (
	"bytes"
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
	"sync"
	"time"

	"sensed/devices"
)

// decoder is a running ffmpeg that turns a video file into pictures.
type decoder struct {
	name   string // of the video, for messages
	fps    float64
	frames chan image.Image // closed after the last picture, when err is set
	err    error
	cancel context.CancelFunc // ends ffmpeg
	done   chan struct{}      // closed when ffmpeg and its reader have ended
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
	exe, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("%s is played by the program ffmpeg, which is not here: install it (sudo apt install ffmpeg): %w", name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, exe,
		"-nostdin", "-hide_banner", "-loglevel", "error",
		// Only this file: a video may name others, on this machine or elsewhere.
		"-protocol_whitelist", "file",
		"-max_pixels", strconv.FormatInt(lim.Memory/3, 10),
		"-i", "file:"+path,
		"-map", "0:v:0", "-an", "-sn", "-dn",
		"-vf", filter, "-fps_mode", "cfr",
		"-f", "yuv4mpegpipe", "-strict", "-1", "pipe:1")
	// A reader of our own: cmd.StdoutPipe would be closed by Wait.
	r, w, err := os.Pipe()
	if err != nil {
		cancel()
		return nil, err
	}
	said := &tail{}
	cmd.Stdout, cmd.Stderr = w, said
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		cancel()
		_ = r.Close()
		return nil, fmt.Errorf("%s cannot be started: %w", exe, err)
	}
	d := &decoder{name: name, frames: make(chan image.Image), cancel: cancel, done: make(chan struct{})}
	go d.pump(ctx, cmd, r, said, lim)
	return d, nil
}

// pump reads pictures until the video or the decoder ends.
func (d *decoder) pump(ctx context.Context, cmd *exec.Cmd, r *os.File, said *tail, lim Limits) {
	defer close(d.done)
	err := d.read(ctx, r, lim)
	whole := errors.Is(err, io.EOF)
	_ = r.Close() // an ffmpeg that still writes ends with a broken pipe
	if !whole {
		d.cancel()
	}
	wait := cmd.Wait()
	switch {
	case ctx.Err() != nil && (whole || errors.Is(err, context.Canceled)):
		d.err = context.Canceled
	case wait != nil || !whole:
		reason := said.String()
		if reason == "" && !whole {
			reason = err.Error()
		}
		if reason == "" && wait != nil {
			reason = wait.Error()
		}
		d.err = &BadFile{d.name, "cannot be played as a video (ffmpeg: " + reason + "): replace it", wait}
	default:
		d.err = io.EOF
	}
	close(d.frames)
}

// read hands the pictures over. It returns io.EOF after the last.
func (d *decoder) read(ctx context.Context, r io.Reader, lim Limits) error {
	y, err := newY4M(r, lim)
	if err != nil {
		return err
	}
	d.fps = y.fps
	if !(d.fps > 0 && d.fps <= MaxFPS) {
		d.fps = 25
	}
	for {
		img, err := y.frame()
		if err != nil {
			return err
		}
		select {
		case d.frames <- img:
		case <-ctx.Done():
			return ctx.Err()
		}
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
	d.cancel()
	<-d.done
}

// tail keeps the end of what a program says, on one line.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 300

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p[max(0, len(p)-tailBytes):]...)
	t.b = t.b[max(0, len(t.b)-tailBytes):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.Join(bytes.Fields(t.b), []byte(" ")))
}
