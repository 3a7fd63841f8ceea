package gemma4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sensed/kernels"
	"sensed/kernels/gguf"
)

// mini is the projector of the small random model (testdata/reference.py).
func mini(t testing.TB) *gguf.File {
	t.Helper()
	f, err := gguf.Open(filepath.Join("testdata", "mini", "mmproj.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func testPool(t testing.TB, threads int) *kernels.Pool {
	p := kernels.NewPool(threads)
	t.Cleanup(p.Close)
	return p
}

func openMini(t testing.TB, threads int) *projector {
	t.Helper()
	p, err := openProjector(mini(t), testPool(t, threads), true)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// edit says how to change a file while it is copied.
type edit struct {
	keys    map[string]any                  // other values; nil leaves the key out
	without string                          // a tensor to leave out
	tensors map[string]func(t *gguf.Tensor) // changes to type, shape and data
	extra   map[string]float32              // scalars to add
}

// rebuild copies the projector with a change and opens the copy.
func rebuild(t *testing.T, f *gguf.File, e edit) (*projector, error) {
	t.Helper()
	var out bytes.Buffer
	w := gguf.NewWriter(&out)
	for _, key := range f.Keys() {
		v, changed := e.keys[key]
		if !changed {
			v = valueOf(t, f, key)
		}
		if v != nil {
			w.Put(key, v)
		}
	}
	var kept []gguf.Tensor
	for _, x := range f.Tensors() {
		if x.Name == e.without {
			continue
		}
		if change := e.tensors[x.Name]; change != nil {
			x.Shape = slices.Clone(x.Shape)
			change(&x)
		}
		kept = append(kept, x)
	}
	for name, v := range e.extra {
		b := math.Float32bits(v)
		kept = append(kept, gguf.Tensor{Name: name, Type: gguf.F32, Shape: []int{1}, Data: []byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)}})
	}
	for _, x := range kept {
		w.Declare(x.Name, x.Type, x.Shape...)
	}
	for _, x := range kept {
		if _, err := w.Write(x.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	copied, err := gguf.Parse("copy.gguf", out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return openProjector(copied, testPool(t, 1), true)
}

func valueOf(t *testing.T, f *gguf.File, key string) any {
	t.Helper()
	if v, err := f.String(key); err == nil {
		return v
	}
	if v, err := f.Bool(key); err == nil {
		return v
	}
	if v, err := f.Int(key); err == nil {
		return uint32(v)
	}
	if v, err := f.Float(key); err == nil {
		return float32(v)
	}
	if v, err := f.Floats(key); err == nil {
		return v
	}
	t.Fatalf("key %q is of another kind", key)
	return nil
}

// TestMissingTensors: without any one tensor the projector does not open, and
// the error names file and tensor.
func TestMissingTensors(t *testing.T) {
	f := mini(t)
	for _, x := range f.Tensors() {
		_, err := rebuild(t, f, edit{without: x.Name})
		if err == nil || !strings.Contains(err.Error(), "copy.gguf") || !strings.Contains(err.Error(), fmt.Sprintf("%q", x.Name)) {
			t.Errorf("without %s: %v", x.Name, err)
		}
	}
}

// TestMisshapenTensors: no tensor may be longer in any direction.
func TestMisshapenTensors(t *testing.T) {
	f := mini(t)
	for _, x := range f.Tensors() {
		for d := range x.Shape {
			_, err := rebuild(t, f, edit{tensors: map[string]func(*gguf.Tensor){x.Name: func(y *gguf.Tensor) {
				y.Data = slices.Repeat(y.Data, 2)
				y.Shape[d] *= 2
			}}})
			// Longer tables and wider projections are other models, not damage.
			free := x.Name == "v.position_embd.weight" && d == 1 || x.Name == "a.blk.0.conv_dw.weight" && d == 1 || x.Name == "a.blk.1.conv_dw.weight" && d == 1
			if free != (err == nil) || err != nil && !strings.Contains(err.Error(), "copy.gguf") {
				t.Errorf("%s twice as long in direction %d: %v", x.Name, d, err)
			}
		}
	}
}

func TestDamagedProjectors(t *testing.T) {
	f := mini(t)
	scalar := func(v float32) func(*gguf.Tensor) {
		return func(x *gguf.Tensor) {
			b := math.Float32bits(v)
			x.Data = []byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)}
		}
	}
	for name, c := range map[string]struct {
		edit edit
		says []string
	}{
		"text model":     {edit{keys: map[string]any{"general.architecture": "gemma4"}}, []string{"gemma4", "not a projector"}},
		"no encoder":     {edit{keys: map[string]any{"clip.has_vision_encoder": false, "clip.has_audio_encoder": false}}, []string{"neither"}},
		"older eyes":     {edit{keys: map[string]any{"clip.vision.projector_type": "gemma3"}}, []string{"gemma3", "gemma4v"}},
		"other ears":     {edit{keys: map[string]any{"clip.audio.projector_type": "whisper"}}, []string{"whisper", "gemma4a"}},
		"no heads":       {edit{keys: map[string]any{"clip.vision.attention.head_count": uint32(0)}}, []string{"head_count", "out of range"}},
		"huge":           {edit{keys: map[string]any{"clip.vision.embedding_length": uint32(1 << 31)}}, []string{"embedding_length", "out of range"}},
		"no block count": {edit{keys: map[string]any{"clip.audio.block_count": nil}}, []string{"clip.audio.block_count"}},
		"odd heads":      {edit{keys: map[string]any{"clip.audio.attention.head_count": uint32(5)}}, []string{"head_count", "does not divide"}},
		"more blocks":    {edit{keys: map[string]any{"clip.vision.block_count": uint32(3)}}, []string{"v.blk.2."}},
		"many bands":     {edit{keys: map[string]any{"clip.audio.num_mel_bins": uint32(300)}}, []string{"num_mel_bins", "out of range"}},
		"no epsilon":     {edit{keys: map[string]any{"clip.vision.attention.layer_norm_epsilon": float32(math.NaN())}}, []string{"layer_norm_epsilon", "out of range"}},
		"wrong kind":     {edit{keys: map[string]any{"clip.vision.patch_size": "sixteen"}}, []string{"patch_size"}},
		"limits crossed": {edit{tensors: map[string]func(*gguf.Tensor){"v.blk.0.attn_q.input_min": scalar(1e9)}}, []string{"v.blk.0.attn_q.input_min", "nothing between"}},
		"limits NaN":     {edit{tensors: map[string]func(*gguf.Tensor){"a.blk.0.ffn_up.output_max": scalar(float32(math.NaN()))}}, []string{"a.blk.0.ffn_up.output_max", "nothing between"}},
		"one limit":      {edit{extra: map[string]float32{"mm.input_min": 1}, without: "v.blk.1.ffn_up.input_max"}, []string{"v.blk.1.ffn_up.input_max"}},
	} {
		_, err := rebuild(t, f, c.edit)
		for _, part := range append(c.says, "copy.gguf") {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not say %q", name, err, part)
			}
		}
	}
}

// TestOneSense: a projector may have eyes only or ears only, and files of one
// encoder name its kind without its sense.
func TestOneSense(t *testing.T) {
	f := mini(t)
	eyes, err := rebuild(t, f, edit{keys: map[string]any{"clip.has_audio_encoder": false}})
	if err != nil || !eyes.hasVision() || eyes.hasAudio() || eyes.Width() != 48 {
		t.Fatalf("eyes only: %+v, %v", eyes, err)
	}
	if _, err := eyes.EncodeAudio(context.Background(), make([]float32, 4000)); err == nil {
		t.Error("it hears without ears")
	}
	ears, err := rebuild(t, f, edit{keys: map[string]any{"clip.has_vision_encoder": nil}})
	if err != nil || ears.hasVision() || !ears.hasAudio() || ears.Width() != 48 {
		t.Fatalf("ears only: %+v, %v", ears, err)
	}
	if _, err := ears.EncodeImage(context.Background(), NewPixels(9, 9), 70); err == nil {
		t.Error("it sees without eyes")
	}
}

func testSound(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(0.4*math.Sin(float64(i)*float64(i)/40000) + 0.1*math.Sin(float64(i)/3))
	}
	return out
}

// TestThreadsDoNotMatter: the number of threads changes no bit.
func TestThreadsDoNotMatter(t *testing.T) {
	ctx := context.Background()
	one, three := openMini(t, 1), openMini(t, 3)
	im := &Pixels{W: 64, H: 50, Pix: noise(3 * 64 * 50)}
	a, errA := one.EncodeImage(ctx, im, 70)
	b, errB := three.EncodeImage(ctx, im, 70)
	if errA != nil || errB != nil || len(a) == 0 || !slices.Equal(a, b) {
		t.Errorf("pictures differ: %v, %v, %d and %d values", errA, errB, len(a), len(b))
	}
	a, errA = one.EncodeAudio(ctx, testSound(20000))
	b, errB = three.EncodeAudio(ctx, testSound(20000))
	if errA != nil || errB != nil || len(a) == 0 || !slices.Equal(a, b) {
		t.Errorf("sounds differ: %v, %v, %d and %d values", errA, errB, len(a), len(b))
	}
}

// TestHearingLooksBackOnly: more sound changes no token but those at the end,
// which the two convolutions look ahead for.
func TestHearingLooksBackOnly(t *testing.T) {
	p := openMini(t, 2)
	whole, err := p.EncodeAudio(context.Background(), testSound(32000))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{9000, 16000, 20480, 31999} {
		part, err := p.EncodeAudio(context.Background(), testSound(n))
		if err != nil {
			t.Fatal(err)
		}
		same := len(part) - 2*p.Width()
		for i, v := range part[:same] {
			if v != whole[i] {
				t.Errorf("%d samples: token %d of %d differs", n, i/p.Width(), len(part)/p.Width())
				break
			}
		}
	}
}

func TestSoundLimits(t *testing.T) {
	p := openMini(t, 2)
	ctx := context.Background()
	for n, want := range map[int]int{161: 1, 16000: 25, 30 * 16000: 750} {
		got, err := p.EncodeAudio(ctx, testSound(n))
		if err != nil || len(got) != want*p.Width() {
			t.Errorf("%d samples: %d tokens, %v; want %d", n, len(got)/p.Width(), err, want)
		}
		for i, v := range got {
			if v != v {
				t.Fatalf("%d samples: value %d is not a number", n, i)
			}
		}
	}
	broken := testSound(1000)
	broken[77] = float32(math.Inf(-1))
	for name, c := range map[string]struct {
		pcm  []float32
		says string
	}{
		"nothing":  {nil, "too few"},
		"10 ms":    {testSound(160), "too few"},
		"too long": {testSound(30*16000 + 1), "split"},
		"infinite": {broken, "sample 77"},
	} {
		if _, err := p.EncodeAudio(ctx, c.pcm); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", name, err, c.says)
		}
	}
}

func TestPictureLimits(t *testing.T) {
	p := openMini(t, 2)
	ctx := context.Background()
	for _, c := range []struct{ w, h, tokens int }{{1, 1, 64}, {6, 1, 60}, {1, 6, 60}, {640, 480, 63}} {
		got, err := p.EncodeImage(ctx, NewPixels(c.w, c.h), 70)
		if err != nil || len(got) != c.tokens*p.Width() {
			t.Errorf("%dx%d: %d tokens, %v; want %d", c.w, c.h, len(got)/p.Width(), err, c.tokens)
		}
	}
	for name, c := range map[string]struct {
		im     image.Image
		budget int
		says   string
	}{
		"none":       {nil, 70, "no picture"},
		"empty":      {image.NewRGBA(image.Rect(0, 0, 0, 0)), 70, "empty"},
		"no width":   {image.NewGray(image.Rect(5, 5, 5, 9)), 70, "empty"},
		"a thread":   {image.NewGray(image.Rect(0, 0, 30000, 1)), 280, "too long and thin"},
		"71 tokens":  {NewPixels(9, 9), 71, "71"},
		"no tokens":  {NewPixels(9, 9), 0, "0 soft tokens"},
		"negative":   {NewPixels(9, 9), -70, "-70"},
		"and a rope": {image.NewGray(image.Rect(0, 0, 1, 1000)), 70, "too long and thin"},
	} {
		if _, err := p.EncodeImage(ctx, c.im, c.budget); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", name, err, c.says)
		}
	}
}

func TestEncodersStop(t *testing.T) {
	p := openMini(t, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.EncodeImage(ctx, NewPixels(9, 9), 70); !errors.Is(err, context.Canceled) {
		t.Errorf("picture: %v", err)
	}
	if _, err := p.EncodeAudio(ctx, testSound(9000)); !errors.Is(err, context.Canceled) {
		t.Errorf("sound: %v", err)
	}
}

// TestLimitsOfOneInput: linears that share an input but not its limits each
// see it limited their own way.
func TestLimitsOfOneInput(t *testing.T) {
	ones := make([]byte, 0, 16)
	for range 4 {
		ones = append(ones, 0, 0, 0x80, 0x3f)
	}
	w, err := kernels.NewMatrix(gguf.F32, 1, 4, ones)
	if err != nil {
		t.Fatal(err)
	}
	a := arithmetic{pool: testPool(t, 1)}
	none := unlimited()
	for _, c := range []struct {
		first, second linear
		want          [2]float32
	}{
		{linear{w, none, none}, linear{w, none, none}, [2]float32{10, 10}},
		{linear{w, limits{-1, 3}, none}, linear{w, limits{-1, 3}, limits{0, 5}}, [2]float32{7, 5}},
		{linear{w, limits{-1, 3}, none}, linear{w, none, none}, [2]float32{7, 10}},
		{linear{w, none, limits{-9, -2}}, linear{w, limits{0, 1}, none}, [2]float32{-2, 3}},
	} {
		x, out := []float32{-1, 2, 3, 6}, make([]float32, 2)
		a.apply(x, 1, nil, use{out[:1], c.first}, use{out[1:], c.second})
		if [2]float32(out) != c.want {
			t.Errorf("%v and %v: %v, want %v", c.first.in, c.second.in, out, c.want)
		}
	}
}

// FuzzProjectorFile flips bits in the head of a projector file. Whatever still
// opens must encode without panicking.
func FuzzProjectorFile(f *testing.F) {
	good, err := os.ReadFile(filepath.Join("testdata", "mini", "mmproj.gguf"))
	if err != nil {
		f.Fatal(err)
	}
	head := bytes.Index(good, []byte("v.position_embd.weight")) + 100
	for _, at := range []int{0, 8, 500, 900, 1300, head / 2, head - 90} {
		f.Add(uint32(at), byte(1), uint32(at+1), byte(0x80))
	}
	f.Fuzz(func(t *testing.T, at uint32, flip byte, other uint32, flop byte) {
		data := bytes.Clone(good)
		data[int(at)%head] ^= flip
		data[int(other)%head] ^= flop
		file, err := gguf.Parse("flipped.gguf", data)
		if err != nil {
			return
		}
		p, err := openProjector(file, testPool(t, 1), true)
		if err != nil {
			if !strings.Contains(err.Error(), "flipped.gguf") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if p.hasVision() {
			p.EncodeImage(context.Background(), NewPixels(2, 7), 70)
		}
		if p.hasAudio() {
			p.EncodeAudio(context.Background(), testSound(500))
		}
	})
}
