// Package portaudio is a microphone of the sound system: anything that
// PortAudio (http://www.portaudio.com/docs/v19-doxydocs/) lists, which on Linux
// is what ALSA has: USB microphones, I2S boards, and the plugins for PulseAudio
// and PipeWire.
//
// PortAudio is one library for the whole process, so its calls are made one
// after the other, and each has a time limit: listing the devices opens every
// PCM that the ALSA configuration names and hangs for as long as one of them
// hangs (a file plugin that reads a FIFO without a writer). A call that is
// given up goes on in the background and cleans up when it ends.
//
// The list of devices is made when the first microphone opens and stays until
// all are closed. When a microphone is not in it, and the kernel has other sound
// cards by now, those that are open fail with [devices.ErrLost]: opened again,
// as every lost device is, they share a new list with the late one.
//
// ALSA and JACK print what they miss on standard error each time they look,
// which would fill a log at every retry. Both libraries let the application
// take such messages over; this package does and drops them. It never redirects
// standard error.
//
// Without cgo the package builds and Open says that PortAudio is not built in.
//
// The race detector's pointer checks stop at a trick in the Go binding; it runs
// with -gcflags=github.com/gordonklaus/portaudio=-d=checkptr=0.
package portaudio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"sensed/devices"
	"sensed/devices/wave"
)

// Opts says which microphone to use and how. Zero fields mean the value in
// brackets.
type Opts struct {
	// Device is the name of a device as [List] gives it, or a part of it in any
	// case [the system's default input].
	Device string
	// Channels is how many channels are opened and mixed down [two, or one if
	// the device has no more].
	Channels int
	// Rate is the rate that the device is opened with, in hertz [the device's
	// own].
	Rate int
	// Timeout limits every call into the library [10s].
	Timeout time.Duration
	// LostAfter is how long the device may deliver nothing before it counts as
	// lost [10s]; some take 2s to begin.
	LostAfter time.Duration
	// StuckAfter is how long every sample may be the same, zero for instance,
	// before the device counts as lost [1m]. Below zero it may for ever: some
	// microphones have a switch that mutes them.
	StuckAfter time.Duration
	// Cards is the file in which the kernel lists the sound cards
	// ["/proc/asound/cards"].
	Cards string
	// Log hears of sound that was lost [nobody].
	Log *slog.Logger
}

// Device is an input that can be opened.
type Device struct {
	Name     string
	Channels int     // at most
	Rate     float64 // its own, in hertz
	Default  bool
}

// Source is a microphone that is not open.
type Source struct{ opts Opts }

// New checks the options. It touches no device.
func New(o Opts) (*Source, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.LostAfter == 0 {
		o.LostAfter = 10 * time.Second
	}
	if o.StuckAfter == 0 {
		o.StuckAfter = time.Minute
	}
	if o.Cards == "" {
		o.Cards = "/proc/asound/cards"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Channels < 0 || o.Channels > wave.MaxChannels:
		return nil, fmt.Errorf("portaudio: %d channels: there must be 1..%d, or 0 for what the device has", o.Channels, wave.MaxChannels)
	case o.Rate != 0 && (o.Rate < wave.MinRate || o.Rate > wave.MaxRate):
		return nil, fmt.Errorf("portaudio: the rate %d Hz is outside %d..%d, or 0 for the device's own", o.Rate, wave.MinRate, wave.MaxRate)
	case o.Timeout < 0 || o.LostAfter < 0:
		return nil, fmt.Errorf("portaudio: the time limits (%v, %v) cannot be negative", o.Timeout, o.LostAfter)
	}
	return &Source{opts: o}, nil
}

// String names the source for messages.
func (s *Source) String() string {
	if s.opts.Device == "" {
		return "portaudio:default"
	}
	return "portaudio:" + s.opts.Device
}

// Open opens the microphone. The error wraps [devices.ErrAbsent] when it is not
// there. The microphone also has the methods Dropped() int64, the frames that
// were lost because nobody listened in time, and Overflows() int64, the times
// that the device lost some because the board was busy.
func (s *Source) Open(ctx context.Context) (devices.Microphone, error) {
	m, err := open(ctx, s.opts)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", s, err)
	}
	return m, nil
}

// List returns the inputs that there are now. Within a process that has a
// microphone open it returns those of when that was opened.
func List(ctx context.Context, timeout time.Duration) ([]Device, error) {
	found, err := list(ctx, timeout)
	if err != nil {
		return nil, fmt.Errorf("portaudio: %w", err)
	}
	return found, nil
}

// choose returns the index of the device that a pattern means: the default for
// "", else one of exactly this name, else the first that has it in its name.
func choose(found []Device, pattern string) (int, error) {
	if len(found) == 0 {
		return 0, fmt.Errorf("%w: no microphone is connected, or another program uses it (fuser -v /dev/snd/* names that)", devices.ErrAbsent)
	}
	var names []string
	part := -1
	for i, d := range found {
		switch {
		case pattern == "" && d.Default, pattern != "" && d.Name == pattern:
			return i, nil
		case pattern != "" && part < 0 && strings.Contains(strings.ToLower(d.Name), strings.ToLower(pattern)):
			part = i
		}
		names = append(names, fmt.Sprintf("%q", d.Name))
	}
	switch {
	case part >= 0:
		return part, nil
	case pattern == "":
		return 0, fmt.Errorf("%w: the system has no default microphone; name one of %s", devices.ErrAbsent, strings.Join(names, ", "))
	}
	return 0, fmt.Errorf("%w: no microphone has %q in its name; there are %s; one that another program uses does not show (fuser -v /dev/snd/* names the program)", devices.ErrAbsent, pattern, strings.Join(names, ", "))
}

var (
	errHangs = errors.New("PortAudio does not come back from looking at the sound devices; " +
		"an entry of asound.conf or .asoundrc may wait for something (a FIFO without a writer); remove it and restart")
	errStays = errors.New("the sound driver does not give the device back")
	errBusy  = errors.New("PortAudio is busy: an earlier look at the sound devices has not come back; " +
		"an entry of asound.conf or .asoundrc may wait for something (a FIFO without a writer); remove it and restart")
)

// turn is held during calls into PortAudio, which is one for the process and
// not made for several threads.
var turn = make(chan struct{}, 1)

// within makes a call into the library when its turn has come. When ctx or the
// limit ends first, the call goes on in the background, and what it returns is
// undone; the error is then that of ctx or late.
func within[T any](ctx context.Context, limit time.Duration, late error, f func() (T, error), undo func(T)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, err // a look at the devices would be for nobody
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case turn <- struct{}{}: // even when a short limit is over already
	default:
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return zero, ctx.Err()
		case <-timer.C:
			return zero, fmt.Errorf("after %v: %w", limit, errBusy)
		}
	}
	type result struct {
		v   T
		err error
	}
	done, abandoned := make(chan result), make(chan struct{})
	go func() {
		defer func() { <-turn }()
		v, err := f()
		select {
		case done <- result{v, err}:
		case <-abandoned:
			if err == nil {
				undo(v)
			}
		}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		close(abandoned)
		return zero, ctx.Err()
	case <-timer.C:
		close(abandoned)
		return zero, fmt.Errorf("after %v: %w", limit, late)
	}
}
