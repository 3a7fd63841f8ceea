package gemma4

import (
	"context"
	"image"
	"image/color"
	"slices"
	"testing"

	"sensed/kernels"
)

// Questions about one picture read it once, and answer what a model that never
// saw it answers.
func TestStems(t *testing.T) {
	ctx := context.Background()
	picture := func(shade uint8) image.Image {
		im := image.NewRGBA(image.Rect(0, 0, 96, 96))
		for i := range 96 * 96 {
			im.Set(i%96, i/96, color.RGBA{shade, uint8(i), uint8(i / 96 * 2), 255})
		}
		return im
	}
	ask := func(m *Model, im image.Image, question string) (Reply, int) {
		t.Helper()
		before := m.text.read
		r, err := m.Generate(ctx, Request{Parts: []Part{{Image: im}, {Text: question}}, ImageTokens: 70, MaxTokens: 6})
		if err != nil {
			t.Fatal(err)
		}
		return r, m.text.read - before
	}
	m := bundled(t, Options{})
	for i, c := range []struct {
		shade    uint8
		question string
		again    bool
	}{
		{1, "Describe this image in one short sentence.", false},
		{1, "detect all objects. Output JSON with box_2d and label.", true},
		{1, "Describe this image in one short sentence.", true},
		{2, "Describe this image in one short sentence.", false},
		{3, "Describe this image in one short sentence.", false},
		{4, "Describe this image in one short sentence.", false},
		{1, "Describe this image in one short sentence.", true},
		{5, "Describe this image in one short sentence.", false},
		{2, "Describe this image in one short sentence.", false}, // forgotten for 5
	} {
		got, read := ask(m, picture(c.shade), c.question)
		want, all := ask(bundled(t, Options{}), picture(c.shade), c.question)
		if !slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.Probs, want.Probs) {
			t.Errorf("question %d: %q, a fresh model says %q", i, got.Text, want.Text)
		}
		if c.again && read >= all || !c.again && read != all {
			t.Errorf("question %d: %d positions were read, %d by a fresh model", i, read, all)
		}
	}
	held := m.pages.inUse()
	if limit := stemMemory * (80 + kernels.Page) / kernels.Page; held > limit {
		t.Errorf("stems hold %d pages, more than %d", held, limit)
	}
}

// The instruction before a sound is read once.
func TestStemOfInstruction(t *testing.T) {
	ctx := context.Background()
	m := bundled(t, Options{})
	sound := func(pitch int) []float32 {
		pcm := make([]float32, 8000)
		for i := range pcm {
			pcm[i] = float32(i%pitch)/float32(pitch) - 0.5
		}
		return pcm
	}
	var first int
	for i := range 6 {
		before := m.text.read
		text := "Transcribe the following speech segment in English into English text. Only output the transcription, with no newlines."
		if _, err := m.Generate(ctx, Request{Parts: []Part{{Text: text}, {Audio: sound(40 + i)}}, MaxTokens: 1}); err != nil {
			t.Fatal(err)
		}
		read := m.text.read - before
		if i == 0 {
			first = read
		} else if first-read < instruction {
			t.Errorf("sound %d: %d positions were read, %d the first time", i, read, first)
		}
	}
}
