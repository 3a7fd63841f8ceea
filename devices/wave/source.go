package wave

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sensed/devices"
)

// Opts says what a replayed microphone plays.
type Opts struct {
	// Paths are WAV files and folders of them. The files of a folder are played
	// in the order of their names; what is not called .wav is left out.
	Paths []string
	// Lead is the silence before the first file, Gap that after every file, the
	// last one too: so a listener hears that the last words are over.
	Lead, Gap time.Duration
	// Realtime paces the sound as a microphone would; else it comes as fast as
	// it is read.
	Realtime bool
	// Loop begins again after the last gap.
	Loop bool
	// Chunk is the length of a chunk, 20 ms when zero. The last chunk of a file
	// may be shorter.
	Chunk time.Duration
	// Clock is [devices.Wall] when nil.
	Clock devices.Clock
}

// Source is a replayed microphone that is not open.
type Source struct{ opts Opts }

// New checks the options. It touches no file.
func New(o Opts) (*Source, error) {
	if o.Chunk == 0 {
		o.Chunk = 20 * time.Millisecond
	}
	if o.Clock == nil {
		o.Clock = devices.Wall{}
	}
	switch {
	case len(o.Paths) == 0:
		return nil, errors.New("wave: no WAV file or folder is named")
	case slices.Contains(o.Paths, ""):
		return nil, errors.New("wave: the path of a WAV file is empty")
	case o.Gap < 0 || o.Lead < 0:
		return nil, fmt.Errorf("wave: the silence before (%v) and between (%v) files cannot be negative", o.Lead, o.Gap)
	case o.Gap > 24*time.Hour || o.Lead > 24*time.Hour:
		return nil, fmt.Errorf("wave: the silence before (%v) and between (%v) files cannot be longer than a day", o.Lead, o.Gap)
	case o.Chunk < time.Millisecond || o.Chunk > time.Second:
		return nil, fmt.Errorf("wave: a chunk of %v is outside 1ms..1s", o.Chunk)
	}
	o.Paths = slices.Clone(o.Paths)
	return &Source{opts: o}, nil
}

// String names the source for messages.
func (s *Source) String() string { return "wav:" + strings.Join(s.opts.Paths, ",") }

// Open finds the files and reads every header, so that a file that cannot be
// played is named now and not in the middle of the night.
func (s *Source) Open(ctx context.Context) (devices.Microphone, error) {
	files, err := find(s.opts.Paths)
	if err != nil {
		return nil, fmt.Errorf("wave: %w", err)
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o, err := open(f)
		if err != nil {
			return nil, fmt.Errorf("wave: %w", err)
		}
		if err := o.Close(); err != nil {
			return nil, fmt.Errorf("wave: %w", err)
		}
	}
	m := &microphone{
		opts:  s.opts,
		files: files,
		chunk: samplesIn(s.opts.Chunk),
		quiet: samplesIn(s.opts.Lead),
	}
	return m, nil
}

// find lists the WAV files that paths name.
func find(paths []string) ([]string, error) {
	var files []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			files = append(files, p)
			continue
		}
		if !info.IsDir() {
			return nil, fmt.Errorf("%s is neither a file nor a folder", p)
		}
		entries, err := os.ReadDir(p) // sorted by name
		if err != nil {
			return nil, err
		}
		before := len(files)
		for _, e := range entries {
			if !e.IsDir() && strings.EqualFold(filepath.Ext(e.Name()), ".wav") {
				files = append(files, filepath.Join(p, e.Name()))
			}
		}
		if len(files) == before {
			return nil, fmt.Errorf("folder %s holds no .wav file", p)
		}
	}
	return files, nil
}

// sound is an open WAV file.
type sound struct {
	*Reader
	file *os.File
}

func (s *sound) Close() error { return s.file.Close() }

func open(path string) (*sound, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &sound{r, f}, nil
}

func samplesIn(d time.Duration) int {
	return int(int64(d) * devices.SampleRate / int64(time.Second))
}

// microphone is the open replay. It owns at most one open file; every chunk is
// a fresh slice.
type microphone struct {
	opts  Opts
	files []string
	chunk int

	next    int         // index of the file after this one
	playing *sound      // nil in a silence
	name    string      // base name of the file that is playing
	quiet   int         // samples of silence still to give
	start   time.Time   // of the first sample: when Next was first called
	given   int64       // samples delivered since start
	late    devices.PCM // read, but Next was cancelled before its time came
	heard   bool        // this round gave a sample: a loop over nothing ends
	closed  bool
}

// Next delivers the next chunk: of a file, with its base name, or of silence.
func (m *microphone) Next(ctx context.Context) (devices.PCM, error) {
	if err := ctx.Err(); err != nil {
		return devices.PCM{}, err
	}
	if m.closed {
		return devices.PCM{}, errors.New("wave: the replay is closed")
	}
	if m.start.IsZero() {
		m.start = m.opts.Clock.Now()
	}
	pcm := m.late
	if pcm.Samples == nil {
		samples, name, err := m.read()
		if err != nil {
			return devices.PCM{}, err
		}
		pcm = devices.PCM{Time: m.at(m.given), Samples: samples, Name: name}
		m.given += int64(len(samples))
	}
	m.late = devices.PCM{}
	if m.opts.Realtime {
		// A chunk is there when its last sample was heard. A listener that was
		// late gets the chunks it missed at once.
		if err := m.opts.Clock.Until(ctx, m.at(m.given)); err != nil {
			m.late = pcm
			return devices.PCM{}, err
		}
	}
	return pcm, nil
}

// read returns the next chunk of sound or silence.
func (m *microphone) read() (samples []float32, name string, err error) {
	for {
		if m.quiet > 0 {
			n := min(m.quiet, m.chunk)
			m.quiet -= n
			return make([]float32, n), "", nil
		}
		if m.playing == nil {
			if err := m.advance(); err != nil {
				return nil, "", err
			}
		}
		samples := make([]float32, m.chunk)
		n, err := m.playing.Read(samples)
		if err != nil && err != io.EOF {
			return nil, "", fmt.Errorf("wave: %w", err)
		}
		if err == io.EOF {
			if err := m.stop(); err != nil {
				return nil, "", err
			}
			m.quiet = samplesIn(m.opts.Gap)
		}
		if n > 0 {
			m.heard = true
			return samples[:n:n], m.name, nil
		}
	}
}

// advance opens the next file, or says io.EOF after the last.
func (m *microphone) advance() error {
	if m.next == len(m.files) {
		if !m.opts.Loop {
			return io.EOF
		}
		if !m.heard {
			return fmt.Errorf("wave: %s: holds no sound", strings.Join(m.opts.Paths, ", "))
		}
		m.next, m.heard = 0, false
	}
	s, err := open(m.files[m.next])
	if err != nil {
		return fmt.Errorf("wave: %w", err)
	}
	m.playing, m.name = s, filepath.Base(m.files[m.next])
	m.next++
	return nil
}

func (m *microphone) stop() error {
	s := m.playing
	m.playing = nil
	if err := s.Close(); err != nil {
		return fmt.Errorf("wave: %w", err)
	}
	return nil
}

// at is the time of the n-th sample.
func (m *microphone) at(n int64) time.Time {
	const rate = devices.SampleRate
	return m.start.Add(time.Duration(n/rate)*time.Second + time.Duration(n%rate)*time.Second/rate)
}

// Close ends the replay.
func (m *microphone) Close() error {
	m.closed = true
	if m.playing == nil {
		return nil
	}
	return m.stop()
}
