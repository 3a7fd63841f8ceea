package gemma4

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sensed/deploy/models/tiny"
)

// officialInstruction is how published models are asked for a transcript: with
// words before the sound.
const officialInstruction = "Transcribe the following speech segment in its original language.\n\n" +
	"Follow these specific instructions for formatting the answer:\n*   Only output the transcription, with no newlines."

// spoken are the recordings beside the bundled model.
func spoken(t *testing.T) map[string][]float32 {
	t.Helper()
	names, err := fs.Glob(tiny.Files(), path.Join(tiny.Samples, "*.wav"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d recordings: %v", len(names), err)
	}
	out := map[string][]float32{}
	for _, name := range names {
		out[path.Base(name)] = parseWAV(t, name, readBundled(t, name))
	}
	return out
}

// hear asks about a sound in pieces.
func hear(ctx context.Context, m *Model, r Request, sound int, pcm []float32, size func() int) (Reply, error) {
	l, err := m.Listen(ctx, r, sound)
	if err != nil {
		return Reply{}, err
	}
	defer l.Close()
	for len(pcm) > 0 {
		n := min(max(size(), 1), len(pcm))
		if err := l.Write(ctx, pcm[:n]); err != nil {
			return Reply{}, err
		}
		pcm = pcm[n:]
	}
	return l.Finish(ctx)
}

// with returns the request with a sound in its place.
func (r Request) with(pcm []float32, at int) Request {
	r.Parts = slices.Clone(r.Parts)
	r.Parts[at] = Part{Audio: pcm}
	return r
}

// What was heard in pieces is answered as what was heard as a whole.
func TestListenerAnswersAsGenerate(t *testing.T) {
	m := bundled(t, Options{Threads: 2})
	_, _, transcribe := bundledPrompts(t)
	var want map[string]struct{ Transcript string }
	if err := json.Unmarshal(readBundled(t, tiny.Expected), &want); err != nil {
		t.Fatal(err)
	}
	picture := Part{Image: bundledImage(t, "scene0.png")}
	for name, c := range map[string]struct {
		r     Request
		sound int
	}{
		"sound first":   {Request{Parts: []Part{{}, {Text: transcribe}}}, 0},
		"words first":   {Request{Parts: []Part{{Text: officialInstruction}, {}}, MaxTokens: 9}, 1},
		"words around":  {Request{System: "Be brief.", Parts: []Part{{Text: "Hear: "}, {}, {Text: " What is it?"}}, MaxTokens: 9}, 1},
		"picture first": {Request{Parts: []Part{picture, {Text: "Who says"}, {}, {Text: "here?"}}, MaxTokens: 9, ImageTokens: 70}, 2},
		"picture last":  {Request{Parts: []Part{{Audio: []float32{}}, {Text: "Who?"}, picture}, MaxTokens: 9, ImageTokens: 70}, 0},
		"by chance":     {Request{Parts: []Part{{}, {Text: transcribe}}, Sampling: Sampling{Temperature: 1, Seed: 3}}, 0},
	} {
		for file, pcm := range spoken(t) {
			whole := ask(t, m, c.r.with(pcm, c.sound))
			if name == "sound first" && whole.Text != want[file].Transcript {
				t.Errorf("%s is %q, want %q", file, whole.Text, want[file].Transcript)
			}
			for cut, size := range inPieces(1) {
				if cut != "random" && (name != "sound first" || file != "speech0.wav") {
					continue
				}
				got, err := hear(t.Context(), m, c.r, c.sound, pcm, size)
				if err != nil {
					t.Fatal(err)
				}
				if got.Text != whole.Text || !slices.Equal(got.Tokens, whole.Tokens) || got.PromptTokens != whole.PromptTokens || got.Stopped != whole.Stopped {
					t.Errorf("%s, %s in pieces of %s: %q after %d tokens, want %q after %d", name, file, cut, got.Text, got.PromptTokens, whole.Text, whole.PromptTokens)
				}
				if !slices.Equal(got.Probs, whole.Probs) {
					t.Errorf("%s, %s in pieces of %s: probabilities %v, want %v", name, file, cut, got.Probs, whole.Probs)
				}
			}
		}
	}
}

// The prompt around an open sound is the one around the same sound when whole.
func TestListenerPrompt(t *testing.T) {
	m := bundled(t, Options{})
	r := Request{System: "Be brief.", Parts: []Part{{Text: "Hear this:"}, {}, {Text: "then "}, {Audio: testSound(5000)}, {Text: "What is it?"}}}
	pcm := testSound(30000)
	want, err := m.Prompt(t.Context(), r.with(pcm, 1))
	if err != nil {
		t.Fatal(err)
	}
	l, err := m.Listen(t.Context(), r, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	soft, err := m.EncodeAudio(t.Context(), pcm)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.whole(soft); !reflect.DeepEqual(got, want) {
		t.Errorf("the prompt is %v, want %v", got.IDs, want.IDs)
	}
}

// work counts rows that the encoder computes and positions that the decoder
// reads, the answer left out.
type work struct{ rows, positions int }

// afterTheEnd listens to a sound as a microphone delivers it, in pieces of 20 ms,
// with the pause that ends speech, and counts what is left to do then.
func afterTheEnd(tb testing.TB, m *Model, r Request, sound int, pcm []float32) (left, all work, reply Reply) {
	tb.Helper()
	l, err := m.Listen(tb.Context(), r, sound)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	for piece := range slices.Chunk(pcm, sampleRate/50) {
		if err := l.Write(tb.Context(), piece); err != nil {
			tb.Fatal(err)
		}
	}
	if err := l.Write(tb.Context(), nil); err != nil {
		tb.Fatal(err)
	}
	left, all.rows = work{l.hearing.ready(true), m.text.read}, l.hearing.tokens(true)
	if reply, err = l.Finish(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	left.positions, all.positions = m.text.read-left.positions-len(reply.Tokens), reply.PromptTokens
	return left, all, reply
}

// At the end of 3 s of speech at most one row is left for the encoder and, but
// for the answer, only the end of the prompt for the decoder.
func TestLittleIsLeftAfterTheEnd(t *testing.T) {
	m := bundled(t, Options{Threads: 2})
	r := Request{Parts: []Part{{Text: officialInstruction}, {}}, MaxTokens: 4, Plain: true}
	for _, n := range []int{3 * sampleRate, 3*sampleRate + 1, 3*sampleRate - 200, 47123} {
		pcm := testSound(n)
		before := m.text.read
		whole := ask(t, bundled(t, Options{Threads: 2}), r.with(pcm, 1))
		left, _, reply := afterTheEnd(t, m, r, 1, pcm)
		if !slices.Equal(reply.Tokens, whole.Tokens) {
			t.Errorf("%d samples: answer %q, want %q", n, reply.Text, whole.Text)
		}
		// <audio|> <turn|> \n <|turn> model \n
		if left.rows > 1 || left.positions > left.rows+8 {
			t.Errorf("%d samples: %d rows and %d positions are left of %d", n, left.rows, left.positions, whole.PromptTokens)
		}
		if all := m.text.read - before; all > whole.PromptTokens+len(reply.Tokens) {
			t.Errorf("%d samples: %d positions were read, the prompt has %d", n, all, whole.PromptTokens)
		}
	}
}

// A listener gives back its memory, however it ends.
func TestListenerEnds(t *testing.T) {
	m := bundled(t, Options{Threads: 2, Context: 200})
	_, _, transcribe := bundledPrompts(t)
	first := Request{Parts: []Part{{}, {Text: transcribe}}, MaxTokens: 3}
	broken := testSound(100)
	broken[30] = float32(math.NaN())
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	write := func(l *Listener, seconds float64) error {
		return l.Write(t.Context(), testSound(int(seconds*sampleRate)))
	}
	finish := func(l *Listener) error {
		_, err := l.Finish(t.Context())
		return err
	}
	for name, c := range map[string]struct {
		end  func(l *Listener) error
		says string // of the error; "" is none
		is   error
	}{
		"closed at once":      {end: func(l *Listener) error { return nil }},
		"closed midway":       {end: func(l *Listener) error { return write(l, 2) }},
		"finished":            {end: func(l *Listener) error { return errors.Join(write(l, 2), finish(l)) }},
		"finished twice":      {func(l *Listener) error { return errors.Join(write(l, 2), finish(l), finish(l)) }, "closed", nil},
		"closed, then used":   {func(l *Listener) error { l.Close(); return write(l, 1) }, "closed", nil},
		"nothing heard":       {finish, "0 samples", nil},
		"hardly heard":        {func(l *Listener) error { return errors.Join(write(l, 0.01), finish(l)) }, "160 samples", nil},
		"stopped in a write":  {func(l *Listener) error { return l.Write(canceled, testSound(sampleRate)) }, "", context.Canceled},
		"used after the stop": {func(l *Listener) error { l.Write(canceled, testSound(sampleRate)); return finish(l) }, "", context.Canceled},
		"stopped at the end":  {func(l *Listener) error { write(l, 2); _, err := l.Finish(canceled); return err }, "", context.Canceled},
		"too long":            {func(l *Listener) error { return write(l, 30.1) }, "30.1 s of sound", nil},
		"too long in two":     {func(l *Listener) error { return errors.Join(write(l, 4), write(l, 26.1)) }, "30.1 s of sound", nil},
		"no number":           {func(l *Listener) error { return errors.Join(write(l, 1), l.Write(t.Context(), broken)) }, "sample 16030 of the sound", nil},
		"context full midway": {func(l *Listener) error { return write(l, 9) }, "", ErrContext},
		"context full at end": {func(l *Listener) error { return errors.Join(write(l, 7.3), finish(l)) }, "", ErrContext},
	} {
		l, err := m.Listen(t.Context(), first, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = c.end(l)
		l.Close()
		l.Close()
		if (err != nil) != (c.says != "" || c.is != nil) || err != nil && !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: ended with %v", name, err)
		}
		if n := m.pages.inUse(); n != 0 {
			t.Errorf("%s: %d pages are still in use", name, n)
		}
	}
	// What is refused is not taken.
	l, err := m.Listen(t.Context(), first, 0)
	if err != nil {
		t.Fatal(err)
	}
	pcm := testSound(2 * sampleRate)
	for _, piece := range [][]float32{pcm[:9000], broken, make([]float32, 30*sampleRate), pcm[9000:]} {
		l.Write(t.Context(), piece)
	}
	got, err := l.Finish(t.Context())
	if want := ask(t, m, first.with(pcm, 0)); err != nil || !slices.Equal(got.Tokens, want.Tokens) {
		t.Errorf("after pieces that were refused: %q, %v; want %q", got.Text, err, want.Text)
	}
}

func TestListenRefuses(t *testing.T) {
	blind, closed := writes(t, "a"), bundled(t, Options{})
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	m := bundled(t, Options{Context: 30})
	sound := Request{Parts: []Part{{}}}
	for name, c := range map[string]struct {
		m     *Model
		r     Request
		sound int
		says  string
	}{
		"no such part":    {m, sound, 1, "part 2"},
		"negative part":   {m, sound, -1, "part 0"},
		"no projector":    {blind, sound, 0, "without a projector"},
		"temperature":     {m, Request{Parts: []Part{{}}, Sampling: Sampling{Temperature: -1}}, 0, "temperature"},
		"negative answer": {m, Request{Parts: []Part{{}}, MaxTokens: -1}, 0, "-1 tokens"},
		"another part":    {m, Request{Parts: []Part{{}, {Audio: make([]float32, 3)}}}, 0, "part 2 of the request"},
		"long words":      {m, Request{Parts: []Part{{Text: officialInstruction}, {}}}, 1, "context"},
		"closed":          {closed, sound, 0, "closed"},
	} {
		if _, err := c.m.Listen(t.Context(), c.r, c.sound); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", name, err, c.says)
		}
	}
	if n := m.pages.inUse(); n != 0 {
		t.Errorf("%d pages are in use", n)
	}
}

// Two microphones and a camera share a model; none changes what the others say.
func TestListenersBesideAPicture(t *testing.T) {
	m := bundled(t, Options{Threads: 2})
	caption, _, transcribe := bundledPrompts(t)
	speech := Request{Parts: []Part{{}, {Text: transcribe}}}
	picture := Request{ImageTokens: 70, Parts: []Part{{Image: bundledImage(t, "scene1.png")}, {Text: caption}}}
	sounds := spoken(t)
	alone := map[string]string{"picture": ask(t, m, picture).Text}
	for _, name := range []string{"speech1.wav", "speech2.wav"} {
		alone[name] = ask(t, m, speech.with(sounds[name], 0)).Text
	}
	var all sync.WaitGroup
	for name, want := range alone {
		all.Go(func() {
			for range 3 {
				var got Reply
				var err error
				if name == "picture" {
					got, err = m.Generate(t.Context(), picture)
				} else {
					got, err = hear(t.Context(), m, speech, 0, sounds[name], func() int { return 3000 })
				}
				if err != nil || got.Text != want {
					t.Errorf("%s beside others: %q, %v; want %q", name, got.Text, err, want)
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkAfterTheEnd reports how much of the work on 3 s of speech is left at
// its end: encoder rows and decoder positions against those of the whole.
func BenchmarkAfterTheEnd(b *testing.B) {
	m := bundled(b, Options{})
	pcm := testSound(3 * sampleRate)
	r := Request{Parts: []Part{{Text: officialInstruction}, {}}, MaxTokens: 1}
	var left, all work
	for b.Loop() {
		left, all, _ = afterTheEnd(b, m, r, 1, pcm)
	}
	b.ReportMetric(float64(left.rows)/float64(all.rows), "rows/whole")
	b.ReportMetric(float64(left.positions)/float64(all.positions), "positions/whole")
}

// A machine that is fast encodes often, a slow one seldom; both in time.
func TestListenTokens(t *testing.T) {
	for _, c := range []struct {
		took time.Duration
		want int
	}{{0, 8}, {50 * time.Millisecond, 8}, {160 * time.Millisecond, 12}, {300 * time.Millisecond, 22}, {time.Second, 24}, {time.Hour, 24}} {
		if got := listenTokens(c.took); got != c.want {
			t.Errorf("after a batch that took %v: %d soft tokens, want %d", c.took, got, c.want)
		}
	}
}
