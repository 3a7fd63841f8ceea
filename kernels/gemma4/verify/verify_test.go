package verify

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/kernels/gemma4"
)

// The small random model and its cases (testdata/reference.py).
const miniFolder = "../testdata/mini"

func openModel(t *testing.T, folder, text, projector string) *gemma4.Model {
	t.Helper()
	if projector != "" {
		projector = filepath.Join(folder, projector)
	}
	m, err := gemma4.Open(filepath.Join(folder, text), projector, gemma4.Options{Threads: 2, Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func allPass(t *testing.T, m *gemma4.Model, cases string) {
	t.Helper()
	kinds := map[string]int{}
	report, err := Run(context.Background(), m, cases, func(r Result) {
		kinds[r.Kind]++
		if !r.Pass() {
			t.Error(r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed() > 0 || !strings.Contains(report.String(), "pass") {
		t.Errorf("the report says %q", report)
	}
	for _, kind := range []string{"tokenize", "text", "image", "audio", "chat"} {
		if kinds[kind] == 0 {
			t.Errorf("there were no cases of kind %s", kind)
		}
	}
}

func TestSmallModelEqualsReference(t *testing.T) {
	allPass(t, openModel(t, miniFolder, "text.gguf", "mmproj.gguf"), filepath.Join(miniFolder, "cases"))
}

// TestGoldenModelEqualsReference runs the golden cases, which are too large to
// be part of the project: SENSED_GOLDEN names the folder that holds cases/,
// text-f16.gguf and mmproj-f16.gguf.
func TestGoldenModelEqualsReference(t *testing.T) {
	folder := os.Getenv("SENSED_GOLDEN")
	if folder == "" {
		t.Skip("SENSED_GOLDEN does not name a folder of golden cases; the small model covers the same code")
	}
	allPass(t, openModel(t, folder, "text-f16.gguf", "mmproj-f16.gguf"), filepath.Join(folder, "cases"))
}

// copyCases copies the cases so that a test can spoil them.
func copyCases(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cases")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(miniFolder, "cases"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rewrite changes a file of the folder.
func rewrite(t *testing.T, dir, name string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o644); err != nil {
		t.Fatal(err)
	}
}

// rewriteCase changes a field of the first case of a kind.
func rewriteCase(t *testing.T, dir, kind, name string, value any) {
	t.Helper()
	rewrite(t, dir, "golden.json", func(b []byte) []byte {
		var g map[string][]map[string]any
		if err := json.Unmarshal(b, &g); err != nil {
			t.Fatal(err)
		}
		if value == nil {
			delete(g[kind][0], name)
		} else {
			g[kind][0][name] = value
		}
		out, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
}

// lastNumber adds to the last number of a NumPy file.
func lastNumber(by float32) func([]byte) []byte {
	return func(b []byte) []byte {
		at := b[len(b)-4:]
		binary.LittleEndian.PutUint32(at, math.Float32bits(math.Float32frombits(binary.LittleEndian.Uint32(at))+by))
		return b
	}
}

// TestDifferencesAreFound spoils one thing at a time. Exactly the first case of
// that kind must fail, or both that read the file, and say so.
func TestDifferencesAreFound(t *testing.T) {
	m := openModel(t, miniFolder, "text.gguf", "mmproj.gguf")
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		fails []string // kinds, in order
		says  string
	}{
		"token": {func(t *testing.T, dir string) { rewriteCase(t, dir, "tokenize", "ids", []int{5}) }, []string{"tokenize"}, "ids differ (from place 1 of 1"},
		"decoded": {func(t *testing.T, dir string) { rewriteCase(t, dir, "tokenize", "decoded", "other") },
			[]string{"tokenize"}, "text differ"},
		"logit":      {func(t *testing.T, dir string) { rewrite(t, dir, "text0_logits.npy", lastNumber(0.05)) }, []string{"text"}, "logits 5.0e-02 (at most 2e-02)"},
		"small":      {func(t *testing.T, dir string) { rewrite(t, dir, "text0_logits.npy", lastNumber(0.01)) }, nil, ""},
		"no number":  {func(t *testing.T, dir string) { rewrite(t, dir, "text0_logits.npy", lastNumber(float32(math.NaN()))) }, []string{"text"}, "NaN"},
		"greedy":     {func(t *testing.T, dir string) { rewriteCase(t, dir, "text", "greedy", []int{1, 2}) }, []string{"text"}, "2 greedy tokens differ"},
		"patches":    {func(t *testing.T, dir string) { rewriteCase(t, dir, "image", "patches_w", 1) }, []string{"image"}, "patches differ"},
		"soft":       {func(t *testing.T, dir string) { rewriteCase(t, dir, "image", "soft_tokens", 1) }, []string{"image"}, "shape"},
		"embedding":  {func(t *testing.T, dir string) { rewrite(t, dir, "img0_70_emb.npy", lastNumber(1)) }, []string{"image"}, "embeddings"},
		"pixel":      {func(t *testing.T, dir string) { paint(t, dir, "img0_70_resized.png", 1, 40) }, []string{"image"}, "by up to"},
		"two pixels": {func(t *testing.T, dir string) { paint(t, dir, "img0_70_resized.png", 100, 1) }, nil, ""},
		"many":       {func(t *testing.T, dir string) { paint(t, dir, "img0_70_resized.png", 2000, 1) }, []string{"image"}, "pixels"},
		"mel":        {func(t *testing.T, dir string) { rewrite(t, dir, "aud0_mel.npy", lastNumber(0.001)) }, []string{"audio"}, "mel 1.0e-03"},
		"frames":     {func(t *testing.T, dir string) { rewriteCase(t, dir, "audio", "mel_padded", 3) }, []string{"audio"}, "frames differ"},
		"chat":       {func(t *testing.T, dir string) { rewrite(t, dir, "chat_aud0.npy", lastNumber(1)) }, []string{"chat"}, "last logits"},
		"places":     {func(t *testing.T, dir string) { rewriteCase(t, dir, "chat", "ids", []int{2, 15}) }, []string{"chat"}, "places"},
		"budget":     {func(t *testing.T, dir string) { rewriteCase(t, dir, "chat", "budget", 71) }, []string{"chat"}, "71"},
		"no budget":  {func(t *testing.T, dir string) { rewriteCase(t, dir, "chat", "budget", nil) }, []string{"chat"}, "soft tokens and the prompt holds"},
		"picture": {func(t *testing.T, dir string) {
			rewrite(t, dir, "img0.png", func([]byte) []byte { return []byte("a text") })
		},
			[]string{"image", "chat"}, "img0.png: not a usable PNG or JPEG picture"},
		"cut": {func(t *testing.T, dir string) {
			rewrite(t, dir, "text0_logits.npy", func(b []byte) []byte { return b[:len(b)-1] })
		},
			[]string{"text"}, "text0_logits.npy: not a usable"},
		"sound": {func(t *testing.T, dir string) {
			rewrite(t, dir, "aud0.wav", func(b []byte) []byte { b[34] = 8; return b })
		},
			[]string{"audio", "chat"}, "aud0.wav: not a usable WAV file: it is format 1 with 1 channels of 8 bits"},
		"gone":    {func(t *testing.T, dir string) { rewriteCase(t, dir, "audio", "mel", "nowhere.npy") }, []string{"audio"}, "nowhere.npy"},
		"outside": {func(t *testing.T, dir string) { rewriteCase(t, dir, "chat", "media", "../img0.png") }, []string{"chat"}, "path escapes"},
		"link": {func(t *testing.T, dir string) {
			link(t, dir, "img0.png")
		}, []string{"image", "chat"}, "path escapes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyCases(t)
			c.spoil(t, dir)
			report, err := Run(context.Background(), m, dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, r := range report.Results {
				if r.Pass() {
					continue
				}
				if failed = append(failed, r.Kind); !strings.HasPrefix(r.String(), "FAIL") || !strings.Contains(r.String(), c.says) {
					t.Errorf("%q does not say %q", r, c.says)
				}
			}
			if strings.Join(failed, " ") != strings.Join(c.fails, " ") || report.Failed() != len(c.fails) {
				t.Errorf("%v fail, want %v (%v)", failed, c.fails, report)
			}
		})
	}
}

// paint changes the red of the first n pixels of a PNG by that much.
func paint(t *testing.T, dir, name string, n int, by uint8) {
	t.Helper()
	rewrite(t, dir, name, func(b []byte) []byte {
		im, err := png.Decode(strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		out := image.NewNRGBA(im.Bounds())
		for y := range out.Rect.Dy() {
			for x := range out.Rect.Dx() {
				r, g, b, _ := im.At(x, y).RGBA()
				c := color.NRGBA{R: uint8(r >> 8), G: uint8(g >> 8), B: uint8(b >> 8), A: 255}
				if y*out.Rect.Dx()+x < n {
					if c.R > 127 {
						c.R -= by
					} else {
						c.R += by
					}
				}
				out.SetNRGBA(x, y, c)
			}
		}
		var s strings.Builder
		if err := png.Encode(&s, out); err != nil {
			t.Fatal(err)
		}
		return []byte(s.String())
	})
}

// link moves a file out of the folder and leaves a link to it.
func link(t *testing.T, dir, name string) {
	t.Helper()
	outside := filepath.Join(filepath.Dir(dir), name)
	if err := os.Rename(filepath.Join(dir, name), outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableFolders(t *testing.T) {
	m := openModel(t, miniFolder, "text.gguf", "mmproj.gguf")
	for name, c := range map[string]struct {
		list string
		says string
	}{
		"no json":       {"hello", "golden.json: invalid character"},
		"no cases":      {"{}", "there are no cases"},
		"unknown kind":  {`{"smell": []}`, `unknown field "smell"`},
		"extra field":   {`{"tokenize": [{"text": "a", "ids": [1], "decoded": "a", "more": 1}]}`, `unknown field "more"`},
		"missing field": {`{"tokenize": [{"text": "a", "ids": [1], "decoded": "a"}, {"text": "a", "ids": [1]}]}`, `golden.json: tokenize[1]: field "decoded" is missing`},
		"no logits":     {`{"text": [{"text": "a", "ids": [1], "greedy": [1]}]}`, `text[0]: field "logits_all" is missing`},
		"no picture":    {`{"image": [{"budget": 70}]}`, `image[0]: field "file" is missing`},
		"no sound":      {`{"audio": [{}]}`, `audio[0]: field "file" is missing`},
		"no media":      {`{"chat": [{"ids": [1]}]}`, `chat[0]: field "media" is missing`},
		"wrong kind":    {`{"image": [{"file": 7}]}`, "cannot unmarshal number"},
		"two lists":     {`{"audio": []} {}`, "something follows"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "golden.json"), []byte(c.list), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(context.Background(), m, dir, nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", name, err, c.says)
		}
	}
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "nowhere")} {
		if _, err := Run(context.Background(), m, dir, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// TestBlindModel: without a projector the cases with media fail and say why.
func TestBlindModel(t *testing.T) {
	m := openModel(t, miniFolder, "text.gguf", "")
	report, err := Run(context.Background(), m, filepath.Join(miniFolder, "cases"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		media := r.Kind != "tokenize" && r.Kind != "text"
		if r.Pass() == media || media && !strings.Contains(r.String(), "without a projector") {
			t.Error(r)
		}
	}
}

func TestRunStops(t *testing.T) {
	m := openModel(t, miniFolder, "text.gguf", "mmproj.gguf")
	ctx, cancel := context.WithCancel(context.Background())
	report, err := Run(ctx, m, filepath.Join(miniFolder, "cases"), func(r Result) {
		if r.Kind == "text" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(report.Results) == 0 || report.Results[len(report.Results)-1].Kind != "text" {
		t.Errorf("%d results, %v", len(report.Results), err)
	}
}

// wav is a WAV file with these chunks.
func wav(chunks ...string) []byte {
	body := "WAVE" + strings.Join(chunks, "")
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func chunk(id, body string) string {
	return id + string(binary.LittleEndian.AppendUint32(nil, uint32(len(body)))) + body + strings.Repeat("\x00", len(body)%2)
}

func format(kind, channels uint16, rate uint32, bits uint16) string {
	b := binary.LittleEndian.AppendUint16(nil, kind)
	b = binary.LittleEndian.AppendUint16(b, channels)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = append(b, 0, 0, 0, 0, 0, 0)
	return chunk("fmt ", string(binary.LittleEndian.AppendUint16(b, bits)))
}

var wavs = map[string]struct {
	data []byte
	want []float32
	says string
}{
	"plain":        {wav(format(1, 1, 16000, 16), chunk("data", "\x00\x40\x00\x80")), []float32{0.5, -1}, ""},
	"other chunks": {wav(chunk("LIST", "abc"), format(1, 1, 16000, 16), chunk("junk", ""), chunk("data", "\xff\x7f")), []float32{32767.0 / 32768}, ""},
	"stereo":       {wav(format(1, 2, 16000, 16), chunk("data", "\x00\x40\x00\x80")), nil, "2 channels"},
	"rate":         {wav(format(1, 1, 44100, 16), chunk("data", "")), nil, "44100 Hz"},
	"float":        {wav(format(3, 1, 16000, 32), chunk("data", "")), nil, "format 3"},
	"no data":      {wav(format(1, 1, 16000, 16)), nil, "no data"},
	"no format":    {wav(chunk("data", "ab")), nil, "before its format"},
	"short format": {wav(chunk("fmt ", "ab"), chunk("data", "ab")), nil, "2 bytes of 16"},
	"cut short":    {wav(format(1, 1, 16000, 16), chunk("data", "abcd"))[:46], nil, "cut short"},
	"text":         {[]byte("this is a text, not a sound"), nil, "RIFF"},
	"empty":        {nil, nil, "RIFF"},
}

func TestParseWAV(t *testing.T) {
	for name, c := range wavs {
		got, err := parseWAV(c.data)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v does not say %q", name, err, c.says)
			}
			continue
		}
		if check := near(name, got, c.want, 0, false); err != nil || !check.Pass() {
			t.Errorf("%v, %v", check, err)
		}
	}
}

func FuzzParseWAV(f *testing.F) {
	for _, c := range wavs {
		f.Add(c.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pcm, err := parseWAV(data)
		if err == nil && 2*len(pcm) > len(data) {
			t.Errorf("%d samples out of %d bytes", len(pcm), len(data))
		}
	})
}

func FuzzParseCases(f *testing.F) {
	f.Add([]byte(`{"tokenize": [{"text": "a", "ids": [1], "decoded": "a"}], "chat": [{"media": "a.png", "budget": 70, "ids": [1], "last_logits": "b.npy", "greedy": [2]}]}`))
	f.Add([]byte(`{"image": [{"file": "a", "budget": 70, "patches_w": 3, "patches_h": 3, "soft_tokens": 1, "resized": "b", "embeddings": "c"}]}`))
	f.Add([]byte(`{"audio": [null]}`))
	f.Add([]byte(`{"text": [{"text": null, "ids": []}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCases(data)
		if err != nil {
			return
		}
		for _, r := range c.all() {
			if r.name() == "" || r.check() != nil {
				t.Errorf("an accepted case has no name or is incomplete: %+v", r)
			}
		}
	})
}
