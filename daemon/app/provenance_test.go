package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sensed/deploy/models/tiny"
)

func TestProvenance(t *testing.T) {
	data, err := fs.ReadFile(tiny.Files(), tiny.Text)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	want := hex.EncodeToString(sum[:])
	quiet := slog.New(slog.DiscardHandler)
	folder := t.TempDir()
	path, memo := filepath.Join(folder, "model.gguf"), filepath.Join(folder, "model.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}

	var bundled, file provenance
	bundled.look(t.Context(), "", "", quiet)
	file.look(t.Context(), path, memo, quiet)
	for name, p := range map[string]*provenance{"bundled": &bundled, "file": &file} {
		if m := p.model(); m.SHA256 != want || m.Quant != "Q8_0" && m.Quant != "Q4_0" {
			t.Errorf("%s: %+v, want the hash %s", name, m, want)
		}
	}

	// What was found out is kept for as long as the file is the same.
	ended, end := context.WithCancel(t.Context())
	end()
	var again provenance
	again.look(ended, path, memo, quiet)
	if again.model().SHA256 != want {
		t.Errorf("it was not kept: %+v", again.model())
	}
	if err := os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	var changed provenance
	changed.look(ended, path, memo, quiet)
	if changed.model().SHA256 != "" || changed.model().Quant == "" {
		t.Errorf("the hash of a file that changed: %+v", changed.model())
	}
	if err := os.WriteFile(memo, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var torn provenance
	torn.look(t.Context(), path, memo, quiet)
	if torn.model().SHA256 != want {
		t.Errorf("after a torn memo: %+v", torn.model())
	}
}
