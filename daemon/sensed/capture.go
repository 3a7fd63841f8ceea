package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sensed/daemon/app"
)

func captureCommand() command {
	return command{
		name:    "capture",
		args:    "SOURCE -o FILE [FLAGS]",
		summary: "save a picture of a camera, or seconds of a microphone",
		about: `
SOURCE is what stands behind "source:" in the configuration; sensed devices lists
what is there. A camera gives a picture as .jpg or .png, a microphone sound as
.wav (16 kHz, mono, 16 bit). FILE - is standard output: JPEG or WAV.

The file appears as a whole or not at all. One that exists stays as it is, unless
--force is given. A camera can be used by one program at a time; the daemon has
to let go of it first.`,
		example: `
sensed capture v4l2:/dev/video0 -o door.jpg --after 1s
sensed capture portaudio:default -o hall.wav --seconds 10
sensed capture lepton:spi=SPI0.0,i2c=I2C1 -o roof.png
sensed capture scene:?seed=3 -o - > scene.jpg`,
		prepare: prepareCapture,
	}
}

func prepareCapture(f *flag.FlagSet) func(context.Context, streams, []string) error {
	var c app.Capture
	f.StringVar(&c.Output, "o", "", "`FILE` .jpg, .png or .wav; - is standard output")
	seconds := f.Float64("seconds", 5, "`N` how much sound")
	f.DurationVar(&c.After, "after", 0, "`TIME` how long the camera looks before a picture is kept,\nuntil its exposure is right; without it: the first picture")
	f.DurationVar(&c.Wait, "wait", 30*time.Second, "`TIME` how long the device may take to begin")
	f.BoolVar(&c.Force, "force", false, "replace a file that exists")
	return func(ctx context.Context, s streams, args []string) error {
		if len(args) == 0 {
			return app.Errorf(app.Usage, "SOURCE is missing; it is what stands behind \"source:\" in the configuration, such as v4l2:/dev/video0")
		}
		c.Source = args[0]
		if err := f.Parse(args[1:]); errors.Is(err, flag.ErrHelp) { // the flags behind SOURCE
			return err
		} else if err != nil {
			return app.Errorf(app.Usage, "%s (sensed capture -h tells more)", dashes(err.Error()))
		}
		if err := noArgs(f.Args()); err != nil {
			return err
		}
		c.Length = time.Duration(*seconds * float64(time.Second))
		switch {
		case c.Output == "":
			return app.Errorf(app.Usage, "-o is missing; it names the file, or - for standard output")
		case c.Output == "-" && isTerminal(s.out):
			return app.Errorf(app.Usage, "a picture or sound is nothing for a terminal; redirect it into a file or a program")
		case !(*seconds > 0 && *seconds <= app.MaxSound.Seconds()): // NaN too
			return app.Errorf(app.Usage, "--seconds is %v; give a number above 0 and up to %v", *seconds, app.MaxSound.Seconds())
		case c.After < 0 || c.After > time.Hour || c.Wait <= 0 || c.Wait > time.Hour:
			return app.Errorf(app.Usage, "--after and --wait are times up to 1h, --wait above 0")
		}
		return c.Run(ctx, s.out, s.err, logTo(s, slog.LevelWarn))
	}
}

// isTerminal tells whether somebody would look at what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
