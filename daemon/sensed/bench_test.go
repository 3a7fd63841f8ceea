package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/daemon/bench"
)

func TestBenchMeasuresTheBundledModel(t *testing.T) {
	code, out, notes := call(t, "", "bench", "--only", "prefill-64,vision-70,load", "--runs", "1", "--threads", "1", "--json")
	if code != 0 || !strings.Contains(notes, "measured vision-70") {
		t.Fatalf("exit code %d: %s", code, notes)
	}
	r := parse[bench.Report](t, out)
	if len(r.Results) != 3 || r.Results[0].Seconds == nil || !strings.Contains(r.Model.Name, "bundled") || r.Model.Threads != 1 {
		t.Errorf("report %+v", r)
	}
	code, out, _ = call(t, "", "bench", "--only", "decode", "--runs", "1")
	if code != 0 || !strings.Contains(out, "decode-64") || !strings.Contains(out, "tokens/s") {
		t.Errorf("exit code %d, table:\n%s", code, out)
	}
}

func TestBenchMakesAModel(t *testing.T) {
	dir := t.TempDir()
	args := []string{"bench", "--shape", "sketch", "--type", "q8_0", "--dir", dir}
	code, out, notes := call(t, "", append(args, "--only", "prefill-64,audio-5", "--runs", "1", "--json")...)
	if code != 0 || !strings.Contains(notes, "writing "+dir) {
		t.Fatalf("exit code %d: %s", code, notes)
	}
	r := parse[bench.Report](t, out)
	if r.Model.Text != filepath.Join(dir, "sketch-random-q8_0.gguf") || len(r.Results) != 2 || r.Results[1].Skipped != "" {
		t.Errorf("report %+v", r)
	}
	code, out, notes = call(t, "speech-end\nmemory\n", append(args, "--serve")...)
	if code != 0 || strings.Contains(notes, "writing") || strings.Count(out, "\n") != 2 || strings.Contains(out, "error") {
		t.Errorf("served: exit code %d, %q, %q", code, out, notes)
	}
}

func TestBenchMistakes(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(damaged, []byte("GGUF"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--shape", "e9b"}, 2, "choose e2b or e4b"},
		{[]string{"--shape", "e2b", "--type", "q9"}, 2, "q4_0, q4_k_m, q8_0"},
		{[]string{"--shape", "e2b", "--model", "m"}, 2, "--shape makes a model"},
		{[]string{"--type", "q8_0"}, 2, "give --shape too"},
		{[]string{"--projector", "p"}, 2, "give --model too"},
		{[]string{"--runs", "0"}, 2, "at least 1"},
		{[]string{"--threads", "-1"}, 2, "negative"},
		{[]string{"--only", "prefil"}, 2, `"prefil"`},
		{[]string{"--serve", "--json"}, 2, "mean nothing"},
		{[]string{"now"}, 2, "not understood"},
		{[]string{"--shape", "sketch", "--dir", filepath.Join(damaged, "x")}, 1, "cannot be made"},
		{[]string{"--model", damaged}, 1, "m.gguf"},
	} {
		code, out, notes := call(t, "", append([]string{"bench"}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(notes, c.want) {
			t.Errorf("%q: exit code %d, output %q, message %q; want %d and %q", c.args, code, out, notes, c.code, c.want)
		}
	}
}
