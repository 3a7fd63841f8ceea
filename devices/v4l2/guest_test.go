//go:build guest && linux && (amd64 || arm64)

package v4l2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sensed/devices"
	"sensed/devices/devicetest"
	"sensed/devices/v4l2"
)

// These tests run in the guest of deploy/vm, as root, with three cameras of the
// kernel's driver vivid: platform:vivid-000 to -002, of which only all together
// can be pulled.

const first = "platform:vivid-000"

func source(t *testing.T, o v4l2.Opts) *v4l2.Source {
	t.Helper()
	s, err := v4l2.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, o v4l2.Opts) devices.Camera {
	t.Helper()
	cam, err := source(t, o).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cam
}

func refused(t *testing.T, o v4l2.Opts, want string) error {
	t.Helper()
	cam, err := source(t, o).Open(t.Context())
	if err == nil {
		_ = cam.Close()
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%+v: err = %v, want %s", o, err, want)
	}
	return err
}

func look(t *testing.T, cam devices.Camera) image.Image {
	t.Helper()
	f, err := cam.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f.Image
}

func shut(t *testing.T, cam devices.Camera) {
	t.Helper()
	if err := cam.Close(); err != nil {
		t.Error(err)
	}
}

// bars returns the colours in the middle of vivid's eight bars, below its text.
func bars(m image.Image) (out [8][3]int) {
	b := m.Bounds()
	for i := range out {
		r, g, bl, _ := m.At(b.Dx()*(2*i+1)/16, b.Dy()*7/8).RGBA()
		out[i] = [3]int{int(r >> 8), int(g >> 8), int(bl >> 8)}
	}
	return out
}

// TestGuestFormats plays every format and some sizes, and sees vivid's picture:
// white, yellow, cyan, green, magenta, red, blue, black at 75 percent.
func TestGuestFormats(t *testing.T) {
	want := [8][3]int{{191, 191, 191}, {191, 191, 0}, {0, 191, 191}, {0, 191, 0}, {191, 0, 191}, {191, 0, 0}, {0, 0, 191}, {0, 0, 0}}
	for _, o := range []v4l2.Opts{
		{Format: "yuyv"}, {Format: "uyvy"}, {Format: "nv12"}, {Format: "yuv420"}, {Format: "rgb24"}, {Format: "bgr24"}, {Format: "grey"},
		{Width: 320, Height: 180}, {Width: 640, Height: 360, FPS: 5}, {Width: 1280, Height: 720, Format: "nv12"},
	} {
		o.Device = first
		t.Run(fmt.Sprintf("%s %dx%d", o.Format, o.Width, o.Height), func(t *testing.T) {
			cam := open(t, o)
			defer shut(t, cam)
			look(t, cam)
			m := look(t, cam)
			if w, h := m.Bounds().Dx(), m.Bounds().Dy(); o.Width != 0 && (w != o.Width || h != o.Height) {
				t.Errorf("the picture is %dx%d", w, h)
			}
			for i, got := range bars(m) {
				w := want[i]
				if o.Format == "grey" {
					w = luma(w, got[0])
				}
				for c := range w {
					if d := got[c] - w[c]; d < -24 || d > 24 {
						t.Errorf("bar %d is %v, want %v", i, got, w)
						break
					}
				}
			}
		})
	}
}

// luma is a colour in grey, after BT.601 or BT.709: vivid takes either, by the
// size of the picture. The one nearer to what was seen is returned.
func luma(c [3]int, seen int) [3]int {
	y, hd := (299*c[0]+587*c[1]+114*c[2])/1000, (213*c[0]+715*c[1]+72*c[2])/1000
	if max(seen-hd, hd-seen) < max(seen-y, y-seen) {
		y = hd
	}
	return [3]int{y, y, y}
}

func TestGuestConformance(t *testing.T) {
	devicetest.Camera(t, "vivid", func(t *testing.T) devices.Camera {
		return open(t, v4l2.Opts{Device: first, Width: 320, Height: 180})
	}, devicetest.CameraOpts{})
}

func brightness(m image.Image) (sum int) {
	for _, c := range bars(m) {
		sum += c[0] + c[1] + c[2]
	}
	return sum
}

func TestGuestControls(t *testing.T) {
	with := func(controls map[string]string) v4l2.Opts {
		return v4l2.Opts{Device: first, Width: 320, Height: 180, Controls: controls}
	}
	var level [2]int
	for i, v := range []string{"40", "200"} {
		cam := open(t, with(map[string]string{"brightness": v, "hflip": "false"}))
		look(t, cam)
		level[i] = brightness(look(t, cam))
		shut(t, cam)
	}
	if level[1] < level[0]+200 {
		t.Errorf("with brightness 40 the picture has %d, with 200 %d", level[0], level[1])
	}
	cam := open(t, with(map[string]string{"brightness": "128", "hflip": "true", "gain": "100"}))
	look(t, cam)
	if b := bars(look(t, cam)); b[0][0] > 64 || b[7][0] < 128 {
		t.Errorf("turned around the picture has the bars %v", b)
	}
	shut(t, cam)
	shut(t, open(t, with(map[string]string{"hflip": "false", "gain": "auto"})))
	refused(t, with(map[string]string{"brightness": "300"}), "brightness=300 is out of bounds: give a number from 0 to 255")
	refused(t, with(map[string]string{"zoom": "1"}), "the camera has no control zoom: leave it out, or use another one: it has brightness, contrast, saturation, hue")
}

func TestGuestRefuses(t *testing.T) {
	refused(t, v4l2.Opts{Device: first, Width: 641, Height: 361}, "it gives no pictures of 641x361 in the format yuyv: choose one of its sizes: 320x180, 640x360")
	refused(t, v4l2.Opts{Device: first, Format: "mjpeg"}, "wanted is mjpeg")
	refused(t, v4l2.Opts{Device: "/dev/video2"}, "in several planes")
	if err := refused(t, v4l2.Opts{Device: "C920"}, "one that is there: vivid at platform:vivid-000 (/dev/video0)"); !errors.Is(err, devices.ErrAbsent) {
		t.Error("that is not absent")
	}
	refused(t, v4l2.Opts{Device: "/dev/video9"}, "there is no such device")

	cam := open(t, v4l2.Opts{})
	if err := refused(t, v4l2.Opts{}, "another program uses it: end that program (fuser -v /dev/video0 shows it)"); !errors.Is(err, unix.EBUSY) {
		t.Errorf("err = %v", err)
	}
	look(t, cam) // and that one goes on
	shut(t, cam)

	cmd := exec.Command("runuser", "-u", "nobody", "--", os.Args[0], "-test.run=^TestGuestAsNobody$", "-test.v")
	cmd.Env = append(os.Environ(), "SENSED_TEST_NOBODY=1")
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestGuestAsNobody")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestGuestAsNobody is run by TestGuestRefuses as a user without rights.
func TestGuestAsNobody(t *testing.T) {
	if os.Getenv("SENSED_TEST_NOBODY") == "" {
		return
	}
	if err := refused(t, v4l2.Opts{}, "camera /dev/video0: this user may not use it: put the user into the group video"); !errors.Is(err, unix.EACCES) {
		t.Errorf("err = %v", err)
	}
}

// plug binds the cameras to their driver, or takes them away.
func plug(t *testing.T, in bool) {
	t.Helper()
	file := "unbind"
	if in {
		file = "bind"
	}
	if err := os.WriteFile(filepath.Join("/sys/bus/platform/drivers/vivid", file), []byte("vivid.0"), 0); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("udevadm", "settle").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// A camera that is pulled is lost, one that is away is absent, and one that comes
// back is found, under whatever number: round after round, and nothing stays
// behind.
func TestGuestUnplugged(t *testing.T) {
	const second = "/dev/video1"
	var log bytes.Buffer
	s := source(t, v4l2.Opts{Device: second, Width: 320, Height: 180, Log: slog.New(slog.NewTextHandler(&log, nil))})
	var fds, goroutines int
	const rounds = 6
	for round := range rounds {
		cam, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		look(t, cam)
		lost := make(chan error, 1)
		go func() {
			for {
				if _, err := cam.Next(t.Context()); err != nil {
					lost <- err
					return
				}
			}
		}()
		// A number stays taken for as long as somebody has the file open: then each
		// camera comes back under the number of the next one.
		taken := "/dev/null"
		if round%2 == 0 {
			taken = "/dev/video0"
		}
		held, err := os.Open(taken)
		if err != nil {
			t.Fatal(err)
		}
		plug(t, false)
		select {
		case err := <-lost:
			if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), second) {
				t.Errorf("round %d: pulled: %v", round, err)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing is heard of a camera that was pulled")
		}
		shut(t, cam)
		if _, err := s.Open(t.Context()); !errors.Is(err, devices.ErrAbsent) {
			t.Errorf("round %d: away: %v", round, err)
		}
		plug(t, true)
		if err := held.Close(); err != nil {
			t.Error(err)
		}
		if round == 1 {
			fds, goroutines = count(t), runtime.NumGoroutine()
		}
	}
	if n := strings.Count(log.String(), "node=/dev/video2"); n != rounds/2 {
		t.Errorf("it was found under another number %d times, want %d:\n%s", n, rounds/2, &log)
	}
	if n := count(t); n != fds {
		t.Errorf("%d files open, after %d rounds %d", fds, rounds, n)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, after %d rounds %d", goroutines, rounds, n)
	}
}

// Opening and closing leaves nothing behind either, also when it is cut short.
func TestGuestLeavesNothingBehind(t *testing.T) {
	s := source(t, v4l2.Opts{Device: first, Width: 320, Height: 180})
	var fds, goroutines int
	for round := range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(round)*2*time.Millisecond)
		cam, err := s.Open(ctx)
		if err == nil {
			for err == nil {
				_, err = cam.Next(ctx)
			}
			shut(t, cam)
		}
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("round %d: %v", round, err)
		}
		if round == 10 {
			fds, goroutines = count(t), runtime.NumGoroutine()
		}
	}
	if n, g := count(t), runtime.NumGoroutine(); n != fds || g > goroutines {
		t.Errorf("%d files and %d goroutines, then %d and %d", fds, goroutines, n, g)
	}
}

func count(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
