package scene

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func world(t testing.TB, o Opts) *World {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s.World()
}

func open(t *testing.T, o Opts) devices.Camera {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	cam, err := s.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return cam
}

func TestConformance(t *testing.T) {
	for _, script := range scripts {
		devicetest.Camera(t, string(script), func(t *testing.T) devices.Camera {
			return open(t, Opts{Seed: 3, Script: script, Width: 160, Height: 120, Clock: devicetest.NewClock(start)})
		}, devicetest.CameraOpts{})
	}
	devicetest.Camera(t, "by the clock of the board", func(t *testing.T) devices.Camera {
		return open(t, Opts{FPS: 50, Width: 160, Height: 120})
	}, devicetest.CameraOpts{Frames: 3})
}

// The same seed and clock give the same pixels; another seed gives others.
func TestDeterministic(t *testing.T) {
	shoot := func(seed uint64, script Script) []byte {
		cam := open(t, Opts{Seed: seed, Script: script, Clock: devicetest.NewClock(start), FPS: 1})
		defer cam.Close()
		var all []byte
		for range 3 {
			f, err := cam.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f.Image.(*image.RGBA).Pix...)
		}
		return all
	}
	for _, script := range scripts {
		if a := shoot(7, script); !bytes.Equal(a, shoot(7, script)) {
			t.Errorf("%s: the same seed drew two scenes", script)
		} else if bytes.Equal(a, shoot(8, script)) {
			t.Errorf("%s: two seeds drew the same scene", script)
		}
	}
}

func TestFramesKeepTime(t *testing.T) {
	cam := open(t, Opts{FPS: 4, Clock: devicetest.NewClock(start)})
	defer cam.Close()
	for i := range 5 {
		f, err := cam.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if want := start.Add(time.Duration(i) * time.Second / 4); !f.Time.Equal(want) || f.Seq != uint64(i+1) || f.Name != "" {
			t.Errorf("frame %d: %v, %d, %q", i, f.Time, f.Seq, f.Name)
		}
	}
}

// box finds what two pictures have different.
func box(a, b *image.RGBA, tol int) image.Rectangle {
	var r image.Rectangle
	for y := range a.Rect.Dy() {
		for x := range a.Rect.Dx() {
			i := a.PixOffset(x, y)
			for ch := range 3 {
				if d := int(a.Pix[i+ch]) - int(b.Pix[i+ch]); d > tol || d < -tol {
					r = r.Union(image.Rect(x, y, x+1, y+1))
				}
			}
		}
	}
	return r
}

// Each true box encloses what the thing changes in the picture.
func TestTrueBoxes(t *testing.T) {
	for i, label := range labels {
		place := []string{"plain", "grass"}[i%2]
		o := Opts{Seed: uint64(i), Place: place, Things: []string{label}}
		draw := func() (*image.RGBA, Truth) {
			w := world(t, o)
			w.noise = noise{table: make([]float32, noiseTable)}
			for _, th := range w.things {
				th.shadow = false
			}
			return w.Draw(0), w.Truth(0)
		}
		with, truth := draw()
		o.Things = []string{}
		without, _ := draw()
		if len(truth.Objects) != 1 || truth.Objects[0].Label != label {
			t.Fatalf("%s: the truth has %v", label, truth.Objects)
		}
		got, want := box(with, without, 8), truth.Objects[0].Box
		px := image.Rect(want[1]*640/1000, want[0]*480/1000, want[3]*640/1000, want[2]*480/1000)
		for _, d := range []int{got.Min.X - px.Min.X, got.Min.Y - px.Min.Y, got.Max.X - px.Max.X, got.Max.Y - px.Max.Y} {
			// Parts of a thing may have the colour of the ground behind it.
			if d > 4 || d < -4 {
				t.Errorf("%s on %s: pixels change in %v, the truth says %v", label, place, got, px)
				break
			}
		}
	}
}

func TestStillIsStill(t *testing.T) {
	for seed := range uint64(8) {
		w := world(t, Opts{Seed: seed})
		if !slices.Equal(w.Truth(0).Objects, w.Truth(time.Hour).Objects) || w.Truth(0).Moving() {
			t.Errorf("seed %d: the truth changes", seed)
		}
		// The noise has a standard deviation of 4 at most.
		a, b := w.Draw(0), w.Draw(time.Second)
		if bytes.Equal(a.Pix, b.Pix) {
			t.Errorf("seed %d: the noise stands still", seed)
		}
		if r := box(a, b, 45); !r.Empty() {
			t.Errorf("seed %d: pixels change in %v", seed, r)
		}
	}
}

func TestWalks(t *testing.T) {
	o := Opts{Seed: 5, Script: Walks, Place: "grass", Things: []string{}, Walks: []Walk{
		{Label: "dog", Start: 2 * time.Second, Duration: 4 * time.Second},
		{Label: "car", Start: 8 * time.Second, Duration: 2 * time.Second, Left: true},
	}}
	w := world(t, o)
	at := func(s float64) Truth { return w.Truth(time.Duration(s * float64(time.Second))) }
	for _, s := range []float64{0, 1.9, 6.1, 7.9, 10.1, 100} {
		if tr := at(s); len(tr.Objects) != 0 || tr.Moving() {
			t.Errorf("at %v s there is %v", s, tr.Objects)
		}
	}
	centre := func(s float64, label string) int {
		tr := at(s)
		if len(tr.Objects) != 1 || tr.Objects[0].Label != label || !tr.Moving() {
			t.Fatalf("at %v s there is %v, want a %s", s, tr.Objects, label)
		}
		return (tr.Objects[0].Box[1] + tr.Objects[0].Box[3]) / 2
	}
	if a, b, c := centre(3, "dog"), centre(4, "dog"), centre(5, "dog"); a >= b || b >= c || math.Abs(float64(b-500)) > 20 {
		t.Errorf("the dog goes over %d, %d, %d, want to the right, in the middle at half time", a, b, c)
	}
	if a, b := centre(8.5, "car"), centre(9.5, "car"); a <= b {
		t.Errorf("the car goes over %d, %d, want to the left", a, b)
	}
	if v := at(2.2).Objects[0].Visible; v <= 0 || v >= 1 {
		t.Errorf("while it enters %v of the dog are visible", v)
	}
	if r := box(w.Draw(4*time.Second), w.Draw(4500*time.Millisecond), 60); r.Dx() < 60 {
		t.Errorf("the walking dog changes pixels only in %v", r)
	}
}

// What the seed lets walk comes again and again, with pauses.
func TestSeededWalksGoOn(t *testing.T) {
	w := world(t, Opts{Seed: 11, Script: Walks})
	for _, from := range []time.Duration{0, time.Hour} {
		moving, quiet := 0, 0
		for i := range 240 {
			if w.Truth(from + time.Duration(i)*time.Second/2).Moving() {
				moving++
			} else {
				quiet++
			}
		}
		if moving < 40 || quiet < 40 {
			t.Errorf("from %v on: %d half seconds with motion, %d without", from, moving, quiet)
		}
	}
}

func brightness(img *image.RGBA) float64 {
	sum := 0
	for i := 0; i < len(img.Pix); i += 4 {
		sum += int(img.Pix[i]) + int(img.Pix[i+1]) + int(img.Pix[i+2])
	}
	return float64(sum) / float64(len(img.Pix)/4*3)
}

func TestDusk(t *testing.T) {
	w := world(t, Opts{Seed: 4, Script: Dusk, Place: "grass"})
	last := math.Inf(1)
	for s := 15; s <= 30; s += 3 {
		b := brightness(w.Draw(time.Duration(s) * time.Second))
		if b >= last {
			t.Errorf("at %d s the brightness is %.1f after %.1f", s, b, last)
		}
		last = b
	}
	for s, night := range map[int]bool{0: false, 14: false, 31: true, 44: true, 59: false, 60: false, 95: true} {
		if tr := w.Truth(time.Duration(s) * time.Second); tr.Night != night || tr.Moving() {
			t.Errorf("at %d s night is %v", s, tr.Night)
		}
	}
	inverse := world(t, Opts{Seed: 4, Script: Dusk, Place: "grass", Night: true})
	if !inverse.Truth(0).Night || inverse.Truth(35*time.Second).Night {
		t.Error("Night does not begin at night")
	}
}

func TestFlicker(t *testing.T) {
	w := world(t, Opts{Seed: 4, Script: Flicker, Place: "snow", Things: []string{"dog"}})
	steady := world(t, Opts{Seed: 4, Place: "snow", Things: []string{"dog"}})
	ratio := func(at time.Duration) float64 { return brightness(w.Draw(at)) / brightness(steady.Draw(at)) }
	if r := ratio(time.Second); math.Abs(r-1) > .1 {
		t.Errorf("with the lamp the brightness is %.2f of the steady one", r)
	}
	if r := ratio(6900 * time.Millisecond); r > .75 {
		t.Errorf("while the lamp fails the brightness is %.2f", r)
	}
	if w.Truth(time.Second).Moving() {
		t.Error("flicker is no motion")
	}
	if w.light.flicker(0, 0) == w.light.flicker(0, .2) || w.light.flicker(0, 0) == w.light.flicker(time.Second/5, 0) {
		t.Error("the stripes do not show")
	}
}

func TestNightIsDark(t *testing.T) {
	for seed := range uint64(6) {
		day, night := world(t, Opts{Seed: seed}), world(t, Opts{Seed: seed, Night: true})
		if d, n := brightness(day.Draw(0)), brightness(night.Draw(0)); n > .75*d || !night.Truth(0).Night || day.Truth(0).Night {
			t.Errorf("seed %d: brightness %.0f at day and %.0f at night", seed, d, n)
		}
		if !slices.Equal(day.Truth(0).Objects, night.Truth(0).Objects) {
			t.Errorf("seed %d: the night moves things", seed)
		}
	}
}

// The seeds give every place, every thing and every number of things.
func TestVariety(t *testing.T) {
	place, thing, number := map[string]int{}, map[string]int{}, map[int]int{}
	for seed := range uint64(120) {
		tr := world(t, Opts{Seed: seed, Width: 96, Height: 72}).Truth(0)
		place[tr.Place]++
		number[len(tr.Objects)]++
		for _, o := range tr.Objects {
			thing[o.Label]++
			if o.Box[0] < 0 || o.Box[1] < 0 || o.Box[2] > 1000 || o.Box[3] > 1000 || o.Box[0] >= o.Box[2] || o.Box[1] >= o.Box[3] || o.Visible <= 0 || o.Visible > 1 {
				t.Errorf("seed %d: %+v", seed, o)
			}
		}
	}
	if len(place) != len(places()) || len(thing) != len(labels) || len(number) != 5 {
		t.Errorf("places %v, things %v, numbers %v", place, thing, number)
	}
}

func TestThingsAllFindAPlace(t *testing.T) {
	for seed := range uint64(20) {
		want := []string{"bus", "bus", "cow", "tree", "tree", "car"}
		tr := world(t, Opts{Seed: seed, Things: want, Width: 160, Height: 120}).Truth(0)
		var got []string
		for _, o := range tr.Objects {
			got = append(got, o.Label)
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"bus", "bus", "car", "cow", "tree", "tree"}) {
			t.Errorf("seed %d: %v", seed, got)
		}
	}
}

func TestCaption(t *testing.T) {
	grass, street := places()[0].words, places()[1].words
	at := func(label string, x int) Object {
		return Object{Label: label, Box: [4]int{100, x - 50, 300, x + 50}, Visible: 1}
	}
	tests := []struct {
		truth Truth
		want  string
	}{
		{Truth{words: grass}, "An empty field."},
		{Truth{words: street, Night: true}, "An empty street at night."},
		{Truth{words: grass, Objects: []Object{at("dog", 200)}}, "A dog on the left, on the grass."},
		{Truth{words: grass, Objects: []Object{at("dog", 500)}}, "A dog in the middle, on the grass."},
		{Truth{words: street, Night: true, Objects: []Object{at("bus", 700)}}, "A bus on the right, on the street at night."},
		{Truth{words: street, Objects: []Object{at("tree", 100), at("person", 200), at("bus", 600), at("person", 800)}}, "Two people, a bus and a tree on the street."},
		{Truth{words: street, Objects: []Object{at("bus", 100), at("bus", 300), at("bus", 600)}}, "Three buses on the street."},
		{Truth{words: grass, Objects: []Object{at("dog", 200), {Label: "cat", Box: [4]int{0, 990, 100, 1000}, Visible: .2}}}, "A dog on the left, on the grass."},
	}
	for _, tt := range tests {
		if got := tt.truth.Caption(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestTruthOfCamera(t *testing.T) {
	o := Opts{Seed: 5, Script: Walks, Things: []string{}, Walks: []Walk{{Label: "dog", Start: time.Second, Duration: 3 * time.Second}}, FPS: 1, Clock: devicetest.NewClock(start)}
	cam := open(t, o).(*Camera)
	defer cam.Close()
	var got []int
	for range 6 {
		f, err := cam.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, len(cam.Truth(f.Time).Objects))
	}
	if want := []int{0, 0, 1, 1, 0, 0}; !slices.Equal(got, want) { // at the edges nothing is visible
		t.Errorf("things in the frames: %v, want %v", got, want)
	}
}

func TestRefused(t *testing.T) {
	for want, o := range map[string]Opts{
		"size is 10x480":         {Width: 10},
		"size is 640x9999":       {Height: 9999},
		"fps is -1":              {FPS: -1},
		"fps is NaN":             {FPS: math.NaN()},
		`no script "party"`:      {Script: "party"},
		`no place "moon"`:        {Place: "moon"},
		`no thing "unicorn"`:     {Things: []string{"dog", "unicorn"}},
		"7 things are too many":  {Things: make([]string, 7)},
		`walk 1: there is no`:    {Script: Walks, Walks: []Walk{{Label: "x", Duration: time.Second}}},
		"walk 1 starts at -1s":   {Script: Walks, Walks: []Walk{{Label: "dog", Start: -time.Second, Duration: time.Second}}},
		"walk 1 starts at 0s an": {Script: Walks, Walks: []Walk{{Label: "dog"}}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "scene: ") {
			t.Errorf("New(%+v): err = %v, want %q", o, err, want)
		}
	}
}

func TestString(t *testing.T) {
	s, err := New(Opts{Seed: 9, Place: "beach"})
	if err != nil || s.String() != "scene 9 (beach, still, 640x480)" {
		t.Errorf("%q, %v", s, err)
	}
}

// Every label has sprites, every sprite a label, and they stay small.
func TestSprites(t *testing.T) {
	var total int64
	seen := map[string]bool{}
	err := fs.WalkDir(spriteFiles, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		label, _, _ := strings.Cut(d.Name(), "-")
		if !slices.Contains(labels, label) {
			return fmt.Errorf("%s is no label", path)
		}
		seen[label] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != len(labels) || total > 400<<10 {
		t.Errorf("%d labels have sprites, of %d; they take %d bytes", len(seen), len(labels), total)
	}
}

func TestScaledMirrors(t *testing.T) {
	src := image.NewNRGBA(image.Rect(0, 0, 20, 10))
	for y := range 10 {
		for x := range 10 {
			src.SetNRGBA(x, y, color.NRGBA{255, 0, 0, 255})
		}
	}
	s, m := scaled(src, 40, 1, false), scaled(src, 40, 1, true)
	if s.solid.Min.X != 0 || s.solid.Max.X > 22 || m.solid.Max.X != 40 || m.solid.Min.X < 18 || s.img.Rect != image.Rect(0, 0, 40, 20) {
		t.Errorf("%v, mirrored %v, in %v", s.solid, m.solid, s.img.Rect)
	}
}

// Rain changes a little of the picture, each time elsewhere; what walks in it is known.
func TestRain(t *testing.T) {
	w := world(t, Opts{Seed: 5, Script: Rain, Things: []string{}, Walks: []Walk{{Label: "dog", Start: 2 * time.Second, Duration: 4 * time.Second}}})
	dry := world(t, Opts{Seed: 5, Things: []string{}})
	changed := func(a, b *image.RGBA) float64 {
		n := 0
		for i := 0; i < len(a.Pix); i += 4 {
			if d := int(a.Pix[i+1]) - int(b.Pix[i+1]); d > 24 || d < -24 {
				n++
			}
		}
		return float64(n) / float64(len(a.Pix)/4)
	}
	if share := changed(w.Draw(0), w.Draw(200*time.Millisecond)); share < 0.001 || share > 0.05 {
		t.Errorf("rain changes %.2f%% of the picture", 100*share)
	}
	if share := changed(dry.Draw(0), dry.Draw(200*time.Millisecond)); share > 0.0005 {
		t.Errorf("without rain %.2f%% of the picture change", 100*share)
	}
	if w.Truth(time.Second).Moving() || !w.Truth(4*time.Second).Moving() {
		t.Error("the dog in the rain is not where it should be")
	}
	if !bytes.Equal(w.Draw(time.Second).Pix, w.Draw(time.Second).Pix) {
		t.Error("the same moment looks different")
	}
}

// Who only glances costs no memory.
func TestGlancesAllocateNothing(t *testing.T) {
	for _, script := range scripts {
		cam := open(t, Opts{Script: script, Clock: devicetest.NewClock(start), Width: 160, Height: 120}).(devices.Glancer)
		glance := func() {
			if _, err := cam.Glance(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		glance()
		if n := testing.AllocsPerRun(20, glance); n != 0 {
			t.Errorf("%s: %v allocations", script, n)
		}
		cam.Close()
	}
}
