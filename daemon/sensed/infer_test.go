package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensed/daemon/app"
	"sensed/daemon/event"
	"sensed/deploy/models/tiny"
)

func TestInferAnswers(t *testing.T) {
	scene, speech := sample(t, "samples/scene1.png"), sample(t, "samples/speech1.wav")
	want := expected(t)
	t.Run("caption", func(t *testing.T) {
		code, out, notes := call(t, "", "infer", "--image", scene)
		if code != 0 || out != want["scene1.png"].Caption+"\n" {
			t.Errorf("exit code %d, %q\n%s", code, out, notes)
		}
		if !strings.Contains(notes, "demonstration model") {
			t.Errorf("notes do not say which model answered: %s", notes)
		}
	})
	t.Run("transcript", func(t *testing.T) {
		code, out, notes := call(t, "", "infer", "--audio", speech, "--threads", "1")
		if code != 0 || out != want["speech1.wav"].Transcript+"\n" {
			t.Errorf("exit code %d, %q\n%s", code, out, notes)
		}
	})
	t.Run("boxes", func(t *testing.T) {
		code, out, notes := call(t, "", "infer", "--image", scene, "--task", "detect")
		if code != 0 || !strings.Contains(out, "bus") || !strings.Contains(out, "tree") || strings.Count(out, "\n") != 2 {
			t.Errorf("exit code %d, %q\n%s", code, out, notes)
		}
	})
	t.Run("only the labels asked for", func(t *testing.T) {
		_, out, notes := call(t, "", "infer", "--image", scene, "--task", "detect", "--labels", "tree, cat", "--json")
		a := parse[app.Answer](t, out)
		if len(a.Objects) != 1 || a.Objects[0].Label != "tree" {
			t.Errorf("%+v\n%s", a, notes)
		}
	})
	t.Run("files named", func(t *testing.T) {
		code, out, notes := call(t, "", "infer", "--model", sample(t, tiny.Text), "--projector", sample(t, tiny.Projector),
			"--profile", sample(t, tiny.Profile), "--image", scene)
		if code != 0 || out != want["scene1.png"].Caption+"\n" || strings.Contains(notes, "bundled") {
			t.Errorf("exit code %d, %q\n%s", code, out, notes)
		}
	})
}

func TestInferPrintsOneObject(t *testing.T) {
	scene := sample(t, "samples/scene2.png")
	code, out, notes := call(t, "", "infer", "--image", scene, "--task", "detect", "--json")
	if code != 0 || strings.Count(out, "\n") != 1 {
		t.Fatalf("exit code %d, %q\n%s", code, out, notes)
	}
	a := parse[app.Answer](t, out)
	if bad := compareBoxes(event.Place(a.Objects, 1000, 1000), expected(t)["scene2.png"].Objects); bad != "" {
		t.Errorf("%s: %+v", bad, a.Objects)
	}
	for _, o := range a.Objects {
		if o.Score <= 0 || o.Score > 1 {
			t.Errorf("score of %s is %g", o.Label, o.Score)
		}
	}
	if a.Task != "detect" || a.Model != tiny.Name || a.Prompt < 60 || a.Tokens == 0 || !strings.HasPrefix(a.Text, "[") {
		t.Errorf("%+v", a)
	}
	if m := a.Times; m.Encode <= 0 || m.Prefill <= 0 || m.Decode <= 0 || m.Total < m.Encode {
		t.Errorf("milliseconds: %+v", m)
	}
	raw := parse[map[string]any](t, out)
	for _, key := range []string{"task", "text", "objects", "prompt_tokens", "answer_tokens", "milliseconds"} {
		if _, ok := raw[key]; !ok {
			t.Errorf("the object has no %q: %s", key, out)
		}
	}
	_, out, _ = call(t, "", "infer", "--image", scene, "--json")
	if !strings.Contains(out, `"objects":[]`) {
		t.Errorf("a caption's objects are not an empty list: %s", out)
	}
}

func TestInferBoundsTheAnswer(t *testing.T) {
	_, out, _ := call(t, "", "infer", "--image", sample(t, "samples/scene2.png"), "--max-tokens", "3", "--json")
	if a := parse[app.Answer](t, out); a.Tokens != 3 {
		t.Errorf("%d tokens: %s", a.Tokens, out)
	}
}

// wav writes a WAV file of little-endian samples.
func wav(t *testing.T, name string, rate, channels, bits int, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	b.WriteString("RIFF")
	put(uint32(36 + len(data)))
	b.WriteString("WAVEfmt ")
	put(uint32(16))
	put(uint16(1))
	put(uint16(channels))
	put(uint32(rate))
	put(uint32(rate * channels * bits / 8))
	put(uint16(channels * bits / 8))
	put(uint16(bits))
	b.WriteString("data")
	put(uint32(len(data)))
	b.Write(data)
	return file(t, name, b.String())
}

// pcm returns the samples of a bundled sentence: 16 kHz, 16 bit, one channel.
func pcm(t *testing.T, name string) []int16 {
	t.Helper()
	data, err := fs.ReadFile(tiny.Files(), "samples/"+name)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data, []byte("data"))
	if i < 0 || binary.LittleEndian.Uint32(data[24:]) != 16000 || binary.LittleEndian.Uint16(data[34:]) != 16 {
		t.Fatalf("%s is no longer 16 kHz and 16 bit", name)
	}
	out := make([]int16, (len(data)-i-8)/2)
	if _, err := binary.Decode(data[i+8:], binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func encode(v any) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err) // the tests give slices of numbers only
	}
	return b
}

func TestInferHearsUnusualSound(t *testing.T) {
	said := pcm(t, "speech3.wav")
	want := expected(t)["speech3.wav"].Transcript
	t.Run("8 bit", func(t *testing.T) {
		eight := make([]uint8, len(said))
		for i, v := range said {
			eight[i] = uint8(math.Round(float64(v)/256) + 128)
		}
		code, out, notes := call(t, "", "infer", "--audio", wav(t, "eight.wav", 16000, 1, 8, eight))
		if code != 0 || strings.TrimSpace(out) != want {
			t.Errorf("exit code %d, %q, want %q\n%s", code, out, want, notes)
		}
	})
	t.Run("5 channels", func(t *testing.T) {
		var five []int16
		for _, v := range said {
			five = append(five, v, v, v, v, v)
		}
		code, out, notes := call(t, "", "infer", "--audio", wav(t, "five.wav", 16000, 5, 16, encode(five)))
		if code != 0 || strings.TrimSpace(out) != want {
			t.Errorf("exit code %d, %q, want %q\n%s", code, out, want, notes)
		}
	})
	t.Run("silence", func(t *testing.T) {
		code, out, notes := call(t, "", "infer", "--audio", wav(t, "silent.wav", 16000, 1, 16, make([]byte, 64000)))
		if code != 0 || strings.TrimSpace(out) != "" || !strings.Contains(notes, "is silent") {
			t.Errorf("exit code %d, %q\n%s", code, out, notes)
		}
	})
	t.Run("40 seconds", func(t *testing.T) {
		var long []int16
		var words []string
		for i := 0; len(long) < 40*16000; i++ {
			name := []string{"speech0.wav", "speech1.wav", "speech3.wav", "speech4.wav"}[i%4]
			long = append(append(long, pcm(t, name)...), make([]int16, 16000)...)
			words = append(words, expected(t)[name].Transcript)
		}
		code, out, notes := call(t, "", "infer", "--audio", wav(t, "long.wav", 16000, 1, 16, encode(long)))
		if code != 0 || strings.TrimSpace(out) != strings.Join(words, " ") {
			t.Errorf("exit code %d\nheard %q\nwant  %q\n%s", code, out, strings.Join(words, " "), notes)
		}
	})
}

func TestInferNamesWhatIsWrong(t *testing.T) {
	scene, speech := sample(t, "samples/scene1.png"), sample(t, "samples/speech1.wav")
	text, projector := sample(t, tiny.Text), sample(t, tiny.Projector)
	long := func() string {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 30000, 1))); err != nil {
			t.Fatal(err)
		}
		return file(t, "long.png", b.String())
	}()
	for name, tc := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"no input":            {nil, 2, []string{"--image", "--prompt"}},
		"unknown task":        {[]string{"--image", scene, "--task", "captoin"}, 2, []string{`"captoin"`, "caption, detect"}},
		"unknown flag":        {[]string{"--imgae", scene}, 2, []string{"--imgae", "sensed infer -h"}},
		"a stray argument":    {[]string{scene}, 2, []string{scene, "flags only"}},
		"number wanted":       {[]string{"--image", scene, "--max-tokens", "many"}, 2, []string{"many", "--max-tokens"}},
		"sound for detect":    {[]string{"--audio", speech, "--task", "detect"}, 2, []string{"needs a picture"}},
		"picture for words":   {[]string{"--image", scene, "--task", "transcribe"}, 2, []string{"needs sound"}},
		"point at nothing":    {[]string{"--image", scene, "--task", "point"}, 2, []string{"--labels"}},
		"translate into what": {[]string{"--audio", speech, "--task", "translate"}, 2, []string{"--into"}},
		"image tokens":        {[]string{"--image", scene, "--image-tokens", "100"}, 2, []string{"70, 140"}},
		"projector alone":     {[]string{"--image", scene, "--projector", projector}, 2, []string{"without its model"}},

		"drafter alone":       {[]string{"--image", scene, "--drafter", text}, 2, []string{"drafter", "without its model"}},
		"drafter missing":     {[]string{"--image", scene, "--model", text, "--projector", projector, "--drafter", "/nonexistent/d.gguf"}, 1, []string{"/nonexistent/d.gguf", "no such file"}},
		"no drafter":          {[]string{"--image", scene, "--model", text, "--projector", projector, "--drafter", text}, 1, []string{"this is not a drafter"}},
		"model missing":       {[]string{"--image", scene, "--model", "/nonexistent/m.gguf", "--projector", projector}, 1, []string{"/nonexistent/m.gguf", "no such file"}},
		"projector missing":   {[]string{"--image", scene, "--model", text, "--projector", "/nonexistent/p.gguf"}, 1, []string{"/nonexistent/p.gguf", "no such file"}},
		"model is a picture":  {[]string{"--image", scene, "--model", scene, "--projector", projector}, 1, []string{"scene1.png", "not a usable GGUF file"}},
		"model cut short":     {[]string{"--image", scene, "--model", cut(t, tiny.Text, 1<<20), "--projector", projector}, 1, []string{"cut.gguf"}},
		"model empty":         {[]string{"--image", scene, "--model", file(t, "empty.gguf", ""), "--projector", projector}, 1, []string{"empty.gguf"}},
		"swapped files":       {[]string{"--image", scene, "--model", projector, "--projector", text}, 1, []string{tiny.Projector}},
		"text as projector":   {[]string{"--image", scene, "--model", text, "--projector", text}, 1, []string{"not a projector"}},
		"projector of other":  {[]string{"--image", scene, "--model", text, "--projector", otherProjector(t)}, 1, []string{"belongs to another model", "other.gguf"}},
		"model without eyes":  {[]string{"--image", scene, "--model", text}, 1, []string{"cannot see", "projector"}},
		"model without ears":  {[]string{"--audio", speech, "--model", text}, 1, []string{"cannot hear", "projector"}},
		"model is a folder":   {[]string{"--image", scene, "--model", t.TempDir(), "--projector", projector}, 1, nil},
		"profile with a typo": {[]string{"--image", scene, "--model", text, "--projector", projector, "--profile", file(t, "p.json", `{"nmae": "x"}`)}, 1, []string{"p.json", "nmae"}},

		"picture missing":   {[]string{"--image", "/nonexistent/door.jpg"}, 5, []string{"/nonexistent/door.jpg"}},
		"text called jpg":   {[]string{"--image", file(t, "notes.jpg", "bread, milk, eggs\n")}, 5, []string{"notes.jpg"}},
		"picture of 0x0":    {[]string{"--image", file(t, "none.png", emptyPNG())}, 5, []string{"none.png", "damaged"}},
		"picture 30000x1":   {[]string{"--image", long}, 5, []string{"long.png", "30000x1"}},
		"picture cut short": {[]string{"--image", file(t, "half.png", readSample(t, "samples/scene1.png")[:2000])}, 5, []string{"half.png"}},
		"picture empty":     {[]string{"--image", file(t, "zero.jpg", "")}, 5, []string{"zero.jpg"}},
		"second picture":    {[]string{"--image", scene, "--image", "/nonexistent/two.png"}, 5, []string{"two.png"}},
		"sound missing":     {[]string{"--audio", "/nonexistent/a.wav"}, 5, []string{"a.wav"}},
		"sound is text":     {[]string{"--audio", file(t, "text.wav", "hello")}, 5, []string{"text.wav"}},
		"sound of nothing":  {[]string{"--audio", wav(t, "nothing.wav", 16000, 1, 16, nil)}, 5, []string{"nothing.wav"}},
		"9 channels":        {[]string{"--audio", wav(t, "nine.wav", 16000, 9, 16, make([]byte, 18*1000))}, 5, []string{"nine.wav", "9 channels"}},
		"video missing":     {[]string{"--video", "/nonexistent/v.mp4"}, 5, []string{"v.mp4"}},
		"video is text":     {[]string{"--video", file(t, "text.mp4", "hello")}, 5, []string{"text.mp4"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, notes := call(t, "", append([]string{"infer"}, tc.args...)...)
			if code != tc.code || out != "" {
				t.Errorf("exit code %d, want %d; output %q\n%s", code, tc.code, out, notes)
			}
			for _, w := range tc.want {
				if !strings.Contains(notes, w) {
					t.Errorf("the message lacks %q: %s", w, notes)
				}
			}
			if strings.Contains(notes, "goroutine") || strings.Contains(notes, "%!") {
				t.Errorf("not a message for people: %s", notes)
			}
		})
	}
}

func readSample(t *testing.T, name string) string {
	t.Helper()
	data, err := fs.ReadFile(tiny.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// cut is a bundled file that lost its end.
func cut(t *testing.T, name string, n int) string {
	t.Helper()
	return file(t, "cut.gguf", readSample(t, name)[:n])
}

// emptyPNG is a PNG whose header says 0x0.
func emptyPNG() string {
	return "\x89PNG\r\n\x1a\n" +
		"\x00\x00\x00\x0dIHDR\x00\x00\x00\x00\x00\x00\x00\x00\x08\x02\x00\x00\x00\x7d\xd1\xc7\x62" +
		"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
}

// otherProjector is the bundled projector made for a model that is 32 narrower:
// the outermost dimension of what it ends with is shortened where the file
// lists its tensors.
func otherProjector(t *testing.T) string {
	t.Helper()
	data := []byte(readSample(t, tiny.Projector))
	for _, name := range []string{"mm.input_projection.weight", "mm.a.input_projection.weight"} {
		at := bytes.Index(data, append(binary.LittleEndian.AppendUint64(nil, uint64(len(name))), name...))
		if at < 0 {
			t.Fatalf("the bundled projector has no tensor %s", name)
		}
		dims := at + 8 + len(name)
		if n := binary.LittleEndian.Uint32(data[dims:]); n != 2 {
			t.Fatalf("%s has %d dimensions", name, n)
		}
		rows := dims + 4 + 8
		binary.LittleEndian.PutUint64(data[rows:], binary.LittleEndian.Uint64(data[rows:])-32)
	}
	for _, key := range []string{"clip.vision.projection_dim", "clip.audio.projection_dim"} {
		if at := bytes.Index(data, []byte(key)); at >= 0 {
			value := at + len(key) + 4
			binary.LittleEndian.PutUint32(data[value:], binary.LittleEndian.Uint32(data[value:])-32)
		}
	}
	return file(t, "other.gguf", string(data))
}

func TestInferStopsAtASignal(t *testing.T) {
	if code := run(canceled(), []string{"infer", "--image", sample(t, "samples/scene1.png")}, streams{strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}}); code != 130 {
		t.Errorf("exit code %d with a context that has ended", code)
	}
	// Ten minutes of sound keep the program at work until the signal comes.
	said := encode(pcm(t, "speech0.wav"))
	long := bytes.Repeat(said, 10*60*32000/len(said))
	p := start(t, nil, "infer", "--audio", wav(t, "minutes.wav", 16000, 1, 16, long))
	p.err.await(t, "demonstration model")
	code, took := p.signal(syscall.SIGINT)
	if code != 130 || took > 5*time.Second {
		t.Errorf("exit code %d after %v\n%s", code, took, p.err)
	}
	if !strings.Contains(p.err.String(), "interrupted") {
		t.Errorf("standard error: %s", p.err)
	}
}

func TestInferLooksAtAVideo(t *testing.T) {
	clip := filepath.Join(t.TempDir(), "clip.mkv")
	ffmpeg(t, "-loop", "1", "-t", "2", "-i", sample(t, "samples/scene1.png"), "-c:v", "ffv1", clip)
	code, out, notes := call(t, "", "infer", "--video", clip)
	if code != 0 || strings.TrimSpace(out) == "" {
		t.Errorf("exit code %d, %q\n%s", code, out, notes)
	}
}
