package lepton

import (
	"context"
	"errors"
	"image"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sensed/devices"
	"sensed/devices/devicetest"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// open starts a camera on a module.
func open(t *testing.T, m *module, o Opts) *Dev {
	t.Helper()
	o.Clock = m.clock
	d, err := New(port{m}, m, &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	for name, wide := range map[string]bool{"2.x": false, "3.x": true} {
		devicetest.Camera(t, name, func(t *testing.T) devices.Camera {
			return open(t, newModule(devicetest.NewClock(epoch), wide), Opts{})
		}, devicetest.CameraOpts{})
	}
}

func TestPicturesAndTemperatures(t *testing.T) {
	for _, tc := range []struct {
		name       string
		wide, cold bool
		size       image.Point
	}{
		{"2.0", false, true, image.Pt(80, 60)},
		{"2.5", false, false, image.Pt(80, 60)},
		{"3.0", true, true, image.Pt(160, 120)},
		{"3.5", true, false, image.Pt(160, 120)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModule(devicetest.NewClock(epoch), tc.wide)
			m.cold = tc.cold
			d := open(t, m, Opts{})
			var times []time.Time
			for i := range 20 {
				f, err := d.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				times = append(times, f.Time)
				if got := f.Image.Bounds().Size(); got != tc.size || f.Seq != uint64(i+1) {
					t.Fatalf("frame %d is %v, number %d", i, got, f.Seq)
				}
				checkPicture(t, f.Image.(*image.Gray))
				if tc.cold != (f.Thermal == nil) {
					t.Fatalf("temperatures: %v", f.Thermal)
				}
				if f.Thermal != nil {
					checkThermal(t, f.Thermal, tc.size)
				}
			}
			// Nine new pictures a second, not the 27 that are sent.
			if every := times[19].Sub(times[9]) / 10; every < 105*time.Millisecond || every > 120*time.Millisecond {
				t.Errorf("a picture every %v", every)
			}
			if d.stream.faulty != 0 {
				t.Errorf("%d packets did not fit", d.stream.faulty)
			}
			want := map[uint16][]int{cmdTelemetry: {0}, cmdAGC: {0}}
			if !tc.cold {
				want[cmdRadiometry], want[cmdLinear], want[cmdLinearStep] = []int{1}, []int{1}, []int{1}
			}
			if diff := cmp.Diff(want, m.sent); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

// checkPicture: it is brighter to the right, and the hot point is white.
func checkPicture(t *testing.T, img *image.Gray) {
	t.Helper()
	w := img.Rect.Dx()
	var left, right float64
	for y := range img.Rect.Dy() {
		left += float64(img.GrayAt(2, y).Y)
		right += float64(img.GrayAt(w-3, y).Y)
	}
	n := float64(img.Rect.Dy())
	if left /= n; left > 40 {
		t.Errorf("the cold side is %.0f", left)
	}
	if right /= n; right < 215 {
		t.Errorf("the warm side is %.0f", right)
	}
	if v := img.GrayAt(hotX, hotY).Y; v != 255 {
		t.Errorf("the hot point is %d", v)
	}
}

func checkThermal(t *testing.T, th *devices.Thermal, size image.Point) {
	t.Helper()
	r, ok := th.Reading()
	if !ok || th.Width != size.X || th.Height != size.Y || len(th.Centikelvin) != size.X*size.Y {
		t.Fatalf("%d by %d, %d points", th.Width, th.Height, len(th.Centikelvin))
	}
	if math.Abs(r.Min-20) > 0.1 || r.Max != 37 || math.Abs(r.Mean-23.98) > 0.1 || r.Hottest != image.Pt(hotX, hotY) {
		t.Errorf("%+v", r)
	}
}

// Who got a frame may paint it over; the same picture does not come again.
func TestFrameBelongsToItsReader(t *testing.T) {
	m := newModule(devicetest.NewClock(epoch), false)
	d := open(t, m, Opts{})
	var last time.Time
	for range 5 {
		f, err := d.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if since := f.Time.Sub(last); since < 100*time.Millisecond {
			t.Errorf("a picture came %v after the one before", since)
		}
		last = f.Time
		clear(f.Thermal.Centikelvin)
		clear(f.Image.(*image.Gray).Pix)
	}
}

// A consumer that is slow makes the module lose its place; the camera finds it
// again and does not deliver rubbish.
func TestSlowConsumer(t *testing.T) {
	for _, kind := range []struct{ wide, mute bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		wide := kind.wide
		m := newModule(devicetest.NewClock(epoch), wide)
		m.mute = kind.mute
		d := open(t, m, Opts{})
		for _, slow := range []time.Duration{0, 20, 60, 100, 150, 190, 1000, 3600_000} {
			began := m.clock.Now()
			f, err := d.Next(t.Context())
			if err != nil {
				t.Fatalf("%+v, before %v: %v", kind, slow*time.Millisecond, err)
			}
			if took := m.clock.Now().Sub(began); took > 600*time.Millisecond && f.Seq > 1 {
				t.Errorf("%+v, before %v: a picture took %v", kind, slow*time.Millisecond, took)
			}
			checkThermal(t, f.Thermal, f.Image.Bounds().Size())
			if late := m.clock.Now().Sub(f.Time); late != 0 {
				t.Errorf("the frame is %v old", late)
			}
			m.clock.Advance(slow * time.Millisecond)
		}
	}
}

// Packets that break on the wire cost pictures, never a wrong value.
func TestNoisyWire(t *testing.T) {
	for _, wide := range []bool{false, true} {
		m := newModule(devicetest.NewClock(epoch), wide)
		n := 0
		m.line = func(p []byte) {
			if n++; n%700 == 0 { // a bit in three pictures or so
				p[n/700*13%packetSize] ^= 1 << (n / 700 % 8)
			}
		}
		d := open(t, m, Opts{})
		for range 30 {
			f, err := d.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if wide { // the segment number is not protected: a flip there may cost the picture only
				checkThermal(t, f.Thermal, image.Pt(160, 120))
			} else {
				checkThermal(t, f.Thermal, image.Pt(80, 60))
			}
		}
		if d.stream.faulty == 0 {
			t.Error("no packet broke")
		}
	}
}

func TestLost(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault func(*module)
		want  string
	}{
		{"nothing comes", func(m *module) { m.line = discard }, "sends nothing: check MISO"},
		{"zeros", func(m *module) { m.line = func(p []byte) { clear(p) } }, "packets were broken"},
		{"rubbish", func(m *module) { m.line = func(p []byte) { p[9] ^= 1 } }, "packets were broken"},
		{"frozen", func(m *module) { m.freeze = true }, "the same picture again and again"},
		{"SPI fails", func(m *module) { m.spiErr = errors.New("no clock") }, "the SPI port fails (no clock)"},
	} {
		for _, wide := range []bool{false, true} {
			m := newModule(devicetest.NewClock(epoch), wide)
			d := open(t, m, Opts{})
			if _, err := d.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			tc.fault(m)
			began := m.clock.Now()
			var err error
			for range 3 { // a picture may be on the way
				if _, err = d.Next(t.Context()); err != nil {
					break
				}
			}
			if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "lepton on sim and sim") {
				t.Errorf("%s: %v", tc.name, err)
			}
			if took := m.clock.Now().Sub(began); took > 11*time.Second {
				t.Errorf("%s: it took %v", tc.name, took)
			}
			if _, again := d.Next(t.Context()); again != err {
				t.Errorf("%s: then %v", tc.name, again)
			}
		}
	}
}

func TestStartFails(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fault  func(*module)
		absent bool
		want   string
	}{
		{"nobody there", func(m *module) { m.i2cErr = errors.New("remote I/O error") }, true, "nothing answers at address 0x2a"},
		{"never boots", func(m *module) { m.asleep = true }, false, "does not finish booting"},
		{"always busy", func(m *module) { m.stuck = true }, false, "does not finish booting"},
		{"no ping", func(m *module) { m.refuses[cmdPing] = -1 }, false, "refuses command 0x0202 with code -1"},
		{"not ready", func(m *module) { m.sent[cmdState] = []int{4} }, false, "it is not ready"},
		{"telemetry stays", func(m *module) { m.refuses[cmdTelemetry] = -3 }, false, "refuses command 0x0219 with code -3"},
		{"radiometry fails", func(m *module) { m.refuses[cmdLinear] = -2 }, false, "refuses command 0x4ec1 with code -2"},
	} {
		m := newModule(devicetest.NewClock(epoch), true)
		tc.fault(m)
		d, err := New(port{m}, m, &Opts{Clock: m.clock})
		if err != nil {
			t.Fatal(err)
		}
		err = d.Start(t.Context())
		if err == nil || errors.Is(err, devices.ErrAbsent) != tc.absent || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if took := m.clock.Now().Sub(epoch); took > 6*time.Second {
			t.Errorf("%s: it took %v", tc.name, took)
		}
	}
}

func TestOptions(t *testing.T) {
	m := newModule(devicetest.NewClock(epoch), true)
	m.limit = 100
	if _, err := New(port{m}, m, &Opts{}); err == nil || !strings.Contains(err.Error(), "spidev.bufsiz") {
		t.Errorf("a port with small transfers: %v", err)
	}
	m.limit = 400
	d := open(t, m, Opts{})
	if len(d.buf) != 2*packetSize {
		t.Errorf("transfers of %d bytes", len(d.buf))
	}
	for want, o := range map[string]Opts{
		"the speed of 1 MHz is outside":   {MHz: 1},
		"the speed of 100 MHz is outside": {MHz: 100},
		"silence is -1s":                  {Silence: -time.Second},
	} {
		for _, err := range []error{second(New(port{m}, m, &o)), second(NewSource("", "", o))} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
	for _, names := range [][2]string{{"x", ""}, {"", "x"}} {
		if _, err := NewSource(names[0], names[1], Opts{}); err == nil || !strings.Contains(err.Error(), `"x" is not the name of`) {
			t.Errorf("buses %q: %v", names, err)
		}
	}
	s, err := NewSource("SPI999.0", "I2C1", Opts{})
	if err != nil || s.String() != "lepton on SPI999.0 and I2C1" {
		t.Fatal(s, err)
	}
	if _, err := s.Open(t.Context()); !errors.Is(err, devices.ErrAbsent) || !strings.Contains(err.Error(), s.String()) {
		t.Errorf("absent bus: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// Start and Next end soon when their context does, wherever they are.
func TestCancel(t *testing.T) {
	for name, fault := range map[string]func(*module){
		"booting": func(m *module) { m.asleep = true },
		"busy":    func(m *module) { m.stuck = true },
	} {
		m := newModule(devicetest.NewClock(epoch), true)
		fault(m)
		d, err := New(port{m}, m, &Opts{Clock: cancels{m.clock}})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Start(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := newModule(devicetest.NewClock(epoch), true)
	d := open(t, m, Opts{})
	d.o.Clock = cancels{m.clock}
	if _, err := d.Next(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("while finding its place: %v", err)
	}
	d.o.Clock = m.clock
	if _, err := d.Next(t.Context()); err != nil {
		t.Errorf("after that: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}
}

// cancels is a clock under which every wait is cancelled.
type cancels struct{ *devicetest.Clock }

func (cancels) Until(context.Context, time.Time) error { return context.Canceled }

func TestGain(t *testing.T) {
	flat := func(v uint16) *points {
		p := &points{80, 60, make([]uint16, 80*60)}
		for i := range p.values {
			p.values[i] = v + uint16(i%3)
		}
		return p
	}
	g := gain{least: leastCentikelvin}
	img := g.picture(flat(29315))
	for i, v := range img.Pix {
		if v < 120 || v > 135 {
			t.Fatalf("an even wall is %d at %d", v, i)
		}
	}
	// Something hot comes in: what stays where it is changes little from one
	// picture to the next, and in the end hot is white.
	hot := flat(29315)
	for i := range 400 {
		hot.values[i] = 33000
	}
	last := img.Pix[4000]
	for i := range 200 {
		img = g.picture(hot)
		if step := math.Abs(float64(img.Pix[4000]) - float64(last)); step > 40 {
			t.Fatalf("picture %d: the wall jumps by %v", i, step)
		}
		last = img.Pix[4000]
	}
	if img.Pix[0] < 250 || last > 20 {
		t.Errorf("hot is %d, the wall %d", img.Pix[0], last)
	}
	// Extremes do not overflow.
	for _, v := range []uint16{0, math.MaxUint16 - 2} {
		g := gain{least: leastCounts}
		if img := g.picture(flat(v)); img.Pix[0] < 100 || img.Pix[0] > 150 {
			t.Errorf("even at %d: %d", v, img.Pix[0])
		}
	}
}
