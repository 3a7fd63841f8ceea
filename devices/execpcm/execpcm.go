//go:build linux

// Package execpcm is a microphone that is a program: whatever writes bare
// samples on standard output, such as arecord, a radio receiver or ssh to
// another board. The program gets a list of arguments and no shell.
package execpcm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"sensed/devices"
	"sensed/devices/child"
	"sensed/devices/stream"
	"sensed/devices/wave"
)

// Opts say what is run and what it gives.
type Opts struct {
	// Command is the program and its arguments; [Split] reads one from a line.
	Command []string
	// Format of the samples. Default s16le.
	Format wave.Raw
	// Rate in hertz. Default 16000.
	Rate int
	// Channels are mixed down. Default 1.
	Channels int
	// Once lets the sound end when the program ends well. Otherwise its end is a
	// loss, after which it is run anew.
	Once bool
	// Silence is how long the program may give nothing. Default 10 s.
	Silence time.Duration
	// Stuck is how long all samples may be the same. Default 1 min; below zero
	// for ever.
	Stuck time.Duration
	// Log hears of sound that is missing. Nil means nobody does.
	Log *slog.Logger
}

// Source is a program that can be run; [Source.Open] does.
type Source struct{ o Opts }

// New checks o and runs nothing.
func New(o Opts) (*Source, error) {
	o.Format = cmp.Or(o.Format, wave.S16LE)
	o.Rate, o.Channels = cmp.Or(o.Rate, devices.SampleRate), cmp.Or(o.Channels, 1)
	o.Silence, o.Stuck = cmp.Or(o.Silence, 10*time.Second), cmp.Or(o.Stuck, time.Minute)
	if len(o.Command) == 0 || o.Command[0] == "" {
		return nil, errors.New("exec: it names no program: write for example exec:arecord -q -t raw -f S16_LE -r 16000")
	}
	for _, a := range o.Command {
		if strings.ContainsRune(a, 0) {
			return nil, fmt.Errorf("exec: the argument %q has a zero byte", a)
		}
	}
	if _, err := wave.ParseRaw(string(o.Format)); err != nil {
		return nil, fmt.Errorf("exec: %w", err)
	}
	if _, err := wave.NewConverter(o.Rate, o.Channels); err != nil {
		return nil, fmt.Errorf("exec: %w", err)
	}
	if o.Silence < 0 {
		return nil, fmt.Errorf("exec: the time limit %v cannot be negative", o.Silence)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{o}, nil
}

// String names the microphone in messages.
func (s *Source) String() string { return "microphone exec:" + s.o.Command[0] }

// Open runs the program. An error wraps [devices.ErrAbsent] when there is none.
// That it gives no sound is told by Next.
func (s *Source) Open(ctx context.Context) (devices.Microphone, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	run, err := child.Start(child.Opts{Program: s.o.Command[0], Args: s.o.Command[1:]})
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%s: there is no such program: install it, or correct its name: %w", s, devices.ErrAbsent)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: see that it is a program that this user may run: %w", s, err)
	}
	m, err := stream.NewMicrophone(stream.Sound{
		Name: s.String(), Reader: &bare{r: run},
		Format: s.o.Format, Rate: s.o.Rate, Channels: s.o.Channels,
		Stop:    run.Stop,
		Explain: func(err error, frames int64) error { return s.explain(run, err, frames) },
		Paced:   true, Silence: s.o.Silence, Stuck: s.o.Stuck, Log: s.o.Log,
	})
	if err != nil {
		run.Stop()
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return m, nil
}

// explain says why there is no more sound.
func (s *Source) explain(run *child.Process, err error, frames int64) error {
	said := func() string {
		if text := run.Said(); text != "" {
			return fmt.Sprintf(" (it said: %s)", text)
		}
		return ""
	}
	switch {
	case errors.Is(err, errWAV):
		return fmt.Errorf("%s: %w", s, err)
	case errors.Is(err, stream.ErrSilent):
		return fmt.Errorf("%s: %w%s: %w", s, err, said(), devices.ErrLost)
	}
	exit := run.Exit()
	switch {
	case exit == nil && s.o.Once && frames > 0:
		return io.EOF
	case exit == nil && frames == 0:
		return fmt.Errorf("%s: the program ended without any sound: run it by hand and see%s: %w", s, said(), devices.ErrLost)
	case exit == nil:
		return fmt.Errorf("%s: the program has ended%s: %w", s, said(), devices.ErrLost)
	}
	return fmt.Errorf("%s: the program failed (%v)%s: %w", s, exit, said(), devices.ErrLost)
}

// errWAV says that a program writes a header, of a format that may be another
// than the configured one.
var errWAV = errors.New("the program writes a WAV file, wanted are bare samples: let it write raw ones (arecord -t raw, ffmpeg -f s16le, sox -t raw)")

// bare reads samples and refuses a WAV file.
type bare struct {
	r     io.Reader
	begun bool
}

func (b *bare) Read(p []byte) (int, error) {
	if b.begun {
		return b.r.Read(p)
	}
	b.begun = true
	head := make([]byte, 12)
	n, err := io.ReadFull(b.r, head)
	if n == 12 && (bytes.HasPrefix(head, []byte("RIFF")) || bytes.HasPrefix(head, []byte("RF64"))) && string(head[8:]) == "WAVE" {
		return 0, errWAV
	}
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	b.r = io.MultiReader(bytes.NewReader(head[:n]), b.r)
	if err != nil {
		b.r = io.MultiReader(bytes.NewReader(head[:n]), failed{err})
	}
	return b.r.Read(p)
}

// failed is a reader at its end.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
