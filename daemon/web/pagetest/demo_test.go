package pagetest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/health"
	"sensed/daemon/web"
)

// TestDemo looks at the demonstration: one program, one page for each test.
func TestDemo(t *testing.T) {
	d := startDemo(t)
	t.Run("boxes land where the API says", func(t *testing.T) { boxesLand(t, d) })
	t.Run("a transcript appears while a WAV plays", func(t *testing.T) { transcriptAppears(t, d) })
	t.Run("a switch changes the retained state", func(t *testing.T) { switchReachesBroker(t, d) })
	t.Run("an answer comes with its picture", func(t *testing.T) { answerComes(t, d) })
	t.Run("it fits a phone", func(t *testing.T) { fitsPhone(t, d) })
	t.Run("axe finds no serious fault", func(t *testing.T) { accessible(t, d) })
	t.Run("the keyboard is enough", func(t *testing.T) { keyboard(t, d) }) // the plots have begun by now
	t.Run("it is small and asks nobody else", func(t *testing.T) { smallAndAlone(t, d) })
	t.Run("the plots hold the numbers of the API", func(t *testing.T) { plotsHold(t, d) })
}

// drawn is what is drawn over the camera at a moment at which the API says the
// same before and after.
type drawn struct {
	Event  event.Event `json:"event"`
	Ratio  float64     `json:"ratio"`  // pixels of the canvas for one of the screen
	Canvas string      `json:"canvas"` // PNG as a data URL
}

// drawing returns what is drawn, and the objects that the API has; null when the
// picture changed meanwhile.
const drawing = `(async () => {
	const api = async () => (await (await fetch('api/v1/sources')).json()).sources.find((s) => s.sense === 'camera').objects
	const before = await api()
	const over = document.querySelector('.camera .over')
	const canvas = over.toDataURL()
	const after = await api()
	if (!before || before.id !== after.id || !before.objects.length) return null
	return { event: before, ratio: over.width / over.clientWidth, canvas }
})()`

func boxesLand(t *testing.T, d *demo) {
	p := look(t, d.url, 1000, 800)
	p.wait("document.querySelector('.camera .over')?.width > 0")
	var last error
	for end, good := time.Now().Add(patience), 0; good < 3; {
		if time.Now().After(end) {
			t.Fatalf("%d drawings were right, the last wrong one: %v", good, last)
		}
		raw := eval[*drawn](p, drawing)
		if raw == nil {
			continue
		}
		over := decodePNG(t, raw.Canvas)
		if blank(over) {
			continue // the picture under it is another one: nothing may be drawn
		}
		if err := misplaced(over, raw.Event.Objects, raw.Ratio); err != nil {
			last = err // the answer may have come between the two
			continue
		}
		good++
		// The same eyes see when a box is a little off.
		off := slices.Clone(raw.Event.Objects)
		off[0].Box[0] += 8 * raw.Ratio / float64(over.Bounds().Dx())
		if misplaced(over, off, raw.Ratio) == nil {
			t.Errorf("nobody would notice that %v is drawn 8 pixels beside its place", off[0])
		}
	}
}

func decodePNG(t *testing.T, url string) image.Image {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(url, "data:image/png;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func blank(img image.Image) bool {
	b := img.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			if _, _, _, a := img.At(x, y).RGBA(); a != 0 {
				return false
			}
		}
	}
	return true
}

// misplaced compares what is drawn with where boxes should be: each side of each
// box is painted, and nothing else is but their labels.
func misplaced(over image.Image, objects []event.Object, ratio float64) error {
	size := over.Bounds().Size()
	painted := func(x, y int) bool {
		_, _, _, a := over.At(min(max(x, 0), size.X-1), min(max(y, 0), size.Y-1)).RGBA()
		return a > 0xe000 // the dark edge around a box lets more through
	}
	edge := int(math.Ceil(2*ratio)) + 1
	allowed := func(x, y int) bool { return false }
	for _, o := range objects {
		x1, y1 := int(math.Round(o.Box[0]*float64(size.X))), int(math.Round(o.Box[1]*float64(size.Y)))
		x2, y2 := int(math.Round((o.Box[0]+o.Box[2])*float64(size.X))), int(math.Round((o.Box[1]+o.Box[3])*float64(size.Y)))
		for side, line := range map[string][4]int{"top": {x1, y1, x2, y1}, "bottom": {x1, y2, x2, y2}, "left": {x1, y1, x1, y2}, "right": {x2, y1, x2, y2}} {
			hit, all := 0, 0
			for x := line[0]; x <= line[2]; x++ {
				for y := line[1]; y <= line[3]; y++ {
					all++
					if painted(x, y) || painted(x-1, y) || painted(x, y-1) {
						hit++
					}
				}
			}
			if hit < all*95/100 {
				return fmt.Errorf("%s %v: of its %s side %d of %d pixels are painted", o.Label, o.Box, side, hit, all)
			}
		}
		label, before := int(19*ratio), allowed
		allowed = func(x, y int) bool {
			nearX, nearY := x >= x1-edge && x <= x2+edge, y >= y1-edge && y <= y2+edge
			frame := nearX && nearY && (x <= x1+edge || x >= x2-edge || y <= y1+edge || y >= y2-edge)
			// The label lies over the corner, or inside where there is no room, and moves
			// to the left at the right edge; it is as wide as its words.
			words := y >= y1-label && y <= y1+2+label && (y <= y1 || y1 < label)
			return frame || words || before(x, y)
		}
	}
	stray := 0
	for y := range size.Y {
		for x := range size.X {
			if _, _, _, a := over.At(x, y).RGBA(); a != 0 && !allowed(x, y) {
				stray++
			}
		}
	}
	if stray > 0 {
		return fmt.Errorf("%d pixels are painted where there is no box", stray)
	}
	return nil
}

func transcriptAppears(t *testing.T, d *demo) {
	p := look(t, d.url, 1000, 800)
	// Speech is marked in the row of levels, and afterwards its words are there that
	// the API has, too.
	p.wait("document.querySelector('.microphone .meter')?.classList.contains('speech')")
	p.wait("Number(document.querySelector('.microphone .meter').getAttribute('aria-valuenow')) > -40")
	id := eval[string](p, `new Promise((done) => {
		const first = document.querySelector('.said').lastChild
		const look = () => {
			const last = document.querySelector('.said').lastChild
			if (last && last !== first && last.getAttribute('aria-busy') === 'false') done(decodeURIComponent(last.querySelector('a').getAttribute('href').split('/').pop()))
		}
		new MutationObserver(look).observe(document.querySelector('.said'), { childList: true, subtree: true, attributes: true })
	})`)
	said := eval[string](p, fmt.Sprintf("document.querySelector('.said a[href$=%q]').previousSibling.textContent", id))
	var card web.Card
	fromAPI(p, "timeline/"+id, &card)
	if card.Text == "" || said != card.Text || card.Sense != "microphone" {
		t.Errorf("the page says %q, the API %q about what a %s has sensed", said, card.Text, card.Sense)
	}
}

// fromAPI asks the API as the page does.
func fromAPI(p *tab, path string, into any) {
	p.t.Helper()
	text := eval[string](p, fmt.Sprintf("fetch('api/v1/' + %q).then((r) => r.text())", path))
	if err := json.Unmarshal([]byte(text), into); err != nil {
		p.t.Fatalf("%s: %v in %s", path, err, text)
	}
}

func switchReachesBroker(t *testing.T, d *demo) {
	host, port, err := net.SplitHostPort(d.broker)
	if err != nil {
		t.Fatal(err)
	}
	const topic = "sensed/demo/camera/captioning/state"
	retained := func() string {
		out, err := exec.Command("mosquitto_sub", "-h", host, "-p", port, "-t", topic, "-C", "1", "-W", "30").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	p := look(t, d.url+"#/switches", 1000, 800)
	const box = "document.getElementById('switch-camera/captioning')"
	p.wait(box + " && document.querySelector('.node').textContent") // the stream has begun
	for _, want := range []string{"OFF", "ON"} {
		eval[bool](p, "("+box+".click(), true)")
		end := time.Now().Add(patience)
		for got := ""; got != want; got = retained() {
			if time.Now().After(end) {
				t.Fatalf("the retained state is %s after the switch was set to %s", got, want)
			}
		}
		p.wait(fmt.Sprintf("document.querySelector('.setting[data-value=%s] #switch-camera\\\\/captioning')", want))
		if on := eval[bool](p, box+".checked"); on != (want == "ON") {
			t.Errorf("the switch is drawn as %t after %s", on, want)
		}
	}
}

func plotsHold(t *testing.T, d *demo) {
	p := look(t, d.url+"#/health", 1000, 1200)
	p.wait("document.querySelector('[data-series=total_ms]')?.getAttribute('d')")
	// curve is a path that is drawn, and what the API says about the same time.
	type curve struct {
		Name string  `json:"name"`
		End  string  `json:"end"`
		Most float64 `json:"most"`
		D    string  `json:"d"`
	}
	type moment struct {
		Curves  []curve `json:"curves"`
		History struct {
			Hour struct {
				End    string                `json:"end"`
				Series map[string][]*float64 `json:"series"`
			} `json:"hour"`
		} `json:"history"`
	}
	var m moment
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		m = eval[moment](p, `fetch('api/v1/health/history').then((r) => r.json()).then((history) => ({ history, curves:
			[...document.querySelectorAll('.curve')].map((c) => ({ name: c.dataset.series, d: c.getAttribute('d') ?? '', most: Number(c.closest('figure').dataset.most), end: c.closest('figure').dataset.end })) }))`)
		if len(m.Curves) > 0 && m.Curves[0].End == m.History.Hour.End && len(m.History.Hour.Series["total_ms"]) > 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the plots never show what the API says")
		}
	}
	var all health.Curves
	fromAPI(p, "health/history", &struct{ Hour *health.Curves }{&all})
	shown := map[string]bool{}
	for _, c := range m.Curves {
		shown[c.Name] = true
		var want []float64
		for _, v := range m.History.Hour.Series[c.Name] {
			if v != nil {
				want = append(want, *v)
			}
		}
		got := heights(t, c.D, c.Most)
		if len(got) != len(want) {
			t.Errorf("%s: %d values are drawn, the API has %d", c.Name, len(got), len(want))
			continue
		}
		for i := range want {
			if math.Abs(got[i]-want[i]) > c.Most/140*0.01 {
				t.Errorf("%s: value %d is drawn as %v, the API says %v", c.Name, i, got[i], want[i])
			}
		}
	}
	for name := range all.Series {
		if !shown[name] {
			t.Errorf("%s is not drawn", name)
		}
	}
	kernelsTold(t, p)
}

// kernelsTold: the page says which kernel does what, as the API does.
func kernelsTold(t *testing.T, p *tab) {
	var m web.Model
	fromAPI(p, "model", &m)
	if len(m.Choices) == 0 {
		t.Error("the API names no kernels")
	}
	p.wait("document.querySelector('[data-table=kernels] tbody tr')")
	rows := eval[[][]string](p, "[...document.querySelectorAll('[data-table=kernels] tbody tr')].map((r) => [...r.children].map((c) => c.textContent))")
	for i, c := range m.Choices {
		want := []string{c.Operation, strings.Join(c.Weights, ", "), c.Kernel}
		if want[1] == "" {
			want[1] = "any"
		}
		if i >= len(rows) || !slices.Equal(rows[i], want) {
			t.Fatalf("row %d of the kernel table is not %q: %q", i, want, rows)
		}
	}
	if facts := eval[string](p, "document.querySelector('.facts').textContent"); !strings.Contains(facts, m.Kernels+" (in use)") && len(m.Table) > 1 {
		t.Errorf("the set in use is not named: %s", facts)
	}
}

// heights reads the values back from a path of a plot 140 high, whose top is most.
func heights(t *testing.T, d string, most float64) []float64 {
	t.Helper()
	var out []float64
	for step := range strings.FieldsFuncSeq(d, func(r rune) bool { return r == 'M' || r == 'L' }) {
		var x, y float64
		if _, err := fmt.Sscanf(step, "%f %f", &x, &y); err != nil {
			t.Fatalf("%q of the path %q: %v", step, d, err)
		}
		out = append(out, (140-y)/140*most)
	}
	return out
}

func answerComes(t *testing.T, d *demo) {
	p := look(t, d.url+"#/ask", 1000, 800)
	p.wait("document.querySelector('#ask-source option')")
	eval[bool](p, "(document.querySelector('[name=mode][value=detect]').click(), document.querySelector('form').requestSubmit(), true)")
	p.wait("document.querySelector('.answers [aria-busy=false]')")
	p.wait("document.querySelector('.answers img')?.naturalWidth > 0")
	if said := eval[string](p, "document.querySelector('.answers .words').className"); said != "words" {
		t.Errorf("an answer looks like %q: %s", said, eval[string](p, "document.querySelector('.answers').textContent"))
	}
}

// views are what the navigation leads to in the demonstration, which has no
// configuration file.
var views = []string{"live", "timeline", "ask", "health", "switches"}

func fitsPhone(t *testing.T, d *demo) {
	p := look(t, d.url, 360, 740)
	for _, v := range views {
		p.open(v)
		p.wait("document.querySelector('main').childElementCount > 1")
		if over := eval[[]string](p, `[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest('.scroll, .log, .stage, .skip, .hidden, svg')).map((e) => e.tagName + '.' + e.className)`); len(over) > 0 {
			t.Errorf("%s: these reach beyond a screen of 360 pixels: %v", v, over)
		}
		if wide := eval[int](p, "document.documentElement.scrollWidth"); wide > 360 {
			t.Errorf("%s: it is %d pixels wide", v, wide)
		}
	}
}

func smallAndAlone(t *testing.T, d *demo) {
	p := look(t, d.url, 1000, 800)
	p.wait("document.querySelector('.camera canvas')")
	for _, v := range append([]string{"config"}, views...) { // whose parts come when they are wanted
		p.open(v)
	}
	type resource struct {
		Name string `json:"name"`
		Size int    `json:"size"`
	}
	got := eval[[]resource](p, `[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((e) => ({ name: e.name, size: e.decodedBodySize }))`)
	total := 0
	for _, r := range got {
		rest, ours := strings.CutPrefix(r.Name, d.url)
		if !ours {
			t.Errorf("the page asks somebody else: %s", r.Name)
		}
		if !strings.HasPrefix(rest, "api/") {
			total += r.Size
		}
	}
	if total == 0 || total >= 200_000 {
		t.Errorf("the page takes %d bytes; at most 200000 are allowed", total)
	}
	t.Logf("the page is %d bytes in %d files and requests", total, len(got))
}
