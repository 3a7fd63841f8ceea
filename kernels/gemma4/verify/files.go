package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // pictures of cases
	_ "image/png"  // pictures of cases
	"io"
	"os"
	"slices"

	"sensed/kernels/gemma4"
	"sensed/kernels/npy"
)

// files reads from the folder of cases and from nowhere else.
type files struct{ dir *os.Root }

// maxFile and maxPixels bound what one file may take in memory.
const (
	maxFile   = 1 << 28
	maxPixels = 1 << 26
)

func (f files) read(name string) ([]byte, error) {
	file, err := f.dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: it is larger than %d MB", name, maxFile>>20)
	}
	return data, err
}

// array reads a NumPy file of this shape.
func (f files) array(name string, shape ...int) (npy.Array, error) {
	data, err := f.read(name)
	if err != nil {
		return npy.Array{}, err
	}
	a, err := npy.Parse(data)
	if err != nil {
		return npy.Array{}, fmt.Errorf("%s: %w", name, err)
	}
	if !slices.Equal(a.Shape, shape) {
		return npy.Array{}, fmt.Errorf("%s: its shape is %v and should be %v", name, a.Shape, shape)
	}
	return a, nil
}

func (f files) picture(name string) (image.Image, error) {
	data, err := f.read(name)
	if err != nil {
		return nil, err
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err == nil && (c.Width <= 0 || c.Height <= 0 || c.Width > maxPixels/c.Height) {
		err = fmt.Errorf("%d x %d pixels are too many or none", c.Width, c.Height)
	}
	var im image.Image
	if err == nil {
		im, _, err = image.Decode(bytes.NewReader(data))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: not a usable PNG or JPEG picture: %w", name, err)
	}
	return im, nil
}

// comparePixels counts the bytes that differ. One that differs by more than 1
// fails the check.
func comparePixels(got *gemma4.Pixels, want image.Image) (Check, error) {
	c := Check{What: "pixels", Bar: maxPixelsOff}
	b := want.Bounds()
	if b.Dx() != got.W || b.Dy() != got.H {
		c.Error, c.Note = 1, fmt.Sprintf("%d x %d, should be %d x %d", got.W, got.H, b.Dx(), b.Dy())
		return c, nil
	}
	plain, err := gemma4.Resize(want, got.W, got.H) // the same size: only made RGB
	if err != nil {
		return c, err
	}
	differ, worst := 0, 0
	for i, p := range got.Pix {
		if d := max(p, plain.Pix[i]) - min(p, plain.Pix[i]); d > 0 {
			differ, worst = differ+1, max(worst, int(d))
		}
	}
	c.Error = float64(differ) / float64(len(got.Pix))
	if worst > 1 {
		c.Error, c.Note = max(c.Error, 1), fmt.Sprintf("%d bytes of %d, by up to %d", differ, len(got.Pix), worst)
	}
	return c, nil
}

func (f files) sound(name string) ([]float32, error) {
	data, err := f.read(name)
	if err != nil {
		return nil, err
	}
	pcm, err := parseWAV(data)
	if err != nil {
		return nil, fmt.Errorf("%s: not a usable WAV file: %w", name, err)
	}
	return pcm, nil
}

// parseWAV reads the form in which cases hold sound, 16-bit PCM at 16 kHz, one
// channel (IBM and Microsoft, Multimedia Programming Interface, 1991, chapter
// 3). The daemon reads more; a case that needed converting would not test the
// model.
func parseWAV(data []byte) ([]float32, error) {
	if !isWAV(data) {
		return nil, errors.New("it does not begin with RIFF and WAVE")
	}
	var known bool
	for data = data[12:]; len(data) >= 8; {
		id, size := string(data[:4]), int64(binary.LittleEndian.Uint32(data[4:]))
		data = data[8:]
		if size > int64(len(data)) {
			return nil, fmt.Errorf("it is cut short: chunk %q has %d of %d bytes", id, len(data), size)
		}
		body := data[:size]
		switch id {
		case "fmt ":
			if err := checkFormat(body); err != nil {
				return nil, err
			}
			known = true
		case "data":
			if !known {
				return nil, errors.New("its data comes before its format")
			}
			return samples(body), nil
		}
		data = data[min(size+size%2, int64(len(data))):]
	}
	return nil, errors.New("it has no data")
}

func isWAV(data []byte) bool {
	return len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WAVE"
}

// checkFormat accepts plain PCM, 16 kHz, mono, 16 bits.
func checkFormat(b []byte) error {
	if len(b) < 16 {
		return fmt.Errorf("its format has %d bytes of 16", len(b))
	}
	kind, channels := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
	rate, bits := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint16(b[14:])
	if kind != 1 || channels != 1 || rate != 16000 || bits != 16 {
		return fmt.Errorf("it is format %d with %d channels of %d bits at %d Hz and should be PCM (1) with 1 channel of 16 bits at 16000 Hz", kind, channels, bits, rate)
	}
	return nil
}

// samples converts to [-1, 1).
func samples(b []byte) []float32 {
	out := make([]float32, len(b)/2)
	for i := range out {
		out[i] = float32(int16(binary.LittleEndian.Uint16(b[2*i:]))) / (1 << 15)
	}
	return out
}
