package modelstore

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What Hugging Face answers in place of a list of files, and what is made of it.
func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		code  int
		meant string
		want  string
	}{
		"closed":            {403, "GatedRepo", "accept its terms there and give a token with --token-file"},
		"closed, no token":  {401, "GatedRepo", "accept its terms there and give a token with --token-file"},
		"a wrong token":     {401, "", "--token-file"},
		"no repository":     {401, "RepoNotFound", "no such repository, or it is a closed one"}, // who has no token is not told which
		"no repository 404": {404, "RepoNotFound", "look at its name"},
		"no revision":       {404, "RevisionNotFound", "no such revision"},
		"no file":           {404, "EntryNotFound", "does not have it (404"},
		"another mistake":   {400, "", "answers 400"},
	} {
		n := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n++
			if tt.meant != "" {
				w.Header().Set("X-Error-Code", tt.meant)
			}
			w.WriteHeader(tt.code)
		}))
		h := &hub{t: t}
		_, err := h.client(Options{Endpoint: s.URL}).resolve(t.Context(), Pull{Reference: reference(t, "o/r")})
		if err == nil || !strings.Contains(err.Error(), tt.want) || n != 1 {
			t.Errorf("%s: asked %d times: %v", name, n, err)
		}
		s.Close()
	}
}

// Hubs keep their files on hosts below their own name, where the token is of no
// use and not wanted; the address there is signed, and expires.
func TestSignedAddresses(t *testing.T) {
	data := some(3000)
	fresh := 0 // the signature that is still good
	signatures := []string{}
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token went below the hub's name")
		}
		signatures = append(signatures, r.URL.Query().Get("Signature"))
		switch len(signatures) {
		case 1:
			cut(w, r, data, 1000)
		case 2, 3: // a clock that is wrong, say
			w.WriteHeader(http.StatusForbidden)
		default:
			if r.URL.Query().Get("Signature") != fmt.Sprint(fresh) {
				t.Errorf("signature %s is old", r.URL.Query().Get("Signature"))
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}
	}))
	defer cdn.Close()
	_, port, _ := net.SplitHostPort(cdn.Listener.Addr().String())
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hf_secret" {
			t.Errorf("%s: no token", r.URL.Path)
		}
		if strings.HasPrefix(r.URL.Path, "/old/") { // a repository that was renamed
			w.Header().Set("Location", "/o/r/resolve/main/m.gguf")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		fresh++
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(data)))
		w.Header().Set("X-Linked-Etag", `"`+sum(data)+`"`)
		http.Redirect(w, r, fmt.Sprintf("http://cdn.localhost:%s/m?Signature=%d", port, fresh), http.StatusFound)
	}))
	defer api.Close()
	h := &hub{t: t}
	c := h.client(Options{Endpoint: strings.Replace(api.URL, "127.0.0.1", "localhost", 1), Token: "hf_secret"})
	c.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(addr)
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	f := File{Role: Text, Name: "m.gguf", URL: c.endpoint.JoinPath("old/r/resolve/main/m.gguf").String()}
	path := filepath.Join(t.TempDir(), f.Name)
	w := &notes{}
	if err := c.fetch(t.Context(), &f, path, w, nothing); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, path), data) || f.SHA256 != sum(data) {
		t.Error("it is another file")
	}
	if len(signatures) != 4 || !w.has("refuses it (403 Forbidden), though we were sent there") {
		t.Errorf("signatures %q; %q", signatures, w.said)
	}
	for _, s := range w.said {
		if strings.Contains(s, "Signature") || strings.Contains(s, "secret") {
			t.Errorf("a secret is said: %s", s)
		}
	}
}

// A server behind the hub that tells no length: the hub has told it.
func TestLinkedSize(t *testing.T) {
	data := some(1000)
	h := newHub(t, map[string][]byte{"m.gguf": data})
	h.serve = func(w http.ResponseWriter, _ *http.Request, data []byte) bool {
		w.(http.Flusher).Flush() // so that no length is told
		_, _ = w.Write(data[:900])
		return true
	}
	f, path := fetching(t, h, false)
	f.URL = h.api.URL + "/o/r/resolve/main/m.gguf"
	w := &notes{}
	if err := h.client(Options{}).fetch(t.Context(), &f, path, w, nothing); err == nil || !w.has("it ended after 900 of 1000 bytes") {
		t.Errorf("%v, %q", err, w.said)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"": 0, "17": 17 * time.Second, " 5 ": 5 * time.Second, "-3": 0, "99999": 10 * time.Minute, "soon": 0,
		"Sun, 29 Nov 2026 12:01:30 GMT": 90 * time.Second, "Sun, 29 Nov 2026 11:00:00 GMT": 0, "Mon, 30 Nov 2026 12:00:00 GMT": 10 * time.Minute,
	} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}
