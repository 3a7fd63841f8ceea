package scene

import (
	"cmp"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// World is what a scene camera looks at, at every moment from the opening of
// the camera. It may be used by several goroutines.
type World struct {
	w, h   int
	place  place
	back   *canvas  // the empty place, before the light falls on it
	things []*thing // from the back to the front
	light  light
	noise  noise
	rain   *rain // nil: it is dry
}

// thing stands in the scene, or walks through it.
type thing struct {
	label  string
	sprite *sprite
	x, y   float64 // of its centre, while it stands
	shadow bool
	walk   *course // nil when it stands
}

// course is a walk across the picture.
type course struct {
	from, to        float64 // centre, in pixels
	start, duration time.Duration
	period          time.Duration // 0: once
	bob             float64       // height of a step, in pixels
}

// streams of random numbers, so that one choice does not move the others.
const (
	placeStream = iota + 1
	thingStream
	walkStream
	lightStream
	noiseStream
	rainStream
)

func newWorld(o Opts) (*World, error) {
	stream := func(k uint64) *rand.Rand { return rand.New(rand.NewPCG(o.Seed, k)) }
	w := &World{w: o.Width, h: o.Height, back: newCanvas(o.Width, o.Height)}
	r := stream(placeStream)
	w.place = choosePlace(o.Place, r)
	ground := w.place.paint(w.back, r)

	if err := w.stand(o, stream(thingStream)); err != nil {
		return nil, err
	}
	if o.Script == Walks || len(o.Walks) > 0 {
		if err := w.send(o, stream(walkStream), ground); err != nil {
			return nil, err
		}
	}
	// Who stands lower is nearer.
	slices.SortStableFunc(w.things, func(a, b *thing) int { return cmp.Compare(a.foot(), b.foot()) })
	w.light = newLight(o, stream(lightStream))
	w.noise = newNoise(stream(noiseStream))
	if o.Script == Rain {
		w.rain = newRain(w.w, w.h, stream(rainStream))
	}
	return w, nil
}

func (t *thing) foot() float64 { return t.y + float64(t.sprite.img.Rect.Dy())/2 }

// stand places what stands in the scene.
func (w *World) stand(o Opts, r *rand.Rand) error {
	c, err := newCast(r)
	if err != nil {
		return err
	}
	who, tries := o.Things, 400
	if who == nil {
		who, tries = make([]string, count(r)), 12
		if o.Script == Walks {
			who = who[:len(who)/2] // room for those who come
		}
		for i := range who {
			who[i] = labels[r.IntN(len(labels))]
		}
	}
	aspect := float64(uniform(r, .93, 1.07))
	var taken []image.Rectangle
	for _, label := range who {
		src, err := c.pick(label)
		if err != nil {
			return err
		}
		mirror, shadow := r.Float64() < .5, w.casts(label) && r.Float64() < .5
		for try := range tries {
			// After many tries only small things can still find a place.
			large := .55
			if o.Script == Walks || try > 40 {
				large = .3
			}
			s := scaled(src, float64(w.h)*math.Exp(float64(uniform(r, float32(math.Log(.14)), float32(math.Log(large))))), aspect, mirror)
			t := w.somewhere(r, s, len(who) == 1)
			if t == nil {
				continue
			}
			b := t.rect(int(t.x), int(t.y))
			if slices.ContainsFunc(taken, func(q image.Rectangle) bool { return hides(b, q) }) {
				continue
			}
			t.label, t.shadow = label, shadow
			w.things, taken = append(w.things, t), append(taken, b)
			break
		}
	}
	return nil
}

// count draws how many things stand in a scene.
func count(r *rand.Rand) int {
	draw := r.Float64()
	for n, p := range []float64{.08, .30, .28, .20} {
		if draw < p {
			return n
		}
		draw -= p
	}
	return 4
}

// casts says whether label throws a shadow here.
func (w *World) casts(label string) bool {
	return w.place.name != "plain" && label != "bird" && label != "fire"
}

// somewhere puts a sprite into the picture; nil when it is too large, or when
// it alone would stand just between left, middle and right.
func (w *World) somewhere(r *rand.Rand, s *sprite, alone bool) *thing {
	W, H := float64(w.w), float64(w.h)
	sw, sh := float64(s.img.Rect.Dx()), float64(s.img.Rect.Dy())
	if sw > .9*W || sh > .9*H {
		return nil
	}
	low := max(.45*sh, .12*H)
	x, y := .45*sw+r.Float64()*(W-.9*sw), low+r.Float64()*(H-.45*sh-low)
	if alone && (math.Abs(x/W-1./3) < .03 || math.Abs(x/W-2./3) < .03) {
		return nil
	}
	return &thing{sprite: s, x: x, y: y}
}

// rect is where the sprite lies when its centre is at (x, y).
func (t *thing) rect(x, y int) image.Rectangle {
	b := t.sprite.img.Rect
	return b.Add(image.Pt(x-b.Dx()/2, y-b.Dy()/2))
}

// hides says whether a and b share too much of the smaller one.
func hides(a, b image.Rectangle) bool {
	i := a.Intersect(b)
	area := func(r image.Rectangle) float64 { return float64(r.Dx()) * float64(r.Dy()) }
	return !i.Empty() && area(i) > .18*min(area(a), area(b))
}

// walkers are those who walk of themselves, and how fast they cross a picture.
var walkers = []struct {
	label   string
	seconds float32
}{
	{"person", 8}, {"person", 7}, {"dog", 6}, {"cat", 7}, {"cow", 9}, {"bicycle", 5}, {"car", 4.5}, {"truck", 5.5}, {"bus", 5.5}, {"bird", 5},
}

// send lets things walk: those of o.Walks, or some that r chooses, again and again.
func (w *World) send(o Opts, r *rand.Rand, ground int) error {
	walks, period := o.Walks, time.Duration(0)
	if walks == nil {
		at := seconds(uniform(r, 3, 5))
		for range 6 {
			who := walkers[r.IntN(len(walkers))]
			d := seconds(who.seconds * uniform(r, .8, 1.3))
			walks = append(walks, Walk{who.label, at, d, r.Float64() < .5})
			at += d + seconds(uniform(r, 3, 6))
		}
		period = at
	}
	c, err := newCast(r)
	if err != nil {
		return err
	}
	for _, walk := range walks {
		src, err := c.pick(walk.Label)
		if err != nil {
			return err
		}
		s := scaled(src, float64(w.h)*float64(uniform(r, .22, .42)), 1, !walk.Left)
		half, height := float64(s.img.Rect.Dx())/2, float64(s.img.Rect.Dy())
		way := &course{from: -half, to: float64(w.w) + half, start: walk.Start, duration: walk.Duration, period: period}
		if walk.Left {
			way.from, way.to = way.to, way.from
		}
		t := &thing{label: walk.Label, sprite: s, shadow: w.casts(walk.Label), walk: way}
		// The feet are on the ground; birds are anywhere.
		top := max(height, float64(ground)+.08*float64(w.h))
		switch walk.Label {
		case "bird":
			top, way.bob = height, .03*float64(w.h)
		case "person", "dog", "cat", "cow":
			way.bob = .008 * float64(w.h)
		}
		foot := top + r.Float64()*max(0, .96*float64(w.h)-top)
		t.y = foot - height/2
		w.things = append(w.things, t)
	}
	return nil
}

func seconds(s float32) time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// where returns the centre of t at a moment, and whether it is there at all.
func (t *thing) where(at time.Duration) (x, y int, there bool) {
	if t.walk == nil {
		return int(t.x), int(t.y), true
	}
	c := t.walk
	if c.period > 0 {
		at %= c.period
	}
	at -= c.start
	if at < 0 || at > c.duration {
		return 0, 0, false
	}
	f := float64(at) / float64(c.duration)
	step := c.bob * math.Abs(math.Sin(2*math.Pi*at.Seconds()))
	return int(math.Floor(c.from + (c.to-c.from)*f)), int(math.Floor(t.y - step)), true
}

// Draw returns the picture at a moment.
func (w *World) Draw(at time.Duration) *image.RGBA {
	dst := image.NewRGBA(image.Rect(0, 0, w.w, w.h))
	w.drawOn(newCanvas(w.w, w.h), dst, at)
	return dst
}

// drawOn draws the picture at a moment onto dst, by way of the canvas c.
func (w *World) drawOn(c *canvas, dst *image.RGBA, at time.Duration) {
	copy(c.pix, w.back.pix)
	for _, t := range w.things {
		x, y, there := t.where(at)
		if !there {
			continue
		}
		r := t.rect(x, y)
		if t.shadow {
			feet := t.sprite.solid.Add(r.Min)
			line, deep := min(w.h-1, feet.Max.Y), max(2, r.Dy()/14)
			c.darken(feet.Min.X, line-deep, feet.Max.X, line+deep, .82)
		}
		t.sprite.onto(c, r.Min.X, r.Min.Y)
	}
	if w.rain != nil {
		w.rain.onto(c, at)
	}
	w.expose(c, dst, at)
}

// expose lets the light fall on c and the sensor add its noise.
func (w *World) expose(c *canvas, dst *image.RGBA, at time.Duration) {
	tone := w.light.at(at)
	for y := range c.h {
		gain := tone.gain.times(w.light.flicker(at, float64(y)/float64(c.h)))
		grain := w.noise.row(at, y)
		src, row := c.pix[3*y*c.w:][:3*c.w], dst.Pix[y*dst.Stride:][:4*c.w]
		for x := range c.w {
			n := grain.at(x)
			for ch := range 3 {
				v := src[3*x+ch]*gain[ch] + tone.lift[ch] + n
				row[4*x+ch] = uint8(min(255, max(0, v)))
			}
			row[4*x+3] = 255
		}
	}
}
