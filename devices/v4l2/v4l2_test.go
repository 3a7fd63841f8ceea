//go:build linux && (amd64 || arm64)

package v4l2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
)

func open(t *testing.T, s *Source) devices.Camera {
	t.Helper()
	cam, err := s.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return cam
}

func next(t *testing.T, cam devices.Camera) devices.Frame {
	t.Helper()
	f, err := cam.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// jpegOf is what a camera with MJPEG gives: a JPEG without tables and with padding.
func jpegOf(n int, p pixFormat) []byte {
	img := image.NewRGBA(image.Rect(0, 0, int(p.width), int(p.height)))
	for i := range img.Pix {
		img.Pix[i] = byte(60 + n + i/4/int(p.width))
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return append(withoutTables(b.Bytes()), make([]byte, 37)...)
}

// withoutTables takes the DHT segments out.
func withoutTables(b []byte) []byte {
	out := slices.Clone(b[:2])
	for at := 2; ; {
		size := 2 + int(b[at+2])<<8 + int(b[at+3])
		if b[at+1] == markerSOS {
			return append(out, b[at:]...)
		}
		if b[at+1] != markerDHT {
			out = append(out, b[at:at+size]...)
		}
		at += size
	}
}

func TestConformance(t *testing.T) {
	for _, p := range pixels() {
		f := newFake()
		f.formats, f.pad = []string{p.codes[0]}, 6
		if p.unpack == nil {
			f.picture = jpegOf
		}
		devicetest.Camera(t, p.name, func(t *testing.T) devices.Camera {
			return open(t, f.source(t, Opts{Width: 64, Height: 48}))
		}, devicetest.CameraOpts{})
		f.returned(t)
	}
	f := newFake()
	devicetest.Camera(t, "thinned", func(t *testing.T) devices.Camera {
		return open(t, f.source(t, Opts{Width: 64, Height: 48, FPS: 7}))
	}, devicetest.CameraOpts{})
	f.returned(t)
}

func TestFrames(t *testing.T) {
	f := newFake()
	cam := open(t, f.source(t, Opts{Width: 64, Height: 48, FPS: 30}))
	for i := 1; i <= 3; i++ {
		fr := next(t, cam)
		if want := wallStart.Add(time.Duration(i) * f.spacing).Truncate(time.Microsecond); fr.Seq != uint64(i) || fr.Time.Sub(want).Abs() > time.Microsecond || fr.Name != "" {
			t.Errorf("frame %d: Seq %d, taken at %v, want %v", i, fr.Seq, fr.Time, want)
		}
		p := fr.Image.(*image.YCbCr)
		if p.Y[0] != byte(i) || p.Cb[0] != byte(i+1) || p.Y[1] != byte(i+2) || p.Cr[0] != byte(i+3) {
			t.Errorf("frame %d has %d %d %d %d", i, p.Y[0], p.Cb[0], p.Y[1], p.Cr[0])
		}
	}
	if f.parm != (fract{1000, 30000}) {
		t.Errorf("the frame rate asked for is %v", f.parm)
	}
	if err := cam.Close(); err != nil {
		t.Error(err)
	}
	if err := cam.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := cam.Next(context.Background()); err == nil {
		t.Error("a closed camera gives pictures")
	}
	f.returned(t)
}

func TestLostPicturesLeaveGaps(t *testing.T) {
	f := newFake()
	f.every = func(n int, b *buffer) {
		if n >= 3 {
			b.sequence += 5
		}
	}
	cam := open(t, f.source(t, Opts{Width: 64, Height: 48}))
	defer cam.Close()
	var got []uint64
	for range 4 {
		got = append(got, next(t, cam).Seq)
	}
	if want := []uint64{1, 2, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("numbers %v, want %v", got, want)
	}
}

// A driver that does not count still gives numbers that rise, also when its
// counter turns over.
func TestNumbersRise(t *testing.T) {
	for name, number := range map[string]func(n int) uint32{
		"always 0":   func(int) uint32 { return 0 },
		"turns over": func(n int) uint32 { return math.MaxUint32 - 2 + uint32(n) },
		"goes back":  func(n int) uint32 { return uint32(100 - n) },
	} {
		f := newFake()
		f.every = func(n int, b *buffer) { b.sequence = number(n) }
		cam := open(t, f.source(t, Opts{Width: 64, Height: 48}))
		for i := 1; i <= 5; i++ {
			if fr := next(t, cam); fr.Seq != uint64(i) {
				t.Errorf("%s: frame %d has Seq %d", name, i, fr.Seq)
			}
		}
		cam.Close()
	}
}

func TestTimesOfStrangeDrivers(t *testing.T) {
	for name, stamp := range map[string]func(b *buffer){
		"empty":       func(b *buffer) { b.timestamp = timeval{} },
		"future":      func(b *buffer) { b.timestamp.sec += 3600 },
		"other clock": func(b *buffer) { b.flags = 0; b.timestamp.sec = 5 },
		"negative":    func(b *buffer) { b.timestamp.sec = math.MinInt64 / int64(time.Second) },
	} {
		f := newFake()
		f.every = func(n int, b *buffer) { stamp(b) }
		cam := open(t, f.source(t, Opts{Width: 64, Height: 48}))
		for i := 1; i <= 3; i++ {
			if got, want := next(t, cam).Time, wallStart.Add(time.Duration(i)*f.spacing); !got.Equal(want) {
				t.Errorf("%s: frame %d was taken at %v, want %v", name, i, got, want)
			}
		}
		cam.Close()
	}
}

// A stamp tells how old a picture is; times never go back.
func TestTimeIsThatOfTheStamp(t *testing.T) {
	f := newFake()
	f.every = func(n int, b *buffer) {
		if n == 2 {
			b.timestamp.sec -= 10
		}
	}
	cam := open(t, f.source(t, Opts{Width: 64, Height: 48}))
	defer cam.Close()
	a, b, c := next(t, cam).Time, next(t, cam).Time, next(t, cam).Time
	if !b.Equal(a) || !c.After(b) {
		t.Errorf("times %v, %v, %v", a, b, c)
	}
}

// Who comes late gets the newest picture, and all buffers are with the driver.
func TestNewestPicture(t *testing.T) {
	f := newFake()
	f.burst = 3
	cam := open(t, f.source(t, Opts{Width: 64, Height: 48}))
	defer cam.Close()
	for i := 1; i <= 4; i++ {
		fr := next(t, cam)
		if y := fr.Image.(*image.YCbCr).Y[0]; y != byte(3*i) || fr.Seq != uint64(3*i-2) {
			t.Errorf("frame %d is picture %d with Seq %d", i, y, fr.Seq)
		}
		if len(f.queue) != wantBuffers {
			t.Errorf("the driver has %d buffers", len(f.queue))
		}
	}
}

func TestThinsOut(t *testing.T) {
	f := newFake() // 30 pictures a second
	decoded := 0
	f.formats, f.picture = []string{"MJPG"}, func(n int, p pixFormat) []byte { decoded++; return jpegOf(n, p) }
	cam := open(t, f.source(t, Opts{Width: 64, Height: 48, FPS: 10}))
	defer cam.Close()
	first := next(t, cam)
	for i := 1; i <= 10; i++ {
		fr := next(t, cam)
		if d := fr.Time.Sub(first.Time) - time.Duration(i)*time.Second/10; d.Abs() > time.Second/30 || fr.Seq != uint64(i+1) {
			t.Errorf("frame %d came %v off its time, with Seq %d", i, d, fr.Seq)
		}
	}
}

func TestDamagedPicturesAreLeftOut(t *testing.T) {
	damage := map[string]func(n int, b *buffer){
		"flag":  func(n int, b *buffer) { b.flags |= bufFlagError },
		"short": func(n int, b *buffer) { b.bytesUsed /= 2 },
		"empty": func(n int, b *buffer) { b.bytesUsed = 0 },
	}
	for name, spoil := range damage {
		for _, code := range []string{"YUYV", "MJPG"} {
			f := newFake()
			f.formats = []string{code}
			if code == "MJPG" {
				f.picture = jpegOf
			}
			f.every = func(n int, b *buffer) {
				if n%3 != 0 {
					spoil(n, b)
				}
			}
			cam := open(t, f.source(t, Opts{Width: 64, Height: 48}))
			for i := 1; i <= 3; i++ {
				if fr := next(t, cam); fr.Seq != uint64(3*i-2) {
					t.Errorf("%s %s: frame %d has Seq %d", name, code, i, fr.Seq)
				}
			}
			f.every = spoil
			_, err := cam.Next(context.Background())
			if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "60 damaged pictures in a row") {
				t.Errorf("%s %s: only damaged pictures: err = %v", name, code, err)
			}
			if err := cam.Close(); err != nil {
				t.Error(err)
			}
			f.returned(t)
		}
	}
}

func TestSilence(t *testing.T) {
	f := newFake()
	f.limit = 1
	cam := open(t, f.source(t, Opts{Width: 64, Height: 48}))
	next(t, cam)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := cam.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: err = %v", err)
	}
	for range 2 {
		if _, err := cam.Next(context.Background()); !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "no picture for 5s") {
			t.Errorf("silent: err = %v", err)
		}
	}
	if err := cam.Close(); err != nil {
		t.Error(err)
	}
	f.returned(t)

	f = newFake()
	f.limit = 1
	cam = open(t, f.source(t, Opts{Width: 64, Height: 48, FPS: 0.1}))
	defer cam.Close()
	next(t, cam)
	if _, err := cam.Next(context.Background()); err == nil || !strings.Contains(err.Error(), "no picture for 30s") {
		t.Errorf("a slow camera: err = %v", err)
	}
}

func TestDriverThatAnnouncesNothing(t *testing.T) {
	f := newFake()
	f.spurious = true
	cam := open(t, f.source(t, Opts{Width: 64, Height: 48}))
	defer cam.Close()
	if _, err := cam.Next(context.Background()); !errors.Is(err, devices.ErrLost) {
		t.Errorf("err = %v, want ErrLost", err)
	}
}

func TestChoosesFormat(t *testing.T) {
	tests := []struct {
		format  string
		offered []string
		want    string // format, or error
	}{
		{"", []string{"MJPG", "YUYV"}, "yuyv 64x48"},
		{"mjpeg", []string{"YUYV", "MJPG"}, "mjpeg 64x48"},
		{"MJPEG", []string{"JPEG"}, "mjpeg 64x48"},
		{"", []string{"H264", "MJPG"}, "mjpeg 64x48"},
		{"nv12", []string{"YUYV", "NV12"}, "nv12 64x48"},
		{"nv12", []string{"YUYV", "MJPG"}, "the camera offers YUYV MJPG, wanted is nv12"},
		{"", []string{"H264", "\x01\x02\x03\x04"}, "the camera offers H264 ????, wanted is yuyv,"},
		{"", nil, "offers no format"},
	}
	for _, tt := range tests {
		f := newFake()
		f.formats = tt.offered
		cam, err := f.source(t, Opts{Width: 64, Height: 48, Format: tt.format}).Open(context.Background())
		got := fmt.Sprint(err)
		if err == nil {
			got = cam.(*camera).format.String()
			cam.Close()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%q of %q: %s, want %q", tt.format, tt.offered, got, tt.want)
		}
		f.returned(t)
	}
}

// Without a size the camera's own is taken; one that was asked for and is not
// there is refused, with those that are.
func TestSizeOfTheCamera(t *testing.T) {
	f := newFake()
	f.width, f.height = 80, 60
	cam := open(t, f.source(t, Opts{}))
	if b := next(t, cam).Image.Bounds(); b != image.Rect(0, 0, 80, 60) {
		t.Errorf("the picture is %v", b)
	}
	if err := cam.Close(); err != nil {
		t.Error(err)
	}
	_, err := f.source(t, Opts{Width: 64, Height: 48}).Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it gives no pictures of 64x48 in the format yuyv: choose one of its sizes: 80x60") {
		t.Errorf("err = %v", err)
	}
	f.sizes = map[string][][2]uint32{"YUYV": {{80, 60}, {160, 120}}}
	_, err = f.source(t, Opts{Width: 64, Height: 48}).Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "choose one of its sizes: 80x60, 160x120") {
		t.Errorf("err = %v", err)
	}
	f.returned(t)
}

// A format that has the wanted size goes before a better one that has not.
func TestChoosesTheFormatThatHasTheSize(t *testing.T) {
	sizes := map[string][][2]uint32{"YUYV": {{320, 240}}, "NV12": {{320, 240}, {640, 480}, {800, 600}}, "MJPG": {{640, 480}}}
	for _, tt := range []struct {
		o    Opts
		want string
	}{
		{Opts{Width: 640, Height: 480}, "nv12 640x480"},
		{Opts{Width: 320, Height: 240}, "yuyv 320x240"},
		{Opts{Width: 640, Height: 480, Format: "mjpeg"}, "mjpeg 640x480"},
		{Opts{Width: 640, Height: 480, FPS: 30}, "mjpeg 640x480"}, // the others are too slow for it
	} {
		f := newFake()
		f.formats, f.sizes, f.picture = []string{"YUYV", "NV12", "MJPG"}, sizes, jpegOf
		f.rates = map[string]fract{"YUYV": {1, 30}, "NV12": {1, 10}, "MJPG": {1, 30}}
		cam := open(t, f.source(t, tt.o))
		if got := cam.(*camera).format.String(); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.o, got, tt.want)
		}
		if err := cam.Close(); err != nil {
			t.Error(err)
		}
		f.returned(t)
	}
}

func TestUnfitDevices(t *testing.T) {
	tests := []struct {
		want   string
		change func(f *fake)
	}{
		{"source libcamera", func(f *fake) { f.caps = capVideoCaptureMPlane | capStreaming }},
		{"converter", func(f *fake) { f.caps = capVideoM2MMPlane | capStreaming }},
		{"data about pictures", func(f *fake) { f.caps = capMetaCapture | capStreaming }},
		{"gives no pictures", func(f *fake) { f.caps = capStreaming }},
		{"cannot stream", func(f *fake) { f.caps = capVideoCapture }},
		{"switched to the format H264", func(f *fake) { f.switchTo = "H264" }},
		{"pictures of 0x0", func(f *fake) { f.width, f.height = 1<<32, 1<<32 }},
		{"pictures of 9000x48", func(f *fake) { f.width, f.height = 9000, 48 }},
		{"a row of 64 pixels takes 127 bytes", func(f *fake) { f.pad = -1 }},
		{"gave 33 buffers", func(f *fake) { f.bufferCount = 33 }},
		{"buffers of 400000000 bytes", func(f *fake) { f.bufferLength, f.bufferCount = 400000000, 1 }},
	}
	for _, tt := range tests {
		f := newFake()
		tt.change(f)
		_, err := f.source(t, Opts{Width: 64, Height: 48}).Open(context.Background())
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "/dev/video0") {
			t.Errorf("err = %v, want %q", err, tt.want)
		}
		f.returned(t)
	}
}

func TestRefusedOpts(t *testing.T) {
	for want, o := range map[string]Opts{
		"size is 1x480":        {Width: 1},
		"size is 640x10000":    {Height: 10000},
		"fps is -1":            {FPS: -1},
		"fps is NaN":           {FPS: math.NaN()},
		`no format "h264"`:     {Format: "h264"},
		"silence is -1s":       {Silence: -time.Second},
		"name has a zero byte": {Device: "/dev/\x00"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v): err = %v, want %q", o, err, want)
		}
	}
}

// What this machine says of devices that are none.
func TestRealKernel(t *testing.T) {
	for device, want := range map[string]string{
		"/dev/video-that-is-not-there": "there is no such device",
		"/dev/null":                    "not a video device",
	} {
		s, err := New(Opts{Device: device})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Open(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v, want %q", device, err, want)
		}
	}
}

func TestOpenWithEndedContext(t *testing.T) {
	f := newFake()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.source(t, Opts{}).Open(ctx); !errors.Is(err, context.Canceled) || len(f.ops) != 0 {
		t.Errorf("err = %v after %v", err, f.ops)
	}
}
