package portaudio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"sensed/devices"
	"sensed/devices/wave"
)

const (
	blockTime = 20 * time.Millisecond
	// queueTime is how much sound waits for a reader that is late.
	queueTime = 4 * time.Second
	// jump is how far the device's clock may be off before its time is set
	// anew; below, it is drawn in by 1/slew a block.
	jump = 100 * time.Millisecond
	slew = 50
)

// block is what the reading goroutine hands over: up to 20 ms of interleaved frames
// at the device's rate.
type block struct {
	samples []float32
	at      time.Time // of the first frame, by the wall clock
	lost    int64     // frames lost just before it
}

// microphone is an open device. The goroutine that reads the device calls push;
// all other methods belong to the one that listens.
//
// The buffers of blocks go round: free -> push -> blocks -> Next -> free. There
// are as many as queueTime holds, so push never waits for a listener.
type microphone struct {
	opts Opts
	name string
	rate int
	stop func() error

	blocks    chan block
	free      chan []float32
	broken    chan error   // why it stopped: the device, or another microphone; each writes once at most
	lost      int64        // frames since the last block handed over; push only
	total     atomic.Int64 // frames lost
	overflows atomic.Int64 // times that the device lost some before we got them

	convert  *wave.Converter
	base     time.Time // of output sample 0; zero before the first block
	in, out  int64     // frames taken, samples delivered
	channels int
	like     []float32 // the frame that all have been like
	same     int64     // for how many frames
	failed   error
	reported time.Time // when a loss was last reported
}

// newMicrophone returns a microphone for push to feed. Its stop is still nil.
func newMicrophone(o Opts, name string, rate, channels int) (*microphone, error) {
	convert, err := wave.NewConverter(rate, channels)
	if err != nil {
		return nil, err
	}
	n := int(queueTime / blockTime)
	m := &microphone{
		opts: o, name: name, rate: rate, channels: channels,
		convert: convert,
		blocks:  make(chan block, n),
		broken:  make(chan error, 2),
		free:    make(chan []float32, n),
	}
	for range n {
		m.free <- make([]float32, 0, m.blockFrames()*channels)
	}
	return m, nil
}

func (m *microphone) blockFrames() int {
	return int(int64(m.rate) * int64(blockTime) / int64(time.Second))
}

// push takes what the device heard; at is the time of its first frame. When no
// buffer is free the sound is dropped and counted.
func (m *microphone) push(in []float32, at time.Time) {
	for len(in) >= m.channels {
		n := min(len(in)/m.channels, m.blockFrames())
		select {
		case buf := <-m.free:
			buf = append(buf[:0], in[:n*m.channels]...)
			m.blocks <- block{samples: buf, at: at, lost: m.lost} // has room: a buffer was free
			m.lost = 0
		default:
			m.lost += int64(n)
			m.total.Add(int64(n))
		}
		in = in[n*m.channels:]
		at = at.Add(frames(int64(n), m.rate))
	}
}

// frames is how long n frames last.
func frames(n int64, rate int) time.Duration {
	return time.Duration(n/int64(rate))*time.Second + time.Duration(n%int64(rate))*time.Second/time.Duration(rate)
}

// Dropped counts the frames that were lost because nobody listened in time.
func (m *microphone) Dropped() int64 { return m.total.Load() }

// Overflows counts the times that the device lost sound because the board was
// too busy to fetch it.
func (m *microphone) Overflows() int64 { return m.overflows.Load() }

// Next waits for the next 20 ms of sound.
func (m *microphone) Next(ctx context.Context) (devices.PCM, error) {
	for {
		if err := ctx.Err(); err != nil {
			return devices.PCM{}, err
		}
		if m.failed != nil {
			return devices.PCM{}, m.failed
		}
		b, err := m.wait(ctx)
		if err != nil {
			return devices.PCM{}, err
		}
		pcm := m.take(b)
		m.free <- b.samples // has room: it came from there
		if m.failed == nil && len(pcm.Samples) > 0 {
			return pcm, nil
		}
	}
}

// wait returns the next block, or says that the device is lost.
func (m *microphone) wait(ctx context.Context) (block, error) {
	select {
	case b := <-m.blocks:
		return b, nil
	default:
	}
	timer := time.NewTimer(m.opts.LostAfter)
	defer timer.Stop()
	select {
	case b := <-m.blocks:
		return b, nil
	case <-ctx.Done():
		return block{}, ctx.Err()
	case err := <-m.broken:
		if errors.Is(err, errOthers) {
			m.fail("is opened anew, because %v", err)
			return block{}, m.failed
		}
		m.fail("stopped: %v; it may be unplugged, or its sound server ended", err)
		return block{}, m.failed
	case <-timer.C:
		m.fail("has delivered nothing for %v; it may be unplugged or in use by another program", m.opts.LostAfter)
		return block{}, m.failed
	}
}

func (m *microphone) fail(format string, args ...any) {
	m.failed = fmt.Errorf("%w: microphone %q %s", devices.ErrLost, m.name, fmt.Sprintf(format, args...))
}

// take converts a block and says when it was heard.
func (m *microphone) take(b block) devices.PCM {
	m.account(b)
	samples := m.convert.Append(make([]float32, 0, devices.SampleRate/40), b.samples)
	pcm := devices.PCM{Time: m.base.Add(frames(m.out, devices.SampleRate)), Samples: samples}
	m.in += int64(len(b.samples) / m.channels)
	m.out += int64(len(samples))
	m.watch(b.samples)
	return pcm
}

// account draws the time of the stream towards that of the block. The device
// has a clock of its own, and the board's may be set.
func (m *microphone) account(b block) {
	at := b.at.Round(0) // by the wall clock, which may jump
	if m.base.IsZero() {
		m.base = at
		return
	}
	if b.lost > 0 {
		m.base = m.base.Add(frames(b.lost, m.rate))
		if at.Sub(m.reported).Abs() > time.Minute {
			m.reported = at
			m.opts.Log.Warn("sound was lost because it was not read in time", "microphone", m.name, "lost", frames(b.lost, m.rate), "frames_in_all", m.Dropped())
		}
	}
	off := at.Sub(m.base.Add(frames(m.in, m.rate)))
	if off > jump || off < -jump {
		m.base = m.base.Add(off)
	} else {
		m.base = m.base.Add(off / slew)
	}
}

// watch fails when all frames have been the same for too long.
func (m *microphone) watch(samples []float32) {
	if m.opts.StuckAfter < 0 {
		return
	}
	for ; len(samples) >= m.channels; samples = samples[m.channels:] {
		if f := samples[:m.channels]; !slices.Equal(f, m.like) {
			m.like = append(m.like[:0], f...)
			m.same = 0
		}
		m.same++
	}
	switch {
	case frames(m.same, m.rate) < m.opts.StuckAfter:
	case slices.Max(m.like) == 0 && slices.Min(m.like) == 0:
		m.fail("has given nothing but digital silence for %v; is it muted, or its plug not quite in?", m.opts.StuckAfter)
	default:
		m.fail("has given the same sample for %v; it hangs", m.opts.StuckAfter)
	}
}

// Close stops the device. When that takes longer than the time limit it goes on
// in the background.
func (m *microphone) Close() error {
	if m.stop == nil {
		return errors.New("portaudio: the microphone is closed already")
	}
	stop := m.stop
	m.stop = nil
	m.failed = errors.New("portaudio: the microphone is closed")
	return stop()
}
