//go:build guest && linux

package app

import (
	"bytes"
	"encoding/json"
	"image/jpeg"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// These tests run in the guest of deploy/vm, as root, with its cameras, sound
// card, bus and pins.

// lister in the environment makes the test program print the listing of the user
// that it runs as.
const lister = "SENSED_TEST_LISTS_DEVICES"

func TestGuestDevices(t *testing.T) {
	if os.Getenv(lister) != "" {
		if err := Devices(t.Context(), true, os.Stderr); err != nil {
			t.Fatal(err)
		}
		return
	}
	var out bytes.Buffer
	if err := Devices(t.Context(), true, &out); err != nil {
		t.Fatal(err)
	}
	l := decoded(t, out.Bytes())
	usable := slices.ContainsFunc(l.Cameras, func(c ListedCamera) bool {
		return c.Name == "vivid" && c.Problem == "" && slices.ContainsFunc(c.Format, func(f ListedFormat) bool {
			return f.Name == "yuyv" && f.Usable && slices.ContainsFunc(f.Sizes, func(s ListedSize) bool { return s.Size == "640x480" && len(s.FPS) > 0 })
		})
	})
	if !usable {
		t.Errorf("no usable camera: %+v", l.Cameras)
	}
	if !slices.ContainsFunc(l.Microphones, func(m ListedMicrophone) bool { return strings.HasPrefix(m.Name, "Loopback") }) {
		t.Errorf("no sound card: %+v", l.Microphones)
	}
	if !slices.ContainsFunc(l.Buses, func(b ListedBus) bool { return strings.HasPrefix(b.Option, "i2c=I2C") && b.Problem == "" }) {
		t.Errorf("no bus: %+v", l.Buses)
	}
	if !slices.ContainsFunc(l.Chips, func(c ListedChip) bool { return c.Problem == "" && len(c.Pins) == 8 }) {
		t.Errorf("no chip with 8 pins: %+v", l.Chips)
	}
	if len(l.Problems) != 0 {
		t.Errorf("problems: %q", l.Problems)
	}
}

// Somebody who is in none of the groups is told which.
func TestGuestDevicesOfNobody(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "") // where nobody can reach it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("runuser", "-u", "nobody", "--", program, "-test.run", "^TestGuestDevices$")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), lister+"=1")
	var listing bytes.Buffer
	cmd.Stderr = &listing
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v\n%s%s", err, out, &listing)
	}
	_, found, _ := strings.Cut(listing.String(), "{") // libraries of sound may have a word first
	l := decoded(t, []byte("{"+found))
	if len(l.Cameras) == 0 || len(l.Buses) == 0 || len(l.Chips) == 0 {
		t.Fatalf("what cannot be used is hidden: %+v", l)
	}
	problems := map[string]string{"video": l.Cameras[0].Problem, "i2c": l.Buses[0].Problem, "gpio": l.Chips[0].Problem, "audio": strings.Join(l.Problems, " ")}
	for group, why := range problems {
		if !strings.Contains(why, "the group "+group) {
			t.Errorf("group %s: %q", group, why)
		}
	}
}

func TestGuestCapture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jpg")
	c := Capture{Source: "v4l2:/dev/video0?size=640x480", Output: path, Wait: time.Minute, After: 100 * time.Millisecond}
	var notes bytes.Buffer
	if err := c.Run(t.Context(), nil, &notes, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil || img.Bounds().Dx() != 640 || img.Bounds().Dy() != 480 {
		t.Errorf("%v, %s", err, &notes)
	}
	// The camera is free again.
	c.Output = filepath.Join(filepath.Dir(path), "y.png")
	if err := c.Run(t.Context(), nil, &notes, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

func decoded(t *testing.T, data []byte) Listing {
	t.Helper()
	var l Listing
	if err := json.Unmarshal(data, &l); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return l
}
