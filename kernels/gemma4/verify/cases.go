package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// cases is golden.json.
type cases struct {
	Tokenize []tokenizeCase `json:"tokenize"`
	Text     []textCase     `json:"text"`
	Image    []imageCase    `json:"image"`
	Audio    []audioCase    `json:"audio"`
	Chat     []chatCase     `json:"chat"`
}

// tokenizeCase holds a text, its ids, and what the ids say.
type tokenizeCase struct {
	Text    *string `json:"text"`
	IDs     []int   `json:"ids"`
	Decoded *string `json:"decoded"`
}

// textCase holds a prompt, its ids with <bos>, a file with the logits at every
// position, [T][vocab], and the likeliest tokens that follow.
type textCase struct {
	Text   *string `json:"text"`
	IDs    []int   `json:"ids"`
	Logits string  `json:"logits_all"`
	Greedy []int   `json:"greedy"`
}

// imageCase holds a picture, the most soft tokens it may take, what it is
// resized to, and a file with the soft tokens, [n][width].
type imageCase struct {
	File       string `json:"file"`
	Budget     int    `json:"budget"`
	PatchesW   int    `json:"patches_w"`
	PatchesH   int    `json:"patches_h"`
	SoftTokens int    `json:"soft_tokens"`
	Resized    string `json:"resized"`
	Embeddings string `json:"embeddings"`
}

// audioCase holds a WAV file, files with its log-mel frames, [n][bands], and
// soft tokens, [n][width], and their numbers. MelPadded counts the frames of
// the sound after the reference has lengthened it with silence.
type audioCase struct {
	File       string `json:"file"`
	MelFrames  int    `json:"mel_frames"`
	MelPadded  int    `json:"mel_padded"`
	SoftTokens int    `json:"soft_tokens"`
	Mel        string `json:"mel"`
	Embeddings string `json:"embeddings"`
}

// chatCase holds a picture (with its budget, else 280) or WAV file, the ids of a prompt
// with the places for its soft tokens, a file with the logits after it, and the
// likeliest tokens that follow.
type chatCase struct {
	Media  string `json:"media"`
	Budget *int   `json:"budget"`
	IDs    []int  `json:"ids"`
	Logits string `json:"last_logits"`
	Greedy []int  `json:"greedy"`
}

// runner is one case of any kind.
type runner interface {
	kind() string
	name() string
	// check returns an error that names a field which is missing or wrong.
	check() error
	run(v *verifier, r *Result) error
}

// all returns the cases in order.
func (c *cases) all() []runner {
	var out []runner
	for i := range c.Tokenize {
		out = append(out, &c.Tokenize[i])
	}
	for i := range c.Text {
		out = append(out, &c.Text[i])
	}
	for i := range c.Image {
		out = append(out, &c.Image[i])
	}
	for i := range c.Audio {
		out = append(out, &c.Audio[i])
	}
	for i := range c.Chat {
		out = append(out, &c.Chat[i])
	}
	return out
}

const list = "golden.json"

// readCases reads and checks golden.json.
func readCases(f files) (*cases, error) {
	data, err := f.read(list)
	if err != nil {
		return nil, err
	}
	return parseCases(data)
}

func parseCases(data []byte) (*cases, error) {
	var c cases
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("%s: %w", list, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: something follows after the list of cases", list)
	}
	count := map[string]int{}
	for _, r := range c.all() {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("%s: %s[%d]: %w", list, r.kind(), count[r.kind()], err)
		}
		count[r.kind()]++
	}
	if len(count) == 0 {
		return nil, fmt.Errorf("%s: there are no cases in it", list)
	}
	return &c, nil
}

// missing returns an error for the first field that is not there.
func missing(fields ...field) error {
	for _, f := range fields {
		if !f.there {
			return fmt.Errorf("field %q is missing or empty", f.name)
		}
	}
	return nil
}

type field struct {
	name  string
	there bool
}

func (c *tokenizeCase) check() error {
	return missing(field{"text", c.Text != nil}, field{"ids", c.IDs != nil}, field{"decoded", c.Decoded != nil})
}

func (c *textCase) check() error {
	return missing(field{"text", c.Text != nil}, field{"ids", len(c.IDs) > 0},
		field{"logits_all", c.Logits != ""}, field{"greedy", len(c.Greedy) > 0})
}

func (c *imageCase) check() error {
	return missing(field{"file", c.File != ""}, field{"budget", c.Budget > 0},
		field{"patches_w", c.PatchesW > 0}, field{"patches_h", c.PatchesH > 0}, field{"soft_tokens", c.SoftTokens > 0},
		field{"resized", c.Resized != ""}, field{"embeddings", c.Embeddings != ""})
}

func (c *audioCase) check() error {
	return missing(field{"file", c.File != ""}, field{"mel_frames", c.MelFrames > 0}, field{"mel_padded", c.MelPadded > 0},
		field{"soft_tokens", c.SoftTokens > 0}, field{"mel", c.Mel != ""}, field{"embeddings", c.Embeddings != ""})
}

func (c *chatCase) check() error {
	return missing(field{"media", c.Media != ""}, field{"ids", len(c.IDs) > 0},
		field{"last_logits", c.Logits != ""}, field{"greedy", len(c.Greedy) > 0})
}
