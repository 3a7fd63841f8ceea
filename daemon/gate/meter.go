package gate

import (
	"fmt"
	"time"
)

// Loudness is how loud it was for a while, in dBFS (0 is a mean square of one)
// and not below -120.
type Loudness struct {
	Time  time.Time // of the first sample
	Mean  float64   // of the whole while
	Peak  float64   // of the loudest sample
	Floor float64   // of the quietest tenth of a second: the noise of the place
}

// Meter measures how loud it is, again and again. Use it from one goroutine.
type Meter struct {
	length int // samples of a while

	start       time.Time
	n           int
	sum, peak   float64
	block       float64 // of the present tenth of a second
	blockLength int
	quietest    float64
}

const meterBlock = sampleRate / 10

// NewMeter returns a meter that says how loud it was each time that so much
// sound came.
func NewMeter(every time.Duration) (*Meter, error) {
	if every < 100*time.Millisecond {
		return nil, fmt.Errorf("sound level: measuring each %v is too often; write 100ms or more", every)
	}
	return &Meter{length: int(every.Seconds() * sampleRate)}, nil
}

// Push takes the next chunk, whose first sample is of t; ok says that a while is
// over.
func (m *Meter) Push(t time.Time, samples []float32) (l Loudness, ok bool) {
	if m.n == 0 {
		m.start, m.sum, m.peak, m.block, m.blockLength, m.quietest = t, 0, 0, 0, 0, -1
	}
	for _, v := range samples {
		p := float64(v) * float64(v)
		m.sum += p
		m.peak = max(m.peak, p)
		m.block += p
		if m.blockLength++; m.blockLength == meterBlock {
			if b := m.block / meterBlock; m.quietest < 0 || b < m.quietest {
				m.quietest = b
			}
			m.block, m.blockLength = 0, 0
		}
	}
	if m.n += len(samples); m.n < m.length {
		return Loudness{}, false
	}
	mean := m.sum / float64(m.n)
	l = Loudness{Time: m.start, Mean: decibels(mean), Peak: decibels(m.peak), Floor: decibels(max(0, m.quietest))}
	m.n = 0
	return l, true
}
