package web

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// sealed is a page that needs a password.
func sealed(t *testing.T) *site {
	t.Helper()
	s := serveSite(t, nil)
	s.seal()
	return s
}

// concrete is a route without placeholders.
func concrete(path string) string {
	return base + strings.NewReplacer("{source}", "door", "{id}", "1", "{command}", "ask", "{name}", "x").Replace(path)
}

func TestEveryRouteAsksForALogin(t *testing.T) {
	s := sealed(t)
	for _, rt := range Routes() {
		body := ""
		if rt.Body != nil {
			body = "{}"
		}
		a, text := s.do(rt.Method, concrete(rt.Path), body)
		switch {
		case rt.Path == "session" && rt.Method != "DELETE":
			if strings.Contains(text, `"csrf":"`) && !strings.Contains(text, `"csrf":""`) {
				t.Errorf("%s %s gives away a token: %s", rt.Method, rt.Path, text)
			}
		case a.StatusCode != http.StatusUnauthorized || strings.Contains(text, "porch"):
			t.Errorf("%s %s: %s: %s", rt.Method, rt.Path, a.Status, text)
		}
	}
	// Nor does another spelling of a path, a query or a method get through.
	for _, path := range []string{
		base + "Node", base + "node/", base + "//node", "//api/v1/node", base + "%6eode", base + "../v1/node", base + "./node",
		base + "node?authenticated=true", base + "sources/door/frame/", "/api/v1", "/api/", base,
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
			a, text := s.do(method, path, "")
			if a.StatusCode < 400 && a.StatusCode != 301 && a.StatusCode != 307 && a.StatusCode != 308 || strings.Contains(text, "porch") {
				t.Errorf("%s %s: %s: %s", method, path, a.Status, text)
			}
		}
	}
}

func TestForgedSessionsAreNone(t *testing.T) {
	s := sealed(t)
	s.login()
	good := s.client.Jar.Cookies(nil)[0]
	s.want(200, "GET", base+"node", "")
	for name, value := range map[string]string{
		"empty": "", "short": good.Value[:20], "changed": "A" + good.Value[1:], "long": good.Value + "AAAA", "no base64": "%%%", "zero": strings.Repeat("A", len(good.Value)),
	} {
		if value == good.Value {
			continue
		}
		s.client.Jar = jar{{Name: good.Name, Value: value}}
		if a, _ := s.do("GET", base+"node", ""); a.StatusCode != 401 {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	s.client.Jar = jar{{Name: "session", Value: good.Value}}
	s.want(401, "GET", base+"node", "")
}

func TestNobodyReadsFilesOfTheMachine(t *testing.T) {
	s := serveSite(t, nil)
	for _, path := range []string{
		"/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page/../server.go", "/server.go", "/page/index.html",
		"/./index.html/..", "//etc/passwd", "/\\..\\..\\etc\\passwd", "/index.html%00.js", "/.git/config",
		base + "config/backups/..%2f..%2f..%2fetc%2fpasswd", base + "sources/..%2f..%2f/frame", base + "timeline/..%2f..%2fetc",
	} {
		c := s.raw()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
		answer, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(answer); strings.HasPrefix(text, "HTTP/1.1 200") || strings.Contains(text, "root:") || strings.Contains(text, "package web") {
			t.Errorf("%s: %.300s", path, text)
		}
	}
}

func TestThePageIsServedAsItIs(t *testing.T) {
	s := sealed(t) // the page itself needs no password
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		t.Fatal(err)
	}
	want, err := fs.ReadFile(files, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	a, text := s.do("GET", "/", "")
	if text != string(want) || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%s: %.200s", a.Status, text)
	}
	again, text := s.do("GET", "/", "", "If-None-Match", a.Header.Get("ETag"))
	if again.StatusCode != 304 || text != "" {
		t.Errorf("again: %s", again.Status)
	}
	if post, _ := s.do("POST", "/", "{}"); post.StatusCode != 405 || post.Header.Get("Allow") != "GET" {
		t.Errorf("POST: %s", post.Status)
	}
}

func TestHeadersKeepBrowsersSafe(t *testing.T) {
	s := serveSite(t, nil)
	for _, path := range []string{"/", "/nothing", base + "node", base + "nothing"} {
		a, _ := s.do("GET", path, "")
		for name, part := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if !strings.Contains(a.Header.Get(name), part) {
				t.Errorf("%s: %s is %q", path, name, a.Header.Get(name))
			}
		}
		if strings.Contains(a.Header.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: the policy allows something unsafe", path)
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may be read by other sites", path)
		}
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	s := serveSite(t, nil)
	token := s.csrf()
	const body = `{"source":"door","name":"captioning","value":"OFF"}`
	put := func(header ...string) int {
		a, _ := s.do("PUT", base+"switches", body, header...)
		return a.StatusCode
	}
	for name, header := range map[string][]string{
		"no token":       {},
		"a wrong token":  {csrfHeader, "x" + token},
		"cross-site":     {csrfHeader, token, "Sec-Fetch-Site", "cross-site"},
		"same-site":      {csrfHeader, token, "Sec-Fetch-Site", "same-site"},
		"another origin": {csrfHeader, token, "Origin", "http://evil.example"},
		"no origin":      {csrfHeader, token, "Origin", "null"},
		"another port":   {csrfHeader, token, "Origin", "http://127.0.0.1:1"},
		"origin no url":  {csrfHeader, token, "Origin", "http://%"},
	} {
		if code := put(header...); code != 403 {
			t.Errorf("%s: %d", name, code)
		}
	}
	if s.switches()[0].Value != "ON" {
		t.Error("the switch was thrown")
	}
	// What a page elsewhere can send without asking: forms and plain text.
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		a, _ := s.do("PUT", base+"switches", body, csrfHeader, token, "Content-Type", kind)
		if a.StatusCode != 415 {
			t.Errorf("%s: %s", kind, a.Status)
		}
	}
	// Reading across sites is refused, too: pictures can be included without asking.
	if a, _ := s.do("GET", base+"sources/door/frame", "", "Sec-Fetch-Site", "cross-site"); a.StatusCode != 403 {
		t.Errorf("a frame for another site: %s", a.Status)
	}
	if code := put(csrfHeader, token, "Sec-Fetch-Site", "same-origin", "Origin", strings.TrimSuffix(s.URL(), "/")); code != 200 {
		t.Errorf("the page itself: %d", code)
	}
	if s.switches()[0].Value != "OFF" {
		t.Error("the switch was not thrown")
	}
}

func TestAnotherNameIsRefused(t *testing.T) {
	s := serveSite(t, func(o *Options) { o.Hosts = []string{"Camera.example.org"} })
	port := s.URL()[strings.LastIndex(s.URL(), ":")+1 : len(s.URL())-1]
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, code := range map[string]int{
		"localhost:" + port: 200, "LOCALHOST": 200, "127.0.0.1": 200, "192.168.1.7:80": 200, "[::1]:" + port: 200, host: 200, "camera.example.org": 200, "camera.example.org.:443": 200,
		"evil.example": 421, "evil.example:" + port: 421, "localhost.evil.example": 421, "127.0.0.1.nip.io": 421, "": 400,
	} {
		c := s.raw()
		fmt.Fprintf(c, "GET %snode HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", base, name)
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if name == "" { // an empty Host is allowed by HTTP, and is nobody's name
			code = 421
		}
		if a.StatusCode != code {
			t.Errorf("%q: %s, want %d", name, a.Status, code)
		}
	}
}

func TestLargeBodiesAreRefused(t *testing.T) {
	s := serveSite(t, func(o *Options) { o.Editor = &fakeEditor{} })
	token := s.csrf()
	big := `{"password":"` + strings.Repeat("x", smallBody) + `"}`
	s.want(413, "POST", base+"session", big)
	s.want(413, "PUT", base+"switches", big, csrfHeader, token)
	s.want(413, "POST", base+"commands/ask", big, csrfHeader, token)
	s.want(413, "POST", base+"config/check", `{"text":"`+strings.Repeat("x", maxBody)+`"}`, csrfHeader, token)
	s.want(200, "POST", base+"config/check", `{"text":"`+strings.Repeat("x", smallBody)+`"}`, csrfHeader, token)
	s.want(400, "PUT", base+"switches", `{"name":"privacy","value":"ON","more":1}`, csrfHeader, token)
	s.want(400, "PUT", base+"switches", `{"name":"privacy"}{}`, csrfHeader, token)
	s.want(400, "PUT", base+"switches", `[`, csrfHeader, token)
	// The connection may be closed before all of a large header is sent.
	r, err := http.NewRequest("GET", s.address(base+"node"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	if a, err := s.client.Do(r); err == nil {
		a.Body.Close()
		if a.StatusCode != 431 {
			t.Errorf("large headers: %s", a.Status)
		}
	}
}

func TestSlowClientsAreSentAway(t *testing.T) {
	t.Parallel()
	s := serveSite(t, func(o *Options) { o.headerLimit = time.Second }) // for a quick test
	if s.http.ReadHeaderTimeout <= 0 || s.http.ReadTimeout <= 0 || s.http.WriteTimeout <= 0 || s.http.IdleTimeout <= 0 {
		t.Fatal("a limit is missing")
	}
	// One that never ends its header is closed, and others are served meanwhile.
	c := s.raw()
	fmt.Fprintf(c, "GET %snode HTTP/1.1\r\nHost: loc", base)
	s.want(200, "GET", base+"node", "")
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func TestAStreamThatIsNotReadEnds(t *testing.T) {
	h := NewHub(HubOptions{Cards: 10, Bytes: 1 << 20})
	st, err := parseStream(nil)
	if err != nil || !h.open(st) {
		t.Fatal(err)
	}
	defer h.leave(st)
	for i := range maxWaiting + 1 {
		h.Event(seen(fmt.Sprint(i), "caption", "x"))
	}
	select {
	case <-st.ended:
	default:
		t.Error("it goes on")
	}
}

func TestStreamsAreCounted(t *testing.T) {
	h := NewHub(HubOptions{Cards: 10, Bytes: 1 << 20})
	var open []*stream
	for {
		st, err := parseStream(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !h.open(st) {
			break
		}
		open = append(open, st)
	}
	if len(open) != maxStreams {
		t.Errorf("%d streams", len(open))
	}
	for _, st := range open {
		h.leave(st)
	}
	if h.readers.Load() != 0 || len(h.streams) != 0 {
		t.Error("some are left")
	}
}

func TestAPrefixIsKept(t *testing.T) {
	s := serveSite(t, func(o *Options) { o.Prefix = "/my/sensed" })
	if !strings.HasSuffix(s.URL(), "/my/sensed/") {
		t.Error(s.URL())
	}
	s.want(200, "GET", "/", "")
	s.want(200, "GET", base+"node", "")
	s.login()
	if c := s.client.Jar.Cookies(nil)[0]; c.Path != "/my/sensed/" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure {
		t.Errorf("cookie %+v", c)
	}
	root := strings.TrimSuffix(s.URL(), "/my/sensed/")
	for path, code := range map[string]int{"/api/v1/node": 404, "/my": 404, "/my/sensedx": 404} {
		a, err := s.client.Get(root + path)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != code {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a, err := s.client.Get(root + "/my/sensed")
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.Header.Get("Location") != "/my/sensed/" {
		t.Errorf("without the slash: %s %s", a.Status, a.Header.Get("Location"))
	}
}
