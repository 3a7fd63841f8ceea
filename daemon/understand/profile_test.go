package understand

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// minimal is the smallest profile; tests put their fields in place of the X.
const minimal = `{"name": "m", "prompts": {"caption": "c", "detect": "d", "transcribe": "t"}X}`

func TestParseProfile(t *testing.T) {
	tests := []struct {
		name, json, want string // want is part of the error; "" is none
	}{
		{"minimal", strings.Replace(minimal, "X", "", 1), ""},
		{"all fields", strings.Replace(minimal, "X", `, "what": "w", "image_tokens": 140, "image_size": "any", "audio_seconds": 5, "audio_pause": 0.4, "labels": ["a"], "media_first": {"caption": true}, "silence": "s"`, 1), ""},
		{"unknown field", strings.Replace(minimal, "X", `, "image_token": 70`, 1), "image_token"},
		{"unknown prompt", `{"name": "m", "prompts": {"captoin": "c"}}`, "captoin"},
		{"no name", `{"prompts": {"caption": "c", "detect": "d", "transcribe": "t"}}`, "name is missing"},
		{"no caption", `{"name": "m", "prompts": {"detect": "d", "transcribe": "t"}}`, "prompts.caption is missing"},
		{"blank detect", `{"name": "m", "prompts": {"caption": "c", "detect": " ", "transcribe": "t"}}`, "prompts.detect is missing"},
		{"labels without any", `{"name": "m", "prompts": {"caption": "c", "detect": "find {labels}", "transcribe": "t"}}`, "detect_all or labels"},
		{"budget", strings.Replace(minimal, "X", `, "image_tokens": 100`, 1), "image_tokens is 100"},
		{"seconds", strings.Replace(minimal, "X", `, "audio_seconds": 31`, 1), "audio_seconds is 31"},
		{"pause", strings.Replace(minimal, "X", `, "audio_pause": -1`, 1), "audio_pause is -1"},
		{"kind", strings.Replace(minimal, "X", `, "media_first": {"captoin": true}`, 1), "media_first.captoin"},
		{"point", `{"name": "m", "prompts": {"caption": "c", "detect": "d", "transcribe": "t", "point": "where"}}`, "prompts.point lacks {label}"},
		{"boxes", `{"name": "m", "prompts": {"caption": "c", "detect": "d", "transcribe": "t"}, "boxes": [{"open": "[", "object": "{y1} {x1} {y2} {x2}", "between": ",", "close": "]", "empty": "[]"}]}`, "boxes[0]: object"},
		{"translate", `{"name": "m", "prompts": {"caption": "c", "detect": "d", "transcribe": "t", "translate": "say"}}`, "prompts.translate lacks {into}"},
		{"language", `{"name": "m", "prompts": {"caption": "c", "detect": "d", "transcribe": "t", "transcribe_language": "say"}}`, "lacks {language}"},
		{"empty label", strings.Replace(minimal, "X", `, "labels": ["a", "\""]`, 1), "labels: label"},
		{"trailing", strings.Replace(minimal, "X", "", 1) + "{}", "something follows"},
		{"not JSON", "GGUF", "invalid character"},
		{"wrong type", `{"name": 7}`, "name"},
		{"huge", strings.Repeat(" ", maxProfile+1), "this is no profile"},
		{"empty", "", "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseProfile("test.json", []byte(tt.json))
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "test.json") {
				t.Errorf("error is %v, want one with %q that names test.json", err, tt.want)
			}
		})
	}
}

func TestChooseProfile(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	mine := write("mine.json", strings.Replace(strings.Replace(minimal, "X", "", 1), `"m"`, `"mine"`, 1))
	write("with/profile.json", strings.Replace(strings.Replace(minimal, "X", "", 1), `"m"`, `"beside"`, 1))
	write("broken/profile.json", "{")
	tests := []struct {
		name, named, model, general string
		want, wantErr               string
	}{
		{"named wins", mine, filepath.Join(folder, "with/x.gguf"), "tiny-gemma4", "mine", ""},
		{"beside the model", "", filepath.Join(folder, "with/tiny-gemma4.gguf"), "", "beside", ""},
		{"beside but broken", "", filepath.Join(folder, "broken/x.gguf"), "", "", "lies beside the model"},
		{"by file name", "", filepath.Join(folder, "Tiny-Gemma4-f16.gguf"), "Hf", "tiny-gemma4", ""},
		{"by general name", "", filepath.Join(folder, "x.gguf"), "tiny-gemma4", "tiny-gemma4", ""},
		{"official", "", filepath.Join(folder, "gemma-4-E2B-it-Q4_0.gguf"), "Gemma 4 E2B It", "gemma4", ""},
		{"named but absent", filepath.Join(folder, "no.json"), "x.gguf", "", "", "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, _, err := chooseProfile(tt.named, tt.model, tt.general)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error is %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil || p.Name != tt.want {
				t.Errorf("profile is %q, %v, want %q", p.Name, err, tt.want)
			}
		})
	}
}

func TestMediaFirst(t *testing.T) {
	official, err := OfficialProfile()
	if err != nil {
		t.Fatal(err)
	}
	small, err := TinyProfile()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		profile Profile
		kind    Kind
		sound   bool
		want    bool
	}{
		{"official caption", official, Caption, false, true},
		{"official transcript", official, Transcribe, true, false},
		{"official prompt about a picture", official, Prompt, false, true},
		{"official prompt about a sound", official, Prompt, true, false},
		{"tiny transcript", small, Transcribe, true, true},
		{"tiny prompt about a sound goes by its transcripts", small, Prompt, true, true},
		{"nothing said, picture", Profile{}, Detect, false, true},
		{"nothing said, sound", Profile{}, Transcribe, true, false},
	}
	for _, tt := range tests {
		if got := tt.profile.mediaFirst(tt.kind, tt.sound); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(strings.Replace(minimal, "X", `, "labels": ["a", ""], "media_first": {"point": false}`, 1)))
	f.Add(officialProfile)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProfile("fuzz", data)
		if err == nil && (p.Name == "" || p.Prompts.Caption == "") {
			t.Errorf("a profile without name or caption was taken: %+v", p)
		}
	})
}
