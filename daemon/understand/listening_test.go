package understand

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"sensed/kernels/gemma4"
)

// heard is a model's listener that keeps what is written.
type heard struct {
	request gemma4.Request
	sound   int
	samples []float32
	pauses  int
	broken  error // of the writes
	reply   gemma4.Reply
	closed  chan struct{} // closed with the listener
}

func (h *heard) Write(ctx context.Context, pcm []float32) error {
	if err := errors.Join(ctx.Err(), h.broken); err != nil {
		return err
	}
	h.samples = append(h.samples, pcm...)
	if len(pcm) == 0 {
		h.pauses++
	}
	return nil
}

func (h *heard) Finish(ctx context.Context) (gemma4.Reply, error) { return h.reply, ctx.Err() }

func (h *heard) Close() {
	select {
	case <-h.closed:
	default:
		close(h.closed)
	}
}

// ear is a model that gives out one listener, once it is free.
type ear struct {
	free chan struct{} // closed when it is
	err  error
	l    *heard
}

func (e *ear) Listen(ctx context.Context, r gemma4.Request, sound int) (listener, error) {
	select {
	case <-e.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	e.l.request, e.l.sound = r, sound
	return e.l, e.err
}

// listeningEngine is an engine whose model answers "live" about what it heard
// while it was spoken, and "whole" about anything else.
func listeningEngine(t *testing.T) (*Engine, *ear) {
	t.Helper()
	live := reply(true, []string{"live"}, 1)
	whole := reply(true, []string{"whole"}, 1)
	e := scripted(t, &script{replies: slices.Repeat([]gemma4.Reply{whole}, 8)})
	m := &ear{free: make(chan struct{}), l: &heard{reply: live, closed: make(chan struct{})}}
	e.hearing = m
	return e, m
}

// A busy model keeps nobody waiting, and in the end has heard everything once.
func TestListening(t *testing.T) {
	e, m := listeningEngine(t)
	l, err := e.Listen(Task{Kind: Transcribe, Name: "words"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sound := tone(3, 0.3)
	for piece := range slices.Chunk(sound[:40000], 1000) {
		l.Write(piece)
	}
	l.Write(nil)
	close(m.free)
	for piece := range slices.Chunk(sound[40000:47000], 900) {
		l.Write(piece)
	}
	res, err := l.Understand(t.Context(), Input{Audio: sound})
	if err != nil || res.Text != "live" || res.Model != "scripted" || res.Kind != Transcribe {
		t.Errorf("answered %+v, %v", res, err)
	}
	if !slices.Equal(m.l.samples, sound) {
		t.Errorf("the model heard %d samples, or other ones than the %d", len(m.l.samples), len(sound))
	}
	if part := m.l.request.Parts[m.l.sound]; !reflect.DeepEqual(part, gemma4.Part{}) || !strings.HasPrefix(m.l.request.Parts[0].Text, "Transcribe") {
		t.Errorf("the request is %+v with the sound in place %d", m.l.request, m.l.sound)
	}
	<-m.l.closed
}

// A pause is told once all that was said before it was.
func TestListeningTellsPauses(t *testing.T) {
	e, m := listeningEngine(t)
	l, err := e.Listen(Task{Kind: Transcribe})
	if err != nil {
		t.Fatal(err)
	}
	sound := tone(2, 0.3)
	l.Write(sound)
	l.Write(nil)
	close(m.free)
	for len(l.news) > 0 { // until it is taken
		runtime.Gosched()
	}
	if _, err := l.Understand(t.Context(), Input{Audio: sound}); err != nil || m.l.pauses == 0 {
		t.Errorf("%d pauses, %v", m.l.pauses, err)
	}
}

// Whatever comes in between, the answer is that about the whole sound.
func TestListeningFallsBack(t *testing.T) {
	sound, long := tone(2, 0.3), tone(31, 0.3)
	for name, c := range map[string]struct {
		breaks func(m *ear)
		said   []float32 // while it was spoken
		whole  []float32
		want   string
	}{
		"nothing":                  {func(m *ear) {}, sound, sound, "live"},
		"nothing was written":      {func(m *ear) {}, nil, sound, "live"},
		"the model cannot listen":  {func(m *ear) { m.err = errors.New("broken") }, sound, sound, "whole"},
		"the model stops":          {func(m *ear) { m.l.broken = errors.New("broken") }, sound, sound, "whole"},
		"another sound":            {func(m *ear) {}, tone(1, 0.2), sound, "whole"},
		"a shorter sound":          {func(m *ear) {}, sound, sound[:9000], "whole"},
		"a sound that is split":    {func(m *ear) {}, sound, slices.Concat(sound, long), "whole"},
		"more than can be held":    {func(m *ear) {}, long, long, "whole"},
		"silence longer than that": {func(m *ear) {}, make([]float32, 31*sampleRate), make([]float32, 31*sampleRate), "whole whole"},
	} {
		t.Run(name, func(t *testing.T) {
			e, m := listeningEngine(t)
			c.breaks(m)
			close(m.free)
			l, err := e.Listen(Task{Kind: Transcribe})
			if err != nil {
				t.Fatal(err)
			}
			for piece := range slices.Chunk(c.said, 8000) {
				l.Write(piece)
			}
			res, err := l.Understand(t.Context(), Input{Audio: c.whole})
			if err != nil || res.Text != c.want {
				t.Errorf("answered %q, %v; want %q", res.Text, err, c.want)
			}
			l.Close()
			<-l.done
			if m.err == nil && l.ear != nil {
				<-m.l.closed
			}
		})
	}
}

// What turns out to be noise is given up, and so is what is stopped.
func TestListeningEnds(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, end := range map[string]func(l *Listening) error{
		"closed": func(l *Listening) error { l.Close(); return context.Canceled },
		"stopped": func(l *Listening) error {
			_, err := l.Understand(canceled, Input{Audio: tone(1, 0.3)})
			return err
		},
	} {
		for _, busy := range []bool{false, true} {
			e, m := listeningEngine(t)
			if !busy {
				close(m.free)
			}
			l, err := e.Listen(Task{Kind: Transcribe})
			if err != nil {
				t.Fatal(err)
			}
			l.Write(tone(1, 0.3))
			if err := end(l); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
			<-l.done
			l.Write(tone(1, 0.3)) // into the void
			if m.l.request.Parts != nil {
				<-m.l.closed
			}
		}
	}
}

// The model hears a few sounds at a time, and others once these have ended.
func TestListeningIsBounded(t *testing.T) {
	e, m := listeningEngine(t)
	var all []*Listening
	for range maxListening {
		l, err := e.Listen(Task{Kind: Transcribe})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	if _, err := e.Listen(Task{Kind: Transcribe}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	for _, l := range all { // while the model is busy
		l.Close()
		<-l.done
	}
	close(m.free)
	for range 2 * maxListening {
		m.l = &heard{reply: m.l.reply, closed: make(chan struct{})}
		l, err := e.Listen(Task{Kind: Transcribe})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Understand(t.Context(), Input{Audio: tone(1, 0.3)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.listening.Load(); n != 0 {
		t.Errorf("%d sounds are still heard", n)
	}
}

func TestListenRefuses(t *testing.T) {
	e, m := listeningEngine(t)
	close(m.free)
	deaf, _ := listeningEngine(t)
	deaf.hears = false
	for name, c := range map[string]struct {
		e    *Engine
		task Task
		says string
	}{
		"caption":     {e, Task{Kind: Caption}, "as a whole"},
		"prompt":      {e, Task{Kind: Prompt, Prompt: "Who?"}, "as a whole"},
		"deaf":        {deaf, Task{Kind: Transcribe}, "cannot hear"},
		"no language": {e, Task{Kind: Translate, Into: "?"}, "into"},
	} {
		if _, err := c.e.Listen(c.task); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", name, err, c.says)
		}
	}
	if _, err := e.Listen(Task{Kind: Caption}); !errors.Is(err, ErrNotLive) {
		t.Errorf("a caption: %v", err)
	}
}

// The bundled model says about its recordings the same whether it heard them
// while they were spoken or as a whole, also beside pictures.
func TestListeningToTheSamples(t *testing.T) {
	e := bundledEngine(t)
	want := expected(t)
	picture := Input{Images: []image.Image{sampleImage(t, "scene0.png")}}
	var all sync.WaitGroup
	all.Go(func() {
		for range 3 {
			if res, err := e.Understand(t.Context(), Task{Kind: Caption}, picture); err != nil || res.Text != want["scene0.png"].Caption {
				t.Errorf("the picture beside sounds: %q, %v", res.Text, err)
			}
		}
	})
	for _, name := range []string{"speech0.wav", "speech1.wav", "speech2.wav"} {
		sound := sampleSound(t, name)
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(len(sound))))
			l, err := e.Listen(Task{Kind: Transcribe})
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			for at := 0; at < len(sound)-3000; {
				n := min(rng.IntN(4000), len(sound)-3000-at)
				l.Write(sound[at : at+n])
				at += n
			}
			res, err := l.Understand(t.Context(), Input{Audio: sound})
			if err != nil || res.Text != want[name].Transcript {
				t.Errorf("%s: %q, %v; want %q", name, res.Text, err, want[name].Transcript)
			}
			if l.ear == nil {
				t.Errorf("%s was heard as a whole: %v", name, l.err)
			}
		})
	}
	all.Wait()
}
