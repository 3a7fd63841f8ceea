package verify

import (
	"fmt"

	"sensed/kernels/gemma4"
)

func (c *tokenizeCase) kind() string { return "tokenize" }
func (c *textCase) kind() string     { return "text" }
func (c *imageCase) kind() string    { return "image" }
func (c *audioCase) kind() string    { return "audio" }
func (c *chatCase) kind() string     { return "chat" }

func (c *tokenizeCase) name() string { return quoted(*c.Text) }
func (c *textCase) name() string     { return quoted(*c.Text) }
func (c *imageCase) name() string    { return fmt.Sprintf("%s in %d", c.File, c.Budget) }
func (c *audioCase) name() string    { return c.File }
func (c *chatCase) name() string {
	if c.Budget != nil {
		return fmt.Sprintf("%s in %d", c.Media, *c.Budget)
	}
	return c.Media
}

// quoted is the beginning of a text.
func quoted(s string) string {
	const most = 16
	if r := []rune(s); len(r) > most {
		s = string(r[:most-1]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

func (c *tokenizeCase) run(v *verifier, r *Result) error {
	words := v.m.Tokenizer()
	r.Checks = append(r.Checks, equal("ids", words.Encode(*c.Text, true), c.IDs))
	for _, id := range c.IDs {
		if id < 0 || id >= words.Len() {
			return fmt.Errorf("id %d is not among the %d of the model", id, words.Len())
		}
	}
	r.Checks = append(r.Checks, same("text", words.Decode(c.IDs), *c.Decoded))
	return nil
}

func (c *textCase) run(v *verifier, r *Result) error {
	words := v.m.Tokenizer()
	ids := append([]int{words.BOS()}, words.Encode(*c.Text, true)...)
	r.Checks = append(r.Checks, equal("ids", ids, c.IDs))

	want, err := v.files.array(c.Logits, len(c.IDs), words.Len())
	if err != nil {
		return err
	}
	s := v.m.NewSession()
	defer s.Close()
	got, err := s.AppendLogits(v.ctx, gemma4.Span{IDs: c.IDs})
	if err != nil {
		return err
	}
	r.Checks = append(r.Checks, near("logits", got, want.Data, maxLogitError, false))
	return v.greedy(s, c.Greedy, r)
}

// greedy checks the likeliest tokens after what the session has read. The
// reference was told to write that many, so that its end token, and no other,
// was forbidden.
func (v *verifier) greedy(s *gemma4.Session, want []int, r *Result) error {
	got, err := s.Greedy(v.ctx, len(want), v.m.Tokenizer().EOS())
	if err != nil {
		return err
	}
	r.Checks = append(r.Checks, equal(fmt.Sprintf("%d greedy tokens", len(want)), got, want))
	return nil
}

func (c *imageCase) run(v *verifier, r *Result) error {
	im, err := v.files.picture(c.File)
	if err != nil {
		return err
	}
	resized, across, down, err := v.m.Picture(im, c.Budget)
	if err != nil {
		return err
	}
	r.Checks = append(r.Checks, equal("patches", []int{across, down}, []int{c.PatchesW, c.PatchesH}))
	pixels, err := v.files.picture(c.Resized)
	if err != nil {
		return err
	}
	check, err := comparePixels(resized, pixels)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Resized, err)
	}
	r.Checks = append(r.Checks, check)

	soft, err := v.m.EncodeImage(v.ctx, im, c.Budget)
	if err != nil {
		return err
	}
	return v.softTokens(soft, c.SoftTokens, c.Embeddings, r)
}

// softTokens compares soft tokens with their number and with a file.
func (v *verifier) softTokens(soft []float32, n int, file string, r *Result) error {
	width := v.m.Width()
	r.Checks = append(r.Checks, same("soft tokens", len(soft)/width, n))
	want, err := v.files.array(file, n, width)
	if err != nil {
		return err
	}
	r.Checks = append(r.Checks, near("embeddings", soft, want.Data, maxEmbeddingError, true))
	return nil
}

func (c *audioCase) run(v *verifier, r *Result) error {
	pcm, err := v.files.sound(c.File)
	if err != nil {
		return err
	}
	mel, bands, err := v.m.LogMel(pcm)
	if err != nil {
		return err
	}
	frames := len(mel) / bands
	r.Checks = append(r.Checks, equal("frames", []int{frames, paddedFrames(len(pcm))}, []int{c.MelFrames, c.MelPadded}))
	want, err := v.files.array(c.Mel, c.MelFrames, bands)
	if err != nil {
		return err
	}
	r.Checks = append(r.Checks, near("mel", mel, want.Data, maxMelError, false))

	soft, err := v.m.EncodeAudio(v.ctx, pcm)
	if err != nil {
		return err
	}
	return v.softTokens(soft, c.SoftTokens, c.Embeddings, r)
}

// paddedFrames is how many frames the reference computes: it lengthens sound
// to a multiple of 128 samples, puts 160 in front, and takes windows of 321
// every 160. It masks those at the end that are not wholly sound; the model
// does not compute them.
func paddedFrames(samples int) int {
	const multiple, front, window, hop = 128, 160, 321, 160
	samples = (samples + multiple - 1) / multiple * multiple
	return max(0, (samples+front-window)/hop+1)
}

func (c *chatCase) run(v *verifier, r *Result) error {
	soft, err := v.media(c)
	if err != nil {
		return err
	}
	spans, err := v.m.Spans(c.IDs, soft)
	if err != nil {
		return err
	}
	want, err := v.files.array(c.Logits, v.m.Tokenizer().Len())
	if err != nil {
		return err
	}
	s := v.m.NewSession()
	defer s.Close()
	if err := s.Append(v.ctx, spans...); err != nil {
		return err
	}
	got, err := s.Logits(v.ctx)
	if err != nil {
		return err
	}
	r.Checks = append(r.Checks, near("last logits", got, want.Data, maxLogitError, false))
	return v.greedy(s, c.Greedy, r)
}

// media encodes the medium of a chat: sound when the file is a WAV file, else
// a picture.
func (v *verifier) media(c *chatCase) ([]float32, error) {
	data, err := v.files.read(c.Media)
	if err != nil {
		return nil, err
	}
	if isWAV(data) {
		pcm, err := v.files.sound(c.Media)
		if err != nil {
			return nil, err
		}
		return v.m.EncodeAudio(v.ctx, pcm)
	}
	im, err := v.files.picture(c.Media)
	if err != nil {
		return nil, err
	}
	budget := defaultBudget
	if c.Budget != nil {
		budget = *c.Budget
	}
	return v.m.EncodeImage(v.ctx, im, budget)
}

// defaultBudget is how many soft tokens a picture may take when a case says
// nothing.
const defaultBudget = 280
