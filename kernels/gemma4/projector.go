package gemma4

import (
	"context"
	"errors"
	"fmt"
	"image"

	"sensed/kernels"
	"sensed/kernels/gguf"
	"sensed/kernels/packed"
)

// projector turns pictures and sound into soft tokens. It belongs to one
// goroutine at a time.
type projector struct {
	width  int          // of a soft token
	vision *visionTower // nil when the file has none
	audio  *audioTower  // nil when the file has none
	file   *gguf.File
	packed *packed.File // nil while the linears are read as the file has them
}

// restful is from which size on a projector leaves memory between two pictures.
const restful = 64 << 20

// forget gives the memory of the encoders back until they are used.
func (p *projector) forget() {
	if p.file.Size() >= restful {
		p.file.ForgetAll()
	}
	if p.packed != nil {
		p.packed.Forget()
	}
}

// rest is forget for the vision encoder, which is used for half a second now and
// then. Sound comes all the time and in small pieces: to read the weights of its
// encoder into memory anew would take a tenth of the time of each.
func (p *projector) rest() {
	if p.packed == nil {
		p.forget() // of a file that is read as it is, the whole
		return
	}
	p.packed.Forget(p.vision.multiplied...)
}

// openProjector finds the tensors of a projector file (mmproj) and checks
// their shapes. Sizes come from the metadata below "clip." and, where that is
// silent, from the shapes. The matrices stay in f, which must remain open.
func openProjector(f *gguf.File, pool *kernels.Pool, exact bool) (*projector, error) {
	m := &senseKeys{f: f}
	if name := m.text("general.architecture"); m.err == nil && name != "clip" {
		return nil, fmt.Errorf("%s: it is a model of architecture %q, not a projector (mmproj, architecture \"clip\")", f.Name(), name)
	}
	vision, audio := m.flag("clip.has_vision_encoder"), m.flag("clip.has_audio_encoder")
	if m.err != nil {
		return nil, m.err
	}
	p := &projector{file: f}
	var err error
	if vision {
		if p.vision, err = openVision(f, pool, exact); err != nil {
			return nil, err
		}
		p.width = p.vision.project.Rows
	}
	if audio {
		if p.audio, err = openAudio(f, pool, exact); err != nil {
			return nil, err
		}
		if vision && p.audio.project.Rows != p.width {
			return nil, fmt.Errorf("%s: its pictures become soft tokens %d wide and its sound soft tokens %d wide", f.Name(), p.width, p.audio.project.Rows)
		}
		p.width = p.audio.project.Rows
	}
	if !vision && !audio {
		return nil, fmt.Errorf("%s: it has neither a vision nor an audio encoder", f.Name())
	}
	return p, nil
}

// Width is the width of a soft token, which must be that of the text model.
func (p *projector) Width() int { return p.width }

// EncodeImage turns a picture into at most budget soft tokens, [n][Width], row
// by row from its top left. The budget is one of imageBudgets.
func (p *projector) EncodeImage(ctx context.Context, im image.Image, budget int) ([]float32, error) {
	if !p.hasVision() {
		return nil, errors.New("the projector has no vision encoder")
	}
	defer p.rest()
	return p.vision.encode(ctx, im, budget)
}

// EncodeAudio turns 16 kHz mono sound in [-1, 1], at most 30 s of it, into soft
// tokens, [n][Width], one every 40 ms.
func (p *projector) EncodeAudio(ctx context.Context, pcm []float32) ([]float32, error) {
	if !p.hasAudio() {
		return nil, errors.New("the projector has no audio encoder")
	}
	return p.audio.encode(ctx, pcm)
}

// multiplied returns the linears of both encoders.
func (p *projector) multiplied() []*kernels.Matrix {
	var all []*kernels.Matrix
	if p.vision != nil {
		all = append(all, p.vision.multiplied...)
	}
	if p.audio != nil {
		all = append(all, p.audio.multiplied...)
	}
	return all
}

func (p *projector) hasVision() bool { return p.vision != nil }
func (p *projector) hasAudio() bool  { return p.audio != nil }

// senseKeys reads metadata and keeps the first error, so that a list of fields
// reads as a list.
type senseKeys struct {
	f   *gguf.File
	err error
}

func (k *senseKeys) note(err error) {
	if k.err == nil {
		k.err = err
	}
}

func (k *senseKeys) text(key string) string {
	s, err := k.f.String(key)
	k.note(err)
	return s
}

func (k *senseKeys) flag(key string) bool {
	b, err := k.f.BoolOr(key, false)
	k.note(err)
	return b
}

// kind checks the name of an encoder, which files of one encoder give without
// its sense.
func (k *senseKeys) kind(sense, want string) {
	key := "clip." + sense + ".projector_type"
	if !k.f.Has(key) {
		key = "clip.projector_type"
	}
	if s := k.text(key); k.err == nil && s != want {
		k.err = fmt.Errorf("%s: key %q: the encoder is %q; Gemma 4 E2B and E4B have %q", k.f.Name(), key, s, want)
	}
}

// size returns a positive number.
func (k *senseKeys) size(key string) int {
	n, err := k.f.Int(key)
	k.note(err)
	return k.inRange(key, n)
}

// sizeOr is size with a default for a missing key.
func (k *senseKeys) sizeOr(key string, missing int) int {
	n, err := k.f.IntOr(key, missing)
	k.note(err)
	return k.inRange(key, n)
}

// inRange bounds a width or count, so that products of three fit an int.
func (k *senseKeys) inRange(key string, n int) int {
	if k.err == nil && (n <= 0 || n > maxSize) {
		k.err = fmt.Errorf("%s: key %q: %d is out of range", k.f.Name(), key, n)
	}
	return n
}

func (k *senseKeys) number(key string) float32 {
	x, err := k.f.Float(key)
	k.note(err)
	return float32(x)
}

// divides checks that a width is n parts of a multiple of step each.
func (k *senseKeys) divides(key string, n, width, step int) {
	if k.err == nil && width%(n*step) != 0 {
		k.err = fmt.Errorf("%s: key %q: %d does not divide a width of %d", k.f.Name(), key, n, width)
	}
}

// Picture returns a picture as the vision tower sees it, stretched for at most
// budget soft tokens, and how many patches it has in each direction.
func (m *Model) Picture(im image.Image, budget int) (p *Pixels, across, down int, err error) {
	if !m.hasVision {
		return nil, 0, 0, m.lacks("pictures", "vision")
	}
	v := m.senses.vision
	h, w, err := v.checkPicture(im, budget)
	if err != nil {
		return nil, 0, 0, err
	}
	p, err = Resize(im, w, h)
	return p, w / v.patch, h / v.patch, err
}

// LogMel returns 16 kHz mono sound as the audio tower hears it: the frames of
// a [MelBank], [n][bands].
func (m *Model) LogMel(pcm []float32) (frames []float32, bands int, err error) {
	if !m.hasAudio {
		return nil, 0, m.lacks("sound", "audio")
	}
	mel := m.senses.audio.mel
	return mel.Spectrogram(pcm), mel.Bands(), nil
}
