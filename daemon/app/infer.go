package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"sensed/daemon/event"
	"sensed/devices"
	"sensed/devices/replay"
	"sensed/devices/wave"
)

const (
	clipFPS    = 1  // pictures of a video that the model looks at, a second
	clipFrames = 60 // and at most

	// streamed is the longest sound whose words are shown while they are
	// written: a longer one is answered in pieces that are joined at the end.
	streamed = 28 * time.Second
)

// Question is what `sensed infer` asks.
type Question struct {
	Model  Model
	Images []string // files
	Audio  string   // WAV file
	Video  string   // file that ffmpeg can read
	Task   event.Task
	JSON   bool
}

// Answer is the JSON object that `sensed infer --json` prints.
type Answer struct {
	Task       event.TaskKind `json:"task"`
	Text       string         `json:"text"`
	Transcript string         `json:"transcript,omitempty"` // translate: what was said
	Objects    []event.Found  `json:"objects"`              // detect and point
	Prompt     int            `json:"prompt_tokens"`
	Tokens     int            `json:"answer_tokens"`
	Times      Milliseconds   `json:"milliseconds"`
	Model      string         `json:"model"`
	Notes      []string       `json:"notes,omitempty"`
}

// Milliseconds is how long each stage took.
type Milliseconds struct {
	Load    float64 `json:"load"` // opening the model
	Encode  float64 `json:"encode"`
	Prefill float64 `json:"prefill"`
	Decode  float64 `json:"decode"`
	Total   float64 `json:"total"` // without load
}

func milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e4) / 10 }

// Infer asks the model one question and writes the answer to out, and what is
// worth knowing about it to notes.
func Infer(ctx context.Context, q Question, out, notes io.Writer, log *slog.Logger) error {
	if err := q.complete(); err != nil {
		return err
	}
	in, remarks, err := q.read(ctx)
	if err != nil {
		return as(BadInput, err)
	}
	began := time.Now()
	engine, err := q.Model.open(log)
	if err != nil {
		return err
	}
	defer engine.Close()
	loaded := time.Now()
	if q.Model.Bundled() {
		fmt.Fprintln(notes, "sensed: this is the bundled demonstration model (5.9 M parameters, drawn scenes and synthetic speech); --model takes Gemma 4 E2B")
	}

	var onText func(string)
	begun := false // something of the answer is written
	if q.streams(in) {
		onText = func(s string) {
			begun = true
			_, _ = io.WriteString(out, s) // the last line tells whether out still works
		}
	}
	res, err := engine.Stream(ctx, q.Task, in, onText)
	if err != nil {
		if begun {
			fmt.Fprintln(out)
		}
		return err
	}
	total := time.Since(loaded)
	for _, r := range append(remarks, res.Notes...) {
		fmt.Fprintln(notes, "sensed: note:", r)
	}
	if q.JSON {
		return writeJSON(out, Answer{
			Task: res.Kind, Text: res.Text, Transcript: res.Transcript,
			Objects: append([]event.Found{}, res.Objects...),
			Prompt:  res.Prompt, Tokens: res.Answer, Model: res.Model, Notes: append(remarks, res.Notes...),
			Times: Milliseconds{
				Load: milliseconds(loaded.Sub(began)), Encode: milliseconds(res.Timing.Encode),
				Prefill: milliseconds(res.Timing.Prefill), Decode: milliseconds(res.Timing.Decode), Total: milliseconds(total),
			},
		})
	}
	return writeWords(out, res, onText != nil)
}

// complete fills in the task that the inputs suggest and refuses what cannot
// be asked.
func (q *Question) complete() error {
	sees, hears := len(q.Images) > 0 || q.Video != "", q.Audio != ""
	if q.Task.Kind == "" {
		switch {
		case q.Task.Prompt != "":
			q.Task.Kind = event.TaskPrompt
		case sees:
			q.Task.Kind = event.TaskCaption
		case hears:
			q.Task.Kind = event.TaskTranscribe
		default:
			return Errorf(Usage, "nothing to look at, listen to or answer; give --image, --audio, --video or --prompt")
		}
	}
	kind := q.Task.Kind
	switch kind {
	case event.TaskCaption, event.TaskDetect, event.TaskPoint:
		if !sees {
			return Errorf(Usage, "the task %s needs a picture; give --image or --video", kind)
		}
	case event.TaskTranscribe, event.TaskTranslate:
		if !hears {
			return Errorf(Usage, "the task %s needs sound; give --audio", kind)
		}
	case event.TaskPrompt:
	default:
		return Errorf(Usage, "there is no task %q; choose caption, detect, transcribe, translate or point, or give only --prompt", kind)
	}
	switch {
	case (kind == event.TaskDetect || kind == event.TaskPoint) && len(q.Images) == 0:
		return Errorf(Usage, "the task %s needs a still picture; give --image", kind)
	case kind == event.TaskPoint && len(q.Task.Labels) != 1:
		return Errorf(Usage, "the task point needs one thing to point at; give --labels with one label")
	case kind == event.TaskTranslate && q.Task.Into == "":
		return Errorf(Usage, "the task translate needs the language wanted; give --into, for example --into English")
	}
	return nil
}

// read decodes the input files.
func (q *Question) read(ctx context.Context) (in event.Input, remarks []string, err error) {
	for _, path := range q.Images {
		img, err := replay.DecodeFile(ctx, path, replay.Limits{})
		if err != nil {
			return in, nil, err
		}
		in.Images = append(in.Images, img)
	}
	if q.Video != "" {
		frames, err := replay.Clip(ctx, q.Video, clipFPS, clipFrames)
		if err != nil {
			return in, nil, err
		}
		for _, f := range frames {
			in.Video = append(in.Video, event.VideoFrame{At: f.At, Image: f.Image})
		}
	}
	if q.Audio != "" {
		samples, info, err := wave.DecodeFile(q.Audio)
		if err != nil {
			return in, nil, err
		}
		if len(samples) == 0 {
			return in, nil, Errorf(BadInput, "%s holds no sound: its length is zero", q.Audio)
		}
		in.Audio = samples
		remarks = append(remarks, info.Warnings...)
		if silent(samples) {
			remarks = append(remarks, fmt.Sprintf("%s is silent: every sample is zero or close to it", q.Audio))
		}
	}
	return in, remarks, nil
}

// silent tells whether nothing can be heard: no sample above -80 dB full scale.
func silent(samples []float32) bool {
	for _, v := range samples {
		if v > 1e-4 || v < -1e-4 {
			return false
		}
	}
	return true
}

// streams tells whether the model's words are the answer, word for word.
func (q *Question) streams(in event.Input) bool {
	short := time.Duration(len(in.Audio))*time.Second/devices.SampleRate <= streamed
	switch q.Task.Kind {
	case event.TaskCaption, event.TaskPrompt, event.TaskTranscribe:
		return !q.JSON && short
	}
	return false
}

func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("the answer cannot be written: %w", err)
	}
	return nil
}

// writeWords writes an answer for people; a streamed one is there already.
func writeWords(out io.Writer, res event.Result, streamed bool) error {
	var b strings.Builder
	switch {
	case streamed:
		b.WriteByte('\n')
	case res.Kind == event.TaskDetect || res.Kind == event.TaskPoint:
		if len(res.Objects) == 0 {
			b.WriteString("nothing found\n")
		}
		for _, o := range res.Objects {
			fmt.Fprintf(&b, "%-12s %3.0f%%  [%d, %d, %d, %d]\n", o.Label, 100*o.Score, o.Box[0], o.Box[1], o.Box[2], o.Box[3])
		}
	case res.Transcript != "":
		fmt.Fprintf(&b, "%s\n%s\n", res.Transcript, res.Text)
	default:
		b.WriteString(res.Text + "\n")
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return fmt.Errorf("the answer cannot be written: %w", err)
	}
	return nil
}
