package scene

import (
	"math/rand/v2"
)

// place is a kind of background.
type place struct {
	name   string
	weight float64 // how often the seed chooses it
	// paint draws it and returns the row of the horizon, above which nobody walks.
	paint func(c *canvas, r *rand.Rand) (horizon int)
	words [2]string // of a caption: with things, without
}

func places() []place {
	return []place{
		{"grass", .22, grass, [2]string{"on the grass", "An empty field"}},
		{"street", .22, street, [2]string{"on the street", "An empty street"}},
		{"room", .22, room, [2]string{"in a room", "An empty room"}},
		{"snow", .12, snow, [2]string{"in the snow", "An empty snow field"}},
		{"beach", .10, beach, [2]string{"on the beach", "An empty beach"}},
		{"plain", .12, plain, [2]string{"on a plain background", "A plain background"}},
	}
}

func placeNames() []string {
	var names []string
	for _, p := range places() {
		names = append(names, p.name)
	}
	return names
}

// choosePlace returns the place called name, or one that r draws.
func choosePlace(name string, r *rand.Rand) place {
	all := places()
	draw := r.Float64()
	for _, p := range all {
		if name == p.name || name == "" && draw < p.weight {
			return p
		}
		draw -= p.weight
	}
	return all[len(all)-1]
}

// shade varies c: each channel by up to a, and all together by up to a.
func shade(r *rand.Rand, c rgb, a float32) rgb {
	all := uniform(r, -a, a)
	for i := range c {
		c[i] = min(255, max(0, c[i]+uniform(r, -a, a)+all))
	}
	return c
}

// sky is blue, or grey.
func sky(r *rand.Rand) (top, bottom rgb) {
	if r.Float64() < .7 {
		return shade(r, rgb{90, 150, 225}, 18), shade(r, rgb{190, 220, 245}, 18)
	}
	return shade(r, rgb{150, 155, 165}, 18), shade(r, rgb{200, 203, 208}, 18)
}

// horizon of an open place.
func horizon(c *canvas, r *rand.Rand) int { return int(float32(c.h) * uniform(r, .2, .5)) }

func grass(c *canvas, r *rand.Rand) int {
	hz := horizon(c, r)
	top, bottom := sky(r)
	c.band(0, hz, top, bottom)
	c.band(hz, c.h, shade(r, rgb{95, 150, 60}, 18), shade(r, rgb{60, 120, 35}, 18))
	c.texture(r, hz, c.h, between(r, 1, 4), uniform(r, 5, 18))
	return hz
}

func snow(c *canvas, r *rand.Rand) int {
	hz := horizon(c, r)
	c.band(0, hz, shade(r, rgb{150, 170, 200}, 18), shade(r, rgb{205, 215, 230}, 18))
	c.band(hz, c.h, shade(r, rgb{228, 234, 242}, 8), shade(r, rgb{240, 244, 250}, 6))
	c.texture(r, hz, c.h, between(r, 3, 20), uniform(r, 2, 8))
	return hz
}

func beach(c *canvas, r *rand.Rand) int {
	hz := horizon(c, r)
	sand := hz + int(float32(c.h)*uniform(r, .08, .2))
	top, bottom := sky(r)
	c.band(0, hz, top, bottom)
	c.band(hz, sand, shade(r, rgb{30, 110, 170}, 18), shade(r, rgb{60, 160, 190}, 18))
	c.band(sand, c.h, shade(r, rgb{225, 200, 145}, 18), shade(r, rgb{205, 175, 115}, 18))
	c.texture(r, sand, c.h, between(r, 1, 5), uniform(r, 3, 10))
	return sand
}

func street(c *canvas, r *rand.Rand) int {
	hz := horizon(c, r)
	if r.Float64() < .5 {
		top, bottom := sky(r)
		c.band(0, hz, top, bottom)
	} else {
		c.band(0, hz, shade(r, rgb{170, 110, 90}, 40), shade(r, rgb{150, 100, 85}, 40))
	}
	for x := 0; x < c.w && r.Float64() < .95; {
		w := int(float32(c.w) * uniform(r, .1, .3))
		house(c, r, x, hz-int(float32(hz)*uniform(r, .3, 1)), x+w, hz)
		x += w + int(float32(c.w)*uniform(r, 0, .1))
	}
	curb := hz + int(float32(c.h)*uniform(r, .02, .08))
	pavement := shade(r, rgb{175, 170, 165}, 18)
	c.band(hz, curb, pavement, pavement)
	asphalt := gray(uniform(r, 75, 125))
	c.band(curb, c.h, asphalt, asphalt)
	c.texture(r, curb, c.h, between(r, 1, 4), uniform(r, 3, 9))

	y := int(float32(c.h) * uniform(r, .62, .9))
	thick := between(r, 3, 8)
	long := int(float32(c.w) * uniform(r, .06, .14))
	for x := r.IntN(long); x < c.w; x += 2 * long {
		c.rect(x, y, x+long, y+thick, gray(uniform(r, 190, 240)))
	}
	return curb
}

func house(c *canvas, r *rand.Rand, x0, y0, x1, y1 int) {
	wall := shade(r, rgb{140, 125, 115}, 50)
	c.rect(x0, y0, x1, y1, wall)
	for y := y0 + 6; y < y1-10; y += 22 {
		for x := x0 + 6; x < min(x1-10, c.w); x += 20 {
			c.rect(x, y, x+9, y+11, wall.times(.55))
		}
	}
}

func room(c *canvas, r *rand.Rand) int {
	hz := int(float32(c.h) * uniform(r, .5, .75))
	walls := []rgb{{215, 205, 185}, {190, 205, 215}, {220, 190, 180}, {195, 210, 185}, {225, 222, 215}}
	floors := []rgb{{150, 105, 65}, {120, 85, 55}, {175, 150, 120}, {130, 130, 135}}
	wall := shade(r, walls[r.IntN(len(walls))], 15)
	floor := shade(r, floors[r.IntN(len(floors))], 15)
	c.band(0, hz, wall, wall.times(.93))
	c.band(hz, c.h, floor.times(.9), floor.times(1.05))
	c.rect(0, hz-5, c.w, hz+3, wall.times(.75))
	for range r.IntN(3) { // windows, or pictures
		w, h := int(float32(c.w)*uniform(r, .1, .25)), int(float32(hz)*uniform(r, .25, .5))
		x, y := r.IntN(c.w-w), between(r, 5, max(6, hz-h-10))
		c.rect(x, y, x+w, y+h, wall.times(.6))
		c.rect(x+4, y+4, x+w-4, y+h-4, shade(r, rgb{170, 200, 225}, 40))
	}
	if r.Float64() < .5 { // boards
		step := between(r, 14, 40)
		for y := hz + step/2; y < c.h; y += step {
			c.darken(0, y, c.w, y+2, .85)
		}
	}
	c.texture(r, 0, c.h, 3, uniform(r, 0, 4))
	return hz
}

func plain(c *canvas, r *rand.Rand) int {
	colour := func() rgb { return rgb{uniform(r, 30, 230), uniform(r, 30, 230), uniform(r, 30, 230)} }
	c.band(0, c.h, colour(), colour())
	c.texture(r, 0, c.h, between(r, 2, 40), uniform(r, 0, 12))
	return 0
}
