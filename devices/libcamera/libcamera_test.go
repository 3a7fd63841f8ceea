//go:build linux

package libcamera

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
)

// TestMain lets this program stand in for rpicam-vid when it is called so.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); name == "rpicam-vid" || name == "libcamera-vid" {
		if err := standIn(); err != nil {
			fmt.Fprintf(os.Stderr, "ERROR: *** %v ***\n", err)
			os.Exit(255)
		}
		return
	}
	os.Exit(m.Run())
}

// How the stand-in behaves.
const (
	behaviour = "SENSED_TEST_RPICAM"
	calls     = "SENSED_TEST_CALLS" // a file that takes the command line
)

// standIn takes the options that we use, says what rpicam-vid says and writes
// pictures: grey, of level 100, with a white corner at the top left.
func standIn() error {
	var (
		f         = flag.NewFlagSet("rpicam-vid", flag.ContinueOnError)
		camera    = f.Int("camera", 0, "")
		width     = f.Int("width", 0, "")
		height    = f.Int("height", 0, "")
		framerate = f.Float64("framerate", -1, "")
		rotation  = f.Int("rotation", 0, "")
		codec     = f.String("codec", "h264", "")
		output    = f.String("output", "", "")
		timeout   = f.String("timeout", "5sec", "")
		_         = f.Bool("nopreview", false, "")
		flush     = f.Bool("flush", false, "")
	)
	f.SetOutput(io.Discard)
	if err := f.Parse(os.Args[1:]); err != nil {
		return fmt.Errorf("unrecognised option: %v", err)
	}
	if path := os.Getenv(calls); path != "" {
		if err := os.WriteFile(path, []byte(strings.Join(os.Args, " ")), 0o600); err != nil {
			return err
		}
	}
	if *output != "-" || *timeout != "0" || !*flush {
		return errors.New("the stand-in writes on standard output for ever")
	}
	how := os.Getenv(behaviour)
	switch how {
	case "none":
		return errors.New("no cameras available")
	case "busy":
		fmt.Fprintln(os.Stderr, "[0:19:06.419778612] [2746]  INFO Camera camera.cpp:839 Pipeline handler in use by another process")
		return errors.New("failed to acquire camera /base/soc/i2c0mux/i2c@1/ov5647@36")
	case "denied":
		fmt.Fprintln(os.Stderr, "[0:00:01.000000000] [1] ERROR V4L2 v4l2_device.cpp:93 'imx708': Failed to open V4L2 device '/dev/v4l-subdev0': Permission denied")
		return errors.New("failed to start camera")
	case "old":
		return errors.New("unrecognised option '--flush'")
	case "hangs":
		fmt.Fprintln(os.Stderr, "ERROR: Device timeout detected, attempting a restart!!!")
		time.Sleep(time.Hour)
	}
	if *camera > 0 {
		return errors.New("selected camera is not available")
	}
	fmt.Fprintln(os.Stderr, "[0:22:27.339783615] [1880]  INFO Camera camera_manager.cpp:325 libcamera v0.3.2+99-1230f78d")
	picture := plain(*width, *height, *rotation == 180)
	data := append(append(bytes.Clone(picture.Y), picture.Cb...), picture.Cr...)
	if *codec == "mjpeg" {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, picture, nil); err != nil {
			return err
		}
		data = b.Bytes()
	}
	for n := 0; ; n++ {
		if n == 3 {
			switch how {
			case "dies":
				return errors.New("failed to queue request")
			case "crashes":
				os.Exit(139)
			case "stops":
				time.Sleep(time.Hour)
			case "cut":
				_, _ = os.Stdout.Write(data[:len(data)/2])
				return nil
			}
		}
		if _, err := os.Stdout.Write(data); err != nil {
			return errors.New("failed to write output bytes")
		}
		time.Sleep(time.Duration(float64(time.Second) / *framerate))
	}
}

func plain(w, h int, turned bool) *image.YCbCr {
	p := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for i := range p.Y {
		p.Y[i] = 100
	}
	for i := range p.Cb {
		p.Cb[i], p.Cr[i] = 128, 128
	}
	for y := range h / 4 {
		for x := range w / 4 {
			if turned {
				p.Y[p.YOffset(w-1-x, h-1-y)] = 255
			} else {
				p.Y[p.YOffset(x, y)] = 255
			}
		}
	}
	return p
}

// board makes a board with some of the programs on its PATH.
func board(t *testing.T, how string, names ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv(behaviour, how)
}

func source(t *testing.T, o Opts) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeepsTheContract(t *testing.T) {
	board(t, "", "rpicam-vid")
	for _, format := range []string{mjpeg, yuv420} {
		devicetest.Camera(t, format, func(t *testing.T) devices.Camera {
			cam, err := source(t, Opts{Width: 320, Height: 240, FPS: 100, Format: format}).Open(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return cam
		}, devicetest.CameraOpts{})
	}
}

func TestTakesWhicheverProgramIsThere(t *testing.T) {
	for _, tt := range []struct {
		there []string
		want  string
	}{
		{[]string{"rpicam-vid", "libcamera-vid"}, "rpicam-vid"},
		{[]string{"libcamera-vid"}, "libcamera-vid"},
	} {
		board(t, "", tt.there...)
		said := filepath.Join(t.TempDir(), "calls")
		t.Setenv(calls, said)
		cam, err := source(t, Opts{Width: 128, Height: 96, FPS: 0.5, Rotation: 180}).Open(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		f, err := cam.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if f.Image.Bounds() != image.Rect(0, 0, 128, 96) {
			t.Errorf("the picture is %v", f.Image.Bounds())
		}
		corner := func(x, y int) uint8 { return color.GrayModel.Convert(f.Image.At(x, y)).(color.Gray).Y }
		if corner(120, 90) < 240 || corner(5, 5) > 110 {
			t.Error("the picture was not turned")
		}
		cam.Close()
		line, err := os.ReadFile(said)
		if err != nil {
			t.Fatal(err)
		}
		if want := tt.want + " --camera 0 --width 128 --height 96 --framerate 5 --rotation 180 --codec mjpeg --nopreview --timeout 0 --flush --output -"; !strings.HasSuffix(string(line), want) {
			t.Errorf("called was %q, want %q", line, want)
		}
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	tests := []struct {
		how    string
		o      Opts
		is     error
		frames bool // some came before
		want   string
	}{
		{how: "none", is: devices.ErrAbsent, want: "no camera is connected: see that its ribbon cable sits well"},
		{how: "", o: Opts{Camera: 3}, is: devices.ErrAbsent, want: "camera libcamera:3: there is no camera of this number: rpicam-vid --list-cameras"},
		{how: "busy", want: "another program uses it: end that program"},
		{how: "denied", want: "put the user into the group video"},
		{how: "old", want: "bring the system up to date"},
		{how: "hangs", o: Opts{Start: 300 * time.Millisecond}, is: devices.ErrLost, want: "no picture came for 300ms: it may hang"},
		{how: "dies", is: devices.ErrLost, frames: true, want: "broke down (exit status 255) (rpicam-vid said: "},
		{how: "crashes", is: devices.ErrLost, frames: true, want: "broke down (exit status 139)"},
		{how: "stops", o: Opts{FPS: 100, Silence: 100 * time.Millisecond}, is: devices.ErrLost, frames: true, want: "no picture came for 100ms: it may hang"},
		{how: "cut", is: devices.ErrLost, frames: true, want: "rpicam-vid ended"},
	}
	for _, tt := range tests {
		for _, format := range []string{mjpeg, yuv420} {
			t.Run(tt.how+format, func(t *testing.T) {
				board(t, tt.how, "rpicam-vid")
				o := tt.o
				o.Format, o.Width, o.Height = format, 64, 48
				if o.FPS == 0 {
					o.FPS = 100
				}
				cam, err := source(t, o).Open(context.Background())
				if (err == nil) != tt.frames {
					t.Fatalf("Open: %v", err)
				}
				if err == nil {
					defer cam.Close()
					for err == nil {
						_, err = cam.Next(context.Background())
					}
				}
				if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "camera libcamera:") || errors.Is(err, io.EOF) {
					t.Errorf("err = %v, want %q", err, tt.want)
				}
				for _, kind := range []error{devices.ErrAbsent, devices.ErrLost} {
					if errors.Is(err, kind) != (kind == tt.is) {
						t.Errorf("%v: is %v: %t", err, kind, errors.Is(err, kind))
					}
				}
			})
		}
	}
}

func TestWithoutTheProgram(t *testing.T) {
	board(t, "")
	_, err := source(t, Opts{}).Open(context.Background())
	if !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "sudo apt install rpicam-apps") {
		t.Errorf("err = %v", err)
	}
}

func TestOpenIsCancelled(t *testing.T) {
	board(t, "hangs", "rpicam-vid")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := source(t, Opts{}).Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if _, err := source(t, Opts{}).Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: err = %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		o    Opts
		want string
	}{
		{Opts{Camera: -1}, "give 0 for the first"},
		{Opts{Width: 8}, "size is 8x480"},
		{Opts{Width: 641}, "even sides"},
		{Opts{Height: 10000}, "size is 640x10000"},
		{Opts{FPS: 1000}, "fps is 1000"},
		{Opts{FPS: -1}, "fps is -1"},
		{Opts{Format: "h264"}, "choose mjpeg or yuv420"},
		{Opts{Format: yuv420, Width: 800}, "a width that 64 divides"},
		{Opts{Rotation: 90}, "give 0 or 180"},
		{Opts{Silence: -1}, "cannot be negative"},
	} {
		if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
	}
}
