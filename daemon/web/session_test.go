package web

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestLogin(t *testing.T) {
	s := sealed(t)
	if got := get[Session](s, "session"); !got.Required || got.Authenticated || got.CSRF != "" || got.Setup != "" {
		t.Errorf("before: %+v", got)
	}
	s.want(401, "POST", base+"session", `{"password":"wrong horse"}`)
	s.want(401, "POST", base+"session", `{"password":""}`)
	a, text := s.do("POST", base+"session", `{"password":"correct horse"}`)
	if a.StatusCode != 200 || !strings.Contains(text, `"authenticated":true`) {
		t.Fatalf("%s: %s", a.Status, text)
	}
	c := a.Cookies()[0]
	if !c.HttpOnly || c.Path != "/" || c.SameSite != 3 || strings.Contains(text, c.Value) {
		t.Errorf("cookie %+v", c)
	}
	s.client.Jar = jar(a.Cookies())
	s.want(200, "GET", base+"node", "")
	s.want(403, "DELETE", base+"session", "")
	s.want(204, "DELETE", base+"session", "", csrfHeader, s.csrf())
	s.want(401, "GET", base+"node", "") // the cookie is of no use any more
}

// TestSessionsEndWithTheProgram: who has logged out stays so, whatever is started
// again; others log in again.
func TestSessionsEndWithTheProgram(t *testing.T) {
	s := sealed(t)
	s.login()
	kept := s.client.Jar
	s.want(200, "GET", base+"node", "")
	s.want(204, "DELETE", base+"session", "", csrfHeader, s.csrf())
	s.login()
	s.auth = newAuth(s.password, false, s.auth.cookie) // as the next program has it
	s.want(401, "GET", base+"node", "")
	s.client.Jar = kept
	s.want(401, "GET", base+"node", "")
	s.login()
	s.want(200, "GET", base+"node", "")
}

// TestEndedSessionsAreBounded: none of those that were ended is ever good again.
func TestEndedSessionsAreBounded(t *testing.T) {
	a := newAuth("", false, "sensed")
	h := &passwordHash{key: []byte("0123456789abcdef")}
	var first login
	for i := range 3 * maxRevoked {
		l := a.begin(h)
		if i == 0 {
			first = l
		}
		a.end(l)
		if len(a.revoked) > maxRevoked {
			t.Fatalf("%d are remembered", len(a.revoked))
		}
	}
	if bytes.Equal(first.key, a.key(h)) {
		if _, gone := a.revoked[string(first.token)]; !gone {
			t.Error("a session that was ended is good again")
		}
	}
}

func TestAnotherPasswordEndsSessions(t *testing.T) {
	t.Parallel()
	s := serveSite(t, func(o *Options) { o.heartbeat = 100 * time.Millisecond }) // at which streams are looked at
	s.seal()
	s.login()
	r := s.open("")
	s.want(200, "GET", base+"node", "")
	if err := WritePassword(s.password, "another horse"); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour) // clocks of file systems are coarse
	if err := os.Chtimes(s.password, later, later); err != nil {
		t.Fatal(err)
	}
	s.want(401, "GET", base+"node", "")
	if bye := awaitAs[Bye](r, "bye"); bye.Why == "" {
		t.Error("the stream does not say why it ends")
	}
}

func TestSessionsEnd(t *testing.T) {
	s := sealed(t)
	s.login()
	now := time.Now()
	s.auth.now = func() time.Time { return now.Add(sessionAge/2 + time.Hour) }
	a, _ := s.do("GET", base+"session", "")
	if len(a.Cookies()) != 1 {
		t.Fatal("a session is not made longer when half of it is over")
	}
	s.auth.now = func() time.Time { return now.Add(sessionAge + time.Minute) }
	s.want(401, "GET", base+"node", "")
	s.client.Jar = jar(a.Cookies())
	s.want(200, "GET", base+"node", "")
}

func TestTriesAreBounded(t *testing.T) {
	s := sealed(t)
	now := time.Now()
	s.auth.now = func() time.Time { return now }
	for range triesBurst {
		s.want(401, "POST", base+"session", `{"password":"guess it"}`)
	}
	a, _ := s.do("POST", base+"session", `{"password":"correct horse"}`)
	if a.StatusCode != 429 || a.Header.Get("Retry-After") == "" {
		t.Errorf("the right one after %d wrong ones: %s", triesBurst, a.Status)
	}
	s.auth.now = func() time.Time { return now.Add(triesPace + time.Second) }
	s.want(200, "POST", base+"session", `{"password":"correct horse"}`)
}

func TestLimiterIsBounded(t *testing.T) {
	var l limiter
	now := time.Unix(1e9, 0)
	for i := range 3 * maxAddresses {
		l.take(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256), now)
	}
	if len(l.from) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(l.from))
	}
	if l.take("192.168.0.1:1", now) == 0 {
		t.Error("so many tries at once, and another one")
	}
	if wait := l.take("192.168.0.1:1", now.Add(time.Hour)); wait != 0 {
		t.Errorf("an hour later: %v", wait)
	}
	for _, x := range [][2]string{{"[2001:db8::1]:1", "[2001:db8::2:3]:9"}, {"10.0.0.1:1", "[::ffff:10.0.0.1]:2"}} {
		if network(x[0]) != network(x[1]) {
			t.Errorf("%s and %s count as two", x[0], x[1])
		}
	}
}

func TestWithoutAPassword(t *testing.T) {
	s := serveSite(t, nil)
	if got := get[Session](s, "session"); got.Required || !got.Authenticated || got.CSRF == "" {
		t.Errorf("%+v", got)
	}
	// A file that cannot be used lets nobody in.
	for name, text := range map[string]string{"empty": "", "plain": "secret\n", "costly": strings.Replace(hashOf(t), "m=19456", "m=4000000000", 1)} {
		if err := os.WriteFile(s.password, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.want(401, "GET", base+"node", "")
		if got := get[Session](s, "session"); !got.Required || got.Setup == "" {
			t.Errorf("%s: %+v", name, got)
		}
		s.want(409, "POST", base+"session", `{"password":"secret"}`)
		if err := os.Remove(s.password); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(s.password, []byte(hashOf(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	s.want(401, "GET", base+"node", "")
	if got := get[Session](s, "session"); !strings.Contains(got.Setup, "chmod 600") {
		t.Errorf("a file for everybody: %+v", got)
	}
}

func TestOthersNeedAPassword(t *testing.T) {
	s := serveSite(t, nil)
	s.auth.exposed = true // as with listen: 0.0.0.0
	s.want(401, "GET", base+"node", "")
	if got := get[Session](s, "session"); !got.Required || !strings.Contains(got.Setup, "sensed web password") {
		t.Errorf("%+v", got)
	}
	s.want(409, "POST", base+"session", `{"password":""}`)
	for listen, want := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false, "127.9.9.9:1": false, ":1": true, "0.0.0.0:1": true, "[::]:1": true, "192.168.0.1:1": true, "porch.lan:1": true, "x": true} {
		if Exposed(listen) != want {
			t.Errorf("%s: exposed %v", listen, !want)
		}
	}
}

// hashOf is the hash of a password.
func hashOf(t testing.TB) string {
	t.Helper()
	h := passwordHash{memory: argonMemory, passes: argonPasses, lanes: argonLanes, salt: []byte("0123456789abcdef")}
	h.key = h.derive("correct horse")
	return h.String() + "\n"
}

func TestPasswords(t *testing.T) {
	path := t.TempDir() + "/folder/web.password"
	if set, err := PasswordSet(path); set || err != nil {
		t.Errorf("%v %v", set, err)
	}
	for _, bad := range []string{"", "short", "two\nlines", strings.Repeat("x", maxPassword+1)} {
		if err := WritePassword(path, bad); err == nil {
			t.Errorf("%.20q is taken", bad)
		}
	}
	p := NewPassword()
	if err := WritePassword(path, p); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(data), p) || !strings.HasPrefix(string(data), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s %v", data, err)
	}
	h, err := readHash(path)
	if err != nil || !h.fits(p) || h.fits(p+"x") || h.fits("") {
		t.Errorf("it does not fit, or others do: %v", err)
	}
	if len(p) != 27 || p == NewPassword() {
		t.Errorf("made up: %s", p)
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Add("$argon2i$v=19$")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err == nil && h.String() != strings.TrimSpace(text) {
			t.Errorf("%q becomes %q", text, h.String())
		}
	})
}
