package wave

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The format tags that can be read, and that of WAVE_FORMAT_EXTENSIBLE.
const (
	formatPCM        = 1
	formatFloat      = 3
	formatExtensible = 0xFFFE
)

const (
	maxChunks  = 1024 // chunks before the sound
	maxFmtSize = 4096
	unknown    = math.MaxInt64 // data size: up to the end of the file
)

// Reader reads a WAV file as a stream of mono float32 samples in [-1, 1] at
// 16 kHz, in bounded memory.
type Reader struct {
	name string
	r    *bufio.Reader
	info Info

	float     bool
	width     int   // bytes of one sample
	block     int   // bytes of one frame
	left      int64 // bytes of the data chunk that the header still promises
	truncated bool  // the header gave a size, so an early end is worth a warning

	convert *Converter
	raw     []byte
	frames  []float32 // interleaved
	buf     []float32 // converted
	ready   []float32 // the part of buf that is not yet read
	err     error     // after ready is used up
}

// NewReader reads the header up to the sound. The name is for messages only.
// Every error begins with it and says which field is wrong.
func NewReader(r io.Reader, name string) (*Reader, error) {
	d := &Reader{name: name, r: bufio.NewReaderSize(r, 16<<10)}
	if err := d.header(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	convert, err := NewConverter(d.info.Rate, d.info.Channels)
	if err != nil {
		return nil, fmt.Errorf("%s: fmt chunk: %w", name, err)
	}
	d.convert = convert
	d.raw = make([]byte, 1024*d.block)
	return d, nil
}

// Info says what is known of the file so far.
func (d *Reader) Info() Info { return d.info }

// Read fills p with the next samples. At the end it returns io.EOF, with or
// after the last of them.
func (d *Reader) Read(p []float32) (int, error) {
	n := 0
	for n < len(p) {
		if len(d.ready) == 0 {
			if d.err != nil {
				return n, d.err
			}
			d.fill()
			continue
		}
		m := copy(p[n:], d.ready)
		d.ready = d.ready[m:]
		n += m
	}
	return n, nil
}

// fill converts the next block of frames into ready, or sets err.
func (d *Reader) fill() {
	want := int64(len(d.raw))
	if d.left < want {
		want = d.left
	}
	n, err := io.ReadFull(d.r, d.raw[:want])
	d.left -= int64(n)
	whole := n / d.block
	d.frames = decodeSamples(d.frames[:0], d.raw[:whole*d.block], d.width, d.float)
	d.info.Frames += int64(whole)
	d.buf = d.convert.Append(d.buf[:0], d.frames)
	d.ready = d.buf

	short := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case err == nil && d.left > 0:
		return
	case err != nil && !short:
		d.err = fmt.Errorf("%s: data chunk, after %d frames: %w", d.name, d.info.Frames, err)
		return
	case short && d.truncated:
		d.warn("data chunk: the file ends %d bytes early", d.left)
	}
	if rest := n % d.block; rest != 0 {
		d.warn("data chunk: the last %d bytes are no whole frame", rest)
	}
	if c := d.convert; c.Invalid > 0 {
		d.warn("data chunk: %d samples are not numbers and became silence", c.Invalid)
	}
	if c := d.convert; c.Clipped > 0 {
		d.warn("data chunk: %d samples are beyond full scale and were clipped", c.Clipped)
	}
	d.buf = d.convert.Flush(d.buf)
	d.ready = d.buf
	d.err = io.EOF
}

func (d *Reader) warn(format string, args ...any) {
	d.info.Warnings = append(d.info.Warnings, fmt.Sprintf(format, args...))
}

// header reads the RIFF chunks up to the beginning of the sound.
func (d *Reader) header() error {
	var riff [12]byte
	n, err := io.ReadFull(d.r, riff[:])
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return errors.New("the file is empty")
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case n < 12 || string(riff[8:12]) != "WAVE" || (string(riff[:4]) != "RIFF" && string(riff[:4]) != "RF64"):
		return notWave(riff[:n])
	}
	riffSize := binary.LittleEndian.Uint32(riff[4:])
	streamed := riffSize == 0 || riffSize >= 0x7FFFFFFF // ffmpeg and arecord into a pipe

	var haveFmt bool
	var size64 int64 // of the data chunk, from RF64's ds64
	for range maxChunks {
		id, size, err := d.chunkHeader()
		if err != nil {
			if haveFmt {
				return fmt.Errorf("data chunk is missing: %w", err)
			}
			return fmt.Errorf("fmt chunk is missing: %w", err)
		}
		switch id {
		case "fmt ":
			if err := d.fmtChunk(size); err != nil {
				return fmt.Errorf("fmt chunk: %w", err)
			}
			haveFmt = true
		case "ds64":
			if size64, err = d.ds64(size); err != nil {
				return fmt.Errorf("ds64 chunk: %w", err)
			}
		case "data":
			if !haveFmt {
				return errors.New("fmt chunk is missing before the data chunk")
			}
			d.dataSize(size, size64, streamed)
			return nil
		default:
			if err := d.skip(int64(size)); err != nil {
				return fmt.Errorf("chunk %q says that it has %d bytes: %w", id, size, err)
			}
			d.padding(id, size)
		}
	}
	return fmt.Errorf("data chunk is missing in the first %d chunks", maxChunks)
}

// notWave explains what a file is that is no WAV file.
func notWave(head []byte) error {
	for _, k := range []struct{ magic, what string }{
		{"RIFX", "a big-endian RIFX file"}, {"fLaC", "a FLAC file"}, {"OggS", "an Ogg file"}, {"ID3", "an MP3 file"},
		{"RIFF", "a RIFF file, but not of type WAVE"},
	} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return fmt.Errorf("is %s, not a WAV file; convert it: ffmpeg -i IN -ar 16000 -ac 1 OUT.wav", k.what)
		}
	}
	return fmt.Errorf("is not a WAV file: it begins with %q instead of \"RIFF....WAVE\"", head)
}

var errEnds = errors.New("the file ends there")

func (d *Reader) chunkHeader() (id string, size uint32, err error) {
	var h [8]byte
	if _, err := io.ReadFull(d.r, h[:]); err != nil {
		return "", 0, ends(err)
	}
	return string(h[:4]), binary.LittleEndian.Uint32(h[4:]), nil
}

// ends gives an early end of the file a name of its own.
func ends(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errEnds
	}
	return err
}

func (d *Reader) skip(n int64) error {
	_, err := io.CopyN(io.Discard, d.r, n)
	return ends(err)
}

// padding reads the zero byte after a chunk of odd size. Some programs leave
// it out; then the first letter of the next chunk stands there.
func (d *Reader) padding(id string, size uint32) {
	if size%2 == 0 {
		return
	}
	if b, err := d.r.Peek(1); err == nil && b[0] != 0 {
		d.warn("chunk %q: the padding byte after %d bytes is missing", id, size)
		return
	}
	_, _ = d.r.Discard(1) // at the end of the file the next read says so
}

// dataSize sets how many bytes of sound follow.
func (d *Reader) dataSize(size uint32, size64 int64, streamed bool) {
	switch {
	case size == 0xFFFFFFFF && size64 > 0:
		d.left, d.truncated = size64, true
	case size >= 0x7FFFF000 && streamed, size == 0xFFFFFFFF, size == 0 && streamed:
		d.left = unknown
	default:
		d.left, d.truncated = int64(size), true
	}
}

// ds64 returns the data size of an RF64 file.
func (d *Reader) ds64(size uint32) (int64, error) {
	if size < 24 || size > maxFmtSize {
		return 0, fmt.Errorf("its size is %d, must be 24..%d", size, maxFmtSize)
	}
	b := make([]byte, size+size%2)
	if _, err := io.ReadFull(d.r, b); err != nil {
		return 0, ends(err)
	}
	n := binary.LittleEndian.Uint64(b[8:])
	if n > math.MaxInt64-1 {
		return 0, fmt.Errorf("the data size %d is impossible", n)
	}
	return int64(n), nil
}

// fmtChunk reads WAVEFORMATEX or WAVEFORMATEXTENSIBLE, little-endian:
//
//	0 uint16 format tag      8 uint32 bytes a second   16 uint16 size of the rest
//	2 uint16 channels       12 uint16 block align      18 uint16 valid bits
//	4 uint32 rate           14 uint16 bits a sample    20 uint32 speakers, 24 GUID that begins with the real tag
func (d *Reader) fmtChunk(size uint32) error {
	if size < 16 || size > maxFmtSize {
		return fmt.Errorf("its size is %d, must be 16..%d", size, maxFmtSize)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(d.r, b); err != nil {
		return ends(err)
	}
	d.padding("fmt ", size)
	tag := binary.LittleEndian.Uint16(b)
	channels := int(binary.LittleEndian.Uint16(b[2:]))
	rate := binary.LittleEndian.Uint32(b[4:])
	block := int(binary.LittleEndian.Uint16(b[12:]))
	bits := int(binary.LittleEndian.Uint16(b[14:]))
	if tag == formatExtensible {
		if size < 40 {
			return fmt.Errorf("its size is %d, must be at least 40 for an extensible format", size)
		}
		tag = binary.LittleEndian.Uint16(b[24:])
	}
	switch {
	case tag != formatPCM && tag != formatFloat:
		return fmt.Errorf("format tag %d (%s) cannot be read, only PCM and float; convert it: ffmpeg -i IN -c:a pcm_s16le OUT.wav", tag, formatName(tag))
	case channels < 1 || channels > MaxChannels:
		return fmt.Errorf("%d channels: there must be 1..%d", channels, MaxChannels)
	case rate < MinRate || rate > MaxRate:
		return fmt.Errorf("sample rate %d Hz is outside %d..%d", rate, MinRate, MaxRate)
	case tag == formatFloat && bits != 32 && bits != 64:
		return fmt.Errorf("%d bits a sample: float has 32 or 64", bits)
	case tag == formatPCM && (bits < 1 || bits > 32):
		return fmt.Errorf("%d bits a sample: PCM has 8, 16, 24 or 32", bits)
	}
	width := (bits + 7) / 8
	if block == 0 {
		block = width * channels
		d.warn("fmt chunk: block align is 0, taken as %d", block)
	}
	// A sample may lie left-justified in a wider container (24 bits in 4 bytes).
	if block%channels != 0 || block/channels < width || block/channels > 4 && tag == formatPCM || block/channels != width && tag == formatFloat {
		return fmt.Errorf("block align is %d, but %d channels of %d bits need %d", block, channels, bits, width*channels)
	}
	d.width, d.block, d.float = block/channels, block, tag == formatFloat
	d.info.Rate, d.info.Channels = int(rate), channels
	d.info.Format = fmt.Sprintf("%s %d bit", formatName(tag), bits)
	return nil
}

func formatName(tag uint16) string {
	switch tag {
	case formatPCM:
		return "PCM"
	case formatFloat:
		return "float"
	case 2, 17:
		return "ADPCM"
	case 6:
		return "A-law"
	case 7:
		return "mu-law"
	case 85:
		return "MP3"
	}
	return "unknown"
}

// decodeSamples appends the samples in raw, width bytes each, with full scale
// at 1. Eight-bit samples are unsigned, wider ones signed.
func decodeSamples(dst []float32, raw []byte, width int, float bool) []float32 {
	for ; len(raw) >= width; raw = raw[width:] {
		var v float32
		switch {
		case float && width == 4:
			v = math.Float32frombits(binary.LittleEndian.Uint32(raw))
		case float:
			v = float32(math.Float64frombits(binary.LittleEndian.Uint64(raw)))
		case width == 1:
			v = (float32(raw[0]) - 128) / 128
		case width == 2:
			v = float32(int16(binary.LittleEndian.Uint16(raw))) / 32768
		case width == 3:
			v = float32(int32(uint32(raw[0])<<8|uint32(raw[1])<<16|uint32(raw[2])<<24)>>8) / (1 << 23)
		default:
			v = float32(float64(int32(binary.LittleEndian.Uint32(raw))) / (1 << 31))
		}
		dst = append(dst, v)
	}
	return dst
}
