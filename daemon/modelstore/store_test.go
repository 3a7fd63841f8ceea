package modelstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/kernels/gguf"
)

// drafterFile is a file that says it is a drafter.
func drafterFile(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gguf.NewWriter(&b)
	w.Put("general.architecture", "gemma4-assistant")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// filled is a store with a complete model.
func filled(t *testing.T) (*hub, *Store) {
	t.Helper()
	h := newHub(t, repository(t))
	s := NewStore(t.TempDir())
	if _, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r")}, &notes{}); err != nil {
		t.Fatal(err)
	}
	return h, s
}

func TestVerifyFindsOneWrongBit(t *testing.T) {
	_, s := filled(t)
	m, err := s.Find("r")
	if err != nil {
		t.Fatal(err)
	}
	path := s.Path(m, m.Files[1])
	data := read(t, path)
	if got, ok := Recorded(path); !ok || got != sum(data) {
		t.Errorf("recorded is %q, %v", got, ok)
	}
	data[len(data)/2] ^= 4
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	err = s.Verify(t.Context(), "r", &notes{})
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), m.Files[1].Name) || strings.Contains(err.Error(), m.Files[0].Name) {
		t.Errorf("%v", err)
	}
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	if got, ok := Recorded(path); ok {
		t.Errorf("recorded of a file of another size is %q", got)
	}
	if _, err := s.Find("r"); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "has 10 bytes") {
		t.Errorf("%v", err)
	}
	if err := s.Verify(t.Context(), "none", &notes{}); !errors.Is(err, ErrAbsent) {
		t.Errorf("%v", err)
	}
}

func TestRemove(t *testing.T) {
	_, s := filled(t)
	cache := t.TempDir()
	packed := []string{filepath.Join(s.Dir(), "r", "gemma-4-E2B-it-Q4_0.gguf.packed"), filepath.Join(cache, "mmproj-gemma-4-E2B-it-Q8_0.gguf.packed"), filepath.Join(cache, "gemma-4-E2B-it-Q4_0.gguf.packed.tmp")}
	other := filepath.Join(cache, "other.gguf.packed")
	for _, path := range append(packed, other) {
		if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Use("r"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove("r", false, cache); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v", err)
	}
	if _, err := s.Find("r"); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
	m, _ := s.Find("r")
	freed, err := s.Remove("r", true, cache)
	if err != nil || freed < m.Size()+3000 || freed > m.Size()+5000 {
		t.Errorf("freed %d: %v", freed, err)
	}
	for _, path := range packed {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is there", path)
		}
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(s.Dir()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, name := range []string{"r", "../etc", "current", ""} {
		if _, err := s.Remove(name, true); err == nil {
			t.Errorf("%q was removed", name)
		}
	}
}

// What is not of the model stays; what cannot be read does not stay for ever.
func TestRemoveSparesOthers(t *testing.T) {
	_, s := filled(t)
	mine := filepath.Join(s.Dir(), "r", "notes.txt")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.manifest("r"), []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Find("r"); err == nil {
		t.Error("a torn manifest is a model")
	}
	if _, err := s.Remove("r", false); err == nil || !strings.Contains(err.Error(), "others in its folder") {
		t.Errorf("%v", err)
	}
	if got := read(t, mine); string(got) != "mine" || len(leftovers(t, s.Dir(), ".gguf")) > 0 {
		t.Error("the wrong things were removed")
	}
}

func TestOneAtATime(t *testing.T) {
	h, s := filled(t)
	unlock, err := s.lock("r")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove("r", false); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
	unlock()
	if err := os.MkdirAll(filepath.Join(s.Dir(), "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if unlock, err = s.lock("b"); err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := s.Pull(t.Context(), h.client(Options{}), Pull{Reference: reference(t, "o/r"), Name: "b"}, &notes{}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
}

func TestParseReference(t *testing.T) {
	for s, want := range map[string]Reference{
		"e2b":                        {Name: "e2b", Repository: "ggml-org/gemma-4-E2B-it-GGUF", Revision: "main", Quant: "Q4_0"},
		"E4B:q8_0":                   {Name: "e4b-q8_0", Repository: "ggml-org/gemma-4-E4B-it-GGUF", Revision: "main", Quant: "q8_0"},
		"you/Model-1.5-GGUF":         {Name: "model-1.5", Repository: "you/Model-1.5-GGUF", Revision: "main"},
		"you/m@v1/x:Q4_K_M":          {Name: "m-q4_k_m", Repository: "you/m", Revision: "v1/x", Quant: "Q4_K_M"},
		"https://h.lan/a/b%20c.gguf": {Name: "b-c", URL: "https://h.lan/a/b%20c.gguf"},
		"https://huggingface.co/o/r/blob/main/sub/f.gguf#x": {Name: "f", URL: "https://huggingface.co/o/r/resolve/main/sub/f.gguf"},
	} {
		if got, err := ParseReference(s); err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"": "e2b", "gemma": "OWNER/NAME", "a/b/c": "no repository", "../x": "no repository", "a/b@../x": "no revision", "a/b:": "no quantisation",
		"ftp://h/x.gguf": "not an address that", "https://u:p@h/x.gguf": "password", "https:///x": "not an address that",
	} {
		if got, err := ParseReference(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want %s", s, got, err, want)
		}
	}
}

func TestChoose(t *testing.T) {
	h := newHub(t, nil)
	c := h.client(Options{})
	for name, tt := range map[string]struct {
		files []string
		quant string
		want  string // or what the error says
	}{
		"as ggml-org has them": {[]string{"gemma-4-E2B-it-Q4_0.gguf", "gemma-4-E2B-it-Q8_0.gguf", "gemma-4-E2B-it-bf16.gguf", "mmproj-gemma-4-E2B-it-Q8_0.gguf", "mmproj-gemma-4-E2B-it-bf16.gguf", "mtp-gemma-4-E2B-it-Q4_0.gguf", "mtp-gemma-4-E2B-it-Q8_0.gguf"},
			"Q4_0", "gemma-4-E2B-it-Q4_0.gguf mmproj-gemma-4-E2B-it-Q8_0.gguf mtp-gemma-4-E2B-it-Q8_0.gguf"},
		"as Google has them":        {[]string{"gemma-4-E2B_q4_0-it.gguf", "gemma-4-E2B-it-mmproj.gguf"}, "Q4_0", "gemma-4-E2B_q4_0-it.gguf gemma-4-E2B-it-mmproj.gguf"},
		"as unsloth has them":       {[]string{"gemma-4-E2B-it-Q4_K_M.gguf", "gemma-4-E2B-it-Q4_K_S.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf", "MTP/mtp-gemma-4-E2B-it-BF16.gguf"}, "", "gemma-4-E2B-it-Q4_K_M.gguf mmproj-F16.gguf mtp-gemma-4-E2B-it-BF16.gguf"},
		"not what looks like it":    {[]string{"m-IQ4_0.gguf", "m-Q4_0_4_4.gguf"}, "Q4_0", "it has no file of Q4_0: name one of m-IQ4_0.gguf, m-Q4_0_4_4.gguf"},
		"only one, of another kind": {[]string{"m-Q6_K.gguf"}, "", "m-Q6_K.gguf"},
		"in parts":                  {[]string{"m-Q4_0-00001-of-00002.gguf", "m-Q4_0-00002-of-00002.gguf"}, "", "one of several parts"},
		"nothing":                   {[]string{"README.md", "mmproj-F16.gguf"}, "", "no GGUF file"},
	} {
		var l listing
		l.SHA = commit
		for _, f := range tt.files {
			l.Siblings = append(l.Siblings, struct {
				Name string `json:"rfilename"`
				Size int64  `json:"size"`
				LFS  *struct {
					SHA256 string `json:"sha256"`
					Size   int64  `json:"size"`
				} `json:"lfs"`
			}{Name: f})
		}
		files, err := c.choose(&l, Reference{Repository: "o/r", Quant: tt.quant})
		var got []string
		for _, f := range files {
			got = append(got, f.Name)
			if !strings.HasPrefix(f.URL, h.api.URL+"/o/r/resolve/"+commit+"/") {
				t.Errorf("%s: %s", name, f.URL)
			}
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if text := strings.Join(got, " "); text != tt.want && (err == nil || !strings.Contains(text, tt.want)) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version":1,"name":"e2b","files":[{"role":"text","name":"a.gguf","size":5,"sha256":""}]}`))
	f.Add([]byte(`{"version":1,"name":"../x","files":[{"role":"text","name":"../../etc/passwd.gguf"}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseModel(data)
		if err != nil {
			return
		}
		for _, x := range m.Files {
			if filepath.Dir(filepath.Join("store", m.Name, x.Name)) != filepath.Join("store", m.Name) || x.Size < 0 {
				t.Errorf("%q has the file %q", m.Name, x.Name)
			}
		}
	})
}

func FuzzReference(f *testing.F) {
	for _, s := range []string{"e2b", "o/r@v:Q4_0", "https://h/x.gguf", "https://h/o/blob/x/y.gguf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseReference(s); err == nil && CheckName(r.Name) != nil {
			t.Errorf("%q is named %q", s, r.Name)
		}
	})
}
