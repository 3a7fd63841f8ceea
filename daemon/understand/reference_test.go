package understand

import (
	"encoding/json"
	"image"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sensed/kernels/gemma4"
)

// referenceCase is what transformers 5.23 (official processors, float32,
// greedy) made of a sample with the weights before quantisation.
type referenceCase struct {
	File      string `json:"file"`
	Task      Kind   `json:"task"`
	IDs       []int  `json:"ids"` // of the prompt, soft tokens as their placeholders
	AnswerIDs []int  `json:"answer_ids"`
	Answer    string `json:"answer"`
}

func referenceCases(t *testing.T) []referenceCase {
	t.Helper()
	data, err := os.ReadFile("testdata/ids.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []referenceCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func (c referenceCase) input(t *testing.T) Input {
	t.Helper()
	if strings.HasSuffix(c.File, ".wav") {
		return Input{Audio: sampleSound(t, c.File)}
	}
	return Input{Images: []image.Image{sampleImage(t, c.File)}}
}

// request is the question about a sample as the engine puts it to the model.
func (c referenceCase) request(t *testing.T, p Profile) gemma4.Request {
	t.Helper()
	in := c.input(t)
	q, err := p.ask(Task{Kind: c.Task}, in)
	if err != nil {
		t.Fatal(err)
	}
	return q.withAudio(in.Audio)
}

// TestPromptIDs says that the model reads our prompts exactly as the official
// chat template and processors write them.
func TestPromptIDs(t *testing.T) {
	e := bundledEngine(t)
	model := e.model.(*gemma4.Model)
	for _, c := range referenceCases(t) {
		prompt, err := model.Prompt(t.Context(), c.request(t, e.profile))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(prompt.IDs, c.IDs) {
			t.Errorf("%s %s: ids are\n%v, want\n%v", c.File, c.Task, prompt.IDs, c.IDs)
		}
	}
}

// TestFullPrecisionIDs wants every token of every answer equal to the
// reference's. It needs the F16 files, which are not part of the project:
// SENSED_TINY names the folder that has them (made by the recipe's export).
func TestFullPrecisionIDs(t *testing.T) {
	folder := os.Getenv("SENSED_TINY")
	if folder == "" {
		t.Skip("set SENSED_TINY to the folder with tiny-gemma4-f16.gguf and its projector; the recipe makes them")
	}
	e, err := Open(Config{
		Text:      filepath.Join(folder, "tiny-gemma4-f16.gguf"),
		Projector: filepath.Join(folder, "mmproj-tiny-gemma4-f16.gguf"),
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, c := range referenceCases(t) {
		reply, err := e.model.Generate(t.Context(), c.request(t, e.profile))
		if err != nil {
			t.Fatal(err)
		}
		want := c.AnswerIDs[:len(c.AnswerIDs)-1] // the last one is <turn|>
		if !reply.Stopped || !slices.Equal(reply.Tokens, want) {
			t.Errorf("%s %s: answered\n%v %q, want\n%v %q", c.File, c.Task, reply.Tokens, reply.Text, want, c.Answer)
		}
	}
}
