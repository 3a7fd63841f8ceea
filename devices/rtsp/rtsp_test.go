//go:build linux

package rtsp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
	"sensed/devices/stream"
)

// server is a running camera.
type server struct {
	port string
	cmd  *exec.Cmd
	in   io.Closer
}

const (
	user     = "cam"
	password = `p@ss w:rd'\/é`
)

// serve runs testdata/server.py with Debian's Python, which has the bindings.
func serve(t *testing.T, port, how string) *server {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "testdata/server.py", port, how, user, password)
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: this test needs an RTSP server: apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly", err)
	}
	s := &server{cmd: cmd, in: in}
	t.Cleanup(s.stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.stop()
		t.Fatalf("%v: %s: this test needs an RTSP server: apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly", err, &said)
	}
	s.port = strings.TrimSpace(line)
	return s
}

// stop ends the camera like a power cut.
func (s *server) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *server) url(path string) string { return "rtsp://127.0.0.1:" + s.port + path }

// login is the address with a user, and a password.
func (s *server) login(path, word string) Opts {
	return Opts{URL: "rtsp://" + user + "@127.0.0.1:" + s.port + path, Password: func() (string, error) { return word, nil }}
}

func source(t *testing.T, o Opts) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, o Opts) devices.Camera {
	t.Helper()
	cam, err := source(t, o).Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return cam
}

// The colours of the test picture: seven bars at three quarters of full light.
func checkBars(t *testing.T, img image.Image) {
	t.Helper()
	b := img.Bounds()
	for i, want := range []color.RGBA{
		{191, 191, 191, 255}, {191, 191, 0, 255}, {0, 191, 191, 255}, {0, 191, 0, 255}, {191, 0, 191, 255}, {191, 0, 0, 255}, {0, 0, 191, 255},
	} {
		got := color.RGBAModel.Convert(img.At(b.Dx()*(2*i+1)/14, b.Dy()/3)).(color.RGBA)
		for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B)} {
			if d > 6 || d < -6 {
				t.Errorf("bar %d is %v, want %v", i, got, want)
				break
			}
		}
	}
}

func TestDecodesWhatCamerasSend(t *testing.T) {
	s := serve(t, "0", "none")
	for _, codec := range []string{"h264", "h265", "mjpeg"} {
		t.Run(codec, func(t *testing.T) {
			cam := open(t, Opts{URL: s.url("/" + codec)})
			defer cam.Close()
			for range 3 {
				f, err := cam.Next(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if f.Image.Bounds() != image.Rect(0, 0, 320, 240) {
					t.Errorf("the picture is %v", f.Image.Bounds())
				}
				checkBars(t, f.Image)
			}
		})
	}
	cam := open(t, Opts{URL: s.url("/mjpeg"), Width: 200, Height: 200})
	defer cam.Close()
	g, err := cam.(devices.Glancer).Glance(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if g.Image.Bounds() != image.Rect(0, 0, 200, 150) {
		t.Errorf("made smaller the picture is %v", g.Image.Bounds())
	}
}

func TestKeepsTheContract(t *testing.T) {
	s := serve(t, "0", "none")
	devicetest.Camera(t, "camera", func(t *testing.T) devices.Camera {
		return open(t, Opts{URL: s.url("/mjpeg")})
	}, devicetest.CameraOpts{})
	devicetest.Microphone(t, "microphone", func(t *testing.T) devices.Microphone {
		m, err := source(t, Opts{URL: s.url("/sound")}).OpenMicrophone(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}, devicetest.MicrophoneOpts{})
}

func TestHearsTheSoundOfACamera(t *testing.T) {
	s := serve(t, "0", "digest")
	m, err := source(t, s.login("/both", password)).OpenMicrophone(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var heard []float32
	for len(heard) < devices.SampleRate {
		pcm, err := m.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		heard = append(heard, pcm.Samples...)
	}
	// The share of the energy that lies at 440 Hz.
	var sin, cos, all float64
	for i, v := range heard {
		a := 2 * math.Pi * 440 * float64(i) / devices.SampleRate
		sin += float64(v) * math.Sin(a)
		cos += float64(v) * math.Cos(a)
		all += float64(v) * float64(v)
	}
	n := float64(len(heard))
	if amplitude, share := 2*math.Hypot(sin, cos)/n, 2*(sin*sin+cos*cos)/n/all; amplitude < 0.45 || amplitude > 0.55 || share < 0.98 {
		t.Errorf("heard is amplitude %.3f at 440 Hz, %.3f of all", amplitude, share)
	}
	m, err = source(t, s.login("/mjpeg", password)).OpenMicrophone(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Next(context.Background()); err == nil || !strings.Contains(err.Error(), "it sends nothing of this kind") {
		t.Errorf("a camera without sound: %v", err)
	}
}

// children are the command lines and environments of the programs that this
// process has started and that go on.
func children(t *testing.T, name string) (found []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		var state string
		var parent int
		if _, err := fmt.Sscan(rest, &state, &parent); err != nil || parent != os.Getpid() || state == "Z" || !strings.Contains(string(stat), "("+name+")") {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		if err != nil {
			continue
		}
		found = append(found, strings.ReplaceAll(string(line), "\x00", " ")+string(env))
	}
	return found
}

func TestLogin(t *testing.T) {
	for _, how := range []string{"digest", "basic"} {
		t.Run(how, func(t *testing.T) {
			s := serve(t, "0", how)
			cam := open(t, s.login("/mjpeg", password))
			defer cam.Close()
			running := children(t, "ffmpeg")
			if len(running) != 1 {
				t.Fatalf("%d programs run, want one ffmpeg", len(running))
			}
			for _, secret := range []string{password, url.QueryEscape(password), url.PathEscape(password), user + ":", "127.0.0.1", "p@ss", "p%40ss"} {
				if strings.Contains(running[0], secret) {
					t.Errorf("everybody on this machine sees %q in %q", secret, running[0])
				}
			}
			for _, tt := range []struct {
				name string
				o    Opts
				want string
			}{
				{"wrong password", s.login("/mjpeg", "wrong word"), `it refuses the user "cam" with this password: correct them`},
				{"no user", Opts{URL: s.url("/mjpeg")}, "it asks for a user and a password: write rtsp://USER@127.0.0.1"},
				{"no such path", s.login("/nope?pwd=secret", password), "it has nothing at this address (404): correct the path"},
			} {
				_, err := source(t, tt.o).Open(context.Background())
				if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, devices.ErrAbsent) || errors.Is(err, devices.ErrLost) {
					t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
				} else if strings.Contains(err.Error(), "w:rd") || strings.Contains(err.Error(), "wrong") || strings.Contains(err.Error(), "secret") {
					t.Errorf("%s: %v", tt.name, err)
				}
			}
		})
	}
}

func TestCameraGoesAndComesBack(t *testing.T) {
	s := serve(t, "0", "none")
	o := Opts{URL: s.url("/mjpeg"), Silence: 5 * time.Second}
	cam := open(t, o)
	s.stop()
	var err error
	for err == nil {
		_, err = cam.Next(context.Background())
	}
	if !errors.Is(err, devices.ErrLost) {
		t.Errorf("the camera was switched off: %v", err)
	}
	cam.Close()
	if _, err := source(t, o).Open(context.Background()); !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "it does not answer (Connection refused)") {
		t.Errorf("it is off: %v", err)
	}
	serve(t, s.port, "none")
	cam = open(t, o)
	defer cam.Close()
	if _, err := cam.Next(context.Background()); err != nil {
		t.Errorf("it is back: %v", err)
	}
}

// Key frames come twice a second here.
func TestKeyFramesWhenTheyAreEnough(t *testing.T) {
	s := serve(t, "0", "none")
	for _, tt := range []struct {
		o    Opts
		keys bool
	}{
		{Opts{FPS: 0.25}, true},
		{Opts{FPS: 120}, false},
	} {
		t.Run(fmt.Sprint(tt.o.FPS, tt.o.Frames), func(t *testing.T) {
			tt.o.URL = s.url("/h264")
			cam := open(t, tt.o)
			defer cam.Close()
			running := children(t, "ffmpeg")
			if len(running) != 1 || strings.Contains(running[0], "-skip_frame nokey") != tt.keys {
				t.Errorf("want key frames only: %t; there run %q", tt.keys, running)
			}
		})
	}
}

func TestWhatIsDecoded(t *testing.T) {
	for _, tt := range []struct {
		o    Opts
		keys bool
		want string
	}{
		{Opts{}, false, "-vf select='st(0,max(ld(0),key))',scale=out_color_matrix=bt601:out_range=full,format=yuvj420p"},
		{Opts{FPS: 3}, true, "-skip_frame nokey -max_pixels"},
		{Opts{FPS: 3}, false, "*(isnan(prev_selected_t)+gt(floor(t*3),floor(prev_selected_t*3))+lt(t,prev_selected_t))'"},
		{Opts{Width: 640, Height: 480}, false, ":w='min(iw,640)':h='min(ih,480)':force_original_aspect_ratio=decrease"},
	} {
		if got := strings.Join((&Source{o: tt.o}).videoArgs(tt.keys), " "); !strings.Contains(got, tt.want) || strings.Contains(got, "nokey") != tt.keys {
			t.Errorf("%+v, key frames only: %t: %s", tt.o, tt.keys, got)
		}
	}
}

func TestWithoutFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := source(t, Opts{URL: "rtsp://127.0.0.1:1/"})
	if _, err := s.Open(context.Background()); !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "apt install ffmpeg") {
		t.Errorf("camera: %v", err)
	}
	if _, err := s.OpenMicrophone(context.Background()); !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), "apt install ffmpeg") {
		t.Errorf("microphone: %v", err)
	}
}

func TestOpenIsCancelled(t *testing.T) {
	s := serve(t, "0", "none")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := source(t, Opts{URL: s.url("/h264"), FPS: 1}).Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if n := len(children(t, "ffmpeg")); n != 0 {
		t.Errorf("%d programs go on", n)
	}
}

// A program in place of ffmpeg lets the tests cut its output anywhere.
func TestFFmpegMisbehaves(t *testing.T) {
	const head = "printf 'YUV4MPEG2 W2 H2 F10:1 C420jpeg\\n'\n"
	const frame = "printf 'FRAME\\n123456'\n"
	for _, tt := range []struct {
		name, script, want string
		lost               bool
	}{
		{"dies at once", "echo out of memory >&2; exit 1", "it cannot be played (ffmpeg: out of memory)", false},
		{"nothing", "exit 0", "it sends nothing that can be decoded", false},
		{"other output", "echo hello", "it sends nothing that can be decoded", false},
		{"huge picture", "echo 'YUV4MPEG2 W100000 H100000 F10:1 C420jpeg'; exit 1", "100000x100000", false},
		{"dies later", head + frame + frame + "echo bad block >&2; exit 69", "the stream broke (ffmpeg: bad block)", true},
		{"ends", head + frame + frame, "the camera has ended the stream", true},
		{"silent", head + "exec sleep 600", "no picture came for 100ms: it may hang", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "ffmpeg"), []byte("#!/bin/sh\n"+tt.script), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			o := Opts{URL: "rtsp://camera/"}
			if tt.name == "silent" {
				o.Start = 100 * time.Millisecond
			}
			cam, err := source(t, o).Open(context.Background())
			if err == nil {
				defer cam.Close()
				for err == nil {
					_, err = cam.Next(context.Background())
				}
			}
			if !strings.Contains(err.Error(), tt.want) || errors.Is(err, devices.ErrLost) != tt.lost || errors.Is(err, io.EOF) || !strings.HasPrefix(err.Error(), "camera rtsp://camera/: ") {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	secret := func() (string, error) { return "", errors.New("the file is gone") }
	for _, tt := range []struct {
		o    Opts
		want string
	}{
		{Opts{}, "this is no address"},
		{Opts{URL: "rtsp:///x"}, "this is no address"},
		{Opts{URL: "http://a/"}, "begins with http:"},
		{Opts{URL: "rtsp://a/#x"}, "after #"},
		{Opts{URL: "rtsp://u:p@a/"}, "has a password in it"},
		{Opts{URL: "rtsp://a/", Password: secret}, "a password without a user"},
		{Opts{URL: "rtsp://a/", FPS: 1000}, "fps is 1000"},
		{Opts{URL: "rtsp://a/", Width: 5}, "size is 5x0"},
		{Opts{URL: "rtsp://a/", Frames: "some"}, "choose auto, key or all"},
		{Opts{URL: "rtsp://a/", Start: -1}, "cannot be negative"},
	} {
		if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
	}
	if _, err := source(t, Opts{URL: "rtsp://u@a/", Password: secret}).Open(context.Background()); err == nil || !strings.Contains(err.Error(), "the file is gone") {
		t.Errorf("no password: %v", err)
	}
}

// Whatever an address holds, the list has one item.
func FuzzPlaylist(f *testing.F) {
	f.Add("rtsp://u:p@h/a b'c\\d\nfile x")
	f.Add("")
	f.Fuzz(func(t *testing.T, address string) {
		got := playlist(address, "video")
		if n := strings.Count(got, "\n"); n != 6 || strings.ContainsAny(got, "'\\\r\t") {
			t.Errorf("%q has %d lines", got, n)
		}
	})
}

var _ devices.Glancer = (*stream.Camera)(nil)
