package main

import (
	"context"
	"flag"
	"log/slog"
	"strings"

	"sensed/daemon/app"
	"sensed/daemon/event"
)

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// modelFlags declares the flags that name a model.
func modelFlags(f *flag.FlagSet) *app.Model {
	m := &app.Model{}
	f.StringVar(&m.Text, "model", "", "`FILE` GGUF file with the text decoder; without it: the bundled\ndemonstration model")
	f.StringVar(&m.Projector, "projector", "", "`FILE` GGUF file (mmproj) with the vision and audio towers of that model")
	f.IntVar(&m.Threads, "threads", 0, "`N` how many threads compute; without it: one for each processor")
	return m
}

// packedFlag says where the weights of m in the form for this processor are.
func packedFlag(f *flag.FlagSet, m *app.Model) {
	f.StringVar(&m.Packed, "packed", "", "`FOLDER` where a large model's weights in the form for this processor are\nkept; without it: beside the model; off: none, which is slower")
}

func inferCommand() command {
	return command{
		name:    "infer",
		args:    "[--image F]... [--audio F] [--video F] [--task T] [--prompt TEXT] [FLAGS]",
		summary: "ask the model once about pictures, a video or sound",
		about: `
Prints the answer, or with --json one object: task, text, objects (label,
box_2d as [y1, x1, y2, x2] on a grid of 1000 by 1000, score), prompt_tokens,
answer_tokens and the milliseconds of each stage.

Pictures are PNG, JPEG, GIF, WebP or BMP; sound is WAV of any rate, width and up
to 8 channels; a video is what ffmpeg reads, looked at once a second for its
first minute. Sound of more than 30 seconds is split at pauses; nothing is lost.

Without --task: a caption for pictures and videos, a transcript for sound, and
with --prompt the answer to that.`,
		example: `
sensed infer --image scene.png
sensed infer --image scene.png --task detect --labels cat,dog --json
sensed infer --audio speech.wav
sensed infer --model gemma-4-E2B-it-Q4_0.gguf --projector mmproj-gemma-4-E2B-it-Q8_0.gguf \
             --image door.jpg --prompt "Is the door open? Answer yes or no."`,
		prepare: prepareInfer,
	}
}

func prepareInfer(f *flag.FlagSet) func(context.Context, streams, []string) error {
	model := modelFlags(f)
	f.Lookup("model").Usage = "`FILE` GGUF file with the text decoder, or the name of a model that sensed\nmodel pull fetched; without it: the bundled demonstration model"
	packedFlag(f, model)
	f.StringVar(&model.Drafter, "drafter", "", "`FILE` GGUF file with the drafter (gemma4-assistant) of that model; it\nguesses ahead, and changes no greedy answer")
	var q app.Question
	var labels, kind string
	f.StringVar(&model.Profile, "profile", "", "`FILE` JSON file with the model's prompts; without it: profile.json beside\nthe model, or by its name")
	f.Var((*list)(&q.Images), "image", "`FILE` picture; may be given several times")
	f.StringVar(&q.Audio, "audio", "", "`FILE` sound")
	f.StringVar(&q.Video, "video", "", "`FILE` video")
	f.StringVar(&kind, "task", "", "`TASK` caption, detect, transcribe, translate or point")
	f.StringVar(&labels, "labels", "", "`A,B` detect: what to look for; point: the one thing")
	f.StringVar(&q.Task.Prompt, "prompt", "", "`TEXT` the question, or the words that the task asks with")
	f.StringVar(&q.Task.System, "system", "", "`TEXT` words of the system turn")
	f.StringVar(&q.Task.Language, "language", "", "`NAME` language that is spoken")
	f.StringVar(&q.Task.Into, "into", "", "`NAME` translate: language that is wanted")
	f.IntVar(&q.Task.MaxTokens, "max-tokens", 0, "`N` most tokens of the answer; without it: the task's usual")
	f.IntVar(&q.Task.ImageTokens, "image-tokens", 0, "`N` detail of a picture: 70, 140, 280, 560 or 1120; without it:\nthe model's usual")
	f.BoolVar(&q.JSON, "json", false, "print one JSON object")
	return func(ctx context.Context, s streams, args []string) error {
		if err := noArgs(args); err != nil {
			return err
		}
		switch q.Task.ImageTokens {
		case 0, 70, 140, 280, 560, 1120:
		default:
			return app.Errorf(app.Usage, "--image-tokens is %d; choose 70, 140, 280, 560 or 1120", q.Task.ImageTokens)
		}
		if q.Task.MaxTokens < 0 || model.Threads < 0 {
			return app.Errorf(app.Usage, "--max-tokens and --threads cannot be negative")
		}
		q.Task.Kind, q.Task.Labels, q.Model = event.TaskKind(kind), split(labels), *model
		return app.Infer(ctx, q, s.out, s.err, logTo(s, slog.LevelWarn))
	}
}

// split cuts a list at its commas and drops what is empty.
func split(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func logTo(s streams, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}
