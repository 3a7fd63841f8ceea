package understand

import (
	"encoding/json"
	"image"
	_ "image/png"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"testing"

	"sensed/daemon/event"
	"sensed/deploy/models/tiny"
	"sensed/devices/wave"
)

// sample is what the bundled model is known to answer; see the recipe.
type sample struct {
	Caption    string
	Objects    []event.Found
	Transcript string
}

// expected are the samples that travel with the bundled model, by file name.
func expected(t testing.TB) map[string]sample {
	t.Helper()
	data, err := fs.ReadFile(tiny.Files(), tiny.Expected)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]sample
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func sampleImage(t testing.TB, name string) image.Image {
	t.Helper()
	f, err := tiny.Files().Open(path.Join(tiny.Samples, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func sampleSound(t testing.TB, name string) []float32 {
	t.Helper()
	f, err := tiny.Files().Open(path.Join(tiny.Samples, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	samples, _, err := wave.Decode(f, name)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// bundledEngine opens the bundled model for one test.
func bundledEngine(t testing.TB) *Engine {
	t.Helper()
	e, err := OpenBundled(Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestBundledSamples holds the whole way from pixels and samples to typed
// answers against what the reference (transformers) answers.
func TestBundledSamples(t *testing.T) {
	e := bundledEngine(t)
	for name, want := range expected(t) {
		t.Run(name, func(t *testing.T) {
			if strings.HasSuffix(name, ".wav") {
				checkTranscript(t, e, sampleSound(t, name), want.Transcript)
				return
			}
			checkPicture(t, e, Input{Images: []image.Image{sampleImage(t, name)}}, want)
		})
	}
}

func checkPicture(t *testing.T, e *Engine, in Input, want sample) {
	t.Helper()
	caption, err := e.Understand(t.Context(), Task{Kind: Caption}, in)
	if err != nil {
		t.Fatal(err)
	}
	if caption.Text != want.Caption {
		t.Errorf("caption is %q, want %q", caption.Text, want.Caption)
	}
	found, err := e.Understand(t.Context(), Task{Kind: Detect}, in)
	if err != nil {
		t.Fatal(err)
	}
	checkObjects(t, found.Objects, want.Objects)
	if len(found.Notes) > 0 {
		t.Errorf("notes are %q, want none", found.Notes)
	}
	for _, r := range []Result{caption, found} {
		if r.Model != tiny.Name || r.Prompt == 0 || r.Answer == 0 || r.Score <= 0 || r.Timing.Encode <= 0 {
			t.Errorf("result lacks its model, counts, score or timing: %+v", r)
		}
	}
}

// checkObjects wants the same labels in the same order, and boxes that are the
// reference's but for a step or two of ten thousandths: the reference computed
// with the weights before they were rounded to Q8_0, and neighbouring numbers
// are nearly as likely. TestFullPrecisionIDs wants every token equal.
func checkObjects(t *testing.T, got, want []event.Found) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("found %v, want %v", got, want)
		return
	}
	for i, o := range got {
		if o.Label != want[i].Label || overlap(o.Box, want[i].Box) < 0.7 {
			t.Errorf("object %d is %v, want %v", i, o, want[i])
		}
		if o.Score <= 0 || o.Score > 1 {
			t.Errorf("score of %s is %g, want one above 0 and at most 1", o.Label, o.Score)
		}
	}
}

func checkTranscript(t *testing.T, e *Engine, sound []float32, want string) {
	t.Helper()
	res, err := e.Understand(t.Context(), Task{Kind: Transcribe}, Input{Audio: sound})
	if err != nil {
		t.Fatal(err)
	}
	if res.Text != want {
		t.Errorf("transcript is %q, want %q", res.Text, want)
	}
}

func TestDetectKeepsToTheLabelsAsked(t *testing.T) {
	e := bundledEngine(t)
	in := Input{Images: []image.Image{sampleImage(t, "scene2.png")}} // a fire, a cat and a car
	res, err := e.Understand(t.Context(), Task{Kind: Detect, Labels: []string{"Cats", "zebra"}}, in)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Objects) != 1 || res.Objects[0].Label != "Cats" {
		t.Errorf("objects are %v, want one of label Cats", res.Objects)
	}
	if !slices.ContainsFunc(res.Notes, func(n string) bool { return strings.Contains(n, `does not know "zebra"`) }) {
		t.Errorf("notes are %q, want one about the zebra", res.Notes)
	}
	res, err = e.Understand(t.Context(), Task{Kind: Point, Labels: []string{"car"}}, in)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Objects) != 1 || res.Objects[0].Label != "car" {
		t.Errorf("pointed at %v, want the car", res.Objects)
	}
}

func TestSilenceIsAnEmptyTranscript(t *testing.T) {
	e := bundledEngine(t)
	checkTranscript(t, e, make([]float32, 2*sampleRate), "")
}

// TestLongSound says that nothing is lost when 40 s are split.
func TestLongSound(t *testing.T) {
	e := bundledEngine(t)
	var sound []float32
	var want []string
	samples := expected(t)
	for i := 0; len(sound) < 38*sampleRate; i++ {
		name := []string{"speech0.wav", "speech1.wav", "speech2.wav", "speech3.wav", "speech4.wav", "speech5.wav"}[i%6]
		sound = append(append(sound, sampleSound(t, name)...), make([]float32, sampleRate)...)
		want = append(want, samples[name].Transcript)
	}
	checkTranscript(t, e, sound, strings.Join(want, " "))
}

func TestStreamedPiecesAreTheAnswer(t *testing.T) {
	e := bundledEngine(t)
	var pieces strings.Builder
	in := Input{Images: []image.Image{sampleImage(t, "scene1.png")}}
	res, err := e.Stream(t.Context(), Task{Kind: Caption}, in, func(s string) { pieces.WriteString(s) })
	if err != nil {
		t.Fatal(err)
	}
	if pieces.String() != res.Text {
		t.Errorf("streamed %q, answered %q", pieces.String(), res.Text)
	}
}
