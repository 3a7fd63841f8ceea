package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"sensed/devices"
	"sensed/devices/wave"
)

const (
	blockTime = 20 * time.Millisecond
	// queueTime is how much sound waits for a listener that is late.
	queueTime = 4 * time.Second
	// The time of the stream is compared with the clock once in so many blocks,
	// a second: by the most punctual of them, so that what the network holds
	// back for a moment makes no difference.
	second = int(time.Second / blockTime)
	// late is how far the sound may lag behind the clock before some counts as
	// missing; below, its time is drawn in by slew a second, which is more than
	// any crystal is wrong.
	late = 200 * time.Millisecond
	slew = time.Millisecond / 2
	// ahead is how far the sound of a paced microphone may run ahead of the clock.
	ahead = 500 * time.Millisecond
)

// Sound is a running source of raw samples.
type Sound struct {
	// Name is what the microphone is called in messages.
	Name string
	// Reader gives the samples; it is read by one goroutine.
	Reader io.Reader
	// Format, Rate (in hertz) and Channels say what the samples are.
	Format         wave.Raw
	Rate, Channels int
	// Stop ends the stream: a read that waits returns, and all is given back.
	// It is called once.
	Stop func()
	// Explain makes the error of Next of the one with which the reading ended,
	// io.EOF when it is the end of a finite source, or of one that wraps
	// [ErrSilent]. It is called before Stop and by either goroutine; frames is how
	// many had come.
	Explain func(err error, frames int64) error
	// Paced holds sound back that comes faster than a microphone hears: a
	// program may write a file in one go.
	Paced bool
	// Silence is how long nothing may come before the microphone counts as lost.
	Silence time.Duration
	// Stuck is how long all samples may be the same before it does. Below zero:
	// for ever.
	Stuck time.Duration
	// Clock is the time of the sound. Nil means [devices.Wall].
	Clock devices.Clock
	// Log hears of sound that is missing.
	Log *slog.Logger
}

// block is up to 20 ms of sound as it came.
type block struct {
	data []byte
	at   time.Time // when its last sample was there
}

// Microphone is a [devices.Microphone] of a stream. A goroutine reads the
// stream into blocks, whose buffers go round: free, then blocks, then Next.
// When a listener is later than all of them the stream has to wait.
type Microphone struct {
	o       Sound
	convert *wave.Converter
	blocks  chan block    // closed at the end, when err is set
	free    chan []byte   // as many as blocks has room for
	err     error         // why there is nothing more
	stop    chan struct{} // closed when nobody listens any more
	done    chan struct{} // closed when the reading goroutine has ended

	// Of the goroutine that calls Next.
	base     time.Time     // of output sample 0; zero before the first block
	in, out  int64         // frames taken, samples converted
	compared int           // blocks since base was last corrected
	lag      time.Duration // the least of these blocks
	ready    devices.PCM   // not delivered yet
	like     []byte        // the frame that all have been like
	same     int64         // for how many frames
	samples  []float32     // scratch, interleaved
	failed   error         // what Next returns after ready
	closed   bool
}

// NewMicrophone starts to read. The caller closes the microphone. After an
// error nothing was started, and Stop is still the caller's to call.
func NewMicrophone(o Sound) (*Microphone, error) {
	convert, err := wave.NewConverter(o.Rate, o.Channels)
	if err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = devices.Wall{}
	}
	n := int(queueTime / blockTime)
	m := &Microphone{
		o: o, convert: convert,
		blocks: make(chan block, n), free: make(chan []byte, n),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for range n {
		m.free <- nil
	}
	go m.read()
	return m, nil
}

// frameSize is how many bytes one sample of each channel has.
func (m *Microphone) frameSize() int { return m.o.Format.Width() * m.o.Channels }

// read reads blocks until the stream ends.
func (m *Microphone) read() {
	defer close(m.done)
	defer close(m.blocks)
	size := int(int64(m.o.Rate)*int64(blockTime)/int64(time.Second)) * m.frameSize()
	var frames int64
	for {
		var buf []byte
		select {
		case buf = <-m.free:
		case <-m.stop:
			return
		}
		if buf == nil {
			buf = make([]byte, size)
		}
		n, err := io.ReadFull(m.o.Reader, buf[:size])
		n -= n % m.frameSize()
		frames += int64(n / m.frameSize())
		if n > 0 {
			m.blocks <- block{buf[:n], m.o.Clock.Now().Round(0)} // has room: a buffer was free
		}
		if err != nil {
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			m.err = m.o.Explain(err, frames)
			return
		}
	}
}

// Next waits for the next 20 ms of sound.
func (m *Microphone) Next(ctx context.Context) (devices.PCM, error) {
	for {
		if err := ctx.Err(); err != nil {
			return devices.PCM{}, err
		}
		switch {
		case m.closed:
			return devices.PCM{}, errors.New(m.o.Name + ": it is closed")
		case len(m.ready.Samples) > 0:
			return m.deliver(ctx)
		case m.failed != nil:
			return devices.PCM{}, m.failed
		}
		if err := m.fetch(ctx); err != nil {
			return devices.PCM{}, err
		}
	}
}

// deliver gives away what is ready, when its time has come.
func (m *Microphone) deliver(ctx context.Context) (devices.PCM, error) {
	pcm := m.ready
	if m.o.Paced {
		due := pcm.Time.Add(span(int64(len(pcm.Samples)), devices.SampleRate) - ahead)
		if early := due.Sub(m.o.Clock.Now()); early > time.Second { // never one block later: the clock was set back
			m.base, due = m.base.Add(-early), due.Add(-early)
			m.ready.Time = m.ready.Time.Add(-early)
			pcm = m.ready
		}
		if err := m.o.Clock.Until(ctx, due); err != nil {
			return devices.PCM{}, err
		}
	}
	m.ready = devices.PCM{}
	return pcm, nil
}

// fetch makes the next block ready, or sets failed. The error is that of ctx.
func (m *Microphone) fetch(ctx context.Context) error {
	timer := time.NewTimer(m.o.Silence)
	defer timer.Stop()
	select {
	case b, ok := <-m.blocks:
		if ok {
			m.take(b)
			break
		}
		m.failed = m.err
		if m.err == io.EOF {
			m.ready = m.pcm(m.convert.Flush(nil))
		}
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		m.failed = m.o.Explain(fmt.Errorf("no sound came for %v: %w", m.o.Silence, ErrSilent), m.in)
	}
	return nil
}

// take converts a block.
func (m *Microphone) take(b block) {
	m.account(b.at, int64(len(b.data)/m.frameSize()))
	m.watch(b.data)
	m.samples = m.o.Format.Append(m.samples[:0], b.data)
	m.free <- b.data // has room: it came from there
	m.ready = m.pcm(m.convert.Append(make([]float32, 0, devices.SampleRate/40), m.samples))
}

// pcm gives samples their time.
func (m *Microphone) pcm(samples []float32) devices.PCM {
	p := devices.PCM{Time: m.base.Add(span(m.out, devices.SampleRate)), Samples: samples}
	m.out += int64(len(samples))
	return p
}

// account takes note of frames whose last was there at a time, and draws the
// time of the stream towards the clock.
func (m *Microphone) account(at time.Time, frames int64) {
	m.in += frames
	if m.base.IsZero() {
		m.base = at.Add(-span(frames, m.o.Rate))
		return
	}
	lag := at.Sub(m.base.Add(span(m.in, m.o.Rate)))
	if m.compared == 0 || lag < m.lag {
		m.lag = lag
	}
	if m.compared++; m.compared < second {
		return
	}
	m.compared = 0
	switch {
	case m.lag > late:
		m.o.Log.Warn("sound is missing", "microphone", m.o.Name, "missing", m.lag.Round(time.Millisecond))
		m.base = m.base.Add(m.lag)
	case m.lag < -late && m.o.Paced: // faster than a microphone: it is held back
	default:
		m.base = m.base.Add(max(-slew, min(m.lag, slew)))
	}
}

// watch fails when all frames have been the same for too long.
func (m *Microphone) watch(data []byte) {
	if m.o.Stuck < 0 {
		return
	}
	size := m.frameSize()
	for ; len(data) >= size; data = data[size:] {
		if !bytes.Equal(data[:size], m.like) {
			m.like, m.same = append(m.like[:0], data[:size]...), 0
		}
		m.same++
	}
	switch {
	case span(m.same, m.o.Rate) < m.o.Stuck:
	case len(bytes.Trim(m.like, "\x00")) == 0:
		m.fail("it has given nothing but digital silence for %v: see whether it is muted", m.o.Stuck)
	default:
		m.fail("it has given the same sample for %v: it hangs", m.o.Stuck)
	}
}

func (m *Microphone) fail(format string, args ...any) {
	m.failed = fmt.Errorf("%s: %s: %w", m.o.Name, fmt.Sprintf(format, args...), devices.ErrLost)
}

// span is how long n frames last.
func span(n int64, rate int) time.Duration {
	r := int64(rate)
	return time.Duration(n/r)*time.Second + time.Duration(n%r)*time.Second/time.Duration(r)
}

// Close ends the stream.
func (m *Microphone) Close() error {
	if m.closed {
		return errors.New(m.o.Name + ": it is closed already")
	}
	m.closed = true
	close(m.stop)
	m.o.Stop()
	<-m.done
	return nil
}
