package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/daemon/app"
	"sensed/daemon/config"
	"sensed/deploy/models/tiny"
)

func TestConfigCheck(t *testing.T) {
	good := file(t, "good.yaml", "node: porch\nsources: [{name: a, source: 'scene:'}]\n")
	if code, out, _ := call(t, "", "config", "check", good); code != 0 || !strings.Contains(out, "good.yaml is right: node porch, 1 sources") {
		t.Errorf("exit code %d: %s", code, out)
	}
	bad := file(t, "bad.yaml", "node: porch\nbrokr: {}\nsources:\n  - name: a\n    source: vl42:/dev/video0\n")
	code, out, notes := call(t, "", "config", "check", bad)
	for _, want := range []string{`bad.yaml:2:1: brokr: the key "brokr" is not known here; did you mean "broker"?`, `bad.yaml:5:13: sources[0].source: "vl42" is no kind of device; did you mean "v4l2"?`} {
		if code != 3 || out != "" || !strings.Contains(notes, want) {
			t.Errorf("exit code %d, %q is missing: %s%s", code, want, out, notes)
		}
	}
	code, out, _ = call(t, "", "config", "check", bad, "--json")
	got := parse[struct{ Problems []app.FoundProblem }](t, out)
	if code != 3 || len(got.Problems) != 2 || got.Problems[0].Line != 2 || got.Problems[1].Column != 13 || got.Problems[0].Hint != `did you mean "broker"?` {
		t.Errorf("exit code %d: %+v", code, got)
	}
	if code, out, _ = call(t, "", "config", "check", "--json", good); code != 0 || len(parse[struct{ Problems []app.FoundProblem }](t, out).Problems) != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	for args, want := range map[string]int{"/nonexistent.yaml": 3, "a b": 2, "--jsn": 2} {
		if code, _, notes := call(t, "", append([]string{"config", "check"}, strings.Fields(args)...)...); code != want || notes == "" {
			t.Errorf("%q: exit code %d, want %d: %s", args, code, want, notes)
		}
	}
}

func TestConfigPrints(t *testing.T) {
	_, sampled, _ := call(t, "", "config", "sample")
	if _, err := config.Parse("sample", []byte(sampled)); err != nil {
		t.Error(err)
	}
	if code, schema, _ := call(t, "", "config", "schema"); code != 0 || !json.Valid([]byte(schema)) {
		t.Errorf("exit code %d: %.100s", code, schema)
	}
	if code, text, _ := call(t, "", "config", "reference"); code != 0 || !strings.Contains(text, "`sources[].gate.motion.again`") {
		t.Errorf("exit code %d: %.100s", code, text)
	}
}

// From init to a daemon that could run.
func TestInitIsGoodToRun(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", t.TempDir())
	path := filepath.Join(t.TempDir(), "sensed.yaml")
	args := []string{"init", "--config", path, "--node", "shed", "--camera", "scene:?seed=3", "--microphone", "none", "--broker", "none"}
	code, out, notes := call(t, "", args...)
	if code != 0 || !strings.Contains(out, "node shed, 1 cameras, 0 microphones") || !strings.Contains(out, "sensed run --config "+path) {
		t.Fatalf("exit code %d: %s%s", code, out, notes)
	}
	if code, out, notes := call(t, "", "run", "--check", "--config", path); code != 0 || !strings.Contains(out, "1 sources, 0 triggers, model "+tiny.Name) {
		t.Errorf("exit code %d: %s%s", code, out, notes)
	}
	if code, _, notes := call(t, "", args...); code != 2 || !strings.Contains(notes, "--force") {
		t.Errorf("exit code %d: %s", code, notes)
	}
}

// What run --check calls right has a model that opens.
func TestRunCheckOpensTheModel(t *testing.T) {
	text, projector := sample(t, tiny.Text), sample(t, tiny.Projector)
	for model, want := range map[string]int{
		"{text: " + text + ", projector: " + projector + "}": 0,
		"{text: " + text + ", projector: " + text + "}":      4,
		"{text: /nonexistent.gguf}":                          4,
		"{text: " + file(t, "cut.gguf", "GGUF") + "}":        4,
	} {
		path := file(t, "sensed.yaml", "model: "+model+"\n")
		if code, out, notes := call(t, "", "run", "--check", "--config", path); code != want || want != 0 && !strings.Contains(notes, ".gguf") {
			t.Errorf("%s: exit code %d, want %d: %s%s", model, code, want, out, notes)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(text)); err != nil || len(left) != 1 {
		t.Errorf("it left something: %v, %v", left, err)
	}
}
