package pagetest

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sensed/daemon/command"
	"sensed/daemon/event"
	"sensed/daemon/health"
	"sensed/daemon/web"
)

// hostile is a text that would show if anything took it for markup.
const hostile = `<img src=x onerror="window.taken=1"><script>window.taken=1</script>"'><svg onload=window.taken=1>`

// stage is a page without a daemon behind it: a test says what happens.
type stage struct {
	web.Options
	server *web.Server
	stop   context.CancelFunc
}

// perform serves a page of some sources.
func perform(t *testing.T, sources ...web.Source) *stage {
	t.Helper()
	s := &stage{Options: web.Options{
		Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Node:     func() web.Node { return web.Node{Node: "stage", Program: "1", Boot: "1", Now: time.Now()} },
		Sources:  func() []web.Source { return sources },
		Switches: func() []command.Setting { return nil },
		Command: func(context.Context, command.Request) (command.Reply, bool) {
			return command.Reply{Status: event.Done, Text: "yes"}, true
		},
		Health: doctor{}, Model: func() web.Model { return web.Model{} }, Lines: func() []web.Line { return nil },
	}}
	s.serve(t)
	t.Cleanup(func() { s.close(t) })
	return s
}

// serve begins as a daemon does: knowing nothing of what was before.
func (s *stage) serve(t *testing.T) {
	t.Helper()
	s.Hub = web.NewHub(web.HubOptions{Cards: 100, Bytes: 1 << 20, Log: s.Log})
	s.Hub.Begin(s.Sources())
	var err error
	if s.server, err = web.Serve(s.Options); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	go s.Hub.Run(ctx)
}

// close ends the page as a daemon that stops.
func (s *stage) close(t *testing.T) {
	t.Helper()
	s.stop()
	if err := s.server.Close(); err != nil {
		t.Error(err)
	}
}

// doctor says that the node is well.
type doctor struct{}

func (doctor) Snapshot() health.Snapshot {
	return health.Snapshot{Problems: []string{hostile}, Sources: []health.Source{{Name: hostile, State: "ok", Why: hostile}}, Queue: health.Queue{Drops: []health.Drop{{Source: hostile, Task: hostile, Reason: hostile}}}}
}

func (doctor) Past() (hour, day health.Curves) { return health.Curves{}, health.Curves{} }

func camera(name string) web.Source { return web.Source{Name: name, Sense: "camera", State: "ok"} }

// seen is an event of a camera.
func seen(id, source string, kind event.Kind, change func(*event.Event)) event.Event {
	e := event.Event{Version: event.Version, ID: id, Kind: kind, Node: "stage", Source: source, Time: time.Now(), Status: event.Done}
	change(&e)
	return e
}

func picture() web.Picture {
	img := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range img.Pix {
		img.Pix[i] = uint8(4 * (i % 64))
	}
	return web.Picture{Image: img, Width: 64, Height: 48, Time: time.Now()}
}

// TestHostileWordsStayText puts markup wherever words come from outside.
func TestHostileWordsStayText(t *testing.T) {
	eye, ear := camera(hostile), web.Source{Name: "ear" + hostile, Sense: "microphone", State: "failed", Why: hostile}
	s := perform(t, eye, ear)
	s.close(t)
	s.Options.Node = func() web.Node { return web.Node{Node: hostile, Program: hostile, Model: hostile} }
	s.Options.Switches = func() []command.Setting {
		return []command.Setting{{Spec: command.Spec{Source: hostile, Name: command.Switch(hostile), Kind: command.Text, Unit: hostile, MaxBytes: 1000}, Value: hostile}}
	}
	s.Options.Command = func(context.Context, command.Request) (command.Reply, bool) {
		return command.Reply{Status: event.Done, Text: hostile, Objects: []event.Object{{Label: hostile, Box: [4]float64{0, 0, 1, 1}}}}, true
	}
	s.Options.Lines = func() []web.Line {
		return []web.Line{{Level: "INFO", Message: hostile, Attrs: [][2]string{{hostile, hostile}}}}
	}
	s.Options.Model = func() web.Model { return web.Model{Name: hostile, Kernels: hostile} }
	s.serve(t)
	s.Hub.Event(seen("a", eye.Name, event.Caption, func(e *event.Event) { e.Text, e.Task = hostile, hostile }))
	s.Hub.Event(seen("a", eye.Name, event.Objects, func(e *event.Event) {
		e.Objects = []event.Object{{Label: hostile, Box: [4]float64{0.1, 0.1, 0.5, 0.5}, Score: 0.5}}
	}))
	s.Hub.Event(seen("b", ear.Name, event.Transcript, func(e *event.Event) { e.Text = hostile }))
	s.Hub.Event(seen("c", eye.Name, event.Caption, func(e *event.Event) { e.Status, e.Error = event.Faulty, hostile }))

	p := look(t, s.server.URL(), 1000, 800)
	words := fmt.Sprintf("document.body.textContent.includes(%q)", hostile)
	clean := func(view string) {
		t.Helper()
		p.wait(words)
		if n := eval[int](p, `document.querySelectorAll('img[src="x"], script:not([src="app.js"], [src="start.js"]), svg[onload], [onerror]').length`); n > 0 {
			t.Errorf("%s: %d elements came out of a text", view, n)
		}
		if eval[bool](p, "window.taken === 1") {
			t.Errorf("%s: a text was run", view)
		}
	}
	p.wait("document.querySelector('.camera .words')?.textContent.length > 20")
	clean("live")
	p.wait("document.querySelector('.said li')")
	clean("live with a transcript")
	for _, v := range []string{"timeline", "timeline/a", "switches", "health"} {
		p.open(v)
		p.wait("document.querySelectorAll('main *').length > 6")
		clean(v)
	}
	p.open("ask")
	p.wait("document.querySelector('#ask-source option')")
	eval[bool](p, "(document.querySelector('#ask-question').value = 'x', document.querySelector('form').requestSubmit(), true)")
	p.wait("document.querySelector('.answers [aria-busy=false]')")
	clean("ask")
}

// TestCardChangesInPlace: the words of an event come into the card that its
// announcement made.
func TestCardChangesInPlace(t *testing.T) {
	eye := camera("door")
	eye.Tasks = []web.Task{{Name: "caption", Kind: "caption"}}
	s := perform(t, eye)
	yes := true
	announce := func(id string) {
		s.Hub.Event(seen(id, "door", event.Motion, func(e *event.Event) { e.Status, e.Active = event.Announced, &yes }))
	}
	announce("one")
	p := look(t, s.server.URL()+"#/timeline", 1000, 800)
	p.wait("document.querySelector('#event-one[aria-busy=true]')")
	announce("two")
	p.wait("document.querySelectorAll('.events > li').length === 2 && document.querySelector('.events > li').id === 'event-two'")
	eval[bool](p, "(window.card = document.querySelector('#event-one'), true)")
	s.Hub.Event(seen("one", "door", event.Caption, func(e *event.Event) { e.Text = "A dog at the door." }))
	p.wait("window.card.isConnected && window.card.querySelector('.words')?.textContent === 'A dog at the door.'")
	p.wait("document.querySelectorAll('.events > li').length === 2")

	// Filters are in the address, and an address is a filter.
	eval[bool](p, "((f) => (f.value = 'dog', f.dispatchEvent(new Event('input')), true))(document.querySelector('[type=search]'))")
	p.wait("location.hash === '#/timeline?text=dog' && document.querySelectorAll('.events > li').length === 1")
	announce("three")
	s.Hub.Event(seen("three", "door", event.Caption, func(e *event.Event) { e.Text = "A cat." }))
	s.Hub.Event(seen("four", "door", event.Caption, func(e *event.Event) { e.Text = "Another dog." }))
	p.wait("document.querySelector('#event-four')")
	if eval[bool](p, "document.querySelector('#event-three') !== null") {
		t.Error("what does not fit the filter came in while it happened")
	}
	p = look(t, s.server.URL()+"#/timeline/four", 1000, 800)
	p.wait("document.querySelector('.one .words')?.textContent === 'Another dog.'")
	p.open("timeline/nothing")
	p.wait("document.querySelector('.one .empty')")
}

// TestWordsGrow: a transcript is shown while it is written, and then as it is.
func TestWordsGrow(t *testing.T) {
	s := perform(t, web.Source{Name: "hall", Sense: "microphone", State: "ok"})
	p := look(t, s.server.URL(), 1000, 800)
	p.wait("document.querySelector('.microphone') && !document.body.classList.contains('gone')")
	for write := s.Hub.Writing("hall", "w", event.Transcript); ; {
		if write == nil {
			time.Sleep(10 * time.Millisecond) // until the page reads along
			write = s.Hub.Writing("hall", "w", event.Transcript)
			continue
		}
		write("turn on")
		p.wait("document.querySelector('.said .growing p')?.textContent === 'turn on'")
		write(" the light")
		p.wait("document.querySelector('.said .growing p')?.textContent === 'turn on the light'")
		break
	}
	s.Hub.Event(seen("w", "hall", event.Transcript, func(e *event.Event) { e.Text = "turn on the lights" }))
	p.wait("document.querySelectorAll('.said li').length === 1 && document.querySelector('.said li:not(.growing) p')?.textContent === 'turn on the lights'")
}

// TestThermalColours: the grey picture of a thermal camera is coloured, from dark
// blue to light yellow, with a scale; motion is shown where it is, masks are grey.
func TestThermalColours(t *testing.T) {
	eye := camera("roof")
	eye.Thermal = true
	eye.Masks = []web.Polygon{{{0, 0.8}, {0.3, 0.8}, {0.3, 1}, {0, 1}}}
	s := perform(t, eye)
	p := look(t, s.server.URL(), 1000, 800)
	eval[bool](p, "(localStorage.setItem('sensed.layers', JSON.stringify({ heat: true })), true)")
	p.reload()
	p.wait("document.querySelector('.camera')")
	const ends = `(() => {
		const c = document.querySelector('.camera .picture')
		const at = (x) => [...c.getContext('2d').getImageData(x, c.height / 2, 1, 1).data].slice(0, 3)
		return [at(1), at(c.width - 2)]
	})()`
	end := time.Now().Add(patience)
	for {
		show := picture()
		show.Moving, show.Thermal = true, &web.Scale{Min: 18.5, Max: 36}
		show.Heat = &web.Heat{Width: 2, Height: 1, Cells: []byte{0, 255}}
		s.Hub.Show("roof", show)
		if eval[bool](p, "document.querySelector('.camera .veil')?.hidden === true") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the picture never comes")
		}
		time.Sleep(20 * time.Millisecond)
	}
	for i, c := range eval[[][3]uint8](p, ends) {
		got := color.RGBA{c[0], c[1], c[2], 255}
		want := []color.RGBA{{0, 0, 20, 255}, {255, 255, 230, 255}}[i]
		if distance(got, want) > 90 {
			t.Errorf("end %d of the picture is %v, want about %v", i, got, want)
		}
	}
	p.wait("document.querySelector('.scale').textContent === '18.5 °C36.0 °C'")
	alpha := eval[[3]int](p, `(() => {
		const c = document.querySelector('.camera .over')
		const at = (x, y) => c.getContext('2d').getImageData(x, y, 1, 1).data[3]
		return [at(2, c.height / 2), at(c.width - 3, c.height / 2), at(c.width / 10, c.height * 0.9)]
	})()`)
	if alpha[0] > 20 || alpha[1] < 100 || alpha[2] < 100 {
		t.Errorf("what is drawn over it has the strengths %v: at the left, where nothing moves; at the right, where all does; below at the left, which is masked", alpha)
	}
}

func distance(a, b color.RGBA) int {
	d := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return d(a.R, b.R) + d(a.G, b.G) + d(a.B, b.B)
}

// TestGoneAndBack: the page says when the daemon is away, and comes back by itself.
func TestGoneAndBack(t *testing.T) {
	s := perform(t, camera("door"))
	s.Listen = free(t)
	s.close(t)
	s.serve(t)
	p := look(t, s.server.URL(), 1000, 800)
	p.wait("document.querySelector('.camera') && document.querySelector('.banner').hidden")
	s.close(t)
	p.wait("!document.querySelector('.banner').hidden && document.querySelector('.banner').textContent")
	faults(t, p, "a page whose daemon is gone")
	s.serve(t)
	s.Hub.Event(seen("back", "door", event.Caption, func(e *event.Event) { e.Text = "It is back." }))
	p.wait("document.querySelector('.banner').hidden && document.querySelector('.camera .words').textContent === 'It is back.'")
}

// TestModelIsLoaded: while a model is loaded the page says so, and no longer.
func TestModelIsLoaded(t *testing.T) {
	s := perform(t, camera("door"))
	s.close(t)
	var there atomic.Bool
	s.Options.Node = func() web.Node {
		return web.Node{Node: "stage", Program: "1", Boot: "1", Now: time.Now(), Loading: !there.Load()}
	}
	s.serve(t)
	p := look(t, s.server.URL(), 1000, 800)
	p.wait("document.querySelector('.camera') && document.querySelector('.banner').textContent.includes('model is being loaded')")
	if eval[bool](p, "document.body.classList.contains('gone')") {
		t.Error("what it shows looks old")
	}
	there.Store(true)
	s.Hub.Begin(s.Sources())
	p.wait("document.querySelector('.banner').hidden")
}

// TestPageComesInTheEnd: when a module does not come, or the first answer never
// does, the page tries again by itself.
func TestPageComesInTheEnd(t *testing.T) {
	s := perform(t, camera("door"))
	behind, err := url.Parse(s.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	way := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		r.Out.Host = r.In.Host
	}}
	var lost sync.Map
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/format.js", "/views.css", "/live.js", "/api/v1/session", "/api/v1/sources":
			if _, before := lost.LoadOrStore(r.URL.Path, true); !before {
				panic(http.ErrAbortHandler) // the connection breaks
			}
		}
		way.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	p := look(t, proxy.URL+"/", 1000, 800)
	p.wait("document.querySelector('.camera') || document.querySelector('.empty button')?.click()")
	p.wait("document.querySelector('.camera')")
	for _, path := range []string{"/format.js", "/live.js", "/api/v1/session", "/api/v1/sources"} {
		if _, before := lost.Load(path); !before {
			t.Errorf("%s was not even asked for", path)
		}
	}
}

// free returns an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestLogin: with a password the page shows nothing before it, and nothing after
// the logout.
func TestLogin(t *testing.T) {
	s := perform(t, camera("door"))
	s.close(t)
	s.Password = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(s.Password, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.serve(t)
	p := look(t, s.server.URL(), 360, 740)
	p.wait("document.querySelector('.login p')?.textContent.includes('password')")
	faults(t, p, "a page that nobody can log in to")
	password := web.NewPassword()
	if err := web.WritePassword(s.Password, password); err != nil {
		t.Fatal(err)
	}
	p.reload()
	enter := func(word string) {
		p.wait("document.querySelector('#password') && !document.querySelector('.login button').disabled")
		eval[bool](p, fmt.Sprintf("(document.querySelector('#password').value = %q, document.querySelector('form').requestSubmit(), true)", word))
	}
	enter("guess")
	p.wait("document.querySelector('.login .trouble')?.textContent")
	for _, phone := range []bool{false, true} {
		p.narrow(phone)
		faults(t, p, fmt.Sprintf("the login, phone %t", phone))
	}
	if eval[bool](p, "document.querySelector('.camera') !== null") {
		t.Error("a wrong password shows the cameras")
	}
	enter(password)
	p.wait("document.querySelector('.camera')")
	eval[bool](p, "([...document.querySelectorAll('.rail > button')][0].click(), true)")
	p.wait("document.querySelector('#password') && !document.querySelector('.camera')")
}
