package modelstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sensed/deploy/models/tiny"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// hub plays Hugging Face: its API, and its files on another host (by name) to
// which it redirects.
type hub struct {
	t     *testing.T
	files map[string][]byte // of the one repository, o/r
	cdn   *httptest.Server
	api   *httptest.Server

	mu    sync.Mutex
	asked []*http.Request // at the CDN
	// serve answers in place of the CDN when it returns true.
	serve func(w http.ResponseWriter, r *http.Request, data []byte) bool
	// hash is what the API says about a file instead of the truth.
	hash map[string]string
}

func newHub(t *testing.T, files map[string][]byte) *hub {
	h := &hub{t: t, files: files, hash: map[string]string{}}
	h.cdn = httptest.NewServer(http.HandlerFunc(h.file))
	t.Cleanup(h.cdn.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/models/o/r/revision/main", h.list)
	mux.HandleFunc("GET /o/r/resolve/{rev}/{path...}", func(w http.ResponseWriter, r *http.Request) {
		data, ok := h.files[r.PathValue("path")]
		if !ok {
			w.Header().Set("X-Error-Code", "EntryNotFound")
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Repo-Commit", r.PathValue("rev"))
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(data)))
		w.Header().Set("X-Linked-Etag", `"`+h.sum(r.PathValue("path"), data)+`"`)
		http.Redirect(w, r, strings.Replace(h.cdn.URL, "127.0.0.1", "localhost", 1)+"/"+r.PathValue("path")+"?signature=secret", http.StatusFound)
	})
	h.api = httptest.NewServer(mux)
	t.Cleanup(h.api.Close)
	return h
}

func (h *hub) sum(name string, data []byte) string {
	if s, ok := h.hash[name]; ok {
		return s
	}
	return sum(data)
}

func (h *hub) list(w http.ResponseWriter, r *http.Request) {
	siblings := []any{map[string]any{"rfilename": "README.md", "size": 12}}
	for _, name := range slices.Sorted(maps.Keys(h.files)) {
		data := h.files[name]
		siblings = append(siblings, map[string]any{"rfilename": name, "size": len(data),
			"lfs": map[string]any{"sha256": h.sum(name, data), "size": len(data), "pointerSize": 134}})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"id": "o/r", "sha": commit, "siblings": siblings})
}

func (h *hub) file(w http.ResponseWriter, r *http.Request) {
	data, ok := h.files[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h.mu.Lock()
	h.asked = append(h.asked, r)
	serve := h.serve
	h.mu.Unlock()
	if serve != nil && serve(w, r, data) {
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// ranges returns what was asked of the CDN about a file.
func (h *hub) ranges(name string) (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.asked {
		if r.URL.Path == "/"+name {
			out = append(out, r.Header.Get("Range"))
		}
	}
	return out
}

// cut is a server's answer that ends after n bytes of the body.
func cut(w http.ResponseWriter, r *http.Request, data []byte, n int) {
	from := 0
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(data[from:min(len(data), from+n)])
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}

// client returns one that does not wait between attempts.
func (h *hub) client(o Options) *Client {
	h.t.Helper()
	if o.Endpoint == "" {
		o.Endpoint = h.api.URL
	}
	if o.Wait == nil {
		o.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	c, err := NewClient(o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

// notes is a watcher that remembers.
type notes struct {
	said  []string
	name  string
	size  int64
	done  int64
	begun int
}

func (n *notes) Start(name string, size int64) {
	n.name, n.size, n.done, n.begun = name, size, 0, n.begun+1
}
func (n *notes) Add(k int64)  { n.done += k }
func (n *notes) Say(s string) { n.said = append(n.said, s) }

func (n *notes) has(words string) bool { return strings.Contains(strings.Join(n.said, "\n"), words) }

// bundled is a file of the demonstration model.
func bundled(t testing.TB, name string) []byte {
	t.Helper()
	data, err := fs.ReadFile(tiny.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// repository is one as publishers have it.
func repository(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"gemma-4-E2B-it-Q4_0.gguf":        bundled(t, tiny.Text),
		"gemma-4-E2B-it-BF16.gguf":        []byte("too large"),
		"gemma-4-E2B-it-IQ4_0.gguf":       []byte("another one"),
		"mmproj-gemma-4-E2B-it-Q8_0.gguf": bundled(t, tiny.Projector),
		"mmproj-gemma-4-E2B-it-bf16.gguf": []byte("large"),
	}
}

func reference(t *testing.T, s string) Reference {
	t.Helper()
	r, err := ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// leftovers returns the names in a folder that end so.
func leftovers(t *testing.T, dir, suffix string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
