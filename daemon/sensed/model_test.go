package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/daemon/app"
	"sensed/daemon/modelstore/hubtest"
	"sensed/deploy/models/tiny"
)

// models is a server with the demonstration model as if it were published.
func models(t *testing.T) *httptest.Server {
	t.Helper()
	files := map[string][]byte{}
	for name, from := range map[string]string{"tiny-Q4_0.gguf": tiny.Text, "mmproj-tiny-Q8_0.gguf": tiny.Projector} {
		data, err := os.ReadFile(sample(t, from))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	return hubtest.Start(t, "o/tiny", files)
}

func TestModelsFromPullToRemove(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	t.Setenv("HF_ENDPOINT", models(t).URL)
	does := func(code int, words string, args ...string) {
		t.Helper()
		got, out, notes := call(t, "", append([]string{"model"}, args...)...)
		if got != code || !strings.Contains(out+notes, words) {
			t.Errorf("sensed model %q: exit code %d, want %d and %q\n%s%s", args, got, code, words, out, notes)
		}
	}
	does(0, "none yet", "list")
	does(1, "no model in", "verify")
	does(1, "none is in use", "verify", "current")
	config := file(t, "sensed.yaml", "model: current\n")
	checks := func(config string, code int, words string) {
		t.Helper()
		if got, out, notes := call(t, "", "run", "--check", "--config", config); got != code || !strings.Contains(out+notes, words) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", config, got, code, words, out, notes)
		}
	}
	checks(config, 0, "is right") // the demonstration model
	checks(file(t, "disk.yaml", "model: {name: current, folder: models}\n"), 4, ":1:15: model.name: there is no such model: none is in use")
	checks(file(t, "named.yaml", "model: tiny\n"), 4, "tiny is not in")
	does(0, "tiny is the model in use", "pull", "o/tiny")
	does(0, "tiny is there already", "pull", "o/tiny")
	does(0, "In use is tiny still", "pull", "o/tiny", "--as", "second")
	does(0, "* tiny ", "list")
	does(0, "second is as it came", "verify")
	does(0, "", "use", "second")
	checks(config, 0, "is right")
	if err := os.Rename(filepath.Join(state, "models", "second"), filepath.Join(state, "second")); err != nil {
		t.Fatal(err)
	}
	checks(config, 4, "second is not in") // no reason to answer with another one
	if err := os.Rename(filepath.Join(state, "second"), filepath.Join(state, "models", "second")); err != nil {
		t.Fatal(err)
	}
	if code, out, notes := call(t, "", "infer", "--model", "current", "--image", sample(t, "samples/scene1.png")); code != 0 || out == "" {
		t.Errorf("exit code %d: %s", code, notes)
	}
	_, text, _ := call(t, "", "model", "list", "--json")
	if l := parse[app.ModelListing](t, text); len(l.Models) != 2 || !l.Models[0].Current || l.Models[0].Name != "second" || l.Models[1].Current || l.Models[1].Bytes == 0 || len(l.Known) == 0 {
		t.Errorf("%+v", l)
	}
	path := filepath.Join(state, "models", "tiny", "tiny-Q4_0.gguf")
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	does(1, "has 1000 bytes and should have", "verify")
	does(1, "remove it with sensed model rm tiny", "use", "tiny")
	does(0, "tiny is removed", "rm", "tiny")
	does(1, "--force", "rm", "second")
	does(0, "second is removed", "rm", "second", "--force")
	does(0, "none yet", "list")
}

func TestModelMistakes(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	server := models(t)
	loose := file(t, "token", "hf_secret\n")
	if err := os.Chmod(loose, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{2, "it says nothing by itself", nil},
		{2, `it has no "pul"; what it has is list, pull`, []string{"pul"}},
		{2, "one model is needed, 0 are given", []string{"pull"}},
		{2, "one model is needed, 2 are given", []string{"use", "a", "b"}},
		{2, `no model is known as "e3b"`, []string{"pull", "e3b"}},
		{2, "--nothing", []string{"pull", "e2b", "--nothing"}},
		{2, "may be read or changed by every user", []string{"pull", "o/tiny", "--token-file", loose}},
		{2, "no address of a mirror", []string{"pull", "o/tiny", "--endpoint", "hf.lan"}},
		{1, "does not have it (404", []string{"pull", "o/none", "--endpoint", server.URL}},
		{1, "cannot be the name of a model", []string{"pull", "o/tiny", "--as", "../x", "--endpoint", server.URL}},
		{1, "no such model", []string{"rm", "none"}},
		{1, "no such model", []string{"use", "none"}},
	} {
		code, out, notes := call(t, "", append([]string{"model"}, tt.args...)...)
		if code != tt.code || out != "" || !strings.Contains(notes, tt.want) || strings.Contains(notes, "hf_secret") {
			t.Errorf("%q: exit code %d, want %d and %q\n%s%s", tt.args, code, tt.code, tt.want, out, notes)
		}
	}
	// A board without the memory is told so before anything comes.
	board := t.TempDir()
	if err := os.MkdirAll(filepath.Join(board, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(board, "proc", "meminfo"), []byte("MemTotal: 400000 kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(boardVariable, board)
	if code, _, notes := call(t, "", "model", "pull", "o/tiny", "--endpoint", server.URL); code != 1 || !strings.Contains(notes, "of memory, and the board has 409 MB") {
		t.Errorf("exit code %d: %s", code, notes)
	}
}

// On a terminal there is a bar that is drawn in place, elsewhere there are lines.
func TestPullShowsHowFarItIs(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	server := models(t)
	t.Setenv("HF_ENDPOINT", server.URL)
	_, _, notes := call(t, "", "model", "pull", "o/tiny")
	for _, want := range []string{"tiny-Q4_0.gguf: ", "mmproj-tiny-Q8_0.gguf: 100 % of"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the lines lack %q:\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "\x1b") || strings.Contains(notes, "\r") || strings.Count(notes, "\n") > 30 {
		t.Errorf("these are no plain lines: %q", notes)
	}
	// The server holds the second half back until a bar was drawn.
	master, slave := pseudoTerminal(t, 100, 30)
	drawn, seen := newOutput(), make(chan struct{})
	inner := server.Config.Handler
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tiny-Q4_0.gguf") {
			w = &halting{ResponseWriter: w, wait: func() { drawn.await(t, "tiny-Q4_0.gguf") }}
		}
		inner.ServeHTTP(w, r)
	})
	go func() {
		_, _ = io.Copy(drawn, master) // ends with an error when the other side is closed
		close(seen)
	}()
	var out bytes.Buffer
	code := run(t.Context(), []string{"model", "pull", "o/tiny", "--as", "drawn"}, streams{strings.NewReader(""), &out, slave})
	slave.Close()
	<-seen
	text := drawn.String()
	if code != 0 || !strings.Contains(text, "tiny-Q4_0.gguf") || !strings.Contains(text, "\x1b[") || !strings.Contains(text, "MB") {
		t.Errorf("exit code %d, drawn: %q", code, text)
	}
}

// halting is an answer that waits once, after its first bytes.
type halting struct {
	http.ResponseWriter
	wait func()
}

func (h *halting) Write(p []byte) (int, error) {
	n, err := h.ResponseWriter.Write(p)
	if wait := h.wait; wait != nil {
		h.wait = nil
		h.ResponseWriter.(http.Flusher).Flush()
		wait()
	}
	return n, err
}
