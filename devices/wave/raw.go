package wave

import (
	"fmt"
	"slices"
	"strings"
)

// Raw is how samples are written that have no header: as programs write them
// on a pipe. The channels of a frame follow each other.
type Raw string

// The encodings, all little-endian.
const (
	S16LE Raw = "s16le" // arecord calls it S16_LE
	S24LE Raw = "s24le" // in three bytes: S24_3LE
	S32LE Raw = "s32le"
	F32LE Raw = "f32le" // full scale is 1
)

// Raws lists the encodings.
func Raws() []Raw { return []Raw{S16LE, S24LE, S32LE, F32LE} }

// ParseRaw returns the encoding of a name.
func ParseRaw(name string) (Raw, error) {
	if slices.Contains(Raws(), Raw(name)) {
		return Raw(name), nil
	}
	var names []string
	for _, r := range Raws() {
		names = append(names, string(r))
	}
	return "", fmt.Errorf("there is no sample format %q: choose one of %s", name, strings.Join(names, ", "))
}

// Width is how many bytes a sample has.
func (r Raw) Width() int {
	switch r {
	case S16LE:
		return 2
	case S24LE:
		return 3
	}
	return 4
}

// Append appends the samples in b to dst. Whole numbers become values in
// [-1, 1); a rest that is no whole sample is ignored.
func (r Raw) Append(dst []float32, b []byte) []float32 {
	return decodeSamples(dst, b, r.Width(), r == F32LE)
}
