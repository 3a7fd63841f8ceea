package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensed/devices/devicetest"
)

// video makes a clip of n frames at fps: frame i is grey, of level 20+2*i.
func video(t *testing.T, n, fps int, args ...string) string {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("this test needs the program ffmpeg: apt install ffmpeg")
	}
	var raw bytes.Buffer
	for i := range n {
		raw.Write(bytes.Repeat([]byte{byte(20 + 2*i)}, 3*64*48))
	}
	path := filepath.Join(t.TempDir(), "clip.mkv")
	cmd := exec.Command(ffmpeg, append(append([]string{"-nostdin", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48",
		"-r", fmt.Sprint(fps), "-i", "pipe:0"}, args...), "-c:v", "ffv1", "-y", path)...)
	cmd.Stdin = &raw
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// level returns which frame of a video a picture is.
func level(t *testing.T, img image.Image) int {
	t.Helper()
	g := color.GrayModel.Convert(img.At(5, 5)).(color.Gray).Y
	n := (int(g) - 20 + 1) / 2
	if d := int(g) - 20 - 2*n; d < -1 || d > 1 {
		t.Errorf("grey %d is no level", g)
	}
	return n
}

func TestPlaysClip(t *testing.T) {
	path := video(t, 20, 10)
	tests := []struct {
		name  string
		fps   float64
		every time.Duration
		want  []int
	}{
		{"at its own rate", 0, time.Second / 10, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
		{"slower", 2, time.Second / 2, []int{0, 5, 10, 15}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cam := open(t, Opts{Path: path, FPS: tt.fps, Clock: devicetest.NewClock(start)})
			defer cam.Close()
			for i := 0; ; i++ {
				f, err := cam.Next(context.Background())
				if err == io.EOF && i >= len(tt.want) && i <= len(tt.want)+1 {
					break
				}
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				if i < len(tt.want) && level(t, f.Image) != tt.want[i] {
					t.Errorf("frame %d shows picture %d of the clip, want %d", i, level(t, f.Image), tt.want[i])
				}
				if want := start.Add(time.Duration(i) * tt.every); !f.Time.Equal(want) || f.Name != "clip.mkv" || f.Seq != uint64(i+1) {
					t.Errorf("frame %d: %v %q %d, want %v", i, f.Time, f.Name, f.Seq, want)
				}
			}
		})
	}
}

func TestClipLoops(t *testing.T) {
	cam := open(t, Opts{Path: video(t, 3, 10), Loop: true, Clock: devicetest.NewClock(start)})
	defer cam.Close()
	for i := range 10 {
		f, err := cam.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := level(t, f.Image); got != i%3 {
			t.Errorf("frame %d shows picture %d, want %d", i, got, i%3)
		}
		if f.Seq != uint64(i+1) || !f.Time.Equal(start.Add(time.Duration(i)*time.Second/10)) {
			t.Errorf("frame %d: Seq %d, time %v", i, f.Seq, f.Time)
		}
	}
}

func TestClipFunction(t *testing.T) {
	path := video(t, 40, 10)
	frames, err := Clip(context.Background(), path, 1, 60)
	if err != nil {
		t.Fatal(err)
	}
	if len(frames) < 4 || len(frames) > 5 {
		t.Fatalf("4 s of video at 1 fps gave %d frames", len(frames))
	}
	for i, f := range frames[:4] {
		if f.At != time.Duration(i)*time.Second || level(t, f.Image) != 10*i {
			t.Errorf("frame %d is at %v and shows picture %d, want %d s and %d", i, f.At, level(t, f.Image), i, 10*i)
		}
	}
	frames, err = Clip(context.Background(), path, 10, 7)
	if err != nil || len(frames) != 7 || frames[6].At != 600*time.Millisecond || level(t, frames[6].Image) != 6 {
		t.Errorf("7 frames at most: got %d, %v", len(frames), err)
	}
}

func TestClipScalesDown(t *testing.T) {
	frames, err := Clip(context.Background(), video(t, 2, 10, "-vf", "scale=2048:512"), 10, 9)
	if err != nil {
		t.Fatal(err)
	}
	if got := frames[0].Image.Bounds().Size(); got != (image.Point{X: ClipSide, Y: 256}) {
		t.Errorf("the picture is %v", got)
	}
	frames, err = Clip(context.Background(), video(t, 2, 10, "-vf", "scale=101:77"), 10, 9)
	if err != nil {
		t.Fatal(err)
	}
	if got := frames[0].Image.Bounds().Size(); got != (image.Point{X: 101, Y: 77}) {
		t.Errorf("a small picture became %v", got)
	}
}

func TestClipRefuses(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile(video(t, 30, 10))
	if err != nil {
		t.Fatal(err)
	}
	sound := filepath.Join(dir, "sound.wav")
	if out, err := exec.Command("ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "sine=d=1", sound).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tests := []struct{ path, want string }{
		{filepath.Join(dir, "none.mp4"), "none.mp4: cannot be read"},
		{dir, "is not a file"},
		{write(t, dir, "list.m3u8", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n"), "list.m3u8: cannot be played"},
		{write(t, dir, "head.mkv", good[:300]), "head.mkv: "},
		{sound, "sound.wav: cannot be played"},
	}
	for _, tt := range tests {
		_, err := Clip(context.Background(), tt.path, 1, 10)
		var bad *BadFile
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || errors.Is(err, io.EOF) {
			t.Errorf("Clip(%s): err = %v, want %q", tt.path, err, tt.want)
		}
	}
	if _, err := Clip(context.Background(), sound, 0, 10); err == nil {
		t.Error("0 frames a second were taken")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Clip(ctx, write(t, dir, "good.mkv", good), 1, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: err = %v", err)
	}
}

func TestWithoutFFmpeg(t *testing.T) {
	s, err := New(Opts{Path: video(t, 2, 10), FFmpeg: "ffmpeg-that-is-not-installed"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Open(context.Background())
	if err == nil || !strings.Contains(err.Error(), "apt install ffmpeg") || !strings.Contains(err.Error(), "clip.mkv") {
		t.Errorf("err = %v, want one that says to install ffmpeg", err)
	}
}

// A program in place of ffmpeg lets the tests cut its output anywhere.
func fakeFFmpeg(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFFmpegMisbehaves(t *testing.T) {
	path := write(t, t.TempDir(), "x.mp4", "\x00\x01\x02\x03")
	const head = "printf 'YUV4MPEG2 W2 H2 F10:1 C420jpeg\\n'\n"
	const frame = "printf 'FRAME\\n123456'\n"
	tests := []struct {
		name, script string
		frames       int
		want         string
	}{
		{"dies at once", "echo out of memory >&2; exit 1", 0, "x.mp4: cannot be played as a video (ffmpeg: out of memory)"},
		{"says nothing", "exit 0", 0, "is a video without pictures"},
		{"no frames", head, 0, "is a video without pictures"},
		{"other output", "echo hello", 0, "does not begin with YUV4MPEG2"},
		{"cut in a frame", head + frame + "printf 'FRAME\\n12'", 1, "unexpected EOF"},
		{"dies later", head + frame + frame + "echo bad block >&2; exit 69", 2, "after 2 pictures: x.mp4: cannot be played as a video (ffmpeg: bad block)"},
		{"huge picture", "echo 'YUV4MPEG2 W100000 H100000 F10:1 C420jpeg'; sleep 60", 0, "100000x100000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(Opts{Path: path, FFmpeg: fakeFFmpeg(t, tt.script), Clock: devicetest.NewClock(start)})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			cam, err := s.Open(context.Background())
			if err == nil {
				defer cam.Close()
				for ; err == nil; n++ {
					_, err = cam.Next(context.Background())
				}
				n--
			}
			if n != tt.frames || err == io.EOF || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d frames, then %v; want %d, then %q", n, err, tt.frames, tt.want)
			}
		})
	}
}

func TestOpenClipCancelled(t *testing.T) {
	path := write(t, t.TempDir(), "x.mp4", "\x00\x01\x02\x03")
	s, err := New(Opts{Path: path, FFmpeg: fakeFFmpeg(t, "exec sleep 600")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(5*time.Millisecond, cancel)
	if _, err := s.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

// The limits hold for videos too, before ffmpeg takes the memory.
func TestClipLimits(t *testing.T) {
	s, err := New(Opts{Path: video(t, 2, 10), Limits: Limits{Memory: 3000}})
	if err != nil {
		t.Fatal(err)
	}
	var bad *BadFile
	if _, err := s.Open(context.Background()); !errors.As(err, &bad) || bad.Name != "clip.mkv" {
		t.Errorf("a video of 64x48 with 3000 bytes of memory: err = %v", err)
	}
}
