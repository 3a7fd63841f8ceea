package web

import (
	"bufio"
	"context"
	"encoding/json"
	"image"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sensed/daemon/atomicfile"
	"sensed/daemon/command"
	"sensed/daemon/event"
	"sensed/daemon/health"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// site is a page that is served, and what it was asked.
type site struct {
	*Server
	hub      *Hub
	t        testing.TB
	client   *http.Client
	password string // file

	mu       sync.Mutex
	asked    []command.Request
	settings []command.Setting
}

// serveSite serves a page at 127.0.0.1; change may change its options.
func serveSite(t testing.TB, change func(*Options)) *site {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &site{t: t, hub: NewHub(HubOptions{Cards: 100, Bytes: 1 << 20, Log: log}), password: filepath.Join(t.TempDir(), "web.password")}
	s.settings = []command.Setting{{Spec: command.Spec{Source: "door", Name: command.Captioning, Kind: command.OnOff, Default: command.On}, Value: command.On}}
	o := Options{
		Listen: "127.0.0.1:0", Password: s.password, Hub: s.hub, Log: log,
		Node: func() Node { return Node{Node: "porch", Boot: "1"} }, Sources: sample, Switches: s.switches, Command: s.command,
		Health: doctor{}, Model: func() Model { return Model{Name: "tiny"} }, Lines: func() []Line { return []Line{{Message: "one"}, {Message: "two"}} },
	}
	if change != nil {
		change(&o)
	}
	server, err := Serve(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = server
	s.hub.Begin(sample())
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		s.hub.Run(ctx)
		close(ran)
	}()
	s.client = &http.Client{Transport: &http.Transport{}, Timeout: patience}
	t.Cleanup(func() {
		cancel()
		<-ran
		s.client.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// sample are two sources.
func sample() []Source {
	return []Source{
		{Name: "door", Sense: senseCamera, State: stateOK, Tasks: []Task{{Name: "caption", Kind: "caption"}}},
		{Name: "hall", Sense: "microphone", State: "muted", Why: "by a button", Tasks: []Task{{Name: "transcribe", Kind: "transcribe"}}},
	}
}

type doctor struct{}

func (doctor) Snapshot() health.Snapshot { return health.Snapshot{Node: "porch"} }
func (doctor) Past() (hour, day health.Curves) {
	return health.Curves{Step: 10}, health.Curves{Step: 300}
}
func (s *site) switches() []command.Setting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]command.Setting(nil), s.settings...)
}
func (s *site) command(_ context.Context, r command.Request) (command.Reply, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	switch {
	case r.Command == command.Set && r.Value == "maybe":
		return command.Refused(event.Faulty, "maybe is neither ON nor OFF"), true
	case r.Command == command.Set:
		s.settings[0].Value = r.Value
	case r.Question == "too much":
		return command.Reply{}, false
	case r.Wrote != nil:
		for _, piece := range []string{"It is ", "a dog."} {
			r.Wrote(piece)
		}
	}
	return command.Reply{Status: event.Done, Text: "It is a dog."}, true
}

// address is the URL of a path below the prefix.
func (s *site) address(path string) string { return strings.TrimSuffix(s.URL(), "/") + path }

// do sends a request and returns its answer with the body.
func (s *site) do(method, path, body string, header ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.address(path), strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	a, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a, string(data)
}

// want is do, and fails for another status than that.
func (s *site) want(code int, method, path, body string, header ...string) string {
	s.t.Helper()
	a, text := s.do(method, path, body, header...)
	if a.StatusCode != code {
		s.t.Fatalf("%s %s: %s, want %d: %s", method, path, a.Status, code, text)
	}
	return text
}

// get reads the answer of a path below the API.
func get[T any](s *site, path string) (v T) {
	s.t.Helper()
	text := s.want(200, "GET", base+path, "")
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		s.t.Fatalf("%s: %v: %s", path, err, text)
	}
	return v
}

// csrf is the token for changes.
func (s *site) csrf() string {
	s.t.Helper()
	return get[Session](s, "session").CSRF
}

// seal sets a password, with a hash that is cheap to compute.
func (s *site) seal() {
	s.t.Helper()
	h := passwordHash{memory: 64, passes: 1, lanes: 1, salt: []byte("0123456789abcdef")}
	h.key = h.derive("correct horse")
	if err := atomicfile.Write(s.password, []byte(h.String()+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// login sets a password and logs in with it.
func (s *site) login() {
	s.t.Helper()
	s.seal()
	a, text := s.do("POST", base+"session", `{"password":"correct horse"}`)
	if a.StatusCode != 200 {
		s.t.Fatalf("log in: %s: %s", a.Status, text)
	}
	s.client.Jar = jar(a.Cookies())
}

// jar sends the same cookies with every request.
type jar []*http.Cookie

func (jar) SetCookies(*url.URL, []*http.Cookie) {}
func (j jar) Cookies(*url.URL) []*http.Cookie   { return j }

// arrived is an event of a stream.
type arrived struct{ name, data string }

// reader reads a stream.
type reader struct {
	t      testing.TB
	body   io.Closer
	events chan arrived
}

// open opens a stream and waits for its hello.
func (s *site) open(query string) *reader {
	s.t.Helper()
	a, err := (&http.Client{Transport: s.client.Transport, Jar: s.client.Jar}).Get(s.address(base + "stream" + query))
	if err != nil {
		s.t.Fatal(err)
	}
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("stream: %s", a.Status)
	}
	r := &reader{t: s.t, body: a.Body, events: make(chan arrived, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(r.events)
		var e arrived
		lines := bufio.NewScanner(a.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			line := lines.Text()
			if name, ok := strings.CutPrefix(line, "event: "); ok {
				e.name = name
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				e.data = data
				r.events <- e
			}
		}
	}()
	s.t.Cleanup(func() {
		a.Body.Close()
		<-done
	})
	r.await("hello")
	return r
}

// await returns the data of the next event of a name; those between are left out.
func (r *reader) await(name string) string {
	r.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e, ok := <-r.events:
			if !ok {
				r.t.Fatalf("the stream ended before %s came", name)
			}
			if e.name == name {
				return e.data
			}
		case <-limit:
			r.t.Fatalf("%s did not come", name)
		}
	}
}

// awaitAs is await with the data read.
func awaitAs[T any](r *reader, name string) (v T) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.await(name)), &v); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if so() {
			return
		}
	}
	t.Fatalf("%s: not within %v", what, patience)
}

// grey is a picture of one grey.
func grey(w, h int, y uint8) image.Image {
	g := image.NewGray(image.Rect(0, 0, w, h))
	for i := range g.Pix {
		g.Pix[i] = y
	}
	return g
}

// seen is an event of a kind.
func seen(id string, kind event.Kind, text string) event.Event {
	return event.Event{Version: event.Version, ID: id, Kind: kind, Node: "porch", Source: "door", Time: time.Unix(1764400000, 0).UTC(), Status: event.Done, Text: text}
}

// raw opens a connection to a page.
func (s *site) raw() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}
