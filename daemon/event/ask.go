package event

import (
	"image"
	"time"
)

// The types in this file are the question that the pipeline puts to an engine
// and the typed answer that it turns into an [Event]. They live beside Event
// because both sides of that conversation stand on this package, while neither
// may stand on the other: the pipeline knows no model, an engine no queue.

// TaskKind is what is asked of the model.
type TaskKind string

// The kinds of tasks.
const (
	TaskCaption    TaskKind = "caption"
	TaskDetect     TaskKind = "detect"
	TaskTranscribe TaskKind = "transcribe"
	TaskTranslate  TaskKind = "translate"
	TaskPoint      TaskKind = "point"
	TaskPrompt     TaskKind = "prompt"
)

// Task is one question. Zero fields mean the profile's default.
type Task struct {
	Kind   TaskKind
	Name   string   // the task's name in the configuration, for provenance
	Labels []string // detect: what to look for (none: everything the model knows); point: the one thing
	Prompt string   // replaces the profile's prompt; required for the kind prompt
	System string
	// Schema holds the answer of the kind prompt to a JSON schema, Choices to one of
	// some texts; not both.
	Schema  string
	Choices []string
	// Language of the speech ("" is unknown) and, for translate, the language wanted.
	Language, Into string
	MaxTokens      int
	ImageTokens    int // soft-token budget of a picture: 70 140 280 560 1120
}

// Input is what the task looks at and listens to. Images and Video are
// pictures; Video frames carry their time; Audio is 16 kHz mono.
type Input struct {
	Images []image.Image
	Video  []VideoFrame
	Audio  []float32
	// Source is the camera or microphone it comes from; answers about one source
	// tend to resemble each other. "" is unknown.
	Source string
}

// VideoFrame is one picture of a clip.
type VideoFrame struct {
	At    time.Duration // from the start of the clip
	Image image.Image
}

// Result is a typed answer.
type Result struct {
	Kind    TaskKind
	Text    string  // caption, transcript, translation or answer; raw text for detect and point
	Objects []Found // detect, point
	// Transcript, for translate, is what was said, in the language of the speech.
	Transcript string
	// Score is how sure the model was of the whole answer, 0..1: the geometric
	// mean of the probabilities of its tokens. An empty answer has 0.
	Score float64
	// Notes say what in the answer could not be used and why, in sentences.
	Notes  []string
	Prompt int // tokens read
	Answer int // tokens written
	Timing Timing
	Model  string
	// PromptID names the words that the model was asked with: the first eight hex
	// digits of their SHA-256.
	PromptID string
}

// Found is a labelled box as a model gives it.
type Found struct {
	Label string `json:"label"`
	// Box is [y1, x1, y2, x2] on a grid of 1000 by 1000 over the whole frame.
	Box [4]int `json:"box_2d"`
	// Score is the model's own probability of the box, 0..1.
	Score float64 `json:"score"`
}

// Timing is how long each stage took.
type Timing struct {
	Encode, Prefill, Decode time.Duration
}
