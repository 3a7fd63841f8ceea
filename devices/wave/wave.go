// Package wave reads and writes WAV files and replays them as a microphone. It
// also holds the sample-rate converter that every microphone shares.
//
// The format is that of Microsoft and IBM, "Multimedia Programming Interface
// and Data Specifications 1.0" (1991), with WAVE_FORMAT_EXTENSIBLE
// (https://learn.microsoft.com/windows-hardware/drivers/audio/extensible-wave-format-descriptors)
// and the 64-bit sizes of RF64 (EBU Tech 3306).
package wave

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sensed/devices"
)

// MaxDuration is the longest sound that [Decode] returns in one piece (115 MB
// of samples). A [Reader] has no limit.
const MaxDuration = 30 * time.Minute

// ErrTooLong says that a file holds more than [MaxDuration].
var ErrTooLong = errors.New("is longer than 30 minutes; cut it into parts")

// Info says what a WAV file is made of.
type Info struct {
	Format   string // as "PCM 16 bit" or "float 32 bit"
	Rate     int    // of the file, in hertz
	Channels int
	// Frames counts the frames (one sample of every channel) read so far; after
	// the end it is the true length, whatever the header says.
	Frames int64
	// Warnings are sentences about what is wrong with the file although it
	// could be read, such as a data size beyond its end.
	Warnings []string
}

// Duration is how long the frames read so far last.
func (i Info) Duration() time.Duration {
	if i.Rate == 0 {
		return 0
	}
	return time.Duration(float64(i.Frames) / float64(i.Rate) * float64(time.Second))
}

// Decode reads a whole WAV file as mono float32 in [-1, 1] at
// [devices.SampleRate]. The name is for messages only. It uses memory for the
// samples that are really there, never for what the header promises. A file
// that ends early gives what it holds and a warning in Info.
func Decode(r io.Reader, name string) ([]float32, Info, error) {
	d, err := NewReader(r, name)
	if err != nil {
		return nil, Info{}, err
	}
	const limit = int(MaxDuration/time.Second) * devices.SampleRate
	var samples []float32
	buf := make([]float32, 8192)
	for {
		n, err := d.Read(buf)
		if len(samples)+n > limit {
			return nil, d.Info(), fmt.Errorf("%s: %w", name, ErrTooLong)
		}
		samples = append(samples, buf[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, d.Info(), err
		}
	}
	if len(samples) == 0 {
		return nil, d.Info(), fmt.Errorf("%s: data chunk: holds no sound", name)
	}
	return samples, d.Info(), nil
}

// DecodeFile is [Decode] for the file at path; messages name its base name.
func DecodeFile(path string) ([]float32, Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Info{}, err
	}
	defer f.Close()
	return Decode(f, filepath.Base(path))
}

// Encode writes samples, mono at [devices.SampleRate], as a 16-bit WAV file.
// Values beyond full scale are clipped, values that are no numbers become
// silence.
func Encode(w io.Writer, samples []float32) error {
	const maxSamples = (1<<32 - 1 - 36) / 2
	if len(samples) > maxSamples {
		return fmt.Errorf("wave: %d samples do not fit into one WAV file (at most %d)", len(samples), maxSamples)
	}
	size := uint32(2 * len(samples))
	b := make([]byte, 0, 44+len(samples)*2)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, 36+size)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, formatPCM)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint32(b, devices.SampleRate)
	b = binary.LittleEndian.AppendUint32(b, 2*devices.SampleRate)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, size)
	for _, v := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(toInt16(v)))
	}
	_, err := w.Write(b)
	return err
}

// toInt16 is the inverse of how a 16-bit file is read: full scale is 32768.
func toInt16(v float32) int16 {
	x := v * 32768
	switch {
	case x != x:
		return 0
	case x >= 32767:
		return 32767
	case x <= -32768:
		return -32768
	case x < 0:
		return int16(x - 0.5)
	}
	return int16(x + 0.5)
}
