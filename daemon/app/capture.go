package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sensed/daemon/atomicfile"
	"sensed/daemon/config"
	"sensed/devices"
	"sensed/devices/replay"
	"sensed/devices/wave"
)

// Capture is what `sensed capture` is asked for.
type Capture struct {
	Source string        // as in the configuration
	Output string        // file, or - for standard output
	Length time.Duration // of sound
	After  time.Duration // how long a camera looks before the picture is kept
	Wait   time.Duration // for the device
	Force  bool          // an existing file may be replaced
}

// MaxSound bounds Capture.Length: the sound is held in memory.
const MaxSound = 10 * time.Minute

// jpegQuality is high: the picture is for people and for models.
const jpegQuality = 92

// kind of a file is its extension in lower case.
const (
	kindJPEG = ".jpg"
	kindPNG  = ".png"
	kindWAV  = ".wav"
)

// Run takes a picture or sound and writes it to its file, or to out; notes
// hears what was written.
func (c Capture) Run(ctx context.Context, out, notes io.Writer, log *slog.Logger) error {
	d, err := config.ParseDevice(c.Source)
	if err != nil {
		return Errorf(Usage, "%w", err)
	}
	kind, err := c.kind(d.Sense())
	if err != nil {
		return err
	}
	if err := c.mayWrite(); err != nil {
		return err
	}
	dev, err := makeDevice(d, log)
	if err != nil {
		return Errorf(Usage, "source %q: %w", c.Source, err)
	}
	var data bytes.Buffer
	var about string
	if dev.camera != nil {
		about, err = c.picture(ctx, dev.camera, kind, &data)
	} else {
		about, err = c.sound(ctx, dev.microphone, &data)
	}
	if err != nil {
		return captureFault(c.Source, err)
	}
	if c.Output == "-" {
		_, err := out.Write(data.Bytes())
		return err
	}
	if err := writeFile(c.Output, data.Bytes(), atomicfile.Umask, c.Force); err != nil {
		return err
	}
	_, err = fmt.Fprintf(notes, "%s: %s, %d bytes\n", c.Output, about, data.Len())
	return err
}

// kind returns what kind of file is written, and refuses what does not fit.
func (c *Capture) kind(sense config.Sense) (string, error) {
	ext := strings.ToLower(filepath.Ext(c.Output))
	if ext == ".jpeg" {
		ext = kindJPEG
	}
	sight := sense == config.Sight
	switch {
	case c.Output == "-" && sight:
		return kindJPEG, nil
	case c.Output == "-":
		return kindWAV, nil
	case sight && (ext == kindJPEG || ext == kindPNG), !sight && ext == kindWAV:
		return ext, nil
	case sight:
		return "", Errorf(Usage, "%s is a camera: name the file .jpg or .png, not %q", c.Source, c.Output)
	}
	return "", Errorf(Usage, "%s is a microphone: name the file .wav, not %q", c.Source, c.Output)
}

// mayWrite tells before anything is opened whether the file can be written.
func (c *Capture) mayWrite() error {
	if c.Output == "-" {
		return nil
	}
	info, err := os.Lstat(c.Output)
	switch {
	case err == nil && info.IsDir():
		return Errorf(Usage, "%s is a folder: name a file in it", c.Output)
	case err == nil && !c.Force:
		return exists(c.Output)
	}
	if info, err := os.Stat(filepath.Dir(c.Output)); err != nil || !info.IsDir() {
		return Errorf(Usage, "the folder of %s is not there: make it, or correct the name", c.Output)
	}
	return nil
}

func exists(path string) error {
	return Errorf(Usage, "%s exists: choose another name, or --force to replace it", path)
}

// picture takes one picture.
func (c *Capture) picture(ctx context.Context, open func(context.Context) (devices.Camera, error), kind string, to io.Writer) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Wait+c.After, fmt.Errorf("it gave no picture within %v", c.Wait+c.After))
	defer cancel()
	cam, err := open(ctx)
	if err != nil {
		return "", reason(ctx, err)
	}
	f, err := c.look(ctx, cam)
	if e := cam.Close(); err == nil {
		err = e
	}
	if err != nil {
		return "", err
	}
	size := f.Image.Bounds().Size()
	about := fmt.Sprintf("picture of %dx%d", size.X, size.Y)
	if f.Thermal != nil {
		if r, ok := f.Thermal.Reading(); ok {
			about += fmt.Sprintf(", %.1f to %.1f °C, mean %.1f, hottest at %d, %d", r.Min, r.Max, r.Mean, r.Hottest.X, r.Hottest.Y)
		}
	}
	return about, encodePicture(to, f.Image, kind)
}

// look watches for a while and returns the last picture. A finite source may
// end before.
func (c *Capture) look(ctx context.Context, cam devices.Camera) (devices.Frame, error) {
	var last devices.Frame
	for began := time.Now(); ; {
		f, err := cam.Next(ctx)
		switch {
		case errors.Is(err, io.EOF) && last.Image != nil:
			return last, nil
		case errors.Is(err, io.EOF):
			return last, errors.New("it ended without a picture")
		case err != nil:
			return last, reason(ctx, err)
		}
		last = f
		if time.Since(began) >= c.After {
			return last, nil
		}
	}
}

func encodePicture(to io.Writer, img image.Image, kind string) error {
	if kind == kindPNG {
		return png.Encode(to, img)
	}
	return jpeg.Encode(to, img, &jpeg.Options{Quality: jpegQuality})
}

// sound listens for as long as was asked for, or to the end of a finite source.
func (c *Capture) sound(ctx context.Context, open func(context.Context) (devices.Microphone, error), to io.Writer) (string, error) {
	limit := c.Wait + 2*c.Length
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not give %v of sound within %v", c.Length, limit))
	defer cancel()
	mic, err := open(ctx)
	if err != nil {
		return "", reason(ctx, err)
	}
	want := int(math.Round(c.Length.Seconds() * devices.SampleRate))
	var samples []float32
	for err == nil && len(samples) < want {
		var chunk devices.PCM
		chunk, err = mic.Next(ctx)
		samples = append(samples, chunk.Samples...)
	}
	switch {
	case errors.Is(err, io.EOF) && len(samples) > 0:
		err = nil
	case errors.Is(err, io.EOF):
		err = errors.New("it ended without any sound")
	case err != nil:
		err = reason(ctx, err)
	}
	if e := mic.Close(); err == nil {
		err = e
	}
	if err != nil {
		return "", err
	}
	samples = samples[:min(len(samples), want)]
	about := fmt.Sprintf("%.1f s of sound, loudest %s", float64(len(samples))/devices.SampleRate, loudest(samples))
	return about, wave.Encode(to, samples)
}

// loudest is the peak in words.
func loudest(samples []float32) string {
	var peak float64
	for _, v := range samples {
		peak = max(peak, math.Abs(float64(v)))
	}
	if peak == 0 {
		return "nothing: every sample is zero (is the microphone muted?)"
	}
	return fmt.Sprintf("%.0f dBFS", 20*math.Log10(peak))
}

// reason is why ctx ended, when that is why err came.
func reason(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return err
}

// captureFault gives an error of a source its class.
func captureFault(source string, err error) error {
	var bad *replay.BadFile
	if errors.As(err, &bad) {
		return Errorf(BadInput, "source %q: %w", source, err)
	}
	return fmt.Errorf("source %q: %w", source, err)
}
