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
	// Grammar, when set, is what the answer is held to.
	Grammar *Grammar
	// Hint are the tokens of an answer that this one may resemble, such as the
	// one about the picture before. They change how fast a greedy answer comes,
	// never the answer.
	Hint []int
	// Plain writes the answer token by token, without guessing ahead, which
	// changes nothing but the time: for measuring.
	Plain bool
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
	// its probability under the model, whatever the sampling; under a grammar its
	// share among the tokens that were allowed there, 1 where there was no choice.
	Tokens []int
	Pieces []string
	Probs  []float64
	// PromptTokens counts text and soft tokens read.
	PromptTokens int
	// Stopped is true when the model ended the answer itself, false when
	// MaxTokens or the end of the context did.
	Stopped bool
	Timing  Timing
	Work    Work
}

// Work is what writing an answer took.
type Work struct {
	// Passes are the forward passes after the prompt, Positions the tokens that
	// they read, guesses included.
	Passes, Positions int
	// HeadRows are the rows of the output head that were computed.
	HeadRows int
	// Forced tokens had no alternative under the grammar. Of the Drafted ones,
	// which were guessed ahead, the Accepted ones were right.
	Forced, Drafted, Accepted int
}

// Timing is how long each stage took.
type Timing struct {
	Encode, Prefill, Decode time.Duration
}
