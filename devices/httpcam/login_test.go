package httpcam

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The example of RFC 7616, section 3.9.1.
func TestDigestOfTheStandard(t *testing.T) {
	c := credentials{user: "Mufasa", password: "Circle of Life", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
		challenge: challenge{"digest", map[string]string{
			"realm": "http-auth@example.org", "qop": "auth, auth-int", "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
			"opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"}}}
	for algorithm, want := range map[string]string{
		"MD5": "8ca523f5e9506fed4657c9700eebdbec", "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		c.count = 0
		c.params["algorithm"] = algorithm
		if got := c.answer("GET", "/dir/index.html"); !strings.Contains(got, `response="`+want+`"`) || !strings.Contains(got, "nc=00000001") {
			t.Errorf("%s: %s", algorithm, got)
		}
	}
}

// And that of RFC 2069, whose servers know no qop; the response is the one that
// its erratum 749 corrects.
func TestDigestWithoutQOP(t *testing.T) {
	c := credentials{user: "Mufasa", password: "CircleOfLife", challenge: challenge{"digest", map[string]string{
		"realm": "testrealm@host.com", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093"}}}
	if got := c.answer("GET", "/dir/index.html"); !strings.Contains(got, `response="1949323746fe6a43ef61f9606e7febea"`) || strings.Contains(got, "nc=") {
		t.Errorf("%s", got)
	}
}

func challenges() map[string][]challenge {
	return map[string][]challenge{
		"":                        nil,
		`Basic realm="a, \"b\""`:  {{"basic", map[string]string{"realm": `a, "b"`}}},
		`Digest realm=x,nonce=y,`: {{"digest", map[string]string{"realm": "x", "nonce": "y"}}},
		`Digest qop="auth,auth-int" , Nonce = "n" Basic realm=r, Negotiate`: {
			{"digest", map[string]string{"qop": "auth,auth-int", "nonce": "n"}}, {"basic", map[string]string{"realm": "r"}}, {"negotiate", map[string]string{}}},
		`Digest realm="no end`: {{"digest", map[string]string{}}, {"realm", map[string]string{}}},
		`=x`:                   nil,
	}
}

func TestParseChallenges(t *testing.T) {
	for field, want := range challenges() {
		if d := cmp.Diff(want, parseChallenges([]string{field}), cmp.AllowUnexported(challenge{})); d != "" {
			t.Errorf("%s:\n%s", field, d)
		}
	}
	if got := parseChallenges([]string{"Basic", "Digest nonce=1"}); len(got) != 2 || got[0].strength() >= got[1].strength() {
		t.Errorf("two fields: %+v", got)
	}
	for field, known := range map[string]bool{
		"Basic": true, "Digest nonce=1": true, "Digest nonce=1, algorithm=SHA-512-256-sess": true,
		"Digest": false, "Digest nonce=1, algorithm=MD4": false, `Digest nonce=1, qop="auth-int"`: false, "Bearer": false,
	} {
		if got := parseChallenges([]string{field})[0].strength() > 0; got != known {
			t.Errorf("%s: known %t", field, got)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	for field := range challenges() {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		n := 0
		for _, c := range parseChallenges([]string{field}) {
			n += len(c.scheme)
			for k, v := range c.params {
				n += len(k) + len(v)
			}
			login := credentials{challenge: c, user: "u", password: "p"}
			if c.strength() > 0 && login.answer("GET", "/") == "" {
				t.Error("no answer")
			}
		}
		if n > len(field) {
			t.Errorf("%d bytes of %q", n, field)
		}
	})
}

var param4 = regexp.MustCompile(`(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^, ]+))`)

// guard lets only the user "cam" with "secret word" through; how is basic,
// digest-md5, digest-sha256 or odd. A nonce is good for three requests, and
// each count for one.
func guard(t *testing.T, how string, next http.HandlerFunc) http.HandlerFunc {
	var (
		mu      sync.Mutex
		nonce   = 1
		counts  []string
		newHash = md5.New
	)
	ask := map[string]string{
		"basic": `Basic realm="cam"`, "odd": `Bearer x="y"`,
		"digest-md5":    `Digest realm="cam", qop="auth", nonce="%d", opaque="o"`,
		"digest-sha256": `Digest realm="cam", algorithm=SHA-256, qop="auth", nonce="%d"`,
	}[how]
	if how == "digest-sha256" {
		newHash = sha256.New
	}
	digest := func(s string) string {
		h := newHash()
		h.Write([]byte(s))
		return hex.EncodeToString(h.Sum(nil))
	}
	good := func(r *http.Request) bool {
		if user, password, ok := r.BasicAuth(); ok {
			return how == "basic" && user == "cam" && password == "secret word"
		}
		p := map[string]string{}
		for _, m := range param4.FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
			p[m[1]] = m[2] + m[3]
		}
		want := digest(strings.Join([]string{digest("cam:cam:secret word"), fmt.Sprint(nonce), p["nc"], p["cnonce"], "auth", digest("GET:" + r.URL.RequestURI())}, ":"))
		if p["response"] != want || p["uri"] != r.URL.RequestURI() || slices.Contains(counts, p["nc"]) || how == "digest-md5" && p["opaque"] != "o" {
			return false
		}
		counts = append(counts, p["nc"])
		return true
	}
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		ok := good(r)
		if len(counts) == 3 {
			nonce, counts = nonce+1, nil
		}
		current := nonce
		mu.Unlock()
		if ok {
			next(w, r)
			return
		}
		if strings.Contains(ask, "%d") {
			w.Header().Add("WWW-Authenticate", fmt.Sprintf(ask, current))
		} else {
			w.Header().Add("WWW-Authenticate", ask)
		}
		http.Error(w, "no", http.StatusUnauthorized)
	}
}

func withUser(url, password string) Opts {
	return Opts{URL: strings.Replace(url, "http://", "http://cam@", 1) + "/x?y=1", FPS: 120, Password: func() (string, error) { return password, nil }}
}

func TestLogin(t *testing.T) {
	for _, how := range []string{"basic", "digest-md5", "digest-sha256"} {
		t.Run(how, func(t *testing.T) {
			server := serve(t, guard(t, how, snapshots))
			cam, err := source(t, withUser(server.URL, "secret word")).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer cam.Close()
			for range 10 { // over several nonces
				if _, err := cam.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			_, err = look(withUser(server.URL, "wrong word"))
			if err == nil || !strings.Contains(err.Error(), `it refuses the user "cam" with this password`) || strings.Contains(err.Error(), "wrong word") {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
	server := serve(t, guard(t, "odd", snapshots))
	if _, err := look(withUser(server.URL, "secret word")); err == nil || !strings.Contains(err.Error(), "in a way that sensed does not know") {
		t.Errorf("an unknown way: %v", err)
	}
	o := withUser(server.URL, "")
	o.Password = func() (string, error) { return "", errors.New("the file is gone") }
	if _, err := look(o); err == nil || !strings.Contains(err.Error(), "the file is gone") {
		t.Errorf("no password: %v", err)
	}
}
