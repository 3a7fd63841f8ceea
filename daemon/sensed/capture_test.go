package main

import (
	"bytes"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sensed/devices/wave"
)

// tone is a WAV file of so many seconds.
func tone(t *testing.T, seconds int) string {
	t.Helper()
	samples := make([]float32, 16000*seconds)
	for i := range samples {
		samples[i] = float32(i%100)/100 - 0.5
	}
	var b bytes.Buffer
	if err := wave.Encode(&b, samples); err != nil {
		t.Fatal(err)
	}
	return file(t, "tone.wav", b.String())
}

func TestCapturePicture(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.jpg", "b.JPEG", "c.png"} {
		path := filepath.Join(dir, name)
		for i, args := range [][]string{{"scene:?seed=3&size=320x240", "-o", path}, {"--o", path, "--force", "scene:?seed=3&size=320x240"}} {
			code, out, notes := call(t, "", append([]string{"capture"}, args...)...)
			if code != 0 || out != "" || !strings.Contains(notes, path+": picture of 320x240, ") {
				t.Fatalf("%s, %d: exit code %d, %q, %s", name, i, code, out, notes)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(data))
		if name == "c.png" {
			img, err = png.Decode(bytes.NewReader(data))
		}
		if err != nil || img.Bounds().Dx() != 320 {
			t.Errorf("%s: %v", name, err)
		}
	}
	left(t, dir, "a.jpg", "b.JPEG", "c.png")
	code, out, _ := call(t, "", "capture", "scene:?size=320x240", "-o", "-")
	if _, err := jpeg.Decode(strings.NewReader(out)); code != 0 || err != nil {
		t.Errorf("to standard output: exit code %d, %v", code, err)
	}
	// A finite source may end before --after is over: its last picture counts.
	code, _, notes := call(t, "", "capture", "file:"+filepath.Join(dir, "c.png")+"?fps=100", "-o", filepath.Join(dir, "d.png"), "--after", "1h")
	if code != 0 {
		t.Errorf("a picture: exit code %d, %s", code, notes)
	}
}

func TestCaptureSound(t *testing.T) {
	dir := t.TempDir()
	wav := tone(t, 1)
	for seconds, samples := range map[string]int{"0.5": 8000, "0.25": 4000} {
		path := filepath.Join(dir, seconds+".wav")
		code, out, notes := call(t, "", "capture", "wav:"+wav+"?gap=0s", "-o", path, "--seconds", seconds)
		got, info, err := wave.DecodeFile(path)
		if code != 0 || out != "" || err != nil || len(got) != samples || info.Rate != 16000 {
			t.Errorf("%s: exit code %d, %d samples, %v\n%s", seconds, code, len(got), err, notes)
		}
	}
	left(t, dir, "0.5.wav", "0.25.wav")
	code, out, _ := call(t, "", "capture", "wav:"+wav, "-o", "-", "--seconds", "0.1")
	if got, _, err := wave.Decode(strings.NewReader(out), "out"); code != 0 || err != nil || len(got) != 1600 {
		t.Errorf("to standard output: exit code %d, %d samples, %v", code, len(got), err)
	}
}

// left fails the test when a folder holds something else.
func left(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(names) {
		t.Errorf("%s holds %v, want %v", dir, entries, names)
	}
}

func TestCaptureRefuses(t *testing.T) {
	dir := t.TempDir()
	there := file(t, "there.jpg", "mine")
	picture := filepath.Join(dir, "x.jpg")
	damaged := file(t, "damaged.png", "\x89PNG\r\n\x1a\n no picture")
	for _, tc := range []struct {
		code int
		args []string
		want string
	}{
		{2, nil, "SOURCE is missing"},
		{2, []string{"scene:"}, "-o is missing"},
		{2, []string{"-o", picture}, "SOURCE is missing"},
		{2, []string{"scene:", "-o", picture, "more"}, `"more" is not understood`},
		{2, []string{"scene:", "-x"}, "-x"},
		{2, []string{"video0", "-o", picture}, "does not begin with a kind of device"},
		{2, []string{"scnee:", "-o", picture}, `did you mean "scene"?`},
		{2, []string{"scene:?size=1x1", "-o", picture}, "write width and height"},
		{2, []string{"lepton:spi=one", "-o", picture}, `"one" is not the name of an SPI port`},
		{2, []string{"scene:", "-o", filepath.Join(dir, "x.wav")}, "is a camera: name the file .jpg or .png"},
		{2, []string{"wav:/x", "-o", picture}, "is a microphone: name the file .wav"},
		{2, []string{"scene:", "-o", there}, "exists: choose another name, or --force"},
		{2, []string{"scene:", "-o", filepath.Join(dir, "no", "x.jpg")}, "the folder of"},
		{2, []string{"scene:", "-o", picture, "--after", "-1s"}, "--after and --wait"},
		{2, []string{"scene:", "-o", picture, "--wait", "0s"}, "--after and --wait"},
		{2, []string{"wav:/x", "-o", "-", "--seconds", "0"}, "--seconds is 0"},
		{2, []string{"wav:/x", "-o", "-", "--seconds", "nan"}, "--seconds is NaN"},
		{2, []string{"wav:/x", "-o", "-", "--seconds", "1e9"}, "up to 600"},
		{1, []string{"v4l2:/dev/video99", "-o", picture}, `source "v4l2:/dev/video99": camera /dev/video99: there is no such device`},
		{1, []string{"lepton:spi=SPI999.0", "-o", picture}, "there is no /dev/spidev999.0"},
		{1, []string{"file:" + dir + "/gone.png", "-o", picture}, "there is no such file or folder"},
		{5, []string{"file:" + damaged, "-o", picture}, "damaged.png"},
		{1, []string{"scene:", "-o", picture, "--wait", "1ns"}, "it gave no picture within 1ns"},
	} {
		code, out, notes := call(t, "", append([]string{"capture"}, tc.args...)...)
		if code != tc.code || out != "" || !strings.Contains(notes, tc.want) {
			t.Errorf("%q: exit code %d, output %q, message %q; want %d and %q", tc.args, code, out, notes, tc.code, tc.want)
		}
	}
	left(t, dir)
	if b, err := os.ReadFile(there); err != nil || string(b) != "mine" {
		t.Errorf("a file that exists is now %q, %v", b, err)
	}
	var out, notes bytes.Buffer
	if code := run(canceled(), []string{"capture", "scene:", "-o", picture}, streams{nil, &out, &notes}); code != 130 {
		t.Errorf("interrupted: exit code %d, %s", code, notes.String())
	}
	if code, text, _ := call(t, "", "capture", "scene:", "-h"); code != 0 || !strings.Contains(text, "Usage: sensed capture SOURCE") {
		t.Errorf("help behind the source: exit code %d, %s", code, text)
	}
}

// A program that is killed while it captures leaves no part of a file.
func TestCaptureIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	wav := tone(t, 2)
	p := start(t, nil, "capture", "wav:"+wav+"?loop", "-o", filepath.Join(dir, "x.wav"), "--seconds", "600")
	if code, _ := p.signal(syscall.SIGINT); code != 130 && code != -1 { // -1: before it could listen to signals
		t.Errorf("exit code %d, %s", code, p.err)
	}
	left(t, dir)
}
