package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed page
var pageFiles embed.FS

//go:embed openapi.json
var description []byte

// Description is the API in OpenAPI 3.1, as it is served.
func Description() []byte { return description }

// types are those of the files of a page. They do not come from the system,
// whose list may lack some.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
	".webmanifest": "application/manifest+json", ".json": "application/json", ".txt": "text/plain; charset=utf-8",
}

// file is one of the page.
type file struct {
	kind          string
	plain, packed []byte // packed is nil where packing saves nothing
	tag           string
}

// page serves the files of the page, and nothing else.
type page map[string]*file

// newPage reads the files below a folder.
func newPage(files fs.FS) (page, error) {
	p := page{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		kind := types[path.Ext(name)]
		if kind == "" {
			if kind = mime.TypeByExtension(path.Ext(name)); kind == "" {
				return fmt.Errorf("web: nobody knows what kind of file %s is", name)
			}
		}
		sum := sha256.Sum256(data)
		f := &file{kind: kind, plain: data, tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is right
		_, _ = z.Write(data)                                       // a buffer takes all
		_ = z.Close()
		if packed.Len() < len(data) {
			f.packed = packed.Bytes()
		}
		p[name] = f
		return nil
	})
	return p, err
}

// ServeHTTP answers with the file of that name.
func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	f := p[name]
	if f == nil {
		http.Error(w, "there is nothing here", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache") // but ask whether it has changed
	h.Set("ETag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	data := f.plain
	if f.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		data = f.packed
	}
	h.Set("Content-Length", fmt.Sprint(len(data)))
	_, _ = w.Write(data) // a reader that has gone is no loss
}
