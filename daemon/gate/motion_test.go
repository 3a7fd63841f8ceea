package gate

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stage makes pictures of 640 by 480 with a smooth, uneven background.
type stage struct {
	rng    *rand.Rand
	hiss   []float64 // normal noise, a prime number of values
	back   []float64 // the background of phase drawn
	drawn  float64
	phase  float64
	gain   float64
	offset float64
	noise  float64
	things []image.Rectangle
	value  uint8 // of the things
}

func newStage() *stage {
	s := &stage{rng: rand.New(rand.NewPCG(7, 7)), gain: 1, noise: 3, value: 240, drawn: -1, back: make([]float64, 640*480)}
	for range 10007 {
		s.hiss = append(s.hiss, s.rng.NormFloat64())
	}
	return s
}

// draw brings the background up to date.
func (s *stage) draw() {
	if s.drawn == s.phase {
		return
	}
	s.drawn = s.phase
	var row [640]float64
	for x := range row {
		row[x] = 50 * math.Sin(float64(x)/40+s.phase)
	}
	for y := range 480 {
		c := math.Cos(float64(y)/55 + s.phase)
		for x := range row {
			s.back[y*640+x] = 110 + row[x]*c
		}
	}
}

func (s *stage) picture() *image.YCbCr {
	img := image.NewYCbCr(image.Rect(0, 0, 640, 480), image.YCbCrSubsampleRatio420)
	s.draw()
	at := s.rng.IntN(len(s.hiss))
	for y := range 480 {
		for x := range 640 {
			v := s.back[y*640+x]
			for _, r := range s.things {
				if image.Pt(x, y).In(r) {
					v = float64(s.value)
				}
			}
			if at++; at == len(s.hiss) {
				at = 0
			}
			v = s.gain*v + s.offset + s.noise*s.hiss[at]
			img.Y[y*img.YStride+x] = uint8(min(255, max(0, v)))
		}
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 128, 128
	}
	return img
}

const tick = 500 * time.Millisecond

// settle shows n frames of the empty stage and returns the time of the next.
func settle(t *testing.T, m *Motion, s *stage, n int) time.Time {
	t.Helper()
	at := epoch
	for i := range n {
		got := m.Push(at, s.picture())
		if i == 0 && (!got.New || got.Moving) {
			t.Fatalf("the first frame gave %+v, want New and not Moving", got)
		}
		if i > 0 && (got.Moving || got.New || got.Area != 0) {
			t.Fatalf("frame %d of an empty stage gave %+v", i, got)
		}
		at = at.Add(tick)
	}
	return at
}

func newMotion(t *testing.T, o MotionOpts) *Motion {
	t.Helper()
	m, err := NewMotion(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMotionSeesAThing(t *testing.T) {
	m, s := newMotion(t, MotionOpts{}), newStage()
	at := settle(t, m, s, 6)
	s.things = []image.Rectangle{image.Rect(320, 120, 400, 240)}
	got := m.Push(at, s.picture())
	if !got.Moving || !got.Started || got.New {
		t.Fatalf("a thing came in: %+v", got)
	}
	if want := 80.0 * 120 / (640 * 480); math.Abs(got.Area-want) > 0.2*want {
		t.Errorf("area %v, want about %v", got.Area, want)
	}
	for _, e := range [][2]float64{{got.Box.X1, 0.5}, {got.Box.Y1, 0.25}, {got.Box.X2, 0.625}, {got.Box.Y2, 0.5}} {
		if math.Abs(e[0]-e[1]) > 0.015 {
			t.Errorf("box %+v, want 0.5 0.25 0.625 0.5", got.Box)
			break
		}
	}
	if again := m.Push(at.Add(tick), s.picture()); !again.Moving || again.Started {
		t.Errorf("the frame after: %+v", again)
	}
}

func TestMotionCoolsDown(t *testing.T) {
	m, s := newMotion(t, MotionOpts{CoolDown: 2 * time.Second}), newStage()
	at := settle(t, m, s, 6)
	s.things = []image.Rectangle{image.Rect(100, 100, 200, 200)}
	m.Push(at, s.picture())
	s.things = nil
	for i := 1; i <= 6; i++ {
		got := m.Push(at.Add(time.Duration(i)*tick), s.picture())
		if want := i < 4; got.Moving != want || got.Area != 0 {
			t.Errorf("%v after the thing left: %+v, want Moving %v", time.Duration(i)*tick, got, want)
		}
	}
}

func TestMotionHysteresis(t *testing.T) {
	m, s := newMotion(t, MotionOpts{MinArea: 0.04}), newStage()
	at := settle(t, m, s, 6)
	small := []image.Rectangle{image.Rect(100, 100, 200, 200)} // 0.033
	s.things = small
	if got := m.Push(at, s.picture()); got.Moving {
		t.Errorf("a thing below the smallest area: %+v", got)
	}
	s.things = []image.Rectangle{image.Rect(100, 100, 300, 200)} // 0.065
	if got := m.Push(at.Add(tick), s.picture()); !got.Started {
		t.Errorf("a thing above it: %+v", got)
	}
	s.things = small
	if got := m.Push(at.Add(4*tick), s.picture()); !got.Moving || got.Area > 0.04 {
		t.Errorf("the smaller thing while moving, after a while: %+v", got)
	}
	if got := m.Push(at.Add(8*tick), s.picture()); !got.Moving {
		t.Errorf("the smaller thing did not hold the motion: %+v", got)
	}
}

func TestMotionIgnoresLightAndNoise(t *testing.T) {
	for name, change := range map[string]func(s *stage, i int){
		"brighter at once":   func(s *stage, i int) { s.gain = 1.5 },
		"darker at once":     func(s *stage, i int) { s.gain = 0.5 },
		"exposure pumps":     func(s *stage, i int) { s.gain = 1 + 0.3*math.Sin(float64(i)) },
		"haze":               func(s *stage, i int) { s.gain, s.offset = 0.6, 60 },
		"lit to clipping":    func(s *stage, i int) { s.gain, s.offset = 1.4, 60 },
		"evening":            func(s *stage, i int) { s.gain = math.Pow(0.93, float64(i)) },
		"high-gain noise":    func(s *stage, i int) { s.noise = 25 },
		"a rather quiet one": func(s *stage, i int) { s.noise = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			m, s := newMotion(t, MotionOpts{}), newStage()
			at := settle(t, m, s, 6)
			for i := range 20 {
				change(s, i)
				if got := m.Push(at, s.picture()); got.Moving || got.New {
					t.Fatalf("frame %d: %+v", i, got)
				}
				at = at.Add(tick)
			}
			// And it still sees.
			s.things = []image.Rectangle{image.Rect(300, 200, 400, 300)}
			s.value = 20
			if s.gain < 0.5 {
				s.value = 255
			}
			if got := m.Push(at, s.picture()); !got.Started {
				t.Errorf("a thing came in after that: %+v", got)
			}
		})
	}
}

func TestMotionNewPicture(t *testing.T) {
	m, s := newMotion(t, MotionOpts{}), newStage()
	at := settle(t, m, s, 6)
	s.phase = 2
	got := m.Push(at, s.picture())
	if !got.New || !got.Moving || !got.Started {
		t.Fatalf("another scene: %+v", got)
	}
	if again := m.Push(at.Add(tick), s.picture()); again.New || again.Started || again.Area != 0 {
		t.Errorf("the same scene again: %+v", again)
	}
	other := image.NewGray(image.Rect(0, 0, 320, 240))
	if got := m.Push(at.Add(2*tick), other); !got.New || !got.Moving {
		t.Errorf("another size: %+v", got)
	}
}

func TestMotionAbsorbsWhatStands(t *testing.T) {
	m, s := newMotion(t, MotionOpts{Absorb: 3 * time.Second, CoolDown: time.Second}), newStage()
	at := settle(t, m, s, 6)
	s.things = []image.Rectangle{image.Rect(300, 200, 420, 300)}
	var moving int
	for i := range 16 {
		if m.Push(at.Add(time.Duration(i)*tick), s.picture()).Moving {
			moving = i + 1
		}
	}
	if moving < 6 || moving > 11 {
		t.Errorf("a parked car was motion for %d half seconds, want about 8", moving)
	}
	s.things = nil
	if got := m.Push(at.Add(16*tick), s.picture()); !got.Started {
		t.Errorf("the car left: %+v", got)
	}
}

func TestMotionMask(t *testing.T) {
	left := Polygon{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}
	m, s := newMotion(t, MotionOpts{Ignore: []Polygon{left}}), newStage()
	at := settle(t, m, s, 6)
	s.things = []image.Rectangle{image.Rect(50, 100, 250, 400)}
	if got := m.Push(at, s.picture()); got.Moving || got.Area != 0 {
		t.Errorf("a thing in the ignored half: %+v", got)
	}
	s.things = []image.Rectangle{image.Rect(400, 100, 500, 200)}
	if got := m.Push(at.Add(tick), s.picture()); !got.Started || got.Box.X1 < 0.5 {
		t.Errorf("a thing in the other half: %+v", got)
	}
	// The right half counts, but not its lower half.
	right, lower := Polygon{{0.5, 0}, {1, 0}, {1, 1}, {0.5, 1}}, Polygon{{0, 0.5}, {1, 0.5}, {1, 1}, {0, 1}}
	zoned, s := newMotion(t, MotionOpts{Zones: []Polygon{right}, Ignore: []Polygon{lower}}), newStage()
	at = settle(t, zoned, s, 6)
	s.things = []image.Rectangle{image.Rect(50, 100, 250, 400), image.Rect(400, 250, 600, 400)}
	if got := zoned.Push(at, s.picture()); got.Moving || got.Area != 0 {
		t.Errorf("things outside of the zone, and in it where it is ignored: %+v", got)
	}
	s.things = []image.Rectangle{image.Rect(400, 100, 500, 200)}
	if got := zoned.Push(at.Add(tick), s.picture()); !got.Started || math.Abs(got.Area-4.*100*100/(640*480)) > 0.01 {
		t.Errorf("a thing in the zone: %+v", got)
	}
	all := newMotion(t, MotionOpts{Ignore: []Polygon{{{0, 0}, {1, 0}, {1, 1}, {0, 1}}}})
	all.Push(epoch, s.picture())
	s.phase = 2
	if got := all.Push(at, s.picture()); got.Moving {
		t.Errorf("everything is ignored: %+v", got)
	}
}

// Every kind of picture with the same content gives the same judgement, also
// as a part of a larger one and however small.
func TestMotionPictureTypes(t *testing.T) {
	s := newStage()
	s.noise = 0
	empty := s.picture()
	s.things = []image.Rectangle{image.Rect(320, 120, 400, 240)}
	full := s.picture()
	for name, convert := range map[string]func(*image.YCbCr) image.Image{
		"YCbCr": func(y *image.YCbCr) image.Image { return y },
		"Gray": func(y *image.YCbCr) image.Image {
			return &image.Gray{Pix: y.Y, Stride: y.YStride, Rect: y.Rect}
		},
		"RGBA": func(y *image.YCbCr) image.Image {
			c := image.NewRGBA(y.Rect)
			draw.Draw(c, c.Rect, y, image.Point{}, draw.Src)
			return c
		},
		"other": func(y *image.YCbCr) image.Image { return paletteless{y} },
		"part of a larger one": func(y *image.YCbCr) image.Image {
			big := image.NewGray(image.Rect(-5, -7, 800, 600))
			for i := range big.Pix {
				big.Pix[i] = uint8(i)
			}
			for py := range 480 {
				for px := range 640 {
					big.SetGray(px+10, py+20, color.Gray{Y: y.Y[y.YOffset(px, py)]})
				}
			}
			return big.SubImage(image.Rect(10, 20, 650, 500))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMotion(t, MotionOpts{})
			m.Push(epoch, convert(empty))
			got := m.Push(epoch.Add(tick), convert(full))
			if !got.Started || got.New || math.Abs(got.Area-0.03125) > 0.002 || math.Abs(got.Box.X1-0.5) > 0.01 {
				t.Errorf("got %+v", got)
			}
		})
	}
	for _, r := range []image.Rectangle{{}, image.Rect(0, 0, 1, 1), image.Rect(0, 0, 30000, 1), image.Rect(0, 0, 1, 3000), image.Rect(0, 0, 161, 119)} {
		m := newMotion(t, MotionOpts{})
		m.Push(epoch, image.NewGray(r))
		white := image.NewGray(r)
		for i := range white.Pix {
			white.Pix[i] = 255
		}
		m.Push(epoch.Add(tick), white)
		m.Push(epoch.Add(2*tick), image.NewGray(r))
	}
}

// paletteless hides the type of a picture.
type paletteless struct{ image.Image }

func TestMotionAllocatesNothing(t *testing.T) {
	m, s := newMotion(t, MotionOpts{}), newStage()
	at := settle(t, m, s, 3)
	img := s.picture()
	if n := testing.AllocsPerRun(20, func() { at = at.Add(tick); m.Push(at, img) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func TestMotionOptsAreChecked(t *testing.T) {
	for want, o := range map[string]MotionOpts{
		"sensitivity": {Sensitivity: 2},
		"area":        {MinArea: math.NaN()},
		"cool-down":   {CoolDown: -1},
		"zone 1":      {Zones: []Polygon{{{0, 0}, {1, 1}}}},
		"place 1":     {Ignore: []Polygon{{{0, 0}, {1, 1}}}},
		"corner 2":    {Ignore: []Polygon{{{0, 0}, {1, 1.5}, {0, 1}}}},
	} {
		if _, err := NewMotion(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v does not name the %s", o, err, want)
		}
	}
}

// processorTime is what this process has used so far. On a busy machine it says
// more than the clock on the wall.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkMotion(b *testing.B) {
	m, err := NewMotion(MotionOpts{})
	if err != nil {
		b.Fatal(err)
	}
	s := newStage()
	pics := []image.Image{s.picture(), s.picture(), s.picture()}
	s.things = []image.Rectangle{image.Rect(320, 120, 400, 240)}
	pics = append(pics, s.picture())
	at := epoch
	began := processorTime(b)
	for i := 0; b.Loop(); i++ {
		at = at.Add(tick)
		m.Push(at, pics[i%len(pics)])
	}
	b.ReportMetric((processorTime(b)-began).Seconds()*1e3/float64(b.N), "cpu-ms/frame")
}
