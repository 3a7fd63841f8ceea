package bench

import (
	"context"
	"strings"
	"time"

	"sensed/kernels/gemma4"
)

const (
	frameBudget      = 70 // soft tokens of a frame
	captionTokens    = 24
	transcriptTokens = 12
	speechSeconds    = 3
)

// wanted are the things that boxes are asked for, one box of each.
var wanted = []string{"person", "car", "dog"}

// boxes is an answer with a box of each wanted thing: its form is that of the
// model, and its numbers have three digits as most have.
func boxes() string {
	var b strings.Builder
	b.WriteString("```json\n[\n")
	for i, label := range wanted {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.WriteString(`  {"box_2d": [123, 234, 345, 456], "label": "` + label + `"}`)
	}
	b.WriteString("\n]\n```")
	return b.String()
}

// detectWords asks for the wanted things.
func (s *subject) detectWords() string {
	return strings.ReplaceAll(s.prompts.Detect, "{labels}", strings.Join(wanted[:len(wanted)-1], ", ")+" and "+wanted[len(wanted)-1])
}

// boxTokens is how many tokens an answer with boxes has.
func (s *subject) boxTokens() int { return len(s.model.Tokenizer().Encode(boxes(), false)) }

// frame asks for a caption and for boxes, of a new picture or of the last one.
func (s *subject) frame(ctx context.Context, changed bool) (time.Duration, error) {
	if !s.model.HasVision() {
		return 0, unable{"the model has no eyes (no projector)"}
	}
	if changed {
		s.scene++
	} else if !s.seen { // make it known first
		s.seen = true
		if _, err := s.frame(ctx, false); err != nil {
			return 0, err
		}
	}
	s.seen = true
	im := scene(s.scene)
	s.tokens = 0
	start := time.Now()
	for _, q := range []struct {
		words string
		most  int
	}{{s.prompts.Caption, captionTokens}, {s.detectWords(), s.boxTokens()}} {
		reply, err := s.model.Generate(ctx, gemma4.Request{
			Parts: []gemma4.Part{{Image: im}, {Text: q.words}}, ImageTokens: frameBudget, MaxTokens: q.most,
		})
		if err != nil {
			return 0, s.asUnable(err)
		}
		s.tokens += len(reply.Tokens)
	}
	return time.Since(start), nil
}

// transcribe asks for the words of a sound. The clock runs from the moment
// when the sound is complete.
func (s *subject) transcribe(ctx context.Context) (time.Duration, error) {
	if !s.model.HasAudio() {
		return 0, unable{"the model has no ears (no projector)"}
	}
	s.voice++
	sound := speech(speechSeconds, s.voice)
	start := time.Now()
	reply, err := s.model.Generate(ctx, gemma4.Request{
		Parts: []gemma4.Part{{Text: s.prompts.Transcribe}, {Audio: sound}}, MaxTokens: transcriptTokens,
	})
	s.tokens = len(reply.Tokens)
	return time.Since(start), s.asUnable(err)
}
