package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Reply is the answer to one line that [Serve] reads.
type Reply struct {
	Name    string  `json:"name"`
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Tokens  int     `json:"answer_tokens,omitempty"`
	Memory  *Memory `json:"memory,omitempty"`
	Inputs  *Inputs `json:"inputs,omitempty"`
}

// Inputs are the questions and media of the measurements, for a program that
// is to do the same work. Files lie in the folder that was named.
type Inputs struct {
	Width    int      `json:"width"`
	Height   int      `json:"height"`
	Pictures []string `json:"pictures"` // files of bytes: red, green, blue of each pixel, row by row
	Sounds   []Sound  `json:"sounds"`

	ImageTokens int    `json:"image_tokens"`
	Caption     string `json:"caption"`
	Detect      string `json:"detect"`
	Transcribe  string `json:"transcribe"`
	// Tokens of the answers.
	CaptionTokens    int `json:"caption_tokens"`
	DetectTokens     int `json:"detect_tokens"`
	TranscriptTokens int `json:"transcript_tokens"`
}

// Sound is a file of 16 kHz mono float32 samples, little-endian.
type Sound struct {
	Seconds int    `json:"seconds"`
	File    string `json:"file"`
}

// Serve keeps the model loaded and answers each line of in with a line of JSON,
// so that another program can take turns with this one on the same machine. A
// line is the name of a measurement, which is run once; "memory"; or "inputs
// FOLDER", which writes the media of the measurements there. It ends when in
// does.
func Serve(ctx context.Context, o Options, in io.Reader, out io.Writer) error {
	s, err := newSubject(o.Open)
	if err != nil {
		return err
	}
	defer s.close()
	lines := bufio.NewScanner(in)
	replies := json.NewEncoder(out)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		r, err := s.answer(ctx, line)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			return fmt.Errorf("an answer cannot be written: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("standard input cannot be read: %w", err)
	}
	return nil
}

// answer does what one line asks for.
func (s *subject) answer(ctx context.Context, line string) (Reply, error) {
	name, rest, _ := strings.Cut(line, " ")
	r := Reply{Name: name}
	switch name {
	case "memory":
		now, _, err := memoryNow()
		r.Memory = &now
		return r, err
	case "inputs":
		in, err := s.writeInputs(strings.TrimSpace(rest))
		r.Inputs = &in
		return r, err
	}
	list, err := chosen([]string{name})
	if err != nil {
		return r, err
	}
	if len(list) > 1 {
		return r, fmt.Errorf("%s is a group; name one of its measurements", name)
	}
	d, err := list[0].once(ctx, s)
	r.Seconds, r.Tokens = d.Seconds(), s.tokens
	return r, err
}

// inputCount is how many scenes and utterances another program gets, so that
// each run has new ones.
const inputCount = 12

// writeInputs writes the media to a folder.
func (s *subject) writeInputs(folder string) (Inputs, error) {
	in := Inputs{
		Width: frameW, Height: frameH, ImageTokens: frameBudget,
		Caption: s.prompts.Caption, Detect: s.detectWords(), Transcribe: s.prompts.Transcribe,
		CaptionTokens: captionTokens, DetectTokens: s.boxTokens(), TranscriptTokens: transcriptTokens,
	}
	if folder == "" {
		return in, errors.New("a folder must follow the word inputs")
	}
	for i := range inputCount {
		in.Pictures = append(in.Pictures, fmt.Sprintf("scene-%d.rgb", i))
		if err := os.WriteFile(filepath.Join(folder, in.Pictures[i]), rgb(scene(uint64(i))), 0o644); err != nil {
			return in, err
		}
	}
	for i := range inputCount {
		if err := in.addSound(folder, speechSeconds, i); err != nil {
			return in, err
		}
	}
	for _, seconds := range []int{5, 30} {
		if err := in.addSound(folder, seconds, 0); err != nil {
			return in, err
		}
	}
	return in, nil
}

// addSound writes one sound.
func (in *Inputs) addSound(folder string, seconds, voice int) error {
	f := Sound{seconds, fmt.Sprintf("speech-%d-%d.f32", seconds, voice)}
	in.Sounds = append(in.Sounds, f)
	b, err := binary.Append(nil, binary.LittleEndian, speech(seconds, uint64(voice)))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, f.File), b, 0o644)
}

// rgb returns the pixels without the fourth byte of each.
func rgb(im *image.RGBA) []byte {
	var out []byte
	for i := 0; i < len(im.Pix); i += 4 {
		out = append(out, im.Pix[i:i+3]...)
	}
	return out
}
