package gate

import (
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	// An onset is onsetActive active frames, onsetVoiced of them with a pitch,
	// among onsetFrames. White noise has a pitch above minPitch in one frame of
	// a thousand.
	onsetFrames, onsetActive, onsetVoiced = 6, 4, 2
	minPitch                              = 0.36
	// A finished utterance needs minVoiced active frames with a pitch, judged by
	// the noise floor that is known by then; a fan that was switched on has none.
	minVoiced = 3
	// jump is how far the times of two chunks may be off before they count as
	// two recordings.
	jump = 500 * time.Millisecond
	// presenceFrames is over how many frames evidence of speech is averaged.
	// Speech has much of it in 340 ms, a click, a drop or a key little.
	presenceFrames = 17
	// pauseFrames is the length of the pause that a long segment is cut in.
	pauseFrames = 10
)

// Speech finds the spoken parts of a stream of sound. It reads no clock and
// owns its buffers; at most MaxSegment of sound is held. Use it from one
// goroutine.
type Speech struct {
	preRoll, hangOver, tail, maxSegment, overlap int     // in frames
	on, off                                      float64 // of a frame's score
	present, absent                              float64 // of the presence of speech
	minLevel                                     float32

	activity *activity

	// The sound held: samples from frame first on, whole frames judged.
	samples            []float32
	frames             []frame
	active             []bool    // beside frames
	evidence, presence []float64 // likewise
	runs               []run
	first              int // number of the first frame held
	fresh              int // frames before this number were delivered already

	speaking   bool
	utterance  int
	part       int
	start      int // first frame of the present segment
	lastActive int // last active frame of it
}

// run is one pushed chunk.
type run struct {
	at   int // number of its first sample
	time time.Time
	name string
}

// NewSpeech returns a gate that has heard nothing yet.
func NewSpeech(o SpeechOpts) (*Speech, error) {
	s := &Speech{}
	for _, d := range []struct {
		name     string
		value    time.Duration
		standard time.Duration
		frames   *int
	}{
		{"pre-roll", o.PreRoll, 500 * time.Millisecond, &s.preRoll},
		{"hang-over", o.HangOver, 600 * time.Millisecond, &s.hangOver},
		{"tail", o.Tail, 300 * time.Millisecond, &s.tail},
		{"longest segment", o.MaxSegment, 28 * time.Second, &s.maxSegment},
		{"overlap", o.Overlap, 500 * time.Millisecond, &s.overlap},
	} {
		if d.value == 0 {
			d.value = d.standard
		}
		if d.value < 0 {
			return nil, fmt.Errorf("speech gate: the %s is negative: %v", d.name, d.value)
		}
		*d.frames = int(d.value / (frameMillis * time.Millisecond))
	}
	if o.Sensitivity == 0 {
		o.Sensitivity = 0.5
	}
	if o.MinLevel == 0 {
		o.MinLevel = -60
	}
	switch {
	case s.hangOver < 5:
		return nil, fmt.Errorf("speech gate: a hang-over of %v is shorter than 100ms; words have such pauses in them", o.HangOver)
	case s.tail > s.hangOver:
		s.tail = s.hangOver
	}
	switch {
	case s.maxSegment < 2*(s.preRoll+s.hangOver+s.overlap+onsetFrames):
		return nil, fmt.Errorf("speech gate: the longest segment, %v, must be more than twice pre-roll, hang-over and overlap together", o.MaxSegment)
	case !(o.Sensitivity > 0 && o.Sensitivity <= 1):
		return nil, fmt.Errorf("speech gate: the sensitivity %v is outside 0..1", o.Sensitivity)
	case !(o.MinLevel >= -120 && o.MinLevel < 0):
		return nil, fmt.Errorf("speech gate: the lowest level %v dBFS is outside -120..0", o.MinLevel)
	}
	jumpy := math.Pow(5, 1-2*o.Sensitivity)
	s.on, s.present = 0.25*jumpy, 0.03*jumpy
	s.off, s.absent = s.on/2, s.present/2
	minPower := math.Pow(10, o.MinLevel/10)
	s.minLevel = float32(minPower)
	s.activity = newActivity(minPower / 10)
	return s, nil
}

// Push takes the next chunk: t is the time of its first sample, name that of
// the replayed file or "". The samples are copied. When t does not follow the
// chunk before, what was held is flushed first.
func (s *Speech) Push(t time.Time, samples []float32, name string) Heard {
	var h Heard
	if len(samples) == 0 {
		return h
	}
	if len(s.runs) > 0 {
		want := s.time(s.end())
		if d := t.Sub(want); d > jump || d < -jump {
			h = s.Flush()
		}
	}
	s.runs = append(s.runs, run{at: s.end(), time: t, name: name})
	s.samples = append(s.samples, samples...)
	s.advance(&h)
	s.forget()
	return h
}

// advance judges the whole frames that were not judged yet.
func (s *Speech) advance(h *Heard) {
	for (len(s.frames)+1)*frameLen <= len(s.samples) {
		at := len(s.frames) * frameLen
		s.judge(s.samples[at:at+frameLen], h)
	}
}

// Flush ends the sound: an utterance that is going on ends here.
func (s *Speech) Flush() Heard {
	var h Heard
	if rest := len(s.samples) % frameLen; rest != 0 {
		s.samples = append(s.samples, make([]float32, frameLen-rest)...)
		s.advance(&h)
	}
	if s.speaking {
		s.finish(&h)
	}
	s.first += len(s.frames) + 1
	s.samples, s.frames, s.active, s.runs = s.samples[:0], s.frames[:0], s.active[:0], s.runs[:0]
	s.evidence, s.presence = s.evidence[:0], s.presence[:0]
	s.fresh = s.first
	return h
}

// end is the number of the sample after the last held.
func (s *Speech) end() int { return s.first*frameLen + len(s.samples) }

// judge looks at the next frame.
func (s *Speech) judge(samples []float32, h *Heard) {
	f := s.activity.measure(samples)
	floor := s.activity.floor()
	threshold := s.on
	if s.speaking {
		threshold = s.off
	}
	active := f.level > s.minLevel && score(&f.power, &floor) > threshold
	s.frames = append(s.frames, f)
	s.active = append(s.active, active)
	s.evidence = append(s.evidence, evidence(&f, &floor))
	s.presence = append(s.presence, s.presently())
	now := s.first + len(s.frames) - 1

	if !s.speaking {
		if from, ok := s.onset(now); ok {
			s.begin(from, now, h)
		}
		return
	}
	if active && s.count(now-2, now) >= 2 && s.presence[len(s.presence)-1] > s.absent {
		s.lastActive = now
	}
	switch {
	case now-s.lastActive >= s.hangOver:
		s.finish(h)
	case now+1-s.start >= s.maxSegment:
		s.cut(h)
	}
}

// presently is the presence of speech at the last frame: the mean of the
// evidence in it and those before.
func (s *Speech) presently() float64 {
	var sum float64
	for _, e := range s.evidence[max(0, len(s.evidence)-presenceFrames):] {
		sum += e
	}
	return sum / presenceFrames
}

// count returns how many of the frames from..to are active.
func (s *Speech) count(from, to int) (n int) {
	for i := max(0, from-s.first); i <= to-s.first; i++ {
		if s.active[i] {
			n++
		}
	}
	return n
}

// onset says whether speech has begun by frame now, and with which frame.
func (s *Speech) onset(now int) (from int, ok bool) {
	active, voiced := 0, 0
	for i := max(0, now-onsetFrames+1-s.first, s.fresh-s.first); i <= now-s.first; i++ {
		if !s.active[i] {
			continue
		}
		if active++; active == 1 {
			from = s.first + i
		}
		if s.frames[i].voice > minPitch {
			voiced++
		}
	}
	return from, active >= onsetActive && voiced >= onsetVoiced
}

func (s *Speech) begin(from, now int, h *Heard) {
	s.speaking = true
	s.utterance++
	s.part = 0
	s.start = max(from-s.preRoll, s.first, s.fresh)
	s.lastActive = now
	h.Onsets = append(h.Onsets, Onset{
		Utterance: s.utterance,
		Time:      s.time(from * frameLen),
		Level:     s.level(from, now+1),
		Name:      s.name(now * frameLen),
	})
}

// finish ends the present utterance after its tail, unless it was only noise.
func (s *Speech) finish(h *Heard) {
	end := max(s.start, min(s.lastActive+1+s.tail, s.first+len(s.frames)))
	s.speaking = false
	s.fresh = end
	switch {
	case end == s.start: // it was cut in the pause in which it ended
	case s.part > 0 || s.voiced(s.start, end) >= minVoiced && slices.Max(s.presence[s.start-s.first:end-s.first]) > s.present:
		h.Segments = append(h.Segments, s.segment(s.start, end, true))
	default:
		h.Noise = append(h.Noise, s.utterance)
	}
}

// Ongoing returns the segment that goes on now, if one does. Its samples are
// those that it will have however the sound goes on: up to the tail that
// follows the last speech, and not beyond where a long utterance may be cut.
func (s *Speech) Ongoing() (o Ongoing, ok bool) {
	if !s.speaking {
		return Ongoing{}, false
	}
	earliest := s.start + s.maxSegment/2 + s.overlap - s.overlap/2 // end of a cut
	end := max(s.start, min(s.lastActive+1+s.tail, s.first+len(s.frames), earliest))
	return Ongoing{
		Utterance: s.utterance, Part: s.part,
		Samples: s.samples[(s.start-s.first)*frameLen : (end-s.first)*frameLen],
	}, true
}

// cut delivers the first part of a long utterance: up to the middle of the
// quietest pause in its second half, and half the overlap more.
func (s *Speech) cut(h *Heard) {
	before := s.overlap / 2
	after := s.overlap - before
	at, quietest := 0, math.Inf(1)
	last := s.start + s.maxSegment - max(after, pauseFrames/2)
	for c := s.start + s.maxSegment/2; c <= last; c++ {
		var sum float64
		for i := c - pauseFrames/2; i < c+pauseFrames/2; i++ {
			sum += float64(s.frames[i-s.first].level)
		}
		if sum <= quietest {
			at, quietest = c, sum
		}
	}
	h.Segments = append(h.Segments, s.segment(s.start, at+after, false))
	s.part++
	s.start = at - before
}

// voiced counts the frames from..to that are active with a pitch by the noise
// floor of now.
func (s *Speech) voiced(from, to int) (n int) {
	floor := s.activity.floor()
	for i := from - s.first; i < to-s.first; i++ {
		f := &s.frames[i]
		if f.voice > minPitch && f.level > s.minLevel && score(&f.power, &floor) > s.on {
			n++
		}
	}
	return n
}

// segment makes the frames from..to, to excluded, into a segment.
func (s *Speech) segment(from, to int, final bool) Segment {
	seg := Segment{
		Utterance: s.utterance,
		Part:      s.part,
		Final:     final,
		Start:     s.time(from * frameLen),
		Samples:   slices.Clone(s.samples[(from-s.first)*frameLen : (to-s.first)*frameLen]),
		Level:     s.level(from, to),
	}
	for i := from; i < to; i++ {
		if name := s.name(i * frameLen); s.active[i-s.first] && name != "" && !slices.Contains(seg.Names, name) {
			seg.Names = append(seg.Names, name)
		}
	}
	return seg
}

// level is the loudness of the active frames of from..to, to excluded.
func (s *Speech) level(from, to int) float64 {
	var sum float64
	n := 0
	for i := from - s.first; i < to-s.first; i++ {
		if s.active[i] {
			sum += float64(s.frames[i].level)
			n++
		}
	}
	return decibels(sum / float64(max(n, 1)))
}

// decibels is the loudness of a mean square, not below -120.
func decibels(power float64) float64 {
	return 10 * math.Log10(max(power, 1e-12))
}

// run returns the chunk that holds the sample with this number.
func (s *Speech) run(sample int) run {
	i, _ := slices.BinarySearchFunc(s.runs, sample, func(r run, n int) int { return r.at - n - 1 })
	// i is the first run that begins at sample+1 or later.
	return s.runs[max(0, i-1)]
}

func (s *Speech) name(sample int) string { return s.run(sample).name }

func (s *Speech) time(sample int) time.Time {
	r := s.run(sample)
	return r.time.Add(time.Duration(sample-r.at) * time.Second / sampleRate)
}

// forget drops what no segment can need any more.
func (s *Speech) forget() {
	keep := s.start
	if !s.speaking {
		keep = s.first + len(s.frames) - s.preRoll - onsetFrames
	}
	n := keep - s.first
	if n < 50 { // not worth the copying
		return
	}
	s.samples = slices.Delete(s.samples, 0, n*frameLen)
	s.frames = slices.Delete(s.frames, 0, n)
	s.active = slices.Delete(s.active, 0, n)
	s.evidence = slices.Delete(s.evidence, 0, n)
	s.presence = slices.Delete(s.presence, 0, n)
	s.first = keep
	i, _ := slices.BinarySearchFunc(s.runs, keep*frameLen, func(r run, n int) int { return r.at - n - 1 })
	s.runs = slices.Delete(s.runs, 0, max(0, i-1))
}
