package gate

import "time"

// SpeechOpts tunes a [Speech] gate. Zero fields mean the value in brackets.
type SpeechOpts struct {
	// PreRoll is how much is kept from before the first speech [500 ms].
	PreRoll time.Duration
	// HangOver is how long a pause ends a segment [600 ms], Tail how much of
	// that pause is kept [300 ms].
	HangOver, Tail time.Duration
	// MaxSegment is the longest segment [28 s]. What is longer is cut at its
	// quietest pause, and the parts share Overlap [500 ms].
	MaxSegment, Overlap time.Duration
	// Sensitivity is from 0 (deaf) to 1 (jumpy) [0.5]. It scales how far above
	// the noise speech must be.
	Sensitivity float64
	// MinLevel is the loudness in dBFS below which all is silence [-60].
	MinLevel float64
}

// Onset says that speech begins, as soon as that is likely. It may turn out to
// have been noise; then no segment of its utterance follows.
type Onset struct {
	Utterance int       // counts from 1
	Time      time.Time // of the first speech
	Level     float64   // loudness so far in dBFS: 0 is a mean square of one
	Name      string    // of the replayed sample that sounds, else ""
}

// Segment is one utterance, or a part of a long one.
type Segment struct {
	Utterance int // that of its [Onset]
	Part      int // counts the parts of an utterance from 0
	Final     bool
	Start     time.Time // of the first sample
	Samples   []float32 // mono at 16 kHz; nobody writes to them again
	Level     float64   // loudness of the speech in dBFS
	Names     []string  // the replayed samples in it, in order
}

// Ongoing is a segment that goes on, as far as it is certain.
type Ongoing struct {
	Utterance, Part int // those of the [Segment] that will come, unless it was noise
	// Samples are the first of the segment's. They are the gate's own and valid
	// until the next call of one of its methods.
	Samples []float32
}

// Heard is what a push of sound brought to light.
type Heard struct {
	Onsets   []Onset
	Segments []Segment
	Noise    []int // announced utterances of which no segment will come
}
