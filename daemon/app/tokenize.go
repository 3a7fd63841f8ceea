package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"sensed/daemon/understand"
	"sensed/deploy/models/tiny"
	"sensed/kernels/gguf"
	"sensed/kernels/tokenizer"
)

// maxLine bounds one line of input, in bytes.
const maxLine = 16 << 20

// TokenizeOptions say what `sensed tokenize` does.
type TokenizeOptions struct {
	Model  string // GGUF file; "": the bundled model
	Decode bool   // from ids to text
	Plain  bool   // control tokens in the text are plain text
}

// Tokenize turns each line of in into a JSON array of ids on a line of out, or
// with Decode the other way. A line that cannot be used becomes null, or an
// empty line, and is named on notes; the rest is still done.
func Tokenize(ctx context.Context, o TokenizeOptions, in io.Reader, out, notes io.Writer) error {
	f, err := openText(o.Model)
	if err != nil {
		return as(BadModel, err)
	}
	defer f.Close()
	t, err := tokenizer.New(f)
	if err != nil {
		return as(BadModel, err)
	}
	w := bufio.NewWriter(out)
	defer w.Flush()
	r := bufio.NewReaderSize(in, 64<<10)
	bad := 0
	for n := 1; ; n++ {
		line, err := readLine(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		text := ""
		if err == nil {
			text, err = convert(t, o, line)
		} else if !errors.Is(err, errLong) {
			return fmt.Errorf("standard input, line %d: %w", n, err)
		}
		if err != nil {
			bad++
			fmt.Fprintf(notes, "sensed: line %d: %v\n", n, err)
			if !o.Decode {
				text = "null"
			}
		}
		if _, err := w.WriteString(text + "\n"); err != nil {
			return fmt.Errorf("the ids cannot be written: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("the ids cannot be written: %w", err)
	}
	if bad > 0 {
		return Errorf(BadInput, "%d lines of standard input could not be used", bad)
	}
	return nil
}

func openText(path string) (*gguf.File, error) {
	if path != "" {
		return gguf.Open(path)
	}
	return understand.BundledFile(tiny.Text)
}

var errLong = fmt.Errorf("it is longer than %d MiB", maxLine>>20)

// readLine returns the next line without its end. The last one needs none.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			long, line = true, nil // read on to the end of the line, but keep nothing
		} else if !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(line) > 0 || long), err == nil:
			if long {
				return nil, errLong
			}
			return bytes.TrimSuffix(line, []byte("\n")), nil
		}
		return nil, err
	}
}

func convert(t *tokenizer.Tokenizer, o TokenizeOptions, line []byte) (string, error) {
	if !o.Decode {
		if !utf8.Valid(line) {
			return "", errors.New("it is not UTF-8")
		}
		ids := t.Encode(string(line), !o.Plain)
		b, err := json.Marshal(append([]int{}, ids...))
		return string(b), err
	}
	var ids []int
	d := json.NewDecoder(bytes.NewReader(line))
	if err := d.Decode(&ids); err != nil {
		return "", fmt.Errorf("it is no JSON array of ids such as [2, 17, 300]: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("something follows the closing bracket")
	}
	for _, id := range ids {
		if id < 0 || id >= t.Len() {
			return "", fmt.Errorf("the id %d is outside the vocabulary of %d", id, t.Len())
		}
	}
	return t.Decode(ids), nil
}
