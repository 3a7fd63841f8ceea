package scene

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"time"
)

// Truth is what a frame shows.
type Truth struct {
	// Place is grass, street, room, snow, beach or plain.
	Place string
	// Night is whether it is more dark than light.
	Night bool
	// Darkness is 0 by day, 1 at night, and between at dusk.
	Darkness float64
	// Objects are the things in the picture, from left to right.
	Objects []Object

	words [2]string // of the place: with things, without
}

// Object is a thing in the picture.
type Object struct {
	Label string
	// Box is [y1, x1, y2, x2] on a grid of 1000 by 1000 over the frame, cut at
	// its edges.
	Box [4]int
	// Visible is the share of the thing that lies inside the frame, above 0. What stands
	// before it is not taken off.
	Visible float64
	// Moving says that it walks.
	Moving bool
}

// Truth says what the picture at a moment shows.
func (w *World) Truth(at time.Duration) Truth {
	d := w.light.darkness(at)
	t := Truth{Place: w.place.name, Night: d > .5, Darkness: float64(d), words: w.place.words}
	frame := image.Rect(0, 0, w.w, w.h)
	for _, th := range w.things {
		x, y, there := th.where(at)
		if !there {
			continue
		}
		solid := th.sprite.solid.Add(th.rect(x, y).Min)
		seen := solid.Intersect(frame)
		if seen.Empty() {
			continue
		}
		grid := func(v, of int) int { return int(math.Round(1000 * float64(v) / float64(of))) }
		t.Objects = append(t.Objects, Object{
			Label:   th.label,
			Box:     [4]int{grid(seen.Min.Y, w.h), grid(seen.Min.X, w.w), grid(seen.Max.Y, w.h), grid(seen.Max.X, w.w)},
			Visible: float64(seen.Dx()*seen.Dy()) / float64(solid.Dx()*solid.Dy()),
			Moving:  th.walk != nil,
		})
	}
	slices.SortStableFunc(t.Objects, func(a, b Object) int { return a.Box[1] + a.Box[3] - b.Box[1] - b.Box[3] })
	return t
}

// Moving says whether anything in the picture moves.
func (t Truth) Moving() bool {
	return slices.ContainsFunc(t.Objects, func(o Object) bool { return o.Moving })
}

// Caption describes the picture in the words of the demonstration model, which
// knows one sentence for each scene. Things of which less than a half is in
// the picture are left out.
func (t Truth) Caption() string {
	night := "."
	if t.Night {
		night = " at night."
	}
	count := map[string]int{}
	var only Object
	n := 0
	for _, o := range t.Objects {
		if o.Visible >= .5 {
			count[o.Label]++
			only = o
			n++
		}
	}
	if n == 0 {
		return t.words[1] + night
	}
	var parts []string
	for _, l := range labels {
		if k := count[l]; k > 0 {
			parts = append(parts, amount(k)+" "+plural(l, k))
		}
	}
	last := len(parts) - 1
	s := parts[last]
	if last > 0 {
		s = strings.Join(parts[:last], ", ") + " and " + s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if n == 1 {
		switch x := only.Box[1] + only.Box[3]; { // twice the centre
		case 3*x < 2000:
			s += " on the left,"
		case 3*x > 4000:
			s += " on the right,"
		default:
			s += " in the middle,"
		}
	}
	return s + " " + t.words[0] + night
}

func amount(n int) string {
	words := []string{"", "a", "two", "three", "four", "five"}
	if n < len(words) {
		return words[n]
	}
	return fmt.Sprint(n)
}

func plural(label string, n int) string {
	switch {
	case n == 1:
		return label
	case label == "person":
		return "people"
	case label == "bus":
		return "buses"
	}
	return label + "s"
}
