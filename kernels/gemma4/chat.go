package gemma4

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"
	"unicode"

	"sensed/kernels/tokenizer"
)

const (
	defaultImageTokens = 280
	videoFrameTokens   = 70
	maxVideoFrames     = 60
	maxAudioSeconds    = 30
)

// imageBudgets are the numbers of soft tokens that the vision tower knows.
var imageBudgets = [...]int{70, 140, 280, 560, 1120}

// controlTokens are the ids of the tokens that give a conversation its form,
// looked up by text because small models number them differently. A token that
// the vocabulary lacks is -1.
type controlTokens struct {
	turn, endTurn                          int
	image, imageSoft, endImage             int
	audio, audioSoft, endAudio             int
	videoSoft                              int
	channel, endChannel, toolResponse, eos int
}

func findControlTokens(t *tokenizer.Tokenizer) controlTokens {
	id := func(text string) int {
		if id, ok := t.ID(text); ok && t.IsControl(id) {
			return id
		}
		return -1
	}
	return controlTokens{
		turn: id("<|turn>"), endTurn: id("<turn|>"),
		image: id("<|image>"), imageSoft: id("<|image|>"), endImage: id("<image|>"),
		audio: id("<|audio>"), audioSoft: id("<|audio|>"), endAudio: id("<audio|>"),
		videoSoft: id("<|video|>"),
		channel:   id("<|channel>"), endChannel: id("<channel|>"),
		toolResponse: id("<|tool_response>"), eos: t.EOS(),
	}
}

// stops says whether a token ends the answer.
func (c *controlTokens) stops(id int) bool {
	return id == c.endTurn || id == c.eos || id == c.toolResponse
}

// soft returns the tokens that hold the place of soft tokens.
func (c *controlTokens) soft() []int { return []int{c.imageSoft, c.audioSoft, c.videoSoft} }

// Prompt is a request as the model reads it.
type Prompt struct {
	Spans []Span
	// IDs are the tokens of all positions, with <|image|>, <|audio|> or
	// <|video|> where soft tokens stand.
	IDs []int
}

// Prompt encodes the media of a request and writes it in the form that Gemma 4
// was trained on:
//
//	<bos><|turn>system\n{system}<turn|>\n<|turn>user\n{parts}<turn|>\n<|turn>model\n
//
// The system turn is left out when there is none. Parts follow each other with
// nothing between, texts without the white space around them. The texts are
// plain text whatever they contain: a "<|turn>" in them is seven characters,
// not a turn.
//
// A prompt that is longer than the context is an error that wraps [ErrContext].
func (m *Model) Prompt(ctx context.Context, r Request) (Prompt, error) {
	return m.prompt(ctx, r, -1)
}

// prompt is Prompt with a sound that is still to come in the place of the open
// part, -1 for none: there the spans hold one of soft tokens without any.
func (m *Model) prompt(ctx context.Context, r Request, open int) (Prompt, error) {
	if m.control.turn < 0 || m.control.endTurn < 0 {
		return Prompt{}, fmt.Errorf("gemma4: %s lacks the tokens <|turn> and <turn|>, so it cannot hold a conversation", m.files[0].Name())
	}
	budget, err := imageBudget(r.ImageTokens)
	if err != nil {
		return Prompt{}, err
	}
	w := promptWriter{m: m}
	w.id(m.words.BOS())
	if system := trim(r.System); system != "" {
		w.id(m.control.turn)
		w.text("system\n" + system)
		w.id(m.control.endTurn)
		w.text("\n")
	}
	w.id(m.control.turn)
	w.text("user\n")
	for i, p := range r.Parts {
		if i == open {
			err = w.sound([]float32{})
		} else {
			err = w.part(ctx, p, budget)
		}
		if err != nil {
			return Prompt{}, fmt.Errorf("gemma4: part %d of the request: %w", i+1, err)
		}
	}
	w.id(m.control.endTurn)
	w.text("\n")
	w.id(m.control.turn)
	w.text("model\n")
	w.flush()
	if err := w.fits(); err != nil {
		return Prompt{}, fmt.Errorf("gemma4: %w", err)
	}
	return w.out, nil
}

// imageBudget checks the number of soft tokens that a picture may take.
func imageBudget(asked int) (int, error) {
	if asked == 0 {
		return defaultImageTokens, nil
	}
	if !slices.Contains(imageBudgets[:], asked) {
		return 0, fmt.Errorf("gemma4: a picture cannot take %d soft tokens, only one of %v", asked, imageBudgets)
	}
	return asked, nil
}

// trim removes white space from both ends as the reference does, which counts
// the four separators of ASCII as white space too.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f })
}

// promptWriter collects a prompt. Text is kept back until a control token or
// media end it, because the tokens of neighbouring texts may merge.
type promptWriter struct {
	m       *Model
	out     Prompt
	pending strings.Builder
}

func (w *promptWriter) text(s string) { w.pending.WriteString(s) }

// flush writes the pending text.
func (w *promptWriter) flush() {
	w.ids(w.m.words.Encode(w.pending.String(), false)...)
	w.pending.Reset()
}

// id writes a control token.
func (w *promptWriter) id(id int) {
	w.flush()
	w.ids(id)
}

func (w *promptWriter) ids(ids ...int) {
	if len(ids) == 0 {
		return
	}
	w.out.IDs = append(w.out.IDs, ids...)
	if n := len(w.out.Spans); n > 0 && w.out.Spans[n-1].Soft == nil {
		w.out.Spans[n-1].IDs = append(w.out.Spans[n-1].IDs, ids...)
		return
	}
	w.out.Spans = append(w.out.Spans, Span{IDs: slices.Clone(ids)})
}

// media writes soft tokens between two control tokens.
func (w *promptWriter) media(begin, soft, end int, tokens []float32) {
	w.id(begin)
	w.out.Spans = append(w.out.Spans, Span{Soft: tokens})
	for range len(tokens) / w.m.text.hidden {
		w.out.IDs = append(w.out.IDs, soft)
	}
	w.ids(end)
}

// fits returns an error when the prompt so far leaves no room for an answer.
func (w *promptWriter) fits() error { return w.m.fits(len(w.out.IDs)) }

// fits returns an error when a prompt of n tokens leaves no room for an answer.
func (m *Model) fits(n int) error {
	if n >= m.context {
		return fmt.Errorf("%w: the prompt is %d tokens long and the context holds %d with the answer; "+
			"shorten the prompt, lower the tokens for each picture, or load the model with a larger context", ErrContext, n, m.context)
	}
	return nil
}

// part writes one part of the user's turn.
func (w *promptWriter) part(ctx context.Context, p Part, budget int) error {
	kinds := 0
	for _, set := range []bool{p.Text != "", p.Image != nil, p.Audio != nil, p.Video != nil} {
		if set {
			kinds++
		}
	}
	if kinds > 1 {
		return errors.New("it has more than one of text, image, audio and video")
	}
	switch {
	case p.Image != nil:
		return w.image(ctx, p.Image, budget, w.m.control.imageSoft)
	case p.Audio != nil:
		return w.audio(ctx, p.Audio)
	case p.Video != nil:
		return w.video(ctx, p.Video)
	}
	w.text(trim(p.Text))
	return nil
}

func (w *promptWriter) image(ctx context.Context, img image.Image, budget, soft int) error {
	c := &w.m.control
	if c.image < 0 || c.endImage < 0 || soft < 0 {
		return fmt.Errorf("%s lacks the tokens for pictures", w.m.files[0].Name())
	}
	tokens, err := w.m.EncodeImage(ctx, img, budget)
	if err != nil {
		return err
	}
	w.media(c.image, soft, c.endImage, tokens)
	return w.fits()
}

func (w *promptWriter) audio(ctx context.Context, samples []float32) error {
	if len(samples) > maxAudioSeconds*sampleRate {
		return fmt.Errorf("%.1f s of sound are more than the %d s that the model can hear at once: split it", float64(len(samples))/sampleRate, maxAudioSeconds)
	}
	if err := w.m.hears(); err != nil {
		return err
	}
	tokens, err := w.m.EncodeAudio(ctx, samples)
	if err != nil {
		return err
	}
	return w.sound(tokens)
}

// hears returns an error when the vocabulary has no words around sound.
func (m *Model) hears() error {
	if c := &m.control; c.audio < 0 || c.endAudio < 0 || c.audioSoft < 0 {
		return fmt.Errorf("%s lacks the tokens for sound", m.files[0].Name())
	}
	return nil
}

// sound writes the soft tokens of a sound.
func (w *promptWriter) sound(tokens []float32) error {
	w.media(w.m.control.audio, w.m.control.audioSoft, w.m.control.endAudio, tokens)
	return w.fits()
}

// video writes each frame with its time in front: "mm:ss <|image>...<image|>".
func (w *promptWriter) video(ctx context.Context, frames []VideoFrame) error {
	if len(frames) > maxVideoFrames {
		return fmt.Errorf("%d video frames are more than the %d that the model can see at once: leave some out", len(frames), maxVideoFrames)
	}
	for i, f := range frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.Image == nil || f.At < 0 {
			return fmt.Errorf("video frame %d has no picture or a time before the start", i+1)
		}
		if i > 0 {
			w.text(" ")
		}
		seconds := int(f.At.Seconds())
		w.text(fmt.Sprintf("%02d:%02d ", seconds/60, seconds%60))
		if err := w.image(ctx, f.Image, videoFrameTokens, w.m.control.videoSoft); err != nil {
			return fmt.Errorf("video frame %d: %w", i+1, err)
		}
	}
	return nil
}

// Spans cuts a prompt that is given as ids at its runs of <|image|>, <|audio|>
// or <|video|> and puts the media's soft tokens, [n][Width] each, in their
// places. Number and lengths of the runs must fit the media.
func (m *Model) Spans(ids []int, media ...[]float32) ([]Span, error) {
	var out []Span
	used := 0
	isSoft := func(id int) bool { return slices.Contains(m.text.holders, id) }
	for len(ids) > 0 {
		soft := isSoft(ids[0])
		n := slices.IndexFunc(ids, func(id int) bool { return isSoft(id) != soft })
		if n < 0 {
			n = len(ids)
		}
		switch {
		case !soft:
			out = append(out, Span{IDs: ids[:n]})
		case used == len(media):
			return nil, fmt.Errorf("gemma4: the prompt has more places for media than the %d given", used)
		case len(media[used]) != n*m.text.hidden:
			return nil, fmt.Errorf("gemma4: medium %d has %d soft tokens and the prompt holds %d places for it", used+1, len(media[used])/m.text.hidden, n)
		default:
			out = append(out, Span{Soft: media[used]})
			used++
		}
		ids = ids[n:]
	}
	if used != len(media) {
		return nil, fmt.Errorf("gemma4: the prompt has places for %d of %d media", used, len(media))
	}
	return out, nil
}
