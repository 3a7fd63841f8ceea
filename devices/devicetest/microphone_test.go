package devicetest

import (
	"context"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"sensed/devices"
)

// ear is a microphone that keeps the contract; the fields break it.
type ear struct {
	n      int
	end    int // io.EOF after so many chunks
	chunk  []float32
	shared bool
	gap    time.Duration
	noTime bool
	deaf   bool
	noEOF  bool
	dies   bool // after a cancelled call
	dead   bool
}

func (e *ear) Next(ctx context.Context) (devices.PCM, error) {
	if e.dead {
		return devices.PCM{}, errDead
	}
	if ctx.Err() != nil && !e.deaf {
		e.dead = e.dies
		return devices.PCM{}, ctx.Err()
	}
	if e.end > 0 && e.n == e.end {
		if e.noEOF {
			return devices.PCM{}, errDead
		}
		return devices.PCM{}, io.EOF
	}
	e.n++
	c := devices.PCM{Time: time.Unix(0, 0).Add(time.Duration(e.n) * (20*time.Millisecond + e.gap)), Samples: make([]float32, 320)}
	if e.noTime {
		c.Time = time.Time{}
	}
	if e.chunk != nil {
		c.Samples = e.chunk
	}
	if e.shared {
		c.Samples[0] = float32(e.n%2) / 2
	}
	return c, nil
}

func (e *ear) Close() error { return nil }

func TestSuitePassesGoodMicrophones(t *testing.T) {
	Microphone(t, "endless", func(*testing.T) devices.Microphone { return &ear{} }, MicrophoneOpts{})
	Microphone(t, "finite", func(*testing.T) devices.Microphone { return &ear{end: 21} }, MicrophoneOpts{Finite: true})
}

func TestSuiteCatchesBrokenMicrophones(t *testing.T) {
	o := MicrophoneOpts{Chunks: 4, Slack: time.Millisecond}
	finite := o
	finite.Finite = true
	for _, c := range []struct {
		name  string
		mic   *ear
		check func(devices.Microphone, MicrophoneOpts) error
		o     MicrophoneOpts
		want  string
	}{
		{"empty chunk", &ear{chunk: []float32{}}, checkSound, o, "empty"},
		{"too loud", &ear{chunk: []float32{0, 1.5}}, checkSound, o, "outside -1..1"},
		{"no number", &ear{chunk: []float32{float32(math.NaN())}}, checkSound, o, "outside -1..1"},
		{"no time", &ear{noTime: true}, checkSound, o, "no time"},
		{"gap", &ear{gap: 5 * time.Millisecond}, checkSound, o, "5ms after the end"},
		{"ends early", &ear{end: 2}, checkSound, o, "EOF"},
		{"rewrites", &ear{chunk: make([]float32, 320), shared: true}, checkSamplesKept, o, "written again"},
		{"deaf to an ended context", &ear{deaf: true}, checkDeafContext, o, "<nil>"},
		{"dies of an ended context", &ear{dies: true}, checkDeafContext, o, "dead"},
		{"dies of a cancel", &ear{dies: true}, checkCancelHearing, o, "dead"},
		{"too short", &ear{end: 2}, checkSilence, finite, "after 2 chunks"},
		{"no end", &ear{end: 5, noEOF: true}, checkSilence, finite, "dead"},
		{"ends but should not", &ear{end: 5}, checkSilence, o, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.check(c.mic, c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the suite said %v, want something with %q", err, c.want)
			}
		})
	}
}
