package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
)

// listening begins questions about sound that goes on and keeps account of
// them.
type listening struct {
	t       *testing.T
	refuses event.TaskKind // what cannot be begun
	takes   time.Duration  // an answer

	mu  sync.Mutex
	all []*hearing
}

func (l *listening) listen(t event.Task) (Hearing, error) {
	if t.Kind == l.refuses {
		return nil, errors.New("needs its sound as a whole")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &hearing{l: l, task: t}
	l.all = append(l.all, h)
	return h, nil
}

// open counts the questions that were not closed.
func (l *listening) open() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.all {
		if !h.closed {
			n++
		}
	}
	return n
}

type hearing struct {
	l        *listening
	task     event.Task
	heard    []float32
	pauses   int
	answered bool
	closed   bool
	left     int // samples that were not heard before the question was asked
}

func (h *hearing) Write(samples []float32) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if h.closed || h.answered {
		h.l.t.Error("a question goes on hearing after its end")
	}
	h.heard = append(h.heard, samples...)
	if len(samples) == 0 {
		h.pauses++
	}
}

func (h *hearing) Understand(ctx context.Context, in event.Input) (event.Result, error) {
	h.l.mu.Lock()
	if h.closed || h.answered {
		h.l.t.Error("a question is asked after its end")
	}
	h.answered, h.left = true, len(in.Audio)-len(h.heard)
	if h.left < 0 || !slices.Equal(h.heard, in.Audio[:len(h.heard)]) {
		h.l.t.Errorf("%d samples were heard, which are not the beginning of the %d that were said", len(h.heard), len(in.Audio))
	}
	h.l.mu.Unlock()
	if err := sleep(ctx, h.l.takes); err != nil {
		return event.Result{}, err
	}
	return event.Result{Kind: h.task.Kind, Text: "heard " + describe(in)}, nil
}

func (h *hearing) Close() {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.closed = true
}

// What is said is heard while it is said: at the end nothing is left of it, and
// the pause in front of the end was told.
func TestSpeechIsHeardLive(t *testing.T) {
	for name, size := range map[string]float64{"chunks of 100 ms": 0.1, "chunks of 10 ms": 0.01, "chunks of 30 ms": 0.03} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &listening{t: t, takes: second}
				script := pieces(slices.Concat(silence(1), voice(2), silence(2), voice(3), silence(2)), size)
				mic := &opener{t: t, scripts: [][]step{append(script, step{err: io.EOF})}}
				b := run(t, Options{Once: true, Listen: l.listen, Sources: []Source{
					{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}}})
				if err := <-b.done; err != nil {
					t.Fatal(err)
				}
				diff(t, "asked as a whole", b.eng.asked())
				if len(l.all) != 2 || l.open() != 0 {
					t.Fatalf("%d questions, %d of them open", len(l.all), l.open())
				}
				for i, h := range l.all {
					if !h.answered || h.left != 0 || h.pauses < 1 || h.pauses > 3 {
						t.Errorf("question %d: %d samples were left, %d pauses", i, h.left, h.pauses)
					}
				}
				for _, e := range b.pub.all(event.Transcript) {
					if want := fmt.Sprintf("heard %.1f s", e.Duration); e.Text != want || e.Error != "" {
						t.Errorf("transcript %q, %q; want %q", e.Text, e.Error, want)
					}
				}
			})
		})
	}
}

// pieces cuts sound into steps of some seconds each.
func pieces(sound []float32, seconds float64) []step {
	var out []step
	for c := range slices.Chunk(sound, int(seconds*16000)) {
		out = append(out, step{after: time.Duration(len(c)) * second / 16000, sound: c})
	}
	return out
}

// Long speech is heard part by part.
func TestLongSpeechIsHeardLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listening{t: t, takes: 40 * second}
		script := chunks("", slices.Concat(silence(1), voice(60), silence(2)))
		mic := &opener{t: t, scripts: [][]step{append(script, step{err: io.EOF})}}
		b := run(t, Options{Once: true, Listen: l.listen, Sources: []Source{
			{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}}})
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		parts := b.pub.all(event.Transcript)
		if len(parts) < 3 || len(parts) != len(l.all) || l.open() != 0 {
			t.Fatalf("%d parts, %d questions, %d of them open", len(parts), len(l.all), l.open())
		}
		for i, h := range l.all {
			if !h.answered || h.left > 14*16000 || len(h.heard) == 0 {
				t.Errorf("part %d: %d samples were heard and %d left", i, len(h.heard), h.left)
			}
		}
	})
}

// The first task that can be begun is; the others are asked in the end.
func TestOneTaskIsHeardLive(t *testing.T) {
	prompt := Task{Task: event.Task{Kind: event.TaskPrompt, Name: "mood", Prompt: "Who is angry?"}}
	german := Task{Task: event.Task{Kind: event.TaskTranslate, Name: "german", Into: "German"}}
	for name, c := range map[string]struct {
		tasks   []Task
		live    int
		asked   []string
		answers []string
	}{
		"the second": {[]Task{prompt, transcribe(), german}, 1, []string{"mood: 1.8 s", "german: 1.8 s"},
			[]string{"about 1.8 s", "heard 1.8 s", "about 1.8 s"}},
		"none": {[]Task{prompt}, 0, []string{"mood: 1.8 s"}, []string{"about 1.8 s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &listening{t: t, refuses: event.TaskPrompt}
				script := chunks("", slices.Concat(silence(1), voice(1), silence(2)))
				mic := &opener{t: t, scripts: [][]step{append(script, step{err: io.EOF})}}
				b := run(t, Options{Once: true, Listen: l.listen, Sources: []Source{
					{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: c.tasks}}})
				if err := <-b.done; err != nil {
					t.Fatal(err)
				}
				if len(l.all) != c.live || l.open() != 0 {
					t.Errorf("%d questions were begun, %d are open", len(l.all), l.open())
				}
				diff(t, "asked as a whole", b.eng.asked(), c.asked...)
				var got []string
				for _, kind := range []event.Kind{event.Answer, event.Transcript} {
					for _, e := range b.pub.all(kind) {
						got = append(got, e.Text)
					}
				}
				diff(t, "answers", got, c.answers...)
			})
		})
	}
}

// Whatever keeps a question from being answered gives up what was heard.
func TestLiveQuestionsAreClosed(t *testing.T) {
	burst := make([]float32, 16000) // sounds like speech for too short a time
	copy(burst, voice(0.1))
	for name, c := range map[string]struct {
		sound []float32
		takes time.Duration
		stop  time.Duration // when the pipeline is stopped
		begun int           // at least
	}{
		"stopped while it is spoken":       {slices.Concat(silence(1), voice(20)), 0, 5 * second, 1},
		"stopped while it is answered":     {slices.Concat(silence(1), voice(2), silence(2)), time.Hour, 8 * second, 1},
		"stopped while others wait":        {slices.Concat(silence(1), voice(2), silence(2), voice(2), silence(2)), time.Hour, 12 * second, 2},
		"too many wait":                    {slices.Repeat(slices.Concat(silence(1), voice(1), silence(1)), 8), time.Hour, 30 * second, 8},
		"too late":                         {slices.Repeat(slices.Concat(silence(1), voice(1), silence(1)), 2), 3 * time.Minute, 5 * time.Minute, 2},
		"the microphone fails in a word":   {slices.Concat(silence(1), voice(2)), second, 10 * second, 1},
		"a noise, then nothing more comes": {slices.Concat(silence(1), burst, silence(3)), second, 10 * second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &listening{t: t, takes: c.takes}
				mic := &opener{t: t, scripts: [][]step{append(chunks("", c.sound), step{err: errors.New("unplugged")})}}
				b := run(t, Options{Listen: l.listen, QueueDepth: 3, Sources: []Source{
					{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}}})
				after(c.stop)
				if _, err := b.stop(); err != nil {
					t.Fatal(err)
				}
				if len(l.all) < c.begun || l.open() != 0 {
					t.Errorf("%d questions were begun, want %d; %d are open", len(l.all), c.begun, l.open())
				}
			})
		})
	}
}

// An onset that was noise, judged by what is known by then, is given up, and
// what comes next is heard from its beginning.
func TestLiveNoiseIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listening{t: t}
		b := run(t, Options{Listen: l.listen, Sources: []Source{{Name: "hall", OpenMicrophone: (&opener{t: t}).microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}}})
		synctest.Wait()
		s, err := gate.NewSpeech(gate.SpeechOpts{})
		if err != nil {
			t.Fatal(err)
		}
		e := &ear{s: b.p.sources[0], speech: s, settings: b.p.sources[0].settings.Load()}
		e.live = e.s.begin(gate.Ongoing{Utterance: 7})
		if e.take(gate.Segment{Utterance: 8}) != nil || e.take(gate.Segment{Utterance: 7, Part: 1}) != nil {
			t.Error("a question took another segment for its own")
		}
		e.follow(1600) // the gate says that nobody speaks
		if l.open() != 0 || e.live != nil {
			t.Error("the question about noise is still open")
		}
		e.live = e.s.begin(gate.Ongoing{Utterance: 8})
		e.flush()
		if l.open() != 0 {
			t.Error("the question is still open at the end")
		}
		b.quiet()
	})
}
