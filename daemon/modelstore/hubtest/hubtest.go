// Package hubtest plays a hub of models on loopback, with one repository.
package hubtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Start returns a hub that has files, by name, in a repository OWNER/NAME; the
// test ends it.
func Start(t testing.TB, repository string, files map[string][]byte) *httptest.Server {
	t.Helper()
	var siblings []any
	for name, data := range files {
		hash := sha256.Sum256(data)
		siblings = append(siblings, map[string]any{"rfilename": name, "size": len(data), "lfs": map[string]any{"sha256": hex.EncodeToString(hash[:]), "size": len(data)}})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/models/"+repository+"/revision/main", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"sha": strings.Repeat("a1", 20), "siblings": siblings})
	})
	mux.HandleFunc("GET /"+repository+"/resolve/{rev}/{name}", func(w http.ResponseWriter, r *http.Request) {
		data, ok := files[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}
