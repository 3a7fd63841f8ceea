package replay

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// colours are far apart even after JPEG.
var colours = []color.RGBA{{200, 40, 40, 255}, {40, 200, 40, 255}, {40, 40, 200, 255}, {200, 200, 40, 255}}

func flat(c color.Color, w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	return img
}

// write puts a file into dir; a picture is encoded as its name says.
func write(t *testing.T, dir, name string, what any) string {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch v := what.(type) {
	case image.Image:
		if filepath.Ext(name) == ".png" {
			err = png.Encode(&b, v)
		} else {
			err = jpeg.Encode(&b, v, nil)
		}
	case string:
		b.WriteString(v)
	case []byte:
		b.Write(v)
	}
	path := filepath.Join(dir, name)
	if err == nil {
		err = os.WriteFile(path, b.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, n := range names {
		write(t, dir, n, flat(colours[i%len(colours)], 32, 24))
	}
	return dir
}

func open(t *testing.T, o Opts) devices.Camera {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	cam, err := s.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return cam
}

// play returns the names of up to n frames, checking their times.
func play(t *testing.T, cam devices.Camera, n int, every time.Duration) (names []string, err error) {
	t.Helper()
	for len(names) < n {
		f, err := cam.Next(context.Background())
		if err != nil {
			return names, err
		}
		if want := start.Add(time.Duration(len(names)) * every); !f.Time.Equal(want) {
			t.Errorf("frame %d was taken at %v, want %v", len(names), f.Time, want)
		}
		if f.Seq != uint64(len(names)+1) {
			t.Errorf("frame %d has Seq %d", len(names), f.Seq)
		}
		names = append(names, f.Name)
	}
	return names, nil
}

func TestConformance(t *testing.T) {
	dir := folder(t, "a.png", "b.jpg", "c.png", "d.png", "e.png", "f.png", "g.png", "h.jpg")
	clock := func() devices.Clock { return devicetest.NewClock(start) }
	devicetest.Camera(t, "folder", func(t *testing.T) devices.Camera {
		return open(t, Opts{Path: dir, FPS: 5, Clock: clock()})
	}, devicetest.CameraOpts{Finite: true})
	devicetest.Camera(t, "loop", func(t *testing.T) devices.Camera {
		return open(t, Opts{Path: dir, FPS: 5, Loop: true, Clock: clock()})
	}, devicetest.CameraOpts{})
	devicetest.Camera(t, "one picture", func(t *testing.T) devices.Camera {
		return open(t, Opts{Path: filepath.Join(dir, "a.png"), Loop: true, Clock: clock()})
	}, devicetest.CameraOpts{})
	devicetest.Camera(t, "by the clock of the board", func(t *testing.T) devices.Camera {
		return open(t, Opts{Path: dir, FPS: 100, Loop: true})
	}, devicetest.CameraOpts{Frames: 3})
	movie := video(t, 40, 10)
	devicetest.Camera(t, "clip", func(t *testing.T) devices.Camera {
		return open(t, Opts{Path: movie, Clock: clock()})
	}, devicetest.CameraOpts{Finite: true})
	devicetest.Camera(t, "clip in a loop", func(t *testing.T) devices.Camera {
		return open(t, Opts{Path: movie, FPS: 2, Loop: true, Clock: clock()})
	}, devicetest.CameraOpts{})
}

func TestPlaysFolderInOrder(t *testing.T) {
	dir := folder(t, "scene10.png", "scene2.jpg", "Scene1.PNG.jpeg", "scene1.png")
	write(t, dir, "notes.txt", "not shown")
	write(t, dir, ".hidden.png", "not shown")
	if err := os.Mkdir(filepath.Join(dir, "more.png"), 0o755); err != nil {
		t.Fatal(err)
	}
	cam := open(t, Opts{Path: dir, FPS: 2, Clock: devicetest.NewClock(start)})
	defer cam.Close()
	names, err := play(t, cam, 9, time.Second/2)
	if err != io.EOF {
		t.Errorf("err = %v, want io.EOF", err)
	}
	if want := []string{"Scene1.PNG.jpeg", "scene1.png", "scene2.jpg", "scene10.png"}; !slices.Equal(names, want) {
		t.Errorf("played %q, want %q", names, want)
	}
}

func TestPlaysListInItsOrder(t *testing.T) {
	dir := folder(t, "a.png", "b.png")
	list := []string{filepath.Join(dir, "b.png"), filepath.Join(dir, "a.png"), filepath.Join(dir, "b.png")}
	cam := open(t, Opts{Files: list, FPS: 4, Clock: devicetest.NewClock(start)})
	defer cam.Close()
	names, err := play(t, cam, 9, time.Second/4)
	if want := []string{"b.png", "a.png", "b.png"}; err != io.EOF || !slices.Equal(names, want) {
		t.Errorf("played %q, %v, want %q", names, err, want)
	}
}

func TestLoopReadsFolderAnew(t *testing.T) {
	dir := folder(t, "a.png", "b.png")
	cam := open(t, Opts{Path: dir, Loop: true, FPS: 1, Clock: devicetest.NewClock(start)})
	defer cam.Close()
	var got []string
	for i := range 7 {
		f, err := cam.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Name)
		if i == 1 {
			write(t, dir, "c.png", flat(colours[0], 8, 8))
			os.Remove(filepath.Join(dir, "a.png"))
		}
	}
	if want := []string{"a.png", "b.png", "b.png", "c.png", "b.png", "c.png", "b.png"}; !slices.Equal(got, want) {
		t.Errorf("played %q, want %q", got, want)
	}
	os.RemoveAll(dir)
	for i := 0; ; i++ {
		if _, err := cam.Next(context.Background()); err != nil {
			if !errors.Is(err, devices.ErrLost) {
				t.Errorf("the folder is gone: err = %v, want ErrLost", err)
			}
			break
		} else if i > 3 {
			t.Fatal("the folder is gone and it plays on")
		}
	}
}

func TestPictureChangedOnDisk(t *testing.T) {
	dir := folder(t, "a.png")
	path := filepath.Join(dir, "a.png")
	cam := open(t, Opts{Path: path, Loop: true, Clock: devicetest.NewClock(start)})
	defer cam.Close()
	a, err := cam.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	// A file that seems to be the same is not decoded again, and yet nobody gets
	// what another one has.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, info.Size()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	b, err := cam.Next(context.Background())
	if err != nil {
		t.Fatalf("an unchanged picture was decoded twice: %v", err)
	}
	if a.Image == b.Image || a.Image.Bounds() != b.Image.Bounds() {
		t.Error("a picture was given away twice")
	}
	write(t, dir, "a.png", flat(colours[1], 64, 48))
	c, err := cam.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if c.Image.Bounds().Dx() != 64 {
		t.Errorf("the new picture was not read: %v", c.Image.Bounds())
	}
}

func TestLeavesBadFilesOut(t *testing.T) {
	dir := folder(t, "a.png", "b.png", "c.png")
	write(t, dir, "b.png", "this is a letter")
	var log bytes.Buffer
	cam := open(t, Opts{Path: dir, Loop: true, Clock: devicetest.NewClock(start), Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer cam.Close()
	names, err := play(t, cam, 5, time.Second)
	if want := []string{"a.png", "c.png", "a.png", "c.png", "a.png"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("played %q, %v, want %q", names, err, want)
	}
	if n := strings.Count(log.String(), "b.png: holds text"); n != 1 {
		t.Errorf("the log names the bad file %d times, want once:\n%s", n, &log)
	}

	strict := open(t, Opts{Path: dir, Strict: true, Clock: devicetest.NewClock(start)})
	defer strict.Close()
	names, err = play(t, strict, 5, time.Second)
	var bad *BadFile
	if !slices.Equal(names, []string{"a.png"}) || !errors.As(err, &bad) || bad.Name != "b.png" {
		t.Errorf("strict: played %q, then %v; want a.png, then an error about b.png", names, err)
	}
}

func TestAllBad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.jpg", "text")
	write(t, dir, "b.jpg", "")
	for _, loop := range []bool{false, true} {
		cam := open(t, Opts{Path: dir, Loop: loop, Clock: devicetest.NewClock(start)})
		_, err := cam.Next(context.Background())
		var bad *BadFile
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), "none of the 2 pictures") || !strings.Contains(err.Error(), "a.jpg") {
			t.Errorf("loop %v: err = %v", loop, err)
		}
		if errors.Is(err, io.EOF) {
			t.Errorf("loop %v: %v reads as the end of the source", loop, err)
		}
		if err := cam.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCancelledWaitKeepsPicture(t *testing.T) {
	dir := folder(t, "a.png", "b.png")
	cam := open(t, Opts{Path: dir, FPS: 0.001})
	defer cam.Close()
	if _, err := cam.Next(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := cam.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v, want context.Canceled", err)
	}
	a := cam.(*album)
	a.pace.Clock = devicetest.NewClock(start)
	f, err := cam.Next(context.Background())
	if err != nil || f.Name != "b.png" || f.Seq != 2 {
		t.Fatalf("after the cancelled wait came %q, %d, %v; want b.png", f.Name, f.Seq, err)
	}
}

func TestRefusedOpts(t *testing.T) {
	for want, o := range map[string]Opts{
		"nothing to play":  {},
		"both a path":      {Path: "a", Files: []string{"b"}},
		"fps is -1":        {Path: "a", FPS: -1},
		"fps is 1000":      {Path: "a", FPS: 1000},
		"one frame a week": {Path: "a", FPS: 1e-12},
		"empty name":       {Files: []string{"a", ""}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v): err = %v, want %q", o, err, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path, want string
		is         error
	}{
		{filepath.Join(dir, "nowhere"), "there is no such file", devices.ErrAbsent},
		{empty, "holds no picture", nil},
		{"/dev/null", "neither a file nor a folder", nil},
		{write(t, dir, "letter.jpg", "Dear camera,"), "letter.jpg: holds text", nil},
		{write(t, dir, "void.png", ""), "void.png: is empty", nil},
		{write(t, dir, "void.mp4", ""), "void.mp4: is empty", nil},
		{write(t, dir, "letter.mp4", strings.Repeat("Dear camera, ", 100)), "letter.mp4: cannot be played as a video", nil},
	}
	for _, tt := range tests {
		s, err := New(Opts{Path: tt.path})
		if err != nil {
			t.Fatal(err)
		}
		cam, err := s.Open(context.Background())
		if err == nil {
			cam.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) || errors.Is(err, io.EOF) {
			t.Errorf("Open(%s): err = %v, want %q", tt.path, err, tt.want)
		}
	}
}

func TestString(t *testing.T) {
	for want, o := range map[string]Opts{"replay of /a/b": {Path: "/a/b"}, "replay of 2 files": {Files: []string{"x", "y"}}} {
		s, err := New(o)
		if err != nil || s.String() != want {
			t.Errorf("String() = %q, %v, want %q", s, err, want)
		}
	}
}

func TestNaturalOrder(t *testing.T) {
	want := []string{"0", "01", "1", "2", "10", "a", "a1b2", "a1b10", "a2", "b", "b007", "b8"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, naturally)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sorted %q, want %q", got, want)
	}
}
