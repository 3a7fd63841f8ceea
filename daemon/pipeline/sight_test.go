package pipeline

import (
	"bytes"
	"context"
	"errors"
	"image"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

// peeking is a camera with glances: grey pixels that it uses again and again,
// and whole pictures of which it counts those that were asked for. Every second
// of its pictures has a thing in the middle.
type peeking struct {
	n      int
	gray   *image.Gray
	wholes int
	broken error // of whole pictures
	end    int   // number of pictures before the device is lost; 0: none
	at     time.Time
}

func (p *peeking) Next(ctx context.Context) (devices.Frame, error) {
	if _, err := p.Glance(ctx); err != nil {
		return devices.Frame{}, err
	}
	return p.Whole()
}

func (p *peeking) Glance(ctx context.Context) (devices.Frame, error) {
	if p.end > 0 && p.n == p.end {
		return devices.Frame{}, devices.ErrLost
	}
	if p.at.IsZero() { // by the clock
		if err := sleep(ctx, second); err != nil {
			return devices.Frame{}, err
		}
	} else {
		p.at = p.at.Add(33 * time.Millisecond)
	}
	p.n++
	for i := range p.gray.Pix {
		p.gray.Pix[i] = 90 + uint8(i)%64
	}
	if p.n%20 == 0 {
		for y := 50; y < 80; y++ {
			for x := 60; x < 100; x++ {
				p.gray.Pix[y*160+x] = 250
			}
		}
	}
	return p.frame(p.gray), nil
}

func (p *peeking) frame(img image.Image) devices.Frame {
	at := p.at
	if at.IsZero() {
		at = time.Now()
	}
	return devices.Frame{Time: at, Seq: uint64(p.n), Image: img}
}

func (p *peeking) Whole() (devices.Frame, error) {
	p.wholes++
	if p.broken != nil {
		return devices.Frame{}, p.broken
	}
	img := image.NewYCbCr(image.Rect(0, 0, 640, 480), image.YCbCrSubsampleRatio420)
	for y := range 480 {
		for x := range 640 {
			img.Y[y*img.YStride+x] = p.gray.Pix[y/4*160+x/4]
		}
	}
	return p.frame(img), nil
}

func (p *peeking) Close() error { return nil }

func newPeeking() *peeking { return &peeking{gray: image.NewGray(image.Rect(0, 0, 160, 120))} }

// TestFramePathCostsNoMemory: of a picture that opens no gate nothing is
// allocated, at 30 pictures a second and for months; the blackout is in place.
func TestFramePathCostsNoMemory(t *testing.T) {
	cam := newPeeking()
	cam.at = time.Now()
	hidden := []gate.Polygon{{{X: 0.1, Y: 0.1}, {X: 0.3, Y: 0.1}, {X: 0.2, Y: 0.4}}}
	p, err := New(Options{
		Engine: &engine{}, Publisher: &publisher{}, Log: discard(),
		Sources: []Source{{Name: "door", OpenCamera: (&opener{}).camera, Motion: &gate.MotionOpts{}, Again: second, Blackout: hidden,
			Tasks: []Task{caption("c"), {Task: event.Task{Kind: event.TaskDetect, Name: "d"}, Every: 1000 * time.Hour}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.sources[0].newEye()
	if err != nil {
		t.Fatal(err)
	}
	black, err := gate.NewBlackout(hidden)
	if err != nil {
		t.Fatal(err)
	}
	e.sight = newSight(cam, black, false)
	look := func() {
		f, err := e.sight.next(context.Background())
		if err == nil {
			err = e.look(f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	look() // the timed task asks now, the gate learns the size
	look()
	cam.n = 100 // none of the next ones has a thing in it
	if n := testing.AllocsPerRun(15, look); n > 0 {
		t.Errorf("%v allocations for a picture of which nothing is asked", n)
	}
	if cam.wholes != 1 {
		t.Errorf("%d whole pictures were made, 1 was asked for", cam.wholes)
	}
}

// Whole pictures are made for those who ask, once for all of them.
func TestWholePicturesAreMadeOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := newPeeking()
		eng := &spy{}
		b := run(t, Options{Engine: eng, Sources: []Source{{
			Name: "door", Motion: &gate.MotionOpts{}, Tasks: []Task{caption("a"), caption("b")},
			OpenCamera: func(context.Context) (devices.Camera, error) { return cam, nil },
		}}})
		after(50*second + second/2)
		b.quiet()
		if asked := len(eng.shown); asked != 4 || cam.wholes != 2 {
			t.Errorf("in two motions two tasks asked %d times and took %d pictures, want 4 and 2", asked, cam.wholes)
		}
	})
}

// A whole picture that cannot be had ends the session like any other error, and
// a trigger hears of it.
func TestWholePictureFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := newPeeking()
		cam.broken = errors.New("the picture is damaged")
		pins := &opener{t: t, scripts: [][]step{{press(5*second + second/2)}}}
		b := run(t, Options{
			Sources: []Source{{
				Name: "door", Motion: &gate.MotionOpts{}, Tasks: []Task{caption("c")},
				OpenCamera: func(context.Context) (devices.Camera, error) { return cam, nil },
			}},
			Triggers: []Trigger{{Name: "bell", Open: pins.pin, Starts: []string{"door"}}},
		})
		after(8 * second)
		b.quiet()
		got := strings.Join(b.pub.lines(), "\n")
		for _, want := range []string{"door caption", "door status"} {
			found := false
			for _, line := range strings.Split(got, "\n") {
				found = found || strings.HasPrefix(line, want) && strings.Contains(line, "the picture is damaged")
			}
			if !found {
				t.Errorf("no %q event says that the picture is damaged:\n%s", want, got)
			}
		}
	})
}

// leak is a byte that only what is hidden has.
const leak = 0xa7

// showing is a camera whose pictures have the leak where nothing may be seen,
// and in the bytes that no pixel shows.
type showing struct {
	*peeking
	kind string
}

// inside says whether a place is in the hidden triangle, or nearly.
func inside(x, y, w, h int) bool {
	return float64(x+1)/float64(w) >= 0.5-1e-9 && float64(y)/float64(h) <= 0.5
}

func (s showing) Glance(ctx context.Context) (devices.Frame, error) {
	f, err := s.peeking.Glance(ctx)
	paintLeak(f.Image)
	return f, err
}

func (s showing) Whole() (devices.Frame, error) {
	f, err := s.peeking.Whole()
	if err != nil {
		return f, err
	}
	r := image.Rect(0, 0, 101, 77)
	switch s.kind {
	case "4:2:0":
		f.Image = image.NewYCbCr(image.Rect(0, 0, 112, 80), image.YCbCrSubsampleRatio420).SubImage(r)
	case "4:2:2":
		f.Image = image.NewYCbCr(image.Rect(0, 0, 112, 80), image.YCbCrSubsampleRatio422).SubImage(r)
	case "4:4:4":
		f.Image = image.NewYCbCr(r, image.YCbCrSubsampleRatio444)
	case "RGBA":
		f.Image = image.NewRGBA(r)
	case "NRGBA":
		f.Image = image.NewNRGBA(r)
	case "Gray":
		f.Image = image.NewGray(r)
	case "thermal":
		f.Image = image.NewGray(r)
		f.Thermal = &devices.Thermal{Width: 80, Height: 60, Centikelvin: make([]uint16, 80*60)}
		for i := range f.Thermal.Centikelvin {
			f.Thermal.Centikelvin[i] = 29315
			if inside(i%80, i/80, 80, 60) {
				f.Thermal.Centikelvin[i] = 36015
			}
		}
	}
	paintLeak(f.Image)
	return f, nil
}

func (s showing) Next(ctx context.Context) (devices.Frame, error) {
	if _, err := s.Glance(ctx); err != nil {
		return devices.Frame{}, err
	}
	return s.Whole()
}

// onlyNext hides the glances of a camera.
type onlyNext struct{ devices.Camera }

// paintLeak fills a picture's planes: the leak where nothing may be seen and in
// what no pixel shows, something else elsewhere.
func paintLeak(img image.Image) {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	paint := func(pix []uint8, stride, bytes, w, h int) {
		for i := range pix {
			x, y := i%stride/bytes, i/stride
			if x >= w || y >= h || inside(x, y, w, h) {
				pix[i] = leak
			} else if pix[i] == leak || pix[i] == 0 {
				pix[i] = 40
			}
		}
	}
	switch m := img.(type) {
	case *image.YCbCr:
		paint(m.Y, m.YStride, 1, w, h)
		last := m.COffset(w-1, h-1)
		paint(m.Cb, m.CStride, 1, last%m.CStride+1, last/m.CStride+1)
		paint(m.Cr, m.CStride, 1, last%m.CStride+1, last/m.CStride+1)
	case *image.RGBA:
		paint(m.Pix, m.Stride, 4, w, h)
	case *image.NRGBA:
		paint(m.Pix, m.Stride, 4, w, h)
	case *image.Gray:
		paint(m.Pix, m.Stride, 1, w, h)
	}
}

// planes returns every byte of a picture.
func planes(img image.Image) []byte {
	switch m := img.(type) {
	case *image.YCbCr:
		return bytes.Join([][]byte{m.Y, m.Cb, m.Cr}, nil)
	case *image.RGBA:
		return m.Pix
	case *image.NRGBA:
		return m.Pix
	case *image.Gray:
		return m.Pix
	}
	return []byte{leak} // no other type may arrive
}

// spy is an engine that keeps what it was shown.
type spy struct{ shown [][]byte }

func (s *spy) Understand(_ context.Context, _ event.Task, in event.Input) (event.Result, error) {
	for _, img := range in.Images {
		s.shown = append(s.shown, bytes.Clone(planes(img)))
	}
	return event.Result{Text: "words"}, nil
}

// TestHiddenPlacesReachNobody: whatever kind of picture a camera gives, with or
// without glances, no byte of a hidden place reaches the gate, the model, or
// an event, which is all that reaches the disk.
func TestHiddenPlacesReachNobody(t *testing.T) {
	right := gate.Polygon{{X: 0.5, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 0.5}, {X: 0.5, Y: 0.5}}
	for _, kind := range []string{"4:2:0", "4:2:2", "4:4:4", "RGBA", "NRGBA", "Gray", "thermal"} {
		for _, glances := range []bool{true, false} {
			name := kind
			if glances {
				name += " with glances"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var cam devices.Camera = showing{newPeeking(), kind}
					if !glances {
						cam = onlyNext{cam}
					}
					eng := &spy{}
					b := run(t, Options{Engine: eng, Sources: []Source{{
						Name: "door", Motion: &gate.MotionOpts{}, Blackout: []gate.Polygon{right}, Tasks: []Task{{Task: caption("c").Task, Every: 3 * second}},
						OpenCamera: func(context.Context) (devices.Camera, error) { return cam, nil },
					}}})
					after(12 * second)
					b.quiet()
					if len(eng.shown) < 3 {
						t.Fatalf("the engine was shown %d pictures", len(eng.shown))
					}
					for i, pixels := range eng.shown {
						if at := bytes.IndexByte(pixels, leak); at >= 0 {
							t.Errorf("byte %d of picture %d is one of the hidden place", at, i)
						}
						if bytes.IndexByte(pixels, 40) < 0 && kind == "4:2:0" {
							t.Errorf("picture %d shows nothing at all", i)
						}
					}
					for _, e := range b.pub.all(event.Temperature) {
						if e.Temperature.Max > 21 {
							t.Errorf("a temperature of the hidden place was published: %+v", *e.Temperature)
						}
					}
					if seen := b.pub.all(event.Temperature); (kind == "thermal" && !glances) != (len(seen) > 0) {
						t.Errorf("%d temperatures were published", len(seen))
					}
				})
			})
		}
	}
}

// What the gate looks at has no byte of a hidden place either.
func TestGlancesAreCovered(t *testing.T) {
	cam := showing{newPeeking(), "Gray"}
	cam.at = time.Now()
	black, err := gate.NewBlackout([]gate.Polygon{{{X: 0.5, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 0.5}, {X: 0.5, Y: 0.5}}})
	if err != nil {
		t.Fatal(err)
	}
	s := newSight(cam, black, false)
	for range 3 {
		f, err := s.next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.IndexByte(planes(f.Image), leak); at >= 0 {
			t.Fatalf("byte %d of a glance is one of the hidden place", at)
		}
	}
}
