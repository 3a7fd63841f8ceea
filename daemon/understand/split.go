package understand

import (
	"math"
	"slices"
	"strings"
	"unicode"
)

const (
	frame       = sampleRate / 50 // 20 ms: the grid on which loudness is measured
	quietFrames = 10              // 200 ms: a gap between words in which a cut hurts nobody
	silentLevel = -70.0           // dBFS; what is below is quiet whatever surrounds it
)

// stretch is a piece of a longer sound, in samples.
type stretch struct {
	from, to int
	// again says that it begins with the end of the stretch before it, because
	// no quiet place was found to cut at.
	again bool
}

// split cuts a sound into stretches of at most limit seconds, and (when pause
// is above zero) at each pause of at least so many seconds between sounds. It
// cuts in the middle of quiet; where somebody speaks without a gap, the next
// stretch begins a little before the end of the one before, so that each word
// is whole in one of them. Together the stretches cover every sample.
func split(samples []float32, limit, pause float64) []stretch {
	levels := loudness(samples)
	quiet := quietMask(levels)
	var out []stretch
	from := 0
	cut := func(to int) {
		out = append(out, shorten(stretch{from: from, to: to}, levels, quiet, limit)...)
		from = to
	}
	if pause > 0 {
		for _, middle := range pauses(quiet, int(math.Ceil(pause*50))) {
			cut(middle * frame)
		}
	}
	cut(len(samples))
	return out
}

// shorten cuts one stretch until each part has at most limit seconds.
func shorten(s stretch, levels []float64, quiet []bool, limit float64) []stretch {
	most := int(limit * sampleRate)
	shared := int(min(1, limit/10) * sampleRate) // on each side of a cut within speech
	var out []stretch
	for s.to-s.from > most {
		at, clean := quietest(levels, quiet, (s.from+most*6/10)/frame, (s.from+most-shared)/frame)
		end, next := at*frame, at*frame
		if !clean {
			end, next = end+shared, next-shared
		}
		out = append(out, stretch{from: s.from, to: end, again: s.again})
		s = stretch{from: next, to: s.to, again: !clean}
	}
	return append(out, s)
}

// quietest finds the middle of the quietest 200 ms between two frames, and
// whether it is free of speech.
func quietest(levels []float64, quiet []bool, from, to int) (middle int, clean bool) {
	best := math.Inf(1)
	middle = to
	for i := from; i+quietFrames <= min(to, len(levels)); i++ {
		loudest := slices.Max(levels[i : i+quietFrames])
		if loudest <= best { // the later of two, for longer stretches
			best, middle = loudest, i+quietFrames/2
			clean = !slices.Contains(quiet[i:i+quietFrames], false)
		}
	}
	return middle, clean
}

// pauses are the middles of the quiet runs of at least n frames that have
// sound on both sides.
func pauses(quiet []bool, n int) []int {
	var out []int
	run := -1 // frames of quiet so far; -1: nothing was heard yet
	for i, q := range quiet {
		switch {
		case q && run >= 0:
			run++
		case !q:
			if run >= n {
				out = append(out, i-run/2)
			}
			run = 0
		}
	}
	return out
}

// loudness is the level of each frame in dBFS; a last, shorter frame counts.
func loudness(samples []float32) []float64 {
	out := make([]float64, 0, len(samples)/frame+1)
	for part := range slices.Chunk(samples, frame) {
		sum := 0.0
		for _, v := range part {
			sum += float64(v) * float64(v)
		}
		out = append(out, 10*math.Log10(sum/float64(len(part))+1e-12))
	}
	return out
}

// quietMask tells frames without speech: 25 dB below the loud ones, or within
// 4 dB of the background where that is louder.
func quietMask(levels []float64) []bool {
	if len(levels) == 0 {
		return nil
	}
	sorted := slices.Clone(levels)
	slices.Sort(sorted)
	background, loud := sorted[len(sorted)/10], sorted[len(sorted)*19/20]
	bound := max(loud-25, background+4, silentLevel)
	mask := make([]bool, len(levels))
	for i, l := range levels {
		mask[i] = l < bound
	}
	return mask
}

// joinWords puts the words of two stretches together. With again, words at
// the end of a that b begins with are said once; a word that was cut in two at
// the edge gives way when two or more words beside it agree.
func joinWords(a, b string, again bool) string {
	left, right := strings.Fields(a), strings.Fields(b)
	if again {
		left, right = dropRepeated(left, right)
	}
	return strings.Join(append(left, right...), " ")
}

// maxRepeated bounds the words that two seconds of shared sound can hold.
const maxRepeated = 10

func dropRepeated(left, right []string) ([]string, []string) {
	most, endLeft, startRight := 0, len(left), 0
	for dropped := range 3 { // 0: none, 1: the last of left, 2: the first of right
		l, r := left, right
		if dropped == 1 && len(l) > 0 {
			l = l[:len(l)-1]
		}
		skipped := 0
		if dropped == 2 && len(r) > 0 {
			r, skipped = r[1:], 1
		}
		for k := min(len(l), len(r), maxRepeated); k > most; k-- {
			if (dropped == 0 || k > 1) && slices.EqualFunc(l[len(l)-k:], r[:k], sameWord) {
				most, endLeft, startRight = k, len(l), skipped+k
			}
		}
	}
	return left[:endLeft:endLeft], right[startRight:]
}

// sameWord compares words without case and punctuation.
func sameWord(a, b string) bool {
	bare := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsNumber(r) {
				return unicode.ToLower(r)
			}
			return -1
		}, s)
	}
	return bare(a) == bare(b)
}
