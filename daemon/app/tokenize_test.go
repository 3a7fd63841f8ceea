package app

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzTokenize checks that each line of input has its line of output, and that
// what was text comes back.
func FuzzTokenize(f *testing.F) {
	for _, s := range []string{"", "\n", "turn on the camera", "a\n\nb\n", "\xff\n", "<|turn>user", "é🙂\r\n", "[1,2]", "[1.5]\n{}", "[99999999999999999999]", "null"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, in string, decode bool) {
		var out, notes bytes.Buffer
		err := Tokenize(t.Context(), TokenizeOptions{Decode: decode}, strings.NewReader(in), &out, &notes)
		if (err != nil) != (notes.Len() > 0) || err != nil && ClassOf(err) != BadInput {
			t.Fatalf("%v, notes: %s", err, notes.String())
		}
		if decode {
			return
		}
		lines := strings.Split(strings.TrimSuffix(in, "\n"), "\n")
		if in == "" {
			lines = nil
		}
		got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if out.Len() == 0 {
			got = nil
		}
		if len(got) != len(lines) {
			t.Fatalf("%d lines of input, %d of output", len(lines), len(got))
		}
		for i, line := range lines {
			var ids []int
			if err := json.Unmarshal([]byte(got[i]), &ids); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			if utf8.ValidString(line) != (ids != nil) {
				t.Errorf("line %d: %q has the ids %s", i+1, line, got[i])
			}
		}
		if err != nil {
			return
		}
		var back bytes.Buffer
		if err := Tokenize(t.Context(), TokenizeOptions{Decode: true}, &out, &back, &notes); err != nil {
			t.Fatalf("%v, notes: %s", err, notes.String())
		}
		if want := strings.Join(lines, "\n"); strings.TrimSuffix(back.String(), "\n") != want {
			t.Errorf("came back as %q, was %q", back.String(), want)
		}
	})
}
