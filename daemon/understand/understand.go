// Package understand turns pictures and sound into typed answers: it knows the
// tasks (caption, detect, transcribe, translate, point, free prompt), their
// prompts for each model profile, and how to read what the model answered.
package understand

import (
	"context"

	"sensed/daemon/event"
)

// The question and its answer are plain types of package event, so that a
// caller can hold them without the engine and its kernels behind it.
type (
	// Kind is what is asked of the model.
	Kind = event.TaskKind
	// Task is one question. Zero fields mean the profile's default.
	Task = event.Task
	// Input is what the task looks at and listens to.
	Input = event.Input
	// VideoFrame is one picture of a clip.
	VideoFrame = event.VideoFrame
	// Result is a typed answer.
	Result = event.Result
	// Timing is how long each stage took.
	Timing = event.Timing
)

// The kinds of tasks.
const (
	Caption    = event.TaskCaption
	Detect     = event.TaskDetect
	Transcribe = event.TaskTranscribe
	Translate  = event.TaskTranslate
	Point      = event.TaskPoint
	Prompt     = event.TaskPrompt
)

// Understander answers one task at a time; it is what the pipeline and the
// command line need of an engine.
type Understander interface {
	Understand(ctx context.Context, t Task, in Input) (Result, error)
}
