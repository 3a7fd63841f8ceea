//go:build linux

package execpcm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensed/devices"
	"sensed/devices/devicetest"
	"sensed/devices/wave"
)

// TestMain lets this program play the recorders.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "play" {
		play(os.Args[2:])
		return
	}
	os.Exit(m.Run())
}

func play(args []string) {
	switch args[0] {
	case "tone": // FORMAT RATE CHANNELS FRAMES: as fast as it is taken; 0: for ever
		number := func(i int) int { n, _ := strconv.Atoi(args[i]); return n }
		w := bufio.NewWriter(os.Stdout)
		for i := 0; number(4) == 0 || i < number(4); i++ {
			for c := range number(3) {
				v := 0.5 * math.Sin(2*math.Pi*440*float64(i)/float64(number(2))) / float64(1+c)
				if _, err := w.Write(encode(wave.Raw(args[1]), v)); err != nil {
					return
				}
			}
		}
		_ = w.Flush()
	case "fail":
		_, _ = os.Stdout.Write(make([]byte, 6400))
		_, _ = os.Stderr.WriteString("arecord: main:831: audio open error: Device or resource busy\n")
		os.Exit(1)
	case "nothing":
	case "silent":
		time.Sleep(time.Hour)
	case "wav":
		_ = wave.Encode(os.Stdout, make([]float32, 16000))
	}
}

func encode(f wave.Raw, v float64) []byte {
	switch f {
	case wave.S16LE:
		return binary.LittleEndian.AppendUint16(nil, uint16(int16(v*32768)))
	case wave.S24LE:
		return binary.LittleEndian.AppendUint32(nil, uint32(int32(v*(1<<23))))[:3]
	case wave.S32LE:
		return binary.LittleEndian.AppendUint32(nil, uint32(int32(v*(1<<31))))
	}
	return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v)))
}

func open(t *testing.T, o Opts, play ...string) devices.Microphone {
	t.Helper()
	if o.Command == nil {
		o.Command = append([]string{os.Args[0], "play"}, play...)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestKeepsTheContract(t *testing.T) {
	devicetest.Microphone(t, "endless", func(t *testing.T) devices.Microphone {
		return open(t, Opts{Rate: 48000, Channels: 2}, "tone", "s16le", "48000", "2", "0")
	}, devicetest.MicrophoneOpts{})
	devicetest.Microphone(t, "finite", func(t *testing.T) devices.Microphone {
		return open(t, Opts{Rate: 48000, Channels: 2, Once: true}, "tone", "s16le", "48000", "2", "24000")
	}, devicetest.MicrophoneOpts{Finite: true})
}

func TestEveryFormatSoundsTheSame(t *testing.T) {
	for _, format := range wave.Raws() {
		t.Run(string(format), func(t *testing.T) {
			m := open(t, Opts{Format: format, Rate: 44100, Channels: 2, Once: true}, "tone", string(format), "44100", "2", "22050")
			defer m.Close()
			n, worst := 0, 0.0
			for {
				pcm, err := m.Next(context.Background())
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range pcm.Samples {
					if n > 200 && n < 7800 {
						worst = max(worst, math.Abs(float64(v)-0.375*math.Sin(2*math.Pi*440*float64(n)/16000)))
					}
					n++
				}
			}
			if n != 8000 || worst > 0.001 {
				t.Errorf("half a second gave %d samples, the worst wrong by %v", n, worst)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		play, want string
		o          Opts
		lost       bool
	}{
		{"fail", "the program failed (exit status 1) (it said: arecord: main:831: audio open error: Device or resource busy)", Opts{}, true},
		{"nothing", "ended without any sound: run it by hand", Opts{Once: true}, true},
		{"silent", "no sound came for 50ms: it may hang", Opts{Silence: 50 * time.Millisecond}, true},
		{"wav", "arecord -t raw", Opts{}, false},
	} {
		t.Run(tt.play, func(t *testing.T) {
			m := open(t, tt.o, tt.play)
			defer m.Close()
			var err error
			for err == nil {
				_, err = m.Next(context.Background())
			}
			if !strings.Contains(err.Error(), tt.want) || errors.Is(err, devices.ErrLost) != tt.lost || !strings.HasPrefix(err.Error(), "microphone exec:") {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
	// Without once, an end is a loss too.
	m := open(t, Opts{}, "tone", "s16le", "16000", "1", "1600")
	defer m.Close()
	var err error
	for err == nil {
		_, err = m.Next(context.Background())
	}
	if !errors.Is(err, devices.ErrLost) || !strings.Contains(err.Error(), "the program has ended") {
		t.Errorf("err = %v", err)
	}
}

func TestProgramsThatCannotRun(t *testing.T) {
	for command, want := range map[string]string{
		"no-such-program-anywhere": "there is no such program: install it",
		"/dev/null":                "a program that this user may run",
	} {
		s, err := New(Opts{Command: []string{command}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Open(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", command, err, want)
		}
		if absent := errors.Is(err, devices.ErrAbsent); absent != strings.HasPrefix(command, "no-") {
			t.Errorf("%s: absent: %t", command, absent)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		o    Opts
		want string
	}{
		{Opts{}, "it names no program"},
		{Opts{Command: []string{""}}, "it names no program"},
		{Opts{Command: []string{"a", "b\x00"}}, "zero byte"},
		{Opts{Command: []string{"a"}, Format: "s16be"}, "choose one of s16le"},
		{Opts{Command: []string{"a"}, Rate: 10}, "sample rate 10 Hz"},
		{Opts{Command: []string{"a"}, Channels: 9}, "9 channels"},
		{Opts{Command: []string{"a"}, Silence: -1}, "cannot be negative"},
	} {
		if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
	}
}

func lines() map[string][]string {
	return map[string][]string{
		"":                        nil,
		"  ":                      nil,
		"arecord -q  -t raw":      {"arecord", "-q", "-t", "raw"},
		`a "b c" 'd "e' f"g"h ''`: {"a", "b c", `d "e`, "fgh", ""},
		"a $HOME;ls|x >y *":       {"a", "$HOME;ls|x", ">y", "*"},
		`a\ b`:                    {`a\`, "b"},
		"\tä\u00a0b\n":            {"ä", "b"},
	}
}

func TestSplit(t *testing.T) {
	for line, want := range lines() {
		if got, err := Split(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`a "b`, `'`, `a "b'`} {
		if _, err := Split(line); err == nil || !strings.Contains(err.Error(), "is not closed") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for line := range lines() {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Split(line)
		if err != nil {
			return
		}
		n := 0
		for _, w := range words {
			n += len(w)
		}
		if n > 3*len(line) { // a wrong byte becomes a mark of three
			t.Fatalf("%q has words %q", line, words)
		}
		// Quoted one by one they are the same again.
		var again strings.Builder
		for _, w := range words {
			if strings.Contains(w, "'") {
				return
			}
			again.WriteString("'" + w + "' ")
		}
		if got, err := Split(again.String()); err != nil || !slices.Equal(got, words) {
			t.Errorf("%q: words %q, quoted %q, %v", line, words, got, err)
		}
	})
}

func FuzzBare(f *testing.F) {
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEfmt "), 3)
	f.Add([]byte("short"), 1)
	f.Add([]byte("more than twelve bytes of sound"), 100)
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		var out []byte
		r, buf := &bare{r: bytes.NewReader(in)}, make([]byte, 1+max(0, n)%64)
		for {
			k, err := r.Read(buf)
			out = append(out, buf[:k]...)
			if err == errWAV {
				if !bytes.HasPrefix(in, []byte("RIFF")) && !bytes.HasPrefix(in, []byte("RF64")) {
					t.Fatal("this is no WAV file")
				}
				return
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(in, out) {
			t.Errorf("%q became %q", in, out)
		}
	})
}
