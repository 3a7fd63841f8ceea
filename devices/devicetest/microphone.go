package devicetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"sensed/devices"
)

// MicrophoneOpts say what a microphone is like.
type MicrophoneOpts struct {
	// Finite means that the microphone ends with io.EOF.
	Finite bool
	// Chunks is how many chunks are looked at, and how many a finite microphone
	// has at least. Default 20.
	Chunks int
	// Slack is how far the time of a chunk may be from the end of the chunk
	// before. Default 1 ms; a device with a clock of its own needs more.
	Slack time.Duration
}

// Microphone tests that the microphones which open returns keep the contract
// of [devices.Microphone]. Each part of the suite opens one and closes it.
func Microphone(t *testing.T, name string, open func(t *testing.T) devices.Microphone, o MicrophoneOpts) {
	t.Helper()
	if o.Chunks == 0 {
		o.Chunks = 20
	}
	if o.Slack == 0 {
		o.Slack = time.Millisecond
	}
	parts := []struct {
		name  string
		check func(devices.Microphone, MicrophoneOpts) error
	}{
		{"sound", checkSound},
		{"ownership", checkSamplesKept},
		{"ended context", checkDeafContext},
		{"cancel", checkCancelHearing},
		{"close unread", func(devices.Microphone, MicrophoneOpts) error { return nil }},
		{"end", checkSilence},
	}
	for _, p := range parts {
		t.Run(name+"/"+p.name, func(t *testing.T) {
			before := count()
			mic := open(t)
			err := p.check(mic, o)
			if e := mic.Close(); e != nil {
				t.Errorf("Close: %v", e)
			}
			if err != nil {
				t.Error(err)
			}
			if err := before.gone(); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkSound: chunks hold finite samples within full scale, and each begins
// when the one before ends.
func checkSound(mic devices.Microphone, o MicrophoneOpts) error {
	var end time.Time
	for i := range o.Chunks {
		c, err := hear(mic)
		if err != nil {
			return fmt.Errorf("chunk %d: %w", i, err)
		}
		switch {
		case len(c.Samples) == 0:
			return fmt.Errorf("chunk %d is empty", i)
		case c.Time.IsZero():
			return fmt.Errorf("chunk %d has no time", i)
		}
		for k, v := range c.Samples {
			if !(v >= -1 && v <= 1) {
				return fmt.Errorf("sample %d of chunk %d is %v, outside -1..1", k, i, v)
			}
		}
		if d := c.Time.Sub(end); i > 0 && d.Abs() > o.Slack {
			return fmt.Errorf("chunk %d begins %v after the end of the one before", i, d)
		}
		end = c.Time.Add(time.Duration(len(c.Samples)) * time.Second / devices.SampleRate)
	}
	return nil
}

// checkSamplesKept: a delivered chunk is never written again.
func checkSamplesKept(mic devices.Microphone, o MicrophoneOpts) error {
	var chunks, copies [][]float32
	for i := range o.Chunks {
		c, err := hear(mic)
		if err != nil {
			return fmt.Errorf("chunk %d: %w", i, err)
		}
		chunks, copies = append(chunks, c.Samples), append(copies, slices.Clone(c.Samples))
		for j := range chunks {
			if !slices.Equal(chunks[j], copies[j]) {
				return fmt.Errorf("the samples of chunk %d were written again when chunk %d came", j, i)
			}
		}
	}
	return nil
}

// checkDeafContext: a context that has ended gives its error, and the
// microphone works on after it.
func checkDeafContext(mic devices.Microphone, o MicrophoneOpts) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 2 {
		_, err := within(func() (devices.PCM, error) { return mic.Next(ctx) })
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Next with an ended context returned %v", err)
		}
	}
	if _, err := hear(mic); err != nil {
		return fmt.Errorf("after an ended context: %w", err)
	}
	return nil
}

// checkCancelHearing: Next returns soon when its context ends meanwhile, and
// the microphone works on after it.
func checkCancelHearing(mic devices.Microphone, o MicrophoneOpts) error {
	if _, err := hear(mic); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var err error
	for i := 0; err == nil; i++ {
		if i == 1 { // while it waits, or between two chunks: both must do
			go cancel()
		}
		_, err = within(func() (devices.PCM, error) { return mic.Next(ctx) })
	}
	if o.Finite && err == io.EOF {
		return nil
	}
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("Next whose context was cancelled returned %v", err)
	}
	if _, err := hear(mic); err != nil && !(o.Finite && err == io.EOF) {
		return fmt.Errorf("after a cancelled Next: %w", err)
	}
	return nil
}

// checkSilence: a finite microphone ends with io.EOF, again and again; another
// does not.
func checkSilence(mic devices.Microphone, o MicrophoneOpts) error {
	n := 0
	for ; o.Finite || n < 2*o.Chunks; n++ {
		_, err := hear(mic)
		if err == io.EOF && o.Finite {
			break
		}
		if err != nil {
			return fmt.Errorf("chunk %d: %w", n, err)
		}
	}
	if !o.Finite {
		return nil
	}
	if n < o.Chunks {
		return fmt.Errorf("the microphone ended after %d chunks, want at least %d", n, o.Chunks)
	}
	if _, err := hear(mic); err != io.EOF {
		return fmt.Errorf("after its end the microphone returned %v, want io.EOF", err)
	}
	return nil
}

func hear(mic devices.Microphone) (devices.PCM, error) {
	return within(func() (devices.PCM, error) { return mic.Next(context.Background()) })
}
