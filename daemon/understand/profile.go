package understand

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sensed/deploy/models/tiny"
	"sensed/kernels/gemma4"
)

// ProfileFile is the name under which a profile lies beside a model file.
const ProfileFile = "profile.json"

// maxProfile bounds a profile file; the largest here has 2 KB.
const maxProfile = 64 << 10

// Profile says how one model wants to be asked. It is read from JSON; fields
// and prompts that it does not know are errors.
type Profile struct {
	Name string `json:"name"`
	// What tells a person which model this is for.
	What string `json:"what,omitempty"`
	// ImageTokens is the soft-token budget of a picture (0: the model's own 280).
	ImageTokens int `json:"image_tokens,omitempty"`
	// ImageSize tells a person which pictures the model is used to.
	ImageSize string `json:"image_size,omitempty"`
	// AudioSeconds is the longest sound of one question (0: 30, the most that
	// the encoder takes); longer ones are split.
	AudioSeconds float64 `json:"audio_seconds,omitempty"`
	// AudioPause, when above zero, also splits shorter sounds at each pause of
	// so many seconds: for a model that knows only one sentence at a time.
	AudioPause float64 `json:"audio_pause,omitempty"`
	// Labels are all that the model can name; none means that it is not limited.
	Labels []string `json:"labels,omitempty"`
	// Boxes are the ways in which the model spells a list of boxes, of which it
	// chooses one; its answers to detect and point are then held to them. None
	// leaves it free.
	Boxes   []gemma4.BoxForm `json:"boxes,omitempty"`
	Prompts Prompts          `json:"prompts"`
	// MediaFirst says, for each kind of task, whether its picture or sound comes
	// before the words; see [Profile.mediaFirst] for kinds that are not named.
	MediaFirst map[Kind]bool `json:"media_first,omitempty"`
	// Silence tells a person what the model answers when nothing is said.
	Silence string `json:"silence,omitempty"`
}

// Prompts are the words for each kind of task. {labels}, {label}, {language}
// and {into} are replaced; the comments say where each may stand.
type Prompts struct {
	Caption      string `json:"caption"`
	CaptionVideo string `json:"caption_video,omitempty"` // "" is Caption
	// Detect may ask for {labels}. When it does not, the model is asked for
	// everything and the answer is kept to the labels of the task.
	Detect string `json:"detect"`
	// DetectAll is used when a task names no labels; "" is Detect with Labels.
	DetectAll string `json:"detect_all,omitempty"`
	// Point asks for one {label}; "" asks as Detect does.
	Point      string `json:"point,omitempty"`
	Transcribe string `json:"transcribe"`
	// TranscribeLanguage asks for speech in {language}; "" is Transcribe.
	TranscribeLanguage string `json:"transcribe_language,omitempty"`
	// Translate asks for {language} and then {into}; "" means that the model
	// does not translate.
	Translate string `json:"translate,omitempty"`
}

//go:embed profiles/gemma4.json
var officialProfile []byte

// OfficialProfile is the profile of Gemma 4 E2B and E4B.
func OfficialProfile() (Profile, error) {
	return ParseProfile("the built-in Gemma 4 profile", officialProfile)
}

// TinyProfile is the profile of the bundled demonstration model.
func TinyProfile() (Profile, error) {
	data, err := fs.ReadFile(tiny.Files(), tiny.Profile)
	if err != nil {
		return Profile{}, fmt.Errorf("bundled model: %w", err)
	}
	return ParseProfile("bundled "+tiny.Profile, data)
}

// ReadProfile reads a profile file.
func ReadProfile(path string) (Profile, error) {
	f, err := os.Open(path)
	if err != nil {
		return Profile{}, fmt.Errorf("profile: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if err != nil {
		return Profile{}, fmt.Errorf("profile %s: %w", path, err)
	}
	return ParseProfile(path, data)
}

// ParseProfile reads a profile from JSON; name stands in errors.
func ParseProfile(name string, data []byte) (Profile, error) {
	if len(data) > maxProfile {
		return Profile{}, fmt.Errorf("profile %s: over %d bytes, this is no profile", name, maxProfile)
	}
	var p Profile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Profile{}, fmt.Errorf("profile %s: %w", name, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Profile{}, fmt.Errorf("profile %s: something follows the closing brace", name)
	}
	if err := p.validate(); err != nil {
		return Profile{}, fmt.Errorf("profile %s: %w", name, err)
	}
	return p, nil
}

func (p Profile) validate() error {
	switch {
	case strings.TrimSpace(p.Name) == "":
		return errors.New("name is missing")
	case p.ImageTokens != 0 && !slices.Contains(imageBudgets, p.ImageTokens):
		return fmt.Errorf("image_tokens is %d; the model knows %v", p.ImageTokens, imageBudgets)
	case p.AudioSeconds != 0 && (p.AudioSeconds < 1 || p.AudioSeconds > maxAudioSeconds):
		return fmt.Errorf("audio_seconds is %g; it must be 1 to %d", p.AudioSeconds, maxAudioSeconds)
	case p.AudioPause < 0 || p.AudioPause > 0 && p.AudioPause < 0.2:
		return fmt.Errorf("audio_pause is %g; it must be 0 or at least 0.2 seconds", p.AudioPause)
	case p.Prompts.Translate != "" && !strings.Contains(p.Prompts.Translate, "{into}"):
		return errors.New("prompts.translate lacks {into}")
	case p.Prompts.Point != "" && !strings.Contains(p.Prompts.Point, "{label}"):
		return errors.New("prompts.point lacks {label}")
	case p.Prompts.TranscribeLanguage != "" && !strings.Contains(p.Prompts.TranscribeLanguage, "{language}"):
		return errors.New("prompts.transcribe_language lacks {language}")
	}
	for kind, words := range map[Kind]string{Caption: p.Prompts.Caption, Detect: p.Prompts.Detect, Transcribe: p.Prompts.Transcribe} {
		if strings.TrimSpace(words) == "" {
			return fmt.Errorf("prompts.%s is missing", kind)
		}
	}
	if strings.Contains(p.Prompts.Detect, "{labels}") && p.Prompts.DetectAll == "" && len(p.Labels) == 0 {
		return errors.New("prompts.detect asks for {labels}, so detect_all or labels must say what to ask when a task names none")
	}
	if _, err := cleanLabels(p.Labels); err != nil {
		return fmt.Errorf("labels: %w", err)
	}
	for i, f := range p.Boxes {
		if err := f.Check(); err != nil {
			return fmt.Errorf("boxes[%d]: %w", i, err)
		}
	}
	for kind := range p.MediaFirst {
		if !slices.Contains(kinds, kind) {
			return fmt.Errorf("media_first.%s: no such kind of task, there are %v", kind, kinds)
		}
	}
	return nil
}

// longest is the longest sound of one question, in seconds.
func (p Profile) longest() float64 {
	if p.AudioSeconds == 0 {
		return maxAudioSeconds
	}
	return p.AudioSeconds
}

// mediaFirst says whether pictures (or sound) come before the words of a task.
// A kind that the profile does not name goes by caption for pictures and by
// transcribe for sound; without those, pictures come before and sound after,
// as the published models want it.
func (p Profile) mediaFirst(kind Kind, sound bool) bool {
	rule, usual := Caption, true
	if sound {
		rule, usual = Transcribe, false
	}
	for _, k := range []Kind{kind, rule} {
		if first, named := p.MediaFirst[k]; named {
			return first
		}
	}
	return usual
}

// chooseProfile finds the profile of a text model, in this order: the file
// that the owner named; [ProfileFile] beside the model; the bundled one when
// the model's file or its general.name says tiny-gemma4; the official one.
// from says where it was found.
func chooseProfile(named, model, general string) (p Profile, from string, err error) {
	if named != "" {
		p, err = ReadProfile(named)
		return p, named, err
	}
	beside := filepath.Join(filepath.Dir(model), ProfileFile)
	p, err = ReadProfile(beside)
	if err == nil {
		return p, beside, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Profile{}, beside, fmt.Errorf("%w (it lies beside the model and is therefore used; name another profile or move it)", err)
	}
	if strings.Contains(strings.ToLower(filepath.Base(model)), tiny.Name) || strings.Contains(strings.ToLower(general), tiny.Name) {
		p, err = TinyProfile()
		return p, "bundled", err
	}
	p, err = OfficialProfile()
	return p, "built in", err
}
