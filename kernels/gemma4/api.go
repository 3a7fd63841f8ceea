// Package gemma4 is the Gemma 4 model: text decoder, vision tower and audio
// conformer on top of package kernels.
package gemma4

import (
	"image"
	"time"
)

// Part is one piece of a user turn, in order. Exactly one field is set.
type Part struct {
	Text  string
	Image image.Image
	// Audio is 16 kHz mono in [-1, 1], at most 30 s.
	Audio []float32
	// Video is a clip, at most 60 frames, with the time of each.
	Video []VideoFrame
}

// VideoFrame is one picture of a clip.
type VideoFrame struct {
	At    time.Duration
	Image image.Image
}

// Request is one question to the model.
type Request struct {
	System string
	Parts  []Part
	// ImageTokens is the soft-token budget of each picture (70, 140, 280, 560
	// or 1120; 0 means 280). Video frames always take 70.
	ImageTokens int
	// MaxTokens bounds the answer; 0 means 512.
	MaxTokens int
	Sampling  Sampling
	// OnText, when set, receives each piece of the answer as it is written,
	// thinking left out. It runs on the caller's goroutine.
	OnText func(string)
}

// Sampling says how the next token is chosen. The zero value is greedy.
type Sampling struct {
	Temperature float64 // 0: greedy
	TopP        float64 // 0 or 1: off
	TopK        int     // 0: off
	Seed        uint64
}

// Reply is the model's answer.
type Reply struct {
	// Text is the answer without thinking and without control tokens.
	Text string
	// Tokens are the ids written, thinking included and the stop token left
	// out; Pieces[i] is the text of Tokens[i], control tokens as they are
	// written and a character's bytes perhaps spread over several, and Probs[i]
	// its probability under the model, whatever the sampling.
	Tokens []int
	Pieces []string
	Probs  []float64
	// PromptTokens counts text and soft tokens read.
	PromptTokens int
	// Stopped is true when the model ended the answer itself, false when
	// MaxTokens or the end of the context did.
	Stopped bool
	Timing  Timing
}

// Timing is how long each stage took.
type Timing struct {
	Encode, Prefill, Decode time.Duration
}
