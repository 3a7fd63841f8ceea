package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/deploy/models/tiny"
)

func TestHelpTellsEverything(t *testing.T) {
	code, overview, notes := call(t, "", "help")
	if code != 0 || notes != "" {
		t.Errorf("sensed help: exit code %d, %s", code, notes)
	}
	var all []command
	for _, c := range commands() {
		if !strings.Contains(overview, "\n  "+c.name+" ") {
			t.Errorf("sensed help lacks %s", c.name)
		}
		if len(c.subs) == 0 {
			all = append(all, c)
			continue
		}
		for _, args := range [][]string{{c.name, "-h"}, {c.name, "--help"}, {"help", c.name}} {
			code, text, notes := call(t, "", args...)
			for _, sub := range c.subs {
				if code != 0 || notes != "" || !strings.Contains(text, "\n  sensed "+sub.name+" ") {
					t.Errorf("%q: exit code %d, %s is missing: %s", args, code, sub.name, notes)
				}
			}
		}
		all = append(all, c.subs...)
	}
	for _, c := range all {
		words := strings.Fields(c.name)
		for _, args := range [][]string{append(words, "-h"), append(words, "--help"), append([]string{"help"}, words...)} {
			code, text, notes := call(t, "", args...)
			if code != 0 || notes != "" {
				t.Errorf("%q: exit code %d, %s", args, code, notes)
			}
			f := flag.NewFlagSet(c.name, flag.ContinueOnError)
			c.prepare(f)
			f.VisitAll(func(fl *flag.Flag) {
				if !strings.Contains(text, "\n  --"+fl.Name) {
					t.Errorf("%q: --%s is missing", args, fl.Name)
				}
			})
			for _, want := range []string{"Usage: sensed " + c.name, "Exit codes:", c.summary} {
				if !strings.Contains(text, want) {
					t.Errorf("%q lacks %q", args, want)
				}
			}
			for line := range strings.Lines(text) {
				if len(line) > 101 {
					t.Errorf("%q: a line of %d characters: %s", args, len(line), line)
				}
			}
		}
	}
	for _, args := range [][]string{{"-h"}, {"--help"}} {
		if code, text, _ := call(t, "", args...); code != 0 || text != overview {
			t.Errorf("%q: exit code %d, another text", args, code)
		}
	}
}

func TestCommandLineMistakes(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "Usage: sensed COMMAND"},
		{[]string{"dmeo"}, `no command "dmeo"; the commands are demo, init, run`},
		{[]string{"help", "nothing"}, `no command "nothing"`},
		{[]string{"demo", "--onec"}, "--onec"},
		{[]string{"demo", "now"}, `"now" is not understood`},
		{[]string{"demo", "--port", "70000"}, "1 to 65535"},
		{[]string{"run"}, "--config is missing"},
		{[]string{"run", "--config"}, "--config"},
		{[]string{"run", "sensed.yaml"}, `"sensed.yaml" is not understood`},
		{[]string{"tokenize", "--decode", "--plain"}, "--plain"},
		{[]string{"tokenize", "text"}, `"text" is not understood`},
		{[]string{"verify", "--model", "m.gguf"}, "one folder of cases"},
		{[]string{"verify", "cases"}, "--model is missing"},
		{[]string{"version", "x"}, `"x" is not understood`},
	} {
		code, out, notes := call(t, "", tc.args...)
		if code != 2 || out != "" || !strings.Contains(notes, tc.want) {
			t.Errorf("%q: exit code %d, output %q, message %q; want 2 and %q", tc.args, code, out, notes, tc.want)
		}
	}
}

func TestVersionNamesTheBuild(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		code, out, _ := call(t, "", args...)
		for _, want := range []string{"sensed ", "commit ", "go ", "kernels "} {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%q: exit code %d, %q lacks %q", args, code, out, want)
			}
		}
	}
}

func TestTokenizeThereAndBack(t *testing.T) {
	text := "turn on the camera\n\n  two spaces, naïve café 🙂\n<|turn>user\nno end of line"
	for _, model := range [][]string{nil, {"--model", sample(t, tiny.Text)}} {
		code, ids, notes := call(t, text, append([]string{"tokenize"}, model...)...)
		if code != 0 || notes != "" {
			t.Fatalf("exit code %d: %s", code, notes)
		}
		lines := strings.Split(strings.TrimSuffix(ids, "\n"), "\n")
		if len(lines) != 5 || lines[1] != "[]" {
			t.Fatalf("ids: %q", lines)
		}
		for _, l := range lines {
			parse[[]int](t, l)
		}
		code, back, notes := call(t, ids, append([]string{"tokenize", "--decode"}, model...)...)
		if code != 0 || notes != "" || back != text+"\n" {
			t.Errorf("exit code %d: %q, want %q\n%s", code, back, text+"\n", notes)
		}
	}
	_, special, _ := call(t, "<|turn>", "tokenize")
	_, plain, _ := call(t, "<|turn>", "tokenize", "--plain")
	if len(parse[[]int](t, special)) != 1 || len(parse[[]int](t, plain)) < 2 {
		t.Errorf("<|turn> is %s as a control token and %s as text", special, plain)
	}
}

func TestTokenizeNamesBadLines(t *testing.T) {
	for name, tc := range map[string]struct {
		in, out string
		args    []string
		want    []string
	}{
		"not UTF-8":      {"good\n\xff\xfe\ngood", "ids null ids", nil, []string{"line 2: it is not UTF-8", "1 lines"}},
		"too long":       {strings.Repeat("x", 16<<20+1) + "\ngood", "null ids", nil, []string{"line 1: it is longer than 16 MiB"}},
		"no array":       {"[311]\nhello\n{}\n", "text  ", []string{"--decode"}, []string{"line 2: it is no JSON array", "line 3: it is no JSON array", "2 lines"}},
		"no whole ids":   {"[1.5]", "", []string{"--decode"}, []string{"line 1: "}},
		"unknown id":     {"[99999999]", "", []string{"--decode"}, []string{"line 1: the id 99999999 is outside the vocabulary of"}},
		"negative id":    {"[-1]", "", []string{"--decode"}, []string{"line 1: the id -1 is outside"}},
		"something more": {"[311] [312]", "", []string{"--decode"}, []string{"line 1: something follows"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, notes := call(t, tc.in, append([]string{"tokenize"}, tc.args...)...)
			if code != 5 {
				t.Errorf("exit code %d", code)
			}
			for _, w := range tc.want {
				if !strings.Contains(notes, w) {
					t.Errorf("the message lacks %q: %s", w, notes)
				}
			}
			var kinds []string
			for line := range strings.Lines(out) {
				switch line = strings.TrimSuffix(line, "\n"); {
				case strings.HasPrefix(line, "["):
					line = "ids"
				case line != "" && line != "null":
					line = "text"
				}
				kinds = append(kinds, line)
			}
			if got := strings.Join(kinds, " "); got != tc.out {
				t.Errorf("output has the lines %q, want %q", got, tc.out)
			}
		})
	}
}

func TestTokenizeNamesABadModel(t *testing.T) {
	for _, path := range []string{"/nonexistent/m.gguf", file(t, "text.gguf", "hello"), sample(t, tiny.Projector)} {
		code, out, notes := call(t, "hello", "tokenize", "--model", path)
		if code != 1 || out != "" || !strings.Contains(notes, filepath.Base(path)) {
			t.Errorf("%s: exit code %d, %q, %s", path, code, out, notes)
		}
	}
}

func TestVerifyComparesWithRecordedCases(t *testing.T) {
	model := []string{"--model", sample(t, tiny.Text), "--projector", sample(t, tiny.Projector)}
	_, ids, _ := call(t, "turn on the camera", "tokenize")
	cases := func(ids string) string {
		dir := t.TempDir()
		text := `{"tokenize":[{"text":"turn on the camera","ids":` + ids + `,"decoded":"turn on the camera"}],"text":[],"image":[],"audio":[],"chat":[]}`
		if !json.Valid([]byte(text)) {
			t.Fatal(text)
		}
		if err := os.WriteFile(filepath.Join(dir, "golden.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, tc := range []struct {
		folder string
		code   int
		out    string // what standard output has
		want   string // what standard error has
	}{
		{cases(strings.TrimSpace(ids)), 0, "pass", ""},
		{cases("[5]"), 1, "FAIL", "1 cases fail"},
		{t.TempDir(), 5, "", "golden.json"},
		{"/nonexistent/cases", 5, "", "/nonexistent/cases"},
	} {
		code, out, notes := call(t, "", append(append([]string{"verify"}, model...), tc.folder)...)
		if code != tc.code || !strings.Contains(out, tc.out) || !strings.Contains(notes, tc.want) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", tc.folder, code, tc.code, out, notes)
		}
	}
	code, _, notes := call(t, "", "verify", "--model", "/nonexistent/m.gguf", cases("[5]"))
	if code != 1 || !strings.Contains(notes, "/nonexistent/m.gguf") {
		t.Errorf("missing model: exit code %d, %s", code, notes)
	}
}
