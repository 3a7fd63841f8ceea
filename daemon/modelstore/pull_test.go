package modelstore

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sensed/deploy/models/tiny"
)

func TestPull(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077)) // of a careful root; the service reads the model all the same
	h := newHub(t, repository(t))
	s := NewStore(filepath.Join(t.TempDir(), "deep", "models"))
	m, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r")}, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "r" || m.Revision != commit || len(m.Files) != 2 || m.Files[0].Name != "gemma-4-E2B-it-Q4_0.gguf" || m.Files[1].Name != "mmproj-gemma-4-E2B-it-Q8_0.gguf" {
		t.Errorf("%+v", m)
	}
	for _, f := range m.Files {
		if !bytes.Equal(read(t, s.Path(m, f)), h.files[f.Name]) {
			t.Errorf("%s has other bytes", f.Name)
		}
		if info, err := os.Stat(s.Path(m, f)); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v", f.Name, info.Mode(), err)
		}
	}
	for _, folder := range []string{s.Dir(), filepath.Join(s.Dir(), "r")} {
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", folder, info.Mode(), err)
		}
	}
	if info, err := os.Stat(s.manifest("r")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left := leftovers(t, s.Dir(), partSuffix); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	found, err := s.Find("r")
	if err != nil || found.Pulled.IsZero() || found.Size() != m.Size() {
		t.Errorf("%+v, %v", found, err)
	}
	if err := s.Verify(t.Context(), "r", &notes{}); err != nil {
		t.Error(err)
	}
	// Once more costs nothing.
	asked, w := len(h.asked), &notes{}
	if _, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r")}, w); err != nil || len(h.asked) != asked || !w.has("there already and complete") {
		t.Errorf("again: %v, %q", err, w.said)
	}
}

// Killed after any piece of its work, a pull goes on and fetches nothing twice.
func TestPullGoesOn(t *testing.T) {
	h := newHub(t, repository(t))
	text := "gemma-4-E2B-it-Q4_0.gguf"
	s := NewStore(t.TempDir())
	for _, at := range []int64{1, 1 << 20, int64(len(h.files[text])) + 5} {
		ctx, kill := context.WithCancel(t.Context())
		w := &killer{kill: kill, at: at}
		if _, err := s.Pull(ctx, h.client(Options{}), Pull{Reference: reference(t, "o/r")}, w); !errors.Is(err, context.Canceled) {
			t.Fatalf("killed at %d: %v", at, err)
		}
		if _, err := s.Find("r"); !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "goes on") {
			t.Errorf("what is not complete: %v", err)
		}
		if list, err := s.List(); err != nil || len(list) != 1 || list[0].Complete || list[0].Have == 0 {
			t.Errorf("%+v, %v", list, err)
		}
	}
	if _, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r")}, &notes{}); err != nil {
		t.Fatal(err)
	}
	if got := h.ranges(text); slices.Contains(got[1:], "") {
		t.Errorf("the text file was fetched twice: %q", got)
	}
}

// killer ends a pull after some bytes.
type killer struct {
	notes
	kill  context.CancelFunc
	at, n int64
}

func (k *killer) Add(n int64) {
	if k.n += n; k.n >= k.at {
		k.kill()
	}
}

// A working model is never touched, whatever its name is given to.
func TestNeverOverAWorkingModel(t *testing.T) {
	h := newHub(t, repository(t))
	s := NewStore(t.TempDir())
	pull := func(p Pull) error {
		_, err := s.Pull(t.Context(), h.client(Options{}), p, &notes{})
		return err
	}
	if err := pull(Pull{Reference: reference(t, "o/r")}); err != nil {
		t.Fatal(err)
	}
	old := read(t, filepath.Join(s.Dir(), "r", "gemma-4-E2B-it-Q4_0.gguf"))
	// The publisher has a new version.
	h.files["gemma-4-E2B-it-Q4_0.gguf"] = h.files["mmproj-gemma-4-E2B-it-Q8_0.gguf"]
	err := pull(Pull{Reference: reference(t, "o/r"), Force: true})
	if err == nil || !strings.Contains(err.Error(), "never written over") || !strings.Contains(err.Error(), "--as") {
		t.Errorf("%v", err)
	}
	// It is bad, too.
	if err := pull(Pull{Reference: reference(t, "o/r"), Name: "new"}); err == nil || !strings.Contains(err.Error(), `its architecture is "clip"`) {
		t.Errorf("%v", err)
	}
	if err := s.Use("r"); err != nil {
		t.Fatal(err)
	}
	if err := s.Use("new"); !errors.Is(err, ErrAbsent) {
		t.Errorf("%v", err)
	}
	if m, err := s.Find("current"); err != nil || m.Name != "r" {
		t.Errorf("%+v, %v", m, err)
	}
	if !bytes.Equal(read(t, filepath.Join(s.Dir(), "r", "gemma-4-E2B-it-Q4_0.gguf")), old) {
		t.Error("the working model has changed")
	}
}

func TestRoom(t *testing.T) {
	h := newHub(t, repository(t))
	s := NewStore(t.TempDir())
	_, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r"), Memory: 256 << 20}, &notes{})
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "of memory, and the board has 268 MB") {
		t.Errorf("memory: %v", err)
	}
	if len(h.asked) > 0 {
		t.Error("something was fetched before the memory was looked at")
	}
	if err := room(filepath.Join(s.Dir(), "not", "there"), 1<<60, Pull{}); !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("disk: %v", err)
	}
	if err := room(s.Dir(), 1<<60, Pull{Force: true}); err != nil {
		t.Errorf("forced: %v", err)
	}
	if _, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r"), Memory: 256 << 20, Force: true}, &notes{}); err != nil {
		t.Errorf("forced: %v", err)
	}
}

// A full disk is found before the first byte.
func TestFullDisk(t *testing.T) {
	data := append([]byte(nil), bundled(t, tiny.Text)...)
	h := newHub(t, map[string][]byte{"m-Q4_0.gguf": data})
	h.api.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"sha":"` + commit + `","siblings":[{"rfilename":"m-Q4_0.gguf","lfs":{"sha256":"` + sum(data) + `","size":1000000000000}}]}`))
	})
	s := NewStore(t.TempDir())
	_, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r"), Projector: None}, &notes{})
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "1000.0 GB have to come") {
		t.Errorf("%v", err)
	}
}

// The files come from addresses of any server; hashes may be given or not.
func TestPullAddresses(t *testing.T) {
	h := newHub(t, repository(t))
	text, projector := h.cdn.URL+"/gemma-4-E2B-it-Q4_0.gguf?download=true", h.cdn.URL+"/mmproj-gemma-4-E2B-it-Q8_0.gguf"
	s := NewStore(t.TempDir())
	m, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, text), Projector: projector}, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "gemma-4-E2B-it-Q4_0" || m.Files[0].SHA256 != sum(h.files["gemma-4-E2B-it-Q4_0.gguf"]) {
		t.Errorf("%+v", m)
	}
	_, err = s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, text), Name: "b", Projector: projector, SHA256: strings.Repeat("0", 64)}, &notes{})
	if err == nil || !strings.Contains(err.Error(), "nothing of it is kept") {
		t.Errorf("a wrong hash: %v", err)
	}
	if _, err = s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, text), Name: "c"}, &notes{}); err == nil || !strings.Contains(err.Error(), "--projector") {
		t.Errorf("no projector: %v", err)
	}
	// The page of a file at a hub leads to the file, and the redirect tells its hash.
	h.hash["gemma-4-E2B-it-Q4_0.gguf"] = strings.Repeat("1", 64)
	page := h.api.URL + "/o/r/blob/main/gemma-4-E2B-it-Q4_0.gguf"
	if _, err = s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, page), Name: "d", Projector: None}, &notes{}); err == nil || !strings.Contains(err.Error(), "should have 1111") {
		t.Errorf("the hash in the redirect: %v", err)
	}
}

// The token goes to the hub, and not to where it sends us; a closed repository
// says what to do.
func TestToken(t *testing.T) {
	h := newHub(t, repository(t))
	inner := h.api.Config.Handler
	h.api.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hf_secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	})
	s := NewStore(t.TempDir())
	if _, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r")}, &notes{}); err == nil || !strings.Contains(err.Error(), "--token-file") {
		t.Errorf("without a token: %v", err)
	}
	if _, err := s.Pull(t.Context(), h.client(Options{Token: "hf_secret"}), Pull{Reference: reference(t, "o/r")}, &notes{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range h.asked {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token went to another host")
		}
	}
	if text := string(read(t, s.manifest("r"))); strings.Contains(text, "secret") {
		t.Errorf("a secret is kept: %s", text)
	}
	if _, err := NewClient(Options{Endpoint: "http://hub.example", Token: "x"}); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("a token over a plain connection: %v", err)
	}
}

func TestProxy(t *testing.T) {
	h := newHub(t, repository(t))
	var through []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through = append(through, r.URL.Host)
		r.URL.Host = mustURL(t, h.api.URL).Host
		if !strings.HasPrefix(r.URL.Path, "/api/") && !strings.Contains(r.URL.Path, "/resolve/") {
			r.URL.Host = mustURL(t, h.cdn.URL).Host
		}
		r.RequestURI = ""
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		for k, v := range res.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(res.StatusCode)
		var b bytes.Buffer
		_, _ = b.ReadFrom(res.Body)
		_, _ = w.Write(b.Bytes())
	}))
	defer proxy.Close()
	s := NewStore(t.TempDir())
	// The mirror has a name that only the proxy knows.
	c := h.client(Options{Endpoint: "http://mirror.invalid/", Proxy: proxy.URL})
	if _, err := s.Pull(t.Context(), c, Pull{Reference: reference(t, "o/r")}, &notes{}); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(through, "mirror.invalid") {
		t.Errorf("through the proxy went %q", through)
	}
}

// The caller looks whether the files fit together; a drafter that does not is
// left out, and anything else is no model.
func TestCheck(t *testing.T) {
	h := newHub(t, repository(t))
	h.files["mtp-gemma-4-E2B-it-Q8_0.gguf"] = drafterFile(t)
	s := NewStore(t.TempDir())
	w := &notes{}
	check := func(_ context.Context, _ *Store, m *Model) error {
		if _, ok := m.File(Drafter); ok {
			return errors.New("it is of another model")
		}
		return nil
	}
	m, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r"), Check: check}, w)
	if _, has := m.File(Drafter); err != nil || has || !w.has("left out: it is of another model") {
		t.Errorf("%v, %q", err, w.said)
	}
	if len(leftovers(t, s.Dir(), "mtp-gemma-4-E2B-it-Q8_0.gguf")) > 0 {
		t.Error("the drafter lies about")
	}
	if _, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r"), Check: check}, w); err != nil {
		t.Errorf("again: %v", err)
	}
	bad := func(context.Context, *Store, *Model) error { return errors.New("they do not fit") }
	if _, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r"), Name: "x", Check: bad}, w); err == nil || err.Error() != "they do not fit" {
		t.Errorf("%v", err)
	}
	if _, err := s.Find("x"); !errors.Is(err, ErrAbsent) {
		t.Errorf("%v", err)
	}
}
