package wave

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// file describes a WAV file to write; zero fields are filled in truthfully.
type file struct {
	magic      string // "RIFF"
	riffSize   *uint32
	before     []byte // chunks before fmt
	tag        uint16
	extensible bool
	channels   uint16
	rate       uint32
	block      *uint16
	bits       uint16
	between    []byte // chunks between fmt and data
	dataSize   *uint32
	data       []byte
	after      []byte
	cut        int // bytes to leave out at the end
}

func (f file) bytes() []byte {
	le := binary.LittleEndian
	block := f.channels * ((f.bits + 7) / 8)
	if f.block != nil {
		block = *f.block
	}
	tag := f.tag
	if f.extensible {
		tag = formatExtensible
	}
	head := le.AppendUint16(nil, tag)
	head = le.AppendUint16(head, f.channels)
	head = le.AppendUint32(head, f.rate)
	head = le.AppendUint32(head, f.rate*uint32(block))
	head = le.AppendUint16(head, block)
	head = le.AppendUint16(head, f.bits)
	if f.extensible {
		head = le.AppendUint16(head, 22)
		head = le.AppendUint16(head, f.bits)
		head = le.AppendUint32(head, 3)
		head = le.AppendUint16(head, f.tag)
		head = append(head, "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"...)
	}
	body := append([]byte("WAVE"), f.before...)
	body = append(body, chunk("fmt ", head)...)
	body = append(body, f.between...)
	size := uint32(len(f.data))
	if f.dataSize != nil {
		size = *f.dataSize
	}
	body = append(body, "data"...)
	body = le.AppendUint32(body, size)
	body = append(body, f.data...)
	body = append(body, f.after...)
	magic, riff := "RIFF", uint32(len(body))
	if f.magic != "" {
		magic = f.magic
	}
	if f.riffSize != nil {
		riff = *f.riffSize
	}
	b := append(le.AppendUint32([]byte(magic), riff), body...)
	return b[:len(b)-f.cut]
}

func chunk(id string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 != 0 {
		b = append(b, 0)
	}
	return b
}

func u16(v uint16) *uint16 { return &v }
func u32(v uint32) *uint32 { return &v }

// pcm16 is a mono file of 16 kHz with the samples 0, 1000, 2000, ...
func pcm16(n int) file {
	f := file{tag: formatPCM, channels: 1, rate: 16000, bits: 16}
	for i := range n {
		f.data = binary.LittleEndian.AppendUint16(f.data, uint16(1000*i))
	}
	return f
}

func with(f file, change func(*file)) file {
	change(&f)
	return f
}

func floats(width int, v ...float64) (b []byte) {
	for _, x := range v {
		if width == 4 {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x)))
		} else {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
	}
	return b
}

var ramp = []float32{0, 1000. / 32768, 2000. / 32768, 3000. / 32768}

// readable are files that give sound, odd as they may be.
var readable = []struct {
	name    string
	file    file
	want    []float32
	format  string
	warning string // part of the only one; "" for none
}{
	{"16 bit", pcm16(4), ramp, "PCM 16 bit", ""},
	{"8 bit", file{tag: 1, channels: 1, rate: 16000, bits: 8, data: []byte{128, 255, 0, 64}}, []float32{0, 127. / 128, -1, -0.5}, "PCM 8 bit", ""},
	{"24 bit", file{tag: 1, channels: 1, rate: 16000, bits: 24, data: []byte{0, 0, 0x40, 0, 0, 0x80, 1, 0, 0}}, []float32{0.5, -1, 1. / (1 << 23)}, "PCM 24 bit", ""},
	{"32 bit", file{tag: 1, channels: 1, rate: 16000, bits: 32, data: []byte{0, 0, 0, 0x40, 0, 0, 0, 0x80}}, []float32{0.5, -1}, "PCM 32 bit", ""},
	{"24 bit in 4 bytes", file{tag: 1, channels: 1, rate: 16000, bits: 24, block: u16(4), data: []byte{0, 0, 0, 0x40, 0, 0, 0, 0x80}}, []float32{0.5, -1}, "PCM 24 bit", ""},
	{"float 32", file{tag: 3, channels: 1, rate: 16000, bits: 32, data: floats(4, 0.5, -0.25)}, []float32{0.5, -0.25}, "float 32 bit", ""},
	{"float 64", file{tag: 3, channels: 1, rate: 16000, bits: 64, data: floats(8, 0.5, -0.25)}, []float32{0.5, -0.25}, "float 64 bit", ""},
	{"float without numbers", file{tag: 3, channels: 1, rate: 16000, bits: 32, data: floats(4, 0.5, math.NaN(), math.Inf(-1))}, []float32{0.5, 0, 0}, "float 32 bit", "2 samples are not numbers"},
	{"extensible", with(pcm16(4), func(f *file) { f.extensible = true }), ramp, "PCM 16 bit", ""},
	{"extensible float, stereo", file{tag: 3, extensible: true, channels: 2, rate: 16000, bits: 32, data: floats(4, 0.5, 0.25, -0.5, 0)}, []float32{0.375, -0.25}, "float 32 bit", ""},
	{"5 channels", file{tag: 1, channels: 5, rate: 16000, bits: 8, data: []byte{128, 128, 128, 128, 168, 28, 28, 28, 28, 28}}, []float32{40. / 128 / 5, -100. / 128}, "PCM 8 bit", ""},
	{"8 channels", file{tag: 1, channels: 8, rate: 16000, bits: 8, data: bytes.Repeat([]byte{192}, 16)}, []float32{0.5, 0.5}, "PCM 8 bit", ""},
	{"silent", file{tag: 1, channels: 1, rate: 16000, bits: 16, data: make([]byte, 8)}, make([]float32, 4), "PCM 16 bit", ""},
	{"chunks before, between and after", with(pcm16(4), func(f *file) {
		f.before, f.between, f.after = chunk("JUNK", make([]byte, 28)), chunk("LIST", []byte("INFOISFT....abc")), chunk("id3 ", []byte("bye"))
	}), ramp, "PCM 16 bit", ""},
	{"odd chunk without padding", with(pcm16(4), func(f *file) { f.between = chunk("LIST", []byte("abc"))[:11] }), ramp, "PCM 16 bit", "padding byte after 3 bytes is missing"},
	{"data size larger than the file", with(pcm16(4), func(f *file) { f.dataSize = u32(1000) }), ramp, "PCM 16 bit", "the file ends 992 bytes early"},
	{"file cut in a frame", with(pcm16(5), func(f *file) { f.cut = 1 }), ramp, "PCM 16 bit", "the last 1 bytes are no whole frame"},
	{"data size no whole frame", with(pcm16(5), func(f *file) { f.dataSize = u32(9) }), ramp, "PCM 16 bit", "the last 1 bytes are no whole frame"},
	{"streamed by ffmpeg", with(pcm16(4), func(f *file) { f.riffSize, f.dataSize = u32(0xFFFFFFFF), u32(0xFFFFFFFF) }), ramp, "PCM 16 bit", ""},
	{"streamed by arecord", with(pcm16(4), func(f *file) { f.riffSize, f.dataSize = u32(0x80000024), u32(0x80000000) }), ramp, "PCM 16 bit", ""},
	{"streamed with zeros", with(pcm16(4), func(f *file) { f.riffSize, f.dataSize = u32(0), u32(0) }), ramp, "PCM 16 bit", ""},
	{"RIFF size 0", with(pcm16(4), func(f *file) { f.riffSize = u32(0) }), ramp, "PCM 16 bit", ""},
	{"RF64", with(pcm16(4), func(f *file) {
		f.magic, f.riffSize, f.dataSize = "RF64", u32(0xFFFFFFFF), u32(0xFFFFFFFF)
		f.before = chunk("ds64", append(append(make([]byte, 8), 8, 0, 0, 0, 0, 0, 0, 0), make([]byte, 12)...))
		f.after = chunk("id3 ", []byte("not sound!"))
	}), ramp, "PCM 16 bit", ""},
	{"block align 0", with(pcm16(4), func(f *file) { f.block = u16(0) }), ramp, "PCM 16 bit", "block align is 0"},
}

// unreadable are files that are refused, with what the message must name.
var unreadable = []struct {
	name string
	data []byte
	want string
}{
	{"empty", nil, "the file is empty"},
	{"text", []byte("hello, this is only text\n"), `begins with "hello, this "`},
	{"short text", []byte("hi"), `begins with "hi"`},
	{"FLAC", []byte("fLaC\x00\x00\x00\x22........"), "FLAC"},
	{"Ogg", []byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00"), "Ogg"},
	{"MP3", []byte("ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "MP3"},
	{"big endian", append([]byte("RIFX"), pcm16(4).bytes()[4:]...), "RIFX"},
	{"AVI", []byte("RIFF\x00\x00\x00\x00AVI LIST"), "not of type WAVE"},
	{"only RIFF", []byte("RIFF\x00\x00\x00\x00WAVE"), "fmt chunk is missing"},
	{"no data chunk", pcm16(0).bytes()[:36], "data chunk is missing"},
	{"no fmt chunk", append([]byte("RIFF\x00\x00\x00\x00WAVE"), chunk("data", make([]byte, 4))...), "fmt chunk is missing before"},
	{"fmt cut", pcm16(4).bytes()[:30], "fmt chunk"},
	{"fmt of 4 bytes", append([]byte("RIFF\x00\x00\x00\x00WAVE"), chunk("fmt ", make([]byte, 4))...), "fmt chunk: its size is 4"},
	{"fmt of 2 GB", []byte("RIFF\x00\x00\x00\x00WAVEfmt \x00\x00\x00\x80...."), "fmt chunk: its size is 2147483648"},
	{"zero channels", with(pcm16(4), func(f *file) { f.channels = 0 }).bytes(), "fmt chunk: 0 channels"},
	{"9 channels", with(pcm16(4), func(f *file) { f.channels = 9 }).bytes(), "fmt chunk: 9 channels"},
	{"zero rate", with(pcm16(4), func(f *file) { f.rate = 0 }).bytes(), "fmt chunk: sample rate 0"},
	{"rate of 2 GHz", with(pcm16(4), func(f *file) { f.rate = 2e9 }).bytes(), "sample rate 2000000000"},
	{"zero bits", with(pcm16(4), func(f *file) { f.bits = 0 }).bytes(), "0 bits a sample"},
	{"PCM of 64 bits", with(pcm16(4), func(f *file) { f.bits = 64 }).bytes(), "64 bits a sample"},
	{"float of 16 bits", with(pcm16(4), func(f *file) { f.tag = 3 }).bytes(), "16 bits a sample: float"},
	{"block align too small", with(pcm16(4), func(f *file) { f.block = u16(1) }).bytes(), "block align is 1"},
	{"block align no multiple", with(pcm16(4), func(f *file) { f.channels, f.block = 2, u16(5) }).bytes(), "block align is 5"},
	{"block align too large", with(pcm16(4), func(f *file) { f.block = u16(5) }).bytes(), "block align is 5"},
	{"mu-law", with(pcm16(4), func(f *file) { f.tag, f.bits = 7, 8 }).bytes(), "format tag 7 (mu-law)"},
	{"short extensible", with(pcm16(4), func(f *file) { f.tag = formatExtensible }).bytes(), "must be at least 40"},
	{"no sound", pcm16(0).bytes(), "data chunk: holds no sound"},
	{"half a frame", with(pcm16(1), func(f *file) { f.cut = 1 }).bytes(), "data chunk: holds no sound"},
	{"endless chunk", with(pcm16(4), func(f *file) { f.between = []byte("LIST\xf0\xff\xff\xff") }).bytes(), `chunk "LIST" says that it has 4294967280 bytes: the file ends`},
	{"a thousand chunks", append([]byte("RIFF\x00\x00\x00\x00WAVE"), bytes.Repeat(chunk("JUNK", nil), 2000)...), "in the first 1024 chunks"},
	{"ds64 too small", append([]byte("RF64\xff\xff\xff\xffWAVE"), chunk("ds64", make([]byte, 8))...), "ds64 chunk: its size is 8"},
	{"ds64 impossible", append([]byte("RF64\xff\xff\xff\xffWAVE"), chunk("ds64", bytes.Repeat([]byte{255}, 28))...), "ds64 chunk: the data size"},
}

func TestDecode(t *testing.T) {
	for _, c := range readable {
		t.Run(c.name, func(t *testing.T) {
			// One byte at a time, too: nothing depends on how the file is read.
			for _, r := range []io.Reader{bytes.NewReader(c.file.bytes()), iotest.OneByteReader(bytes.NewReader(c.file.bytes()))} {
				got, info, err := Decode(r, "a.wav")
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
				if info.Format != c.format || info.Rate != int(c.file.rate) || info.Channels != int(c.file.channels) || info.Frames != int64(len(c.want)) {
					t.Errorf("info %+v", info)
				}
				switch {
				case c.warning == "" && len(info.Warnings) > 0:
					t.Errorf("warnings %q, want none", info.Warnings)
				case c.warning != "" && !strings.Contains(strings.Join(info.Warnings, "; "), c.warning):
					t.Errorf("warnings %q, want one with %q", info.Warnings, c.warning)
				}
			}
		})
	}
}

func TestDecodeBeyondFullScale(t *testing.T) {
	f := file{tag: 3, channels: 1, rate: 16000, bits: 64, data: floats(8, 0.5, 7, -1e30)}
	got, info, err := Decode(bytes.NewReader(f.bytes()), "a.wav")
	if err != nil || !slices.Equal(got, []float32{0.5, 1, -1}) {
		t.Fatalf("got %v, %v", got, err)
	}
	if w := fmt.Sprint(info.Warnings); !strings.Contains(w, "2 samples are beyond full scale") {
		t.Errorf("warnings %q", w)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range unreadable {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := Decode(bytes.NewReader(c.data), "broken.wav")
			if err == nil {
				t.Fatalf("gave %d samples", len(got))
			}
			if msg := err.Error(); !strings.HasPrefix(msg, "broken.wav: ") || !strings.Contains(msg, c.want) {
				t.Errorf("the message %q does not begin with the file or has no %q", msg, c.want)
			}
		})
	}
	boom := errors.New("boom")
	r := io.MultiReader(bytes.NewReader(pcm16(4).bytes()[:50]), iotest.ErrReader(boom))
	if _, _, err := Decode(r, "a.wav"); !errors.Is(err, boom) {
		t.Errorf("a disk error became %v", err)
	}
	if _, _, err := DecodeFile(filepath.Join(t.TempDir(), "none.wav")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gave %v", err)
	}
}

// A header may promise anything; only what is there is kept in memory, and a
// stream without end is given up.
func TestDecodeIsBounded(t *testing.T) {
	head := with(pcm16(0), func(f *file) { f.dataSize = u32(0xFFFFFFFF) }).bytes()
	endless := io.MultiReader(bytes.NewReader(head), zeros{})
	if _, _, err := Decode(endless, "endless.wav"); !errors.Is(err, ErrTooLong) || !strings.HasPrefix(err.Error(), "endless.wav: ") {
		t.Errorf("got %v, want ErrTooLong", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Another rate gives the same sound at 16 kHz.
func TestDecodeResamples(t *testing.T) {
	const rate = 44100
	f := file{tag: formatPCM, channels: 2, rate: rate, bits: 16}
	for _, v := range sine(rate, rate, 1000, 0.5) {
		f.data = binary.LittleEndian.AppendUint16(f.data, uint16(toInt16(v)))
		f.data = binary.LittleEndian.AppendUint16(f.data, uint16(toInt16(v)))
	}
	got, info, err := Decode(bytes.NewReader(f.bytes()), "a.wav")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 16000 || info.Duration().Seconds() != 1 {
		t.Errorf("a second became %d samples, %v", len(got), info.Duration())
	}
	if a, _, rest := fit(got[4000:12000], 4000, 1000); math.Abs(a-0.5) > 0.001 || rest > 0.0005 {
		t.Errorf("amplitude %.4f, residue %.5f", a, rest)
	}
}

func TestEncode(t *testing.T) {
	x := []float32{0, 0.5, -0.5, 1, -1, 7, -7, float32(math.NaN()), 1. / 32768, -1. / 32768, 0.4 / 32768}
	want := []float32{0, 0.5, -0.5, 32767. / 32768, -1, 32767. / 32768, -1, 0, 1. / 32768, -1. / 32768, 0}
	var b bytes.Buffer
	if err := Encode(&b, x); err != nil {
		t.Fatal(err)
	}
	got, info, err := Decode(&b, "x.wav")
	if err != nil || !slices.Equal(got, want) || len(info.Warnings) > 0 {
		t.Errorf("got %v, %v, %v", got, info, err)
	}
	if err := Encode(full{}, x); err == nil {
		t.Error("a full disk is no error")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// What ffmpeg writes, into a file and into a pipe, is read.
func TestDecodeFFmpeg(t *testing.T) {
	for _, codec := range []string{"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"} {
		for _, rate := range []string{"8000", "16000", "44100", "96000"} {
			args := []string{"-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=0.5", "-ar", rate, "-ac", "3", "-c:a", codec, "-f", "wav"}
			out, err := exec.Command("ffmpeg", append(args, "-")...).Output()
			if err != nil {
				t.Fatalf("ffmpeg (Debian package ffmpeg): %v", err)
			}
			got, info, err := Decode(bytes.NewReader(out), codec)
			if err != nil {
				t.Errorf("%s at %s Hz: %v", codec, rate, err)
				continue
			}
			a, _, rest := fit(got[2000:6000], 2000, 440)
			if math.Abs(float64(len(got))-8000) > 2 || len(info.Warnings) > 0 || a < 0.05 || rest > 0.02*a+0.004 {
				t.Errorf("%s at %s Hz: %d samples, amplitude %.3f, residue %.4f, warnings %q", codec, rate, len(got), a, rest, info.Warnings)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range readable {
		f.Add(c.file.bytes())
	}
	for _, c := range unreadable {
		f.Add(c.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, info, err := Decode(bytes.NewReader(data), "fuzz.wav")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.wav: ") {
				t.Errorf("the message %q does not name the file", err)
			}
			return
		}
		if info.Channels < 1 || info.Rate < MinRate || info.Frames < 1 || info.Frames > int64(len(data)) {
			t.Errorf("info %+v of %d bytes", info, len(data))
		}
		if want := (info.Frames*16000 + int64(info.Rate) - 1) / int64(info.Rate); int64(len(got)) != want {
			t.Errorf("%d samples of %d frames at %d Hz, want %d", len(got), info.Frames, info.Rate, want)
		}
		for i, v := range got {
			if !(v >= -1 && v <= 1) {
				t.Fatalf("sample %d is %v", i, v)
			}
		}
	})
}
