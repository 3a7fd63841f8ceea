package bench

import (
	"context"
	"encoding/json"
	"fmt"
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

// wanted are the things that boxes are asked for; as many objects are found,
// whatever they are called.
var wanted = []string{"person", "car", "dog"}

// boxes is such an answer: its form is what [boxGrammar] allows, and its
// numbers have three digits as most have.
func boxes() string {
	var list []string
	for _, label := range wanted {
		list = append(list, `{"box_2d": [123, 234, 345, 456], "label": "`+label+`"}`)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// boxGrammar is that of a list of as many objects as there are wanted things. A
// daemon's grammar leaves the number to the model, but random weights have no
// idea of it.
func boxGrammar() (*gemma4.Grammar, error) {
	labels, err := json.Marshal(wanted)
	if err != nil {
		return nil, err
	}
	return gemma4.Schema(fmt.Appendf(nil, `{"type": "array", "minItems": %d, "maxItems": %[1]d, "items": {"type": "object", "required": ["box_2d", "label"], "properties": {
		"box_2d": {"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "integer", "minimum": 0, "maximum": 1000}},
		"label": {"type": "string", "enum": %s}}}}`, len(wanted), labels))
}

// detectWords asks for the wanted things.
func (s *subject) detectWords() string {
	last := len(wanted) - 1
	return strings.ReplaceAll(s.prompts.Detect, "{labels}", strings.Join(wanted[:last], ", ")+" and "+wanted[last])
}

// boxTokens is how many tokens an answer with boxes has, more or less.
func (s *subject) boxTokens() int { return len(s.model.Tokenizer().Encode(boxes(), false)) }

// frame asks for a caption and for boxes, of a new picture or of the last one.
// As in the daemon, an answer may be guessed from the one about the frame before.
func (s *subject) frame(ctx context.Context, changed bool) (time.Duration, error) {
	if !s.model.HasVision() {
		return 0, unable{"the model has no eyes (no projector)"}
	}
	if !changed && !s.seen { // make it known first
		if _, err := s.frame(ctx, true); err != nil {
			return 0, err
		}
	}
	if changed {
		s.scene++
	}
	im := scene(s.scene)
	s.tokens, s.seen = 0, true
	start := time.Now()
	for i, r := range []gemma4.Request{
		{Parts: []gemma4.Part{{Image: im}, {Text: s.prompts.Caption}}, MaxTokens: captionTokens},
		{Parts: []gemma4.Part{{Image: im}, {Text: s.detectWords()}}, Grammar: s.boxes},
	} {
		r.ImageTokens, r.Hint = frameBudget, s.before[i]
		reply, err := s.model.Generate(ctx, r)
		if err != nil {
			return 0, s.asUnable(err)
		}
		s.before[i] = reply.Tokens
		s.tokens += len(reply.Tokens)
	}
	return time.Since(start), nil
}

// chunk is how much sound a microphone gives at a time.
const chunk = 100 * sampleRate / 1000

// transcribe asks for the words of a sound that comes in pieces, as from a
// microphone. The answer's time is what passes after the last piece. Nobody
// waits for the sound: work on a piece is taken to begin when the piece would
// have come, or when that on the one before is done, if that is later.
func (s *subject) transcribe(ctx context.Context) (time.Duration, error) {
	if !s.model.HasAudio() {
		return 0, unable{"the model has no ears (no projector)"}
	}
	s.voice++
	sound := speech(speechSeconds, s.voice)
	l, err := s.model.Listen(ctx, gemma4.Request{
		Parts: []gemma4.Part{{Text: s.prompts.Transcribe}, {}}, MaxTokens: transcriptTokens,
	}, 1)
	if err != nil {
		return 0, s.asUnable(err)
	}
	defer l.Close()
	var came, done time.Duration // since the speaker began
	for at := 0; at < len(sound); at += chunk {
		piece := sound[at:min(at+chunk, len(sound))]
		came += time.Duration(len(piece)) * time.Second / sampleRate
		start := time.Now()
		if err := l.Write(ctx, piece); err != nil {
			return 0, s.asUnable(err)
		}
		done = max(done, came) + time.Since(start)
	}
	start := time.Now()
	reply, err := l.Finish(ctx)
	s.tokens = len(reply.Tokens)
	return done - came + time.Since(start), s.asUnable(err)
}
