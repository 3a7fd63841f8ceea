// Package understand turns pictures and sound into typed answers: it knows the
// tasks (caption, detect, transcribe, translate, point, free prompt), their
// prompts for each model profile, and how to read what the model answered.
package understand

import (
	"context"
	"image"
	"time"

	"sensed/daemon/event"
)

// Kind is what is asked of the model.
type Kind string

// The kinds of tasks.
const (
	Caption    Kind = "caption"
	Detect     Kind = "detect"
	Transcribe Kind = "transcribe"
	Translate  Kind = "translate"
	Point      Kind = "point"
	Prompt     Kind = "prompt"
)

// Task is one question. Zero fields mean the profile's default.
type Task struct {
	Kind   Kind
	Name   string   // the task's name in the configuration, for provenance
	Labels []string // detect: what to look for (none: everything the model knows); point: the one thing
	Prompt string   // replaces the profile's prompt; required for the kind prompt
	System string
	// Language of the speech ("" is unknown) and, for translate, the language wanted.
	Language, Into string
	MaxTokens      int
	ImageTokens    int // soft-token budget of a picture: 70 140 280 560 1120
}

// Input is what the task looks at and listens to. Image and Images are
// pictures; Video frames carry their time; Audio is 16 kHz mono.
type Input struct {
	Images []image.Image
	Video  []VideoFrame
	Audio  []float32
}

// VideoFrame is one picture of a clip.
type VideoFrame struct {
	At    time.Duration // from the start of the clip
	Image image.Image
}

// Result is a typed answer.
type Result struct {
	Kind    Kind
	Text    string         // caption, transcript, translation or answer; raw text for detect and point
	Objects []event.Object // detect, point
	Prompt  int            // tokens read
	Answer  int            // tokens written
	Timing  Timing
	Model   string
}

// Timing is how long each stage took.
type Timing struct {
	Encode, Prefill, Decode time.Duration
}

// Understander answers one task at a time; it is what the pipeline and the
// command line need of an engine.
type Understander interface {
	Understand(ctx context.Context, t Task, in Input) (Result, error)
}
