// Package scene is a camera that draws what it sees: things on a meadow, in a
// street or in a room, standing or walking by, at day or at night. It is
// deterministic from a seed and a clock (between processor architectures a
// pixel may differ by one step), and it knows the truth about each of its
// frames ([Truth]), so that gates and models can be scored on it.
//
// The pictures follow the distribution on which the bundled demonstration
// model was trained: Noto Color Emoji on simple backgrounds.
package scene

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"sensed/devices"
)

// Script says what happens in front of the camera.
type Script string

// The scripts.
const (
	// Still is a scene in which nothing moves: only the sensor's noise changes.
	Still Script = "still"
	// Walks has things that cross the picture, one after the other, with pauses
	// of some seconds. What stands in the scene stays.
	Walks Script = "walks"
	// Dusk goes from day to night and back within [DuskCycle]. Nothing moves.
	Dusk Script = "dusk"
	// Flicker has a lamp on the mains whose stripes crawl through the picture,
	// and which fails for a moment every few seconds. Nothing moves.
	Flicker Script = "flicker"
	// Rain has streaks of rain before a scene in which nothing moves.
	Rain Script = "rain"
)

var scripts = []Script{Still, Walks, Dusk, Flicker, Rain}

// labels are the things that a scene can hold, in the order in which a caption
// names them.
var labels = []string{"person", "dog", "cat", "bird", "cow", "car", "truck", "bus", "bicycle", "package", "fire", "tree"}

// Opts say what is drawn. The zero value is a still scene at day.
type Opts struct {
	// Seed decides everything that the other fields leave open.
	Seed uint64
	// Width and Height of the picture in pixels. Default 640x480.
	Width, Height int
	// FPS is the number of frames in a second. Default 5.
	FPS float64
	// Script is what happens. Empty means [Still].
	Script Script
	// Place is where: grass, street, room, snow, beach or plain. Empty means
	// that the seed chooses.
	Place string
	// Things are the labels of what stands there, at most 6. Nil means that the
	// seed chooses, an empty list that the place is empty.
	Things []string
	// Walks say who walks when, in any script. Nil means that nobody does but in
	// the script [Walks], where the seed chooses and it goes on forever.
	Walks []Walk
	// Night darkens the scene; [Dusk] then begins at night.
	Night bool
	// Clock paces the frames. Nil means [devices.Wall].
	Clock devices.Clock
	// Log hears when the camera opens. Nil means nobody does.
	Log *slog.Logger
}

// Walk is one thing that crosses the picture.
type Walk struct {
	Label string
	// Start is when it enters, from the opening of the camera.
	Start time.Duration
	// Duration is how long it takes from edge to edge.
	Duration time.Duration
	// Left means that it goes from right to left.
	Left bool
}

// Bounds of the options.
const (
	MinSide, MaxSide = 64, 4096
	MaxFPS           = 240
	MaxThings        = 6
)

// Source is a scene to look at; [Source.Open] begins.
type Source struct {
	o     Opts
	world *World
}

// New checks o and draws the background.
func New(o Opts) (*Source, error) {
	o.Width, o.Height = cmp.Or(o.Width, 640), cmp.Or(o.Height, 480)
	o.FPS = cmp.Or(o.FPS, 5)
	o.Script = cmp.Or(o.Script, Still)
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("scene: %w", err)
	}
	if o.Clock == nil {
		o.Clock = devices.Wall{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w, err := newWorld(o)
	if err != nil {
		return nil, fmt.Errorf("scene: %w", err)
	}
	return &Source{o, w}, nil
}

func (o *Opts) check() error {
	if o.Width < MinSide || o.Height < MinSide || o.Width > MaxSide || o.Height > MaxSide {
		return fmt.Errorf("size is %dx%d: give sides from %d to %d pixels", o.Width, o.Height, MinSide, MaxSide)
	}
	if math.IsNaN(o.FPS) || o.FPS < 1e-5 || o.FPS > MaxFPS {
		return fmt.Errorf("fps is %v: give a number above 0 and up to %d", o.FPS, MaxFPS)
	}
	if !slices.Contains(scripts, o.Script) {
		return fmt.Errorf("there is no script %q: choose one of %v", o.Script, scripts)
	}
	if o.Place != "" && !slices.Contains(placeNames(), o.Place) {
		return fmt.Errorf("there is no place %q: choose one of %v", o.Place, placeNames())
	}
	if len(o.Things) > MaxThings {
		return fmt.Errorf("%d things are too many: %d fit into a scene", len(o.Things), MaxThings)
	}
	for _, l := range o.Things {
		if !slices.Contains(labels, l) {
			return fmt.Errorf("there is no thing %q: choose among %s", l, strings.Join(labels, ", "))
		}
	}
	for i, w := range o.Walks {
		if !slices.Contains(labels, w.Label) {
			return fmt.Errorf("walk %d: there is no thing %q: choose among %s", i+1, w.Label, strings.Join(labels, ", "))
		}
		if w.Start < 0 || w.Duration < 100*time.Millisecond {
			return fmt.Errorf("walk %d starts at %v and takes %v: give 0s or later, and 100ms or more", i+1, w.Start, w.Duration)
		}
	}
	return nil
}

// String names the source in messages.
func (s *Source) String() string {
	return fmt.Sprintf("scene %d (%s, %s, %dx%d)", s.o.Seed, s.world.place.name, s.o.Script, s.o.Width, s.o.Height)
}

// World returns what the camera looks at.
func (s *Source) World() *World { return s.world }

// Open begins to look. The script begins with the first frame.
func (s *Source) Open(ctx context.Context) (devices.Camera, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.o.Log.Info("scene opened", "scene", s.String())
	every := time.Duration(float64(time.Second) / s.o.FPS)
	return &Camera{world: s.world, pace: devices.Pace{Clock: s.o.Clock, Every: every}}, nil
}

// Camera looks at a scene.
type Camera struct {
	world  *World
	pace   devices.Pace
	start  time.Time // of the script: the time of the first frame
	seq    uint64
	closed bool

	canvas *canvas
	drawn  devices.Frame // the last one, as long as it was not given away
	spare  *image.RGBA   // to draw on; nil when it was given away
	gray   *image.Gray   // for glances
}

var _ devices.Glancer = (*Camera)(nil)

// Next draws the next frame. It never ends.
func (c *Camera) Next(ctx context.Context) (devices.Frame, error) {
	if err := c.draw(ctx); err != nil {
		return devices.Frame{}, err
	}
	return c.Whole()
}

// Glance draws the next frame and gives its luminance.
func (c *Camera) Glance(ctx context.Context) (devices.Frame, error) {
	if err := c.draw(ctx); err != nil {
		return devices.Frame{}, err
	}
	if c.gray == nil {
		c.gray = image.NewGray(c.spare.Rect)
	}
	for i := range c.gray.Pix { // neither has gaps between its rows
		p := c.spare.Pix[4*i : 4*i+3]
		c.gray.Pix[i] = uint8((77*uint32(p[0]) + 150*uint32(p[1]) + 29*uint32(p[2])) >> 8) // ITU-R BT.601
	}
	f := c.drawn
	f.Image = c.gray
	return f, nil
}

// Whole gives the last frame away.
func (c *Camera) Whole() (devices.Frame, error) {
	if c.closed {
		return devices.Frame{}, errClosed
	}
	if c.drawn.Seq == 0 {
		return devices.Frame{}, errors.New("scene: a whole picture was asked for that nobody glanced at, or twice")
	}
	f := c.drawn
	f.Image, c.spare, c.drawn = image.Image(c.spare), nil, devices.Frame{}
	return f, nil
}

var errClosed = errors.New("scene: the camera is closed")

// draw draws the next frame.
func (c *Camera) draw(ctx context.Context) error {
	if c.closed {
		return errClosed
	}
	now, err := c.pace.Wait(ctx)
	if err != nil {
		return err
	}
	if c.seq == 0 {
		c.start = now
	}
	c.seq++
	if c.canvas == nil {
		c.canvas = newCanvas(c.world.w, c.world.h)
	}
	if c.spare == nil {
		c.spare = image.NewRGBA(image.Rect(0, 0, c.world.w, c.world.h))
	}
	c.world.drawOn(c.canvas, c.spare, now.Sub(c.start))
	c.drawn = devices.Frame{Time: now, Seq: c.seq}
	return nil
}

// Truth says what the frame taken at t shows.
func (c *Camera) Truth(t time.Time) Truth {
	return c.world.Truth(t.Sub(c.start))
}

// Close ends the looking.
func (c *Camera) Close() error {
	c.closed = true
	return nil
}
