package web

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
)

func TestCardsGrow(t *testing.T) {
	s := serveSite(t, nil)
	r := s.open("")
	active, level := true, 0.25
	begin := seen("1", event.Motion, "")
	begin.Status, begin.Active, begin.Level, begin.Sample = event.Announced, &active, &level, "a.png"
	s.hub.Event(begin)
	first := awaitAs[Card](r, "event")
	if !first.Open || first.Sense != "camera" || first.Thumbnail || !slices.Equal(first.Kinds, []event.Kind{event.Motion}) {
		t.Errorf("announced: %+v", first)
	}
	if src := get[Sources](s, "sources").Sources[0]; !src.Moving || src.Caption != nil {
		t.Errorf("the source: %+v", src)
	}
	s.hub.Illustrate("1", grey(640, 480, 99))
	if c := awaitAs[Card](r, "event"); !c.Thumbnail || *c.Size != [2]int{640, 480} || c.Rev <= first.Rev {
		t.Errorf("with a picture: %+v", c)
	}
	s.hub.Event(seen("1", event.Caption, "A dog."))
	objects := seen("1", event.Objects, "")
	objects.Objects = []event.Object{{Label: "dog"}, {Label: "ball"}, {Label: "dog"}}
	s.hub.Event(objects)
	over := false
	end := seen("1", event.Motion, "")
	end.Active, end.Duration = &over, 2
	s.hub.Event(end)
	var last Card
	for range 3 {
		last = awaitAs[Card](r, "event")
	}
	if last.Open || last.Text != "A dog." || !slices.Equal(last.Labels, []string{"ball", "dog"}) || len(last.Events) != 3 {
		t.Errorf("in the end: %+v", last)
	}
	if m := last.Events[0]; m.Level == nil || *m.Level != level || m.Duration != 2 || m.Sample != "a.png" {
		t.Errorf("the motion in the end: %+v", m)
	}
	if got := get[Card](s, "timeline/1"); got.Rev != last.Rev {
		t.Errorf("the API has another card: %+v", got)
	}
	a, text := s.do("GET", base+"timeline/1/thumbnail?rev=1", "")
	img, err := jpeg.Decode(strings.NewReader(text))
	if err != nil || img.Bounds().Dx() != thumbWidth || a.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("thumbnail: %v, %s", err, a.Status)
	}
	src := get[Sources](s, "sources").Sources[0]
	if src.Moving || src.Caption == nil || src.Caption.Text != "A dog." || len(src.Objects.Objects) != 3 {
		t.Errorf("the source: %+v", src)
	}
}

func TestWordsThatDoNotCome(t *testing.T) {
	h := NewHub(HubOptions{Cards: 10, Bytes: 1 << 20})
	h.Begin(sample())
	sound := seen("1", event.Sound, "")
	sound.Source, sound.Status = "hall", event.Announced
	h.Event(sound)
	sound.Status = event.Done
	h.Event(sound)
	if !h.line.byID["1"].Open {
		t.Error("words come when a sound is over")
	}
	none := seen("1", event.Transcript, "")
	none.Source, none.Status, none.Error = "hall", event.Throttled, "the board is hot"
	h.Event(none)
	if c := h.line.byID["1"]; c.Open || c.Why != "the board is hot" {
		t.Errorf("%+v", c.Card)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	h := NewHub(HubOptions{Cards: 50, Bytes: 1 << 30})
	for i := range 200 {
		h.Event(seen(fmt.Sprint(i), event.Caption, "x"))
	}
	if len(h.line.cards) != 50 || len(h.line.byID) != 50 || h.line.byID["199"] == nil || h.line.byID["149"] != nil {
		t.Errorf("%d cards", len(h.line.cards))
	}
	h = NewHub(HubOptions{Cards: 1 << 20, Bytes: 100 << 10})
	for i := range 300 {
		h.Event(seen(fmt.Sprint(i), event.Caption, strings.Repeat("x", 900)))
		h.illustrated(picture{fmt.Sprint(i), grey(64, 48, uint8(i))})
	}
	sum := 0
	for _, c := range h.line.cards {
		sum += c.bytes
	}
	if h.line.bytes > 100<<10 || h.line.bytes != sum || len(h.line.cards) < 10 {
		t.Errorf("%d bytes in %d cards, counted %d", h.line.bytes, len(h.line.cards), sum)
	}
	for range 20 { // pictures of questions that are not published
		h.illustrated(picture{"asked", grey(8, 8, 1)})
	}
	if len(h.asked) > maxAsked || h.thumbnail("asked") == nil {
		t.Errorf("%d pictures of questions", len(h.asked))
	}
}

func TestTimelineIsFiltered(t *testing.T) {
	s := serveSite(t, nil)
	at := func(i int) time.Time { return time.Date(2026, 11, 29, i, 0, 0, 0, time.UTC) }
	for i := range 24 {
		e := seen(fmt.Sprint(i), event.Caption, fmt.Sprintf("Thing number %d at the Door", i))
		e.Time = at(i)
		if i%2 == 1 {
			e.Kind, e.Source, e.Text = event.Objects, "yard", ""
			e.Objects = []event.Object{{Label: []string{"dog", "cat"}[i/2%2]}}
		}
		s.hub.Event(e)
	}
	for query, want := range map[string]string{
		"":                                  "23 22 21 20 19",
		"?limit=2":                          "23 22",
		"?before=3":                         "2 1 0",
		"?source=yard":                      "23 21 19 17 15",
		"?kind=objects&kind=transcript":     "23 21 19 17 15",
		"?label=cat":                        "23 19 15 11 7",
		"?label=cat&label=dog":              "23 21 19 17 15",
		"?text=NUMBER+10":                   "10",
		"?text=dog":                         "21 17 13 9 5",
		"?text=number+nothing":              "",
		"?source=yard&label=dog&text=dog":   "21 17 13 9 5",
		"?from=2026-11-29T22:00:00Z":        "23 22",
		"?to=2026-11-29T01:00:00Z":          "0",
		"?before=gone":                      "",
		"?source=%00":                       "",
		"?from=2026-11-29T21:30:00%2B00:00": "23 22",
	} {
		if !strings.Contains(query, "limit") {
			query += map[bool]string{true: "?", false: "&"}[query == ""] + "limit=5"
		}
		var ids []string
		for _, c := range get[Timeline](s, "timeline"+query).Cards {
			ids = append(ids, c.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	page := get[Timeline](s, "timeline?limit=10")
	rest := get[Timeline](s, "timeline?limit=20&before="+page.Next)
	if len(page.Cards) != 10 || len(rest.Cards) != 14 || rest.Next != "" || page.Held != 24 || !page.Oldest.Equal(at(0)) {
		t.Errorf("pages of %d and %d cards, next %q; %d held since %v", len(page.Cards), len(rest.Cards), rest.Next, page.Held, page.Oldest)
	}
	strip := get[Strip](s, "timeline/strip?slots=4&source=yard&from=2026-11-29T00:00:00Z&to=2026-11-30T00:00:00Z")
	if !slices.Equal(strip.Counts, []int{3, 3, 3, 3}) {
		t.Errorf("strip %v", strip.Counts)
	}
	facets := get[Facets](s, "timeline/facets")
	if fmt.Sprint(facets) != "{[door yard] [caption objects] [{cat 6} {dog 6}]}" {
		t.Errorf("facets %v", facets)
	}
	for _, bad := range []string{"timeline?limit=0", "timeline?limit=x", "timeline?kind=nothing", "timeline?from=yesterday", "timeline/strip", "timeline/strip?from=2026-11-29T00:00:00Z&to=2026-11-28T00:00:00Z",
		"timeline?text=" + strings.Repeat("x", maxSearch+1), "timeline?" + strings.Repeat("label=x&", maxFilter+1), "stream?want=everything", "log?lines=0", "sources/door/frame?width=5"} {
		s.want(400, "GET", base+bad, "")
	}
	s.want(404, "GET", base+"timeline/none", "")
	s.want(404, "GET", base+"timeline/1/thumbnail", "")
}

func TestNobodyLooksNothingIsDone(t *testing.T) {
	s := serveSite(t, nil)
	idle := func() bool {
		return !s.hub.Looks("door") && !s.hub.Listens() && s.hub.Writing("door", "1", event.Caption) == nil
	}
	if !idle() {
		t.Error("somebody looks")
	}
	r := s.open("")
	if s.hub.Looks("door") || s.hub.Listens() {
		t.Error("a page that does not ask for frames and levels is given them")
	}
	r.body.Close()
	eventually(t, "the page has gone", idle)
	s.hub.Show("door", Picture{Image: grey(8, 8, 1), Width: 8, Height: 8})
	if s.hub.sources["door"].camera.frame != nil {
		t.Error("a frame is kept for nobody")
	}
	if n := testing.AllocsPerRun(100, func() { s.hub.Looks("door"); s.hub.Listens(); s.hub.Writing("door", "1", event.Caption) }); n != 0 {
		t.Errorf("%v allocations for nobody", n)
	}
}

func TestFrames(t *testing.T) {
	s := serveSite(t, nil)
	r := s.open("?look=door&want=levels")
	if !s.hub.Listens() {
		t.Error("nobody listens")
	}
	eventually(t, "a frame is wanted", func() bool { return s.hub.Looks("door") })
	s.hub.Show("door", Picture{
		Image: grey(640, 480, 200), Width: 640, Height: 480, Area: 0.5, Moving: true,
		Thermal: &Scale{20, 30}, Heat: &Heat{2, 1, []byte{0, 255}},
	})
	f := awaitAs[Frame](r, "frame")
	if f.Source != "door" || f.Width != 640 || !f.Moving || f.Thermal.Max != 30 || !bytes.Equal(f.Heat.Cells, []byte{0, 255}) {
		t.Errorf("%+v", f)
	}
	if s.hub.Looks("door") {
		t.Error("another one is wanted before this was fetched")
	}
	for _, width := range []int{160, 640} {
		a, text := s.do("GET", fmt.Sprintf("%ssources/door/frame?seq=%d&width=%d", base, f.Seq, width), "")
		img, err := jpeg.Decode(strings.NewReader(text))
		if err != nil || img.Bounds().Dx() != width || a.Header.Get("Sensed-Seq") != fmt.Sprint(f.Seq) {
			t.Fatalf("%d: %v, %s", width, err, a.Status)
		}
		if g, _, _, _ := img.At(80, 60).RGBA(); g>>8 < 195 || g>>8 > 205 {
			t.Errorf("it shows %d", g>>8)
		}
	}
	eventually(t, "the next one is wanted", func() bool { return s.hub.Looks("door") })
	s.hub.Closed("door")
	s.hub.Level(Level{Source: "hall", Level: -20, Speech: true})
	if l := awaitAs[Level](r, "level"); l.Level != -20 || !l.Speech {
		t.Errorf("%+v", l)
	}
	s.want(404, "GET", base+"sources/none/frame", "")
	s.want(404, "GET", base+"sources/hall/frame", "")
	// Without a stream, who asks waits for the next one.
	got := make(chan int)
	go func() {
		a, err := http.Get(s.address(base + "sources/door/frame"))
		if err != nil {
			got <- 0
			return
		}
		a.Body.Close()
		got <- a.StatusCode
	}()
	for {
		select {
		case code := <-got:
			if code != 200 {
				t.Errorf("waiting for a frame: %d", code)
			}
			return
		default:
			if s.hub.Looks("door") {
				s.hub.Show("door", Picture{Image: grey(8, 8, 1), Width: 8, Height: 8})
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func TestFramesArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(HubOptions{Cards: 10, Bytes: 1 << 20})
		h.Begin(sample())
		st, err := parseStream(map[string][]string{"look": {"door"}})
		if err != nil || !h.open(st) {
			t.Fatal(err)
		}
		defer h.leave(st)
		// count is how many frames of a camera of 50 a second are shown in 10 s, when
		// each takes so long and is fetched or not.
		count := func(cost time.Duration, fetched bool) (n int) {
			for range 500 {
				time.Sleep(20 * time.Millisecond)
				if !h.Looks("door") {
					continue
				}
				n++
				h.Show("door", Picture{Image: grey(8, 8, 1), Width: 8, Height: 8})
				h.spent("door", cost)
				if fetched {
					if _, err := h.fetch(t.Context(), "door", false); err != nil {
						t.Fatal(err)
					}
				}
			}
			return n
		}
		if n := count(0, true); n < 95 || n > 101 {
			t.Errorf("cheap frames: %d", n)
		}
		if n := count(25*time.Millisecond, true); n < 18 || n > 21 {
			t.Errorf("frames that take 25 ms: %d, so not a twentieth of the time", n)
		}
		if n := count(0, false); n < 4 || n > 6 {
			t.Errorf("frames that nobody fetches: %d", n)
		}
	})
}

func TestAnAnswerIsReadWhileItIsWritten(t *testing.T) {
	s := serveSite(t, nil)
	r := s.open("")
	write := s.hub.Writing("hall", "7", event.Transcript)
	write("is the ")
	write("door open")
	if x := awaitAs[Text](r, "text"); x.Text != "is the " || x.ID != "7" {
		t.Errorf("%+v", x)
	}
	if x := awaitAs[Text](r, "text"); x.Text != "is the door open" || x.Source != "hall" || x.Kind != event.Transcript {
		t.Errorf("%+v", x)
	}
}

func TestAReloadIsTold(t *testing.T) {
	s := serveSite(t, nil)
	r := s.open("?want=log,health")
	s.hub.Begin(sample()[:1])
	r.await("hello")
	s.hub.Logged(Line{Message: "something"})
	if l := awaitAs[Line](r, "log"); l.Message != "something" {
		t.Errorf("%+v", l)
	}
	s.hub.Health(doctor{}.Snapshot())
	r.await("health")
	s.hub.Setting(s.switches()[0])
	r.await("switch")
	if src := awaitAs[Source](r, "source"); src.Name != "door" {
		t.Errorf("%+v", src)
	}
	s.hub.end("sensed stops")
	if b := awaitAs[Bye](r, "bye"); b.Why != "sensed stops" {
		t.Errorf("%+v", b)
	}
}
