package understand

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sensed/kernels/gemma4"
)

var (
	kinds        = []Kind{Caption, Detect, Transcribe, Translate, Point, Prompt}
	imageBudgets = []int{70, 140, 280, 560, 1120}
)

const (
	sampleRate      = 16000 // of all sound, in hertz
	maxAudioSeconds = 30
	maxVideoFrames  = 60
	boxTokens       = 1024 // bound of an answer with boxes, about 30 objects of the published models
)

// question is one task made ready for the model, and what reading the answer
// needs to know of it.
type question struct {
	kind    Kind
	request gemma4.Request // Parts hold no sound yet, see [question.withAudio]
	audioAt int            // index in request.Parts where sound goes; -1: the task has none
	labels  []string       // detect, point: what the answer may name; none: anything
	into    string         // translate: name of the language wanted
	rule    rule           // what the answer is held to
}

// ask turns a task and its input into a question, in the words of a profile.
func (p Profile) ask(t Task, in Input) (question, error) {
	if err := checkInput(t, in); err != nil {
		return question{}, fmt.Errorf("task %s: %w", t.Kind, err)
	}
	q := question{kind: t.Kind, audioAt: -1}
	words, err := p.words(t, in, &q)
	if err != nil {
		return question{}, fmt.Errorf("task %s: %w", t.Kind, err)
	}
	q.request = gemma4.Request{
		System:      strings.TrimSpace(t.System),
		ImageTokens: p.ImageTokens,
		MaxTokens:   t.MaxTokens,
	}
	if t.ImageTokens != 0 {
		q.request.ImageTokens = t.ImageTokens
	}
	if t.MaxTokens == 0 && (t.Kind == Detect || t.Kind == Point) {
		q.request.MaxTokens = boxTokens
	}
	q.rule = p.rule(t, q.labels)
	q.place(p, in, strings.TrimSpace(words))
	return q, nil
}

// place orders media and words. The chat template puts nothing between them
// and trims the words, so the order is all there is to it.
func (q *question) place(p Profile, in Input, words string) {
	var before, after []gemma4.Part
	side := func(sound bool) *[]gemma4.Part {
		if p.mediaFirst(q.kind, sound) {
			return &before
		}
		return &after
	}
	pictures := side(false)
	for _, img := range in.Images {
		*pictures = append(*pictures, gemma4.Part{Image: img})
	}
	if len(in.Video) > 0 {
		clip := make([]gemma4.VideoFrame, len(in.Video))
		for i, f := range in.Video {
			clip[i] = gemma4.VideoFrame{At: f.At, Image: f.Image}
		}
		*pictures = append(*pictures, gemma4.Part{Video: clip})
	}
	sound := side(true)
	audioIn := -1
	if len(in.Audio) > 0 {
		audioIn = len(*sound)
		*sound = append(*sound, gemma4.Part{})
	}
	q.request.Parts = append(append(before, gemma4.Part{Text: words}), after...)
	if audioIn >= 0 {
		q.audioAt = audioIn
		if !p.mediaFirst(q.kind, true) {
			q.audioAt += len(before) + 1
		}
	}
}

// withAudio is the request about one piece of sound.
func (q question) withAudio(samples []float32) gemma4.Request {
	r := q.request
	if q.audioAt >= 0 {
		r.Parts = slices.Clone(r.Parts)
		r.Parts[q.audioAt] = gemma4.Part{Audio: samples}
	}
	return r
}

// checkInput refuses tasks that lack what they are about.
func checkInput(t Task, in Input) error {
	pictures, clip, sound := len(in.Images) > 0, len(in.Video) > 0, len(in.Audio) > 0
	if !slices.Contains(kinds, t.Kind) {
		return fmt.Errorf("no such kind of task, there are %v", kinds)
	}
	switch {
	case t.Kind == Caption && !pictures && !clip:
		return errors.New("a picture or a video is needed")
	case (t.Kind == Detect || t.Kind == Point) && !pictures:
		return errors.New("a picture is needed")
	case (t.Kind == Transcribe || t.Kind == Translate) && !sound:
		return errors.New("sound is needed")
	case t.Kind == Prompt && strings.TrimSpace(t.Prompt) == "":
		return errors.New("the prompt is empty")
	case t.Kind != Prompt && (t.Schema != "" || len(t.Choices) > 0):
		return errors.New("only the kind prompt takes a schema or choices")
	case t.Schema != "" && len(t.Choices) > 0:
		return errors.New("a schema and choices exclude each other")
	case len(in.Video) > maxVideoFrames:
		return fmt.Errorf("the video has %d frames; the model takes at most %d", len(in.Video), maxVideoFrames)
	case t.ImageTokens != 0 && !slices.Contains(imageBudgets, t.ImageTokens):
		return fmt.Errorf("image tokens are %d; the model knows %v", t.ImageTokens, imageBudgets)
	case t.MaxTokens < 0:
		return fmt.Errorf("max tokens are %d; 0 means the usual bound", t.MaxTokens)
	}
	for i, img := range in.Images {
		if img == nil || img.Bounds().Empty() {
			return fmt.Errorf("picture %d has no pixels", i+1)
		}
	}
	for i, f := range in.Video {
		if f.Image == nil || f.Image.Bounds().Empty() {
			return fmt.Errorf("frame %d of the video has no pixels", i+1)
		}
	}
	return nil
}

// words are the text of a task; q receives what reading the answer needs.
func (p Profile) words(t Task, in Input, q *question) (words string, err error) {
	switch t.Kind {
	case Caption:
		words = p.Prompts.Caption
		if len(in.Images) == 0 && p.Prompts.CaptionVideo != "" {
			words = p.Prompts.CaptionVideo
		}
	case Detect:
		if q.labels, err = cleanLabels(t.Labels); err != nil {
			return "", err
		}
		words = p.detectWords(q.labels)
	case Point:
		if q.labels, err = cleanLabels(t.Labels); err != nil {
			return "", err
		}
		if len(q.labels) != 1 {
			return "", fmt.Errorf("one label says what to point at, not %d", len(q.labels))
		}
		words = strings.ReplaceAll(p.Prompts.Point, "{label}", q.labels[0])
		if words == "" {
			words = p.detectWords(q.labels)
		}
	case Transcribe:
		if words = p.Prompts.Transcribe; t.Language != "" {
			language, err := languageName(t.Language)
			if err != nil {
				return "", err
			}
			if p.Prompts.TranscribeLanguage != "" {
				words = strings.ReplaceAll(p.Prompts.TranscribeLanguage, "{language}", language)
			}
		}
	case Translate:
		if words, err = p.translateWords(t, q); err != nil {
			return "", err
		}
	}
	if strings.TrimSpace(t.Prompt) != "" {
		words = t.Prompt
	}
	return words, nil
}

// detectWords ask for the labels, or for everything when there are none.
func (p Profile) detectWords(labels []string) string {
	if len(labels) == 0 {
		if p.Prompts.DetectAll != "" {
			return p.Prompts.DetectAll
		}
		labels = p.Labels
	}
	return strings.ReplaceAll(p.Prompts.Detect, "{labels}", joinLabels(labels))
}

// translateWords ask for speech in one language and its meaning in another.
// Speech of unknown language is "in its original language", the words with
// which the published prompt for transcripts says the same.
func (p Profile) translateWords(t Task, q *question) (string, error) {
	if p.Prompts.Translate == "" {
		return "", fmt.Errorf("the model %s does not translate (its profile has no prompt for it)", p.Name)
	}
	from := "its original language"
	if t.Language != "" {
		name, err := languageName(t.Language)
		if err != nil {
			return "", err
		}
		from = name
	}
	into, err := languageName(t.Into)
	if err != nil {
		return "", fmt.Errorf("into: %w", err)
	}
	q.into = into
	return strings.NewReplacer("{language}", from, "{into}", into).Replace(p.Prompts.Translate), nil
}
