package understand

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sensed/deploy/models/tiny"
	"sensed/kernels/gemma4"
)

// script is a model that answers what it is told to, in order, and keeps the
// questions.
type script struct {
	replies []gemma4.Reply
	err     error
	asked   []gemma4.Request
	wait    chan struct{} // when set, an answer waits for it or for the end of the context
	busy    chan struct{} // when set, receives a value as each answer begins
}

func (s *script) Generate(ctx context.Context, r gemma4.Request) (gemma4.Reply, error) {
	s.asked = append(s.asked, r)
	if s.busy != nil {
		s.busy <- struct{}{}
	}
	if s.wait != nil {
		select {
		case <-s.wait:
		case <-ctx.Done():
			return gemma4.Reply{}, ctx.Err()
		}
	}
	if s.err != nil {
		return gemma4.Reply{}, s.err
	}
	next := s.replies[0]
	s.replies = s.replies[1:]
	return next, nil
}

// scripted is an engine with the official profile on a scripted model.
func scripted(t *testing.T, s *script) *Engine {
	t.Helper()
	p, err := OfficialProfile()
	if err != nil {
		t.Fatal(err)
	}
	return &Engine{
		model: s, sees: true, hears: true, name: "scripted", profile: p,
		log: slog.New(slog.DiscardHandler), turn: make(chan struct{}, 1), closeModel: func() error { return nil },
	}
}

func TestLongSoundIsAskedInParts(t *testing.T) {
	first := reply(true, []string{"open the front", " door"}, 0.5, 0.5)
	first.PromptTokens, first.Timing = 10, gemma4.Timing{Encode: 1, Prefill: 2, Decode: 3}
	second := reply(true, []string{"front door and", " wait", " here", "."}, 1, 1, 1, 1)
	second.PromptTokens, second.Timing = 20, gemma4.Timing{Encode: 10, Prefill: 20, Decode: 30}
	s := &script{replies: []gemma4.Reply{first, second}}
	e := scripted(t, s)
	res, err := e.Understand(t.Context(), Task{Kind: Transcribe}, Input{Audio: tone(40, 0.3)})
	if err != nil {
		t.Fatal(err)
	}
	if res.Text != "open the front door and wait here." {
		t.Errorf("transcript is %q", res.Text)
	}
	if res.Prompt != 30 || res.Answer != 6 || math.Abs(res.Score-5./6) > 1e-9 || res.Timing != (Timing{Encode: 11, Prefill: 22, Decode: 33}) {
		t.Errorf("counts are not those of both parts: %+v", res)
	}
	for i, r := range s.asked {
		n := len(r.Parts[len(r.Parts)-1].Audio)
		if n == 0 || n > maxAudioSeconds*sampleRate {
			t.Errorf("question %d has %d samples", i, n)
		}
	}
	if len(s.asked) != 2 || &s.asked[0].Parts[0] == &s.asked[1].Parts[0] {
		t.Errorf("%d questions, or two that share their parts", len(s.asked))
	}
}

func TestEngineRefuses(t *testing.T) {
	picture := Input{Images: []image.Image{image.NewGray(image.Rect(0, 0, 7, 5))}}
	sound := Input{Audio: make([]float32, 320)}
	tests := []struct {
		name        string
		sees, hears bool
		task        Task
		in          Input
		want        string
	}{
		{"blind", false, true, Task{Kind: Caption}, picture, "cannot see: give it a projector"},
		{"blind to video", false, true, Task{Kind: Caption}, Input{Video: []VideoFrame{{Image: picture.Images[0]}}}, "cannot see"},
		{"deaf", true, false, Task{Kind: Transcribe}, sound, "cannot hear: give it a projector"},
		{"no number", true, true, Task{Kind: Transcribe}, Input{Audio: []float32{0, float32(math.NaN())}}, "sample 1 of the sound"},
		{"infinite", true, true, Task{Kind: Transcribe}, Input{Audio: []float32{float32(math.Inf(1))}}, "sample 0 of the sound"},
		{"long sound in a prompt", true, true, Task{Kind: Prompt, Prompt: "what?"}, Input{Audio: make([]float32, 31*sampleRate)}, "31.0 s of sound"},
		{"nothing asked", true, true, Task{}, picture, "no such kind"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{}
			e := scripted(t, s)
			e.sees, e.hears = tt.sees, tt.hears
			_, err := e.Understand(t.Context(), tt.task, tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
			if len(s.asked) > 0 {
				t.Error("the model was asked all the same")
			}
		})
	}
}

func TestModelErrorIsWrapped(t *testing.T) {
	broken := errors.New("broken")
	e := scripted(t, &script{err: broken})
	if _, err := e.Understand(t.Context(), Task{Kind: Prompt, Prompt: "hello"}, Input{}); !errors.Is(err, broken) {
		t.Errorf("error is %v, want one that wraps the model's", err)
	}
}

// TestCancel says that a question ends with its context, both while it is
// answered and while it waits for another to be.
func TestCancel(t *testing.T) {
	s := &script{wait: make(chan struct{}), busy: make(chan struct{}, 1), replies: []gemma4.Reply{reply(true, []string{"hi"}, 1)}}
	e := scripted(t, s)
	task := Task{Kind: Prompt, Prompt: "hello"}
	answering := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := e.Understand(ctx, task, Input{})
		answering <- err
	}()
	<-s.busy
	short, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if _, err := e.Understand(short, task, Input{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting question ended with %v, want its deadline", err)
	}
	cancel()
	if err := <-answering; !errors.Is(err, context.Canceled) {
		t.Errorf("running question ended with %v, want its cancellation", err)
	}
	close(s.wait)
	if res, err := e.Understand(t.Context(), task, Input{}); err != nil || res.Text != "hi" {
		t.Errorf("the next question is answered %q, %v", res.Text, err)
	}
}

// modelFolder has the bundled files on disk.
func modelFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{tiny.Text, tiny.Projector} {
		data, err := fs.ReadFile(tiny.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestOpen(t *testing.T) {
	folder := modelFolder(t)
	text, projector := filepath.Join(folder, tiny.Text), filepath.Join(folder, tiny.Projector)
	cut := filepath.Join(folder, "cut.gguf")
	data, err := os.ReadFile(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, data[:len(data)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	tests := []struct {
		name   string
		config Config
		want   []string
	}{
		{"absent text", Config{Text: filepath.Join(folder, "no.gguf"), Projector: projector}, []string{"no.gguf"}},
		{"absent projector", Config{Text: text, Projector: filepath.Join(folder, "no.gguf")}, []string{"no.gguf"}},
		{"damaged", Config{Text: cut, Projector: projector}, []string{"cut.gguf"}},
		{"files swapped", Config{Text: projector, Projector: text}, []string{tiny.Projector}},
		{"absent profile", Config{Text: text, Projector: projector, Profile: filepath.Join(folder, "no.json")}, []string{"profile", "no.json"}},
	}
	for _, tt := range tests {
		tt.config.Logger = log
		_, err := Open(tt.config)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v, want one with %q", tt.name, err, want)
			}
		}
	}

	e, err := Open(Config{Text: text, Projector: projector, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	if e.Model() != tiny.Name || e.Profile().Name != tiny.Name {
		t.Errorf("model %q with profile %q, want both %q", e.Model(), e.Profile().Name, tiny.Name)
	}
	if !strings.Contains(logged.String(), "profile_from=bundled") {
		t.Errorf("the log does not say where the profile came from: %s", logged.String())
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := e.Understand(t.Context(), Task{Kind: Prompt, Prompt: "hello"}, Input{}); !errors.Is(err, gemma4.ErrClosed) {
		t.Errorf("a closed engine answers with %v, want %v", err, gemma4.ErrClosed)
	}
}

func TestOpenWithoutProjector(t *testing.T) {
	e, err := Open(Config{Text: filepath.Join(modelFolder(t), tiny.Text), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	in := Input{Images: []image.Image{image.NewGray(image.Rect(0, 0, 64, 48))}}
	if _, err := e.Understand(t.Context(), Task{Kind: Caption}, in); err == nil || !strings.Contains(err.Error(), "cannot see") {
		t.Errorf("error is %v, want one that says it cannot see", err)
	}
	res, err := e.Understand(t.Context(), Task{Kind: Prompt, Prompt: "What do you see?", MaxTokens: 4}, Input{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Answer > 4 || res.Answer == 4 && !slices.ContainsFunc(res.Notes, func(n string) bool { return strings.Contains(n, "bound of tokens") }) {
		t.Errorf("%d tokens with notes %q, want at most 4 and a note about the bound", res.Answer, res.Notes)
	}
}
