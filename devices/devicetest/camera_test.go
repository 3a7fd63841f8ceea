package devicetest

import (
	"context"
	"errors"
	"image"
	"io"
	"strings"
	"testing"
	"time"

	"sensed/devices"
)

// good is a camera that keeps the contract; the fields break it.
type good struct {
	n, seq    uint64
	end       uint64 // io.EOF after so many
	shared    *image.Gray
	sameSeq   bool
	backwards bool
	nilImage  bool
	deaf      bool
	noEOF     bool
	dies      bool // after a cancelled call
	dead      bool
}

var errDead = errors.New("dead")

func (g *good) Next(ctx context.Context) (devices.Frame, error) {
	if g.dead {
		return devices.Frame{}, errDead
	}
	if ctx.Err() != nil && !g.deaf {
		g.dead = g.dies
		return devices.Frame{}, ctx.Err()
	}
	if g.end > 0 && g.n == g.end {
		if g.noEOF {
			return devices.Frame{}, errDead
		}
		return devices.Frame{}, io.EOF
	}
	g.n++
	if !g.sameSeq || g.seq == 0 {
		g.seq++
	}
	f := devices.Frame{Seq: g.seq, Time: time.Unix(int64(g.n), 0), Image: image.NewGray(image.Rect(0, 0, 4, 4))}
	if g.backwards {
		f.Time = time.Unix(int64(100-g.n), 0)
	}
	if g.shared != nil {
		g.shared.Pix[0] = byte(g.n)
		f.Image = g.shared
	}
	if g.nilImage {
		f.Image = nil
	}
	return f, nil
}

func (g *good) Close() error { return nil }

func TestSuitePassesGoodCameras(t *testing.T) {
	Camera(t, "endless", func(*testing.T) devices.Camera { return &good{} }, CameraOpts{})
	Camera(t, "finite", func(*testing.T) devices.Camera { return &good{end: 9} }, CameraOpts{Finite: true})
}

// peeking is a camera with glances that keeps the contract; the fields break it.
type peeking struct {
	good
	gray    image.Gray
	frame   devices.Frame // not given away yet
	keeps   *image.Gray   // is given away as the whole picture, again and again
	renames bool
	twice   bool // a picture can be had twice
	early   bool // and before there is one
	shares  bool // the whole picture is the glance
}

func (p *peeking) Glance(ctx context.Context) (devices.Frame, error) {
	f, err := p.good.Next(ctx)
	if err != nil {
		return f, err
	}
	p.frame = f
	if p.gray.Pix == nil {
		p.gray = *image.NewGray(image.Rect(0, 0, 2, 2))
	}
	for i := range p.gray.Pix {
		p.gray.Pix[i] = byte(p.n)
	}
	f.Image = &p.gray
	return f, nil
}

func (p *peeking) Whole() (devices.Frame, error) {
	if p.frame.Image == nil && !p.early {
		return devices.Frame{}, errDead
	}
	f := p.frame
	switch {
	case p.keeps != nil:
		p.keeps.Pix[0] = byte(p.n)
		f.Image = p.keeps
	case p.shares:
		f.Image = &p.gray
	}
	if p.renames {
		f.Seq++
	}
	if !p.twice {
		p.frame = devices.Frame{}
	}
	return f, nil
}

func TestSuitePassesCamerasWithGlances(t *testing.T) {
	Camera(t, "endless", func(*testing.T) devices.Camera { return &peeking{} }, CameraOpts{})
	Camera(t, "finite", func(*testing.T) devices.Camera { return &peeking{good: good{end: 9}} }, CameraOpts{Finite: true})
}

func TestSuiteCatchesBrokenGlances(t *testing.T) {
	for want, cam := range map[string]devices.Camera{
		"shows what was written to the one before": &keeping{},
		"before any glance":                        &peeking{early: true},
		"its whole picture number 2":               &peeking{renames: true},
		"given away twice":                         &peeking{twice: true},
		"shows what was written to a glance":       &peeking{shares: true},
		"was written again by glance":              &peeking{keeps: image.NewGray(image.Rect(0, 0, 2, 2))},
	} {
		check := checkGlances
		if _, ok := cam.(*keeping); ok {
			check = checkGivenAway
		}
		if err := check(cam, CameraOpts{Frames: 4}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the suite said %v, want %q", err, want)
		}
	}
}

// keeping is a camera that gives the same picture again and again.
type keeping struct {
	good
	img *image.Gray
}

func (k *keeping) Next(ctx context.Context) (devices.Frame, error) {
	f, err := k.good.Next(ctx)
	if k.img == nil {
		k.img = image.NewGray(image.Rect(0, 0, 4, 4))
	}
	f.Image = k.img
	return f, err
}

func TestSuiteCatchesBrokenCameras(t *testing.T) {
	o := CameraOpts{Frames: 4}
	tests := []struct {
		name  string
		cam   *good
		check func(devices.Camera, CameraOpts) error
		o     CameraOpts
		want  string
	}{
		{"number stands", &good{sameSeq: true}, checkOrder, o, "Seq 1 after 1"},
		{"time goes back", &good{backwards: true}, checkOrder, o, "before"},
		{"no picture", &good{nilImage: true}, checkOrder, o, "<nil>"},
		{"pixels reused", &good{shared: image.NewGray(image.Rect(0, 0, 4, 4))}, checkOwnership, o, "written again"},
		{"context ignored", &good{deaf: true}, checkEndedContext, o, "ended context returned"},
		{"dies of a cancelled call", &good{dies: true}, checkEndedContext, o, "ended context returned dead"},
		{"dies of a cancel", &good{dies: true}, checkCancel, o, "after a cancelled Next"},
		{"ends too soon", &good{end: 2}, checkEnd, CameraOpts{Finite: true, Frames: 4}, "after 2 frames"},
		{"ends without EOF", &good{end: 4, noEOF: true}, checkEnd, CameraOpts{Finite: true, Frames: 4}, "dead"},
		{"ends though endless", &good{end: 4}, checkEnd, o, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.check(tt.cam, tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("the suite said %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCensusSeesLeaks(t *testing.T) {
	before := count()
	stop := make(chan struct{})
	go func() { <-stop }()
	if now := count(); now.goroutines <= before.goroutines {
		t.Errorf("goroutines: %d, then %d", before.goroutines, now.goroutines)
	}
	close(stop)
	if err := before.gone(); err != nil {
		t.Error(err)
	}
}

func TestClockJumps(t *testing.T) {
	start := time.Unix(0, 0)
	c := NewClock(start)
	if err := c.Until(context.Background(), start.Add(time.Hour)); err != nil || !c.Now().Equal(start.Add(time.Hour)) {
		t.Fatalf("%v, now %v", err, c.Now())
	}
	if err := c.Until(context.Background(), start); err != nil || !c.Now().Equal(start.Add(time.Hour)) {
		t.Fatalf("%v, now %v: it went back", err, c.Now())
	}
	c.Advance(time.Minute)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Until(ctx, start.Add(3*time.Hour)); !errors.Is(err, context.Canceled) || !c.Now().Equal(start.Add(61*time.Minute)) {
		t.Fatalf("%v, now %v", err, c.Now())
	}
}
