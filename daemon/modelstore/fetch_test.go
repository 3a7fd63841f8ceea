package modelstore

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// some is the content of a file that no program could guess.
func some(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*i>>3 ^ i)
	}
	return data
}

// fetching is one file of a hub and where it goes.
func fetching(t *testing.T, h *hub, known bool) (f File, path string) {
	f = File{Role: Text, Name: "m.gguf", URL: h.cdn.URL + "/m.gguf"}
	if known {
		f.Size, f.SHA256 = int64(len(h.files["m.gguf"])), sum(h.files["m.gguf"])
	}
	return f, filepath.Join(t.TempDir(), "m.gguf")
}

func nothing() error { return nil }

// Whether the connection is cut or the program killed, at any byte: what came is
// kept, and what is missing is asked for and no more.
func TestCutAtAnyByte(t *testing.T) {
	data := some(97)
	for _, known := range []bool{true, false} {
		for at := range len(data) + 1 {
			h := newHub(t, map[string][]byte{"m.gguf": data})
			first := true
			h.serve = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
				w.Header().Set("ETag", `"v1"`)
				if was := first; was && at < len(data) {
					first = false
					cut(w, r, data, at)
				}
				return false
			}
			f, path := fetching(t, h, known)
			if err := h.client(Options{}).fetch(t.Context(), &f, path, &notes{}, nothing); err != nil {
				t.Fatalf("cut at %d: %v", at, err)
			}
			if got := read(t, path); !bytes.Equal(got, data) || f.SHA256 != sum(data) || f.Size != int64(len(data)) {
				t.Fatalf("cut at %d: %d bytes, %+v", at, len(got), f)
			}
			want := fmt.Sprintf("bytes=%d-", at)
			switch got := h.ranges("m.gguf"); {
			case at == 0 && (len(got) != 2 || got[1] != ""), at > 0 && at < len(data) && (len(got) != 2 || got[1] != want), at == len(data) && len(got) != 1:
				t.Fatalf("cut at %d: asked for %q", at, got)
			}
		}
	}
}

func TestKilledAtAnyByte(t *testing.T) {
	data := some(97)
	h := newHub(t, map[string][]byte{"m.gguf": data})
	c := h.client(Options{})
	for at := range len(data) + 1 {
		h.asked = nil
		f, path := fetching(t, h, true)
		if err := os.WriteFile(path+partSuffix, data[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		w := &notes{}
		if err := c.fetch(t.Context(), &f, path, w, nothing); err != nil {
			t.Fatalf("killed at %d: %v", at, err)
		}
		if got := read(t, path); !bytes.Equal(got, data) || w.done != int64(len(data)) {
			t.Fatalf("killed at %d: %d bytes, %d counted", at, len(got), w.done)
		}
		if got := h.ranges("m.gguf"); at == len(data) && len(got) != 0 || at > 0 && at < len(data) && got[0] != fmt.Sprintf("bytes=%d-", at) {
			t.Fatalf("killed at %d: asked for %q", at, got)
		}
	}
}

// What lies there may be of another file, or torn by the power.
func TestPartsThatAreWrong(t *testing.T) {
	data := some(500)
	for name, part := range map[string][]byte{
		"other bytes": bytes.Repeat([]byte("x"), 200), "too long": some(501), "all of it, wrong": bytes.Repeat([]byte("y"), 500), "zeros at the end": append(some(100), make([]byte, 50)...),
	} {
		h := newHub(t, map[string][]byte{"m.gguf": data})
		f, path := fetching(t, h, true)
		if err := os.WriteFile(path+partSuffix, part, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.client(Options{}).fetch(t.Context(), &f, path, &notes{}, nothing); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(read(t, path), data) {
			t.Errorf("%s: wrong bytes", name)
		}
	}
}

// Servers that lie about ranges, or do not know any.
func TestRangesThatLie(t *testing.T) {
	data := some(1000)
	partial := func(from, to, of int, body []byte) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, of))
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body)
		}
	}
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		says   string
	}{
		"from the start":        {partial(0, 999, 1000, data), "was asked for what follows byte 400"},
		"somewhere else":        {partial(300, 999, 1000, data[300:]), "was asked for what follows byte 400"},
		"no such header":        {func(w http.ResponseWriter) { w.WriteHeader(206); _, _ = w.Write(data[400:]) }, "was asked for"},
		"nonsense":              {partial(400, 100, 1000, data[400:]), "was asked for"},
		"nothing there":         {func(w http.ResponseWriter) { w.WriteHeader(416) }, "nothing behind byte 400"},
		"all of it":             {func(w http.ResponseWriter) { _, _ = w.Write(data) }, "begins anew"},
		"the right range wrong": {partial(400, 999, 1000, data[:600]), "thrown away"},
	} {
		h := newHub(t, map[string][]byte{"m.gguf": data})
		h.serve = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			if r.Header.Get("Range") == "" {
				return false
			}
			tt.answer(w)
			return true
		}
		f, path := fetching(t, h, true)
		if err := os.WriteFile(path+partSuffix, data[:400], 0o600); err != nil {
			t.Fatal(err)
		}
		w := &notes{}
		err := h.client(Options{}).fetch(t.Context(), &f, path, w, nothing)
		if err != nil || !bytes.Equal(read(t, path), data) || !w.has(tt.says) {
			t.Errorf("%s: %v, %q", name, err, w.said)
		}
	}
}

// A server that always cuts and knows no ranges is given up.
func TestNoProgressIsGivenUp(t *testing.T) {
	for name, lie := range map[string]bool{"no ranges": false, "ranges that lie": true} {
		h := newHub(t, map[string][]byte{"m.gguf": some(1000)})
		h.serve = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			if r.Header.Get("Range") != "" && lie {
				w.Header().Set("Content-Range", "bytes 7-999/1000")
				w.WriteHeader(http.StatusPartialContent)
				return true
			}
			r.Header.Del("Range")
			cut(w, r, data, 300)
			return true
		}
		f, path := fetching(t, h, true)
		err := h.client(Options{}).fetch(t.Context(), &f, path, &notes{}, nothing)
		if err == nil || !strings.Contains(err.Error(), "given up after 6 attempts") {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(h.ranges("m.gguf")); n > 15 {
			t.Errorf("%s: asked %d times", name, n)
		}
	}
}

func TestStall(t *testing.T) {
	data := some(1000)
	h := newHub(t, map[string][]byte{"m.gguf": data})
	hung := 0
	h.serve = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		if hung++; hung > 2 {
			return false
		}
		if hung == 2 {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(data[:300])
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done() // headers never come, or no more of the body
		return true
	}
	f, path := fetching(t, h, true)
	w := &notes{}
	if err := h.client(Options{Stall: 100 * time.Millisecond}).fetch(t.Context(), &f, path, w, nothing); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, path), data) || !w.has("nothing came any more for 100ms") || len(w.said) != 2 {
		t.Errorf("%q", w.said)
	}
}

func TestWrongContent(t *testing.T) {
	data := some(1000)
	for name, tt := range map[string]struct {
		serve func(http.ResponseWriter, *http.Request, []byte) bool
		want  string
	}{
		"another hash": {func(w http.ResponseWriter, _ *http.Request, data []byte) bool {
			_, _ = w.Write(bytes.Repeat([]byte("e"), len(data)))
			return true
		}, "nothing of it is kept"},
		"too short": {func(w http.ResponseWriter, _ *http.Request, data []byte) bool {
			_, _ = w.Write(data[:900])
			return true
		}, "has 900 bytes of it, and there should be 1000"},
		"too long": {func(w http.ResponseWriter, _ *http.Request, data []byte) bool {
			w.(http.Flusher).Flush() // so that no length is told
			_, _ = w.Write(append(data, 'x'))
			return true
		}, "more than the 1000 bytes"},
		"packed": {func(w http.ResponseWriter, _ *http.Request, data []byte) bool {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(data)
			return true
		}, "packs the file (gzip)"},
		"gone":      {func(w http.ResponseWriter, _ *http.Request, _ []byte) bool { w.WriteHeader(404); return true }, "does not have it"},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request, _ []byte) bool { w.WriteHeader(403); return true }, "--token-file"},
		"in circles": {func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, "sent on more than 10 times"},
	} {
		h := newHub(t, map[string][]byte{"m.gguf": data})
		h.serve = tt.serve
		f, path := fetching(t, h, true)
		w := &notes{}
		err := h.client(Options{}).fetch(t.Context(), &f, path, w, nothing)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(w.said) > 0 {
			t.Errorf("%s: %v, %q", name, err, w.said)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: the file is there", name)
		}
	}
}

// A busy server says when to come back.
func TestPatience(t *testing.T) {
	h := newHub(t, map[string][]byte{"m.gguf": some(10)})
	n := 0
	h.serve = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		if n++; n > 2 {
			return false
		}
		w.Header().Set("Retry-After", fmt.Sprint(17*n))
		w.WriteHeader([]int{429, 503}[n-1])
		return true
	}
	var waited []time.Duration
	c := h.client(Options{Wait: func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil }})
	f, path := fetching(t, h, true)
	if err := c.fetch(t.Context(), &f, path, &notes{}, nothing); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(waited) != "[17s 34s]" {
		t.Errorf("waited %v", waited)
	}
}

// A file without a hash is resumed only while the server says that it is the same.
func TestFileThatChanges(t *testing.T) {
	data := some(1000)
	h := newHub(t, map[string][]byte{"m.gguf": data})
	version := 1
	h.serve = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, version))
		if version == 1 {
			version = 2
			cut(w, r, bytes.Repeat([]byte("old"), 100), 250)
		}
		return false
	}
	f, path := fetching(t, h, false)
	if err := h.client(Options{}).fetch(t.Context(), &f, path, &notes{}, nothing); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, path), data) || f.SHA256 != sum(data) {
		t.Error("two versions are mixed")
	}
}

// From an encrypted address to one that is not is no way, and no certificate is
// believed that nobody vouches for.
func TestEncryption(t *testing.T) {
	plain := newHub(t, map[string][]byte{"m.gguf": some(10)})
	tls := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.cdn.URL+"/m.gguf", http.StatusFound)
	}))
	defer tls.Close()
	f, path := fetching(t, plain, true)
	f.URL = tls.URL + "/m.gguf"
	c := plain.client(Options{})
	w := &notes{}
	if err := c.fetch(t.Context(), &f, path, w, nothing); err == nil || !strings.Contains(err.Error(), "certificate") || len(w.said) > 0 {
		t.Errorf("a certificate of nobody: %v, %q", err, w.said)
	}
	c.http.Transport = tls.Client().Transport
	if err := c.fetch(t.Context(), &f, path, w, nothing); err == nil || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("a way down: %v", err)
	}
	if len(plain.ranges("m.gguf")) > 0 {
		t.Error("the plain address was asked")
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-9/*", "bytes 9-5/10", "bytes */10", "", "bytes 0-10/10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if first, of, ok := contentRange(s); ok && (first < 0 || of >= 0 && first >= of) {
			t.Errorf("%q gives %d of %d", s, first, of)
		}
	})
}
