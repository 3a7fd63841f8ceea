package pipeline

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/devices"
)

func transcribe() Task {
	return Task{Task: event.Task{Kind: event.TaskTranscribe, Name: "transcribe"}}
}

func TestSoundThenTranscript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		mic := &opener{t: t, scripts: [][]step{append(append(chunks("", silence(1)), chunks("hello.wav", voice(2))...), chunks("", silence(2))...)}}
		b := run(t, Options{
			Engine:  &engine{takes: second},
			Sources: []Source{{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}},
		})
		after(10 * second)
		b.quiet()
		lines := b.pub.lines(event.Sound, event.Transcript)
		if len(lines) != 2 || lines[0] != "hall sound #2" || !strings.HasPrefix(lines[1], "hall transcript #2 about ") {
			t.Fatalf("events %q", lines)
		}
		s, w := b.pub.all(event.Sound)[0], b.pub.all(event.Transcript)[0]
		if s.Level == nil || *s.Level > -5 || *s.Level < -40 || s.Sample != "hello.wav" {
			t.Errorf("sound %+v", s)
		}
		if at := s.Time.Sub(start); at < 900*time.Millisecond || at > 1300*time.Millisecond {
			t.Errorf("the sound began at %v, want 1s", at)
		}
		if w.Duration < 2 || w.Duration > 3.2 || w.Sample != "hello.wav" || w.Level == nil || w.Model.Name != "fake" {
			t.Errorf("transcript %+v", w)
		}
		// The latency begins with the end of the words, not with their beginning.
		if w.Latency.Total < 1000 || w.Latency.Total > 2000 || w.Latency.Wait > 1000 {
			t.Errorf("latency %+v", w.Latency)
		}
	})
}

func TestSilenceIsNoTranscript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mic := &opener{t: t, scripts: [][]step{chunks("", append(append(silence(1), voice(1)...), silence(2)...))}}
		b := run(t, Options{
			Engine:  &engine{answer: func(event.Task, event.Input) (event.Result, error) { return event.Result{Text: "  "}, nil }},
			Sources: []Source{{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}},
		})
		after(10 * second)
		b.quiet()
		diff(t, "events", b.pub.lines(event.Sound, event.Transcript), "hall sound #2", "hall sound #2 ! no words were spoken")
	})
}

// TestLongSpeechIsSplit: 60 s of speech without a pause come in parts of one
// id, which together hold everything.
func TestLongSpeechIsSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mic := &opener{t: t, scripts: [][]step{append(chunks("long.wav", append(append(silence(1), voice(60)...), silence(2)...)), step{err: io.EOF})}}
		b := run(t, Options{
			Once: true, Engine: &engine{takes: 60 * second},
			Sources: []Source{{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Lossless: true, Tasks: []Task{transcribe()}}},
		})
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		if n := len(b.pub.all(event.Sound)); n != 1 {
			t.Errorf("%d sounds", n)
		}
		var from, to time.Time
		for i, e := range b.pub.all(event.Transcript) {
			end := e.Time.Add(time.Duration(e.Duration * float64(second)))
			if e.ID != "#2" || e.Duration > 28.01 || e.Error != "" {
				t.Errorf("part %d: %+v", i, e)
			}
			if i == 0 {
				from = e.Time
			} else if e.Time.After(to) {
				t.Errorf("%v are lost before part %d", e.Time.Sub(to), i)
			}
			to = end
		}
		if to.Sub(from) < 60*second {
			t.Errorf("the parts hold %v of 60s", to.Sub(from))
		}
	})
}

func TestSpeechUntilTheEndIsNotLost(t *testing.T) {
	for _, end := range []error{io.EOF, devices.ErrLost} {
		synctest.Test(t, func(t *testing.T) {
			mic := &opener{t: t, scripts: [][]step{append(chunks("", append(silence(1), voice(2)...)), step{err: end})}}
			b := run(t, Options{Sources: []Source{{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}}})
			after(10 * second)
			b.quiet()
			if n := len(b.pub.all(event.Transcript)); n != 1 {
				t.Errorf("%v: %d transcripts, want 1", end, n)
			}
		})
	}
}

// TestNoiseIsDismissed feeds the judgement of a gate: an onset without a
// segment is followed by its end, at the next onset, after a while, or at the end.
func TestNoiseIsDismissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, Options{Sources: []Source{{Name: "hall", OpenMicrophone: (&opener{t: t}).microphone, Speech: &gate.SpeechOpts{}, Tasks: []Task{transcribe()}}}})
		synctest.Wait()
		s, err := gate.NewSpeech(gate.SpeechOpts{})
		if err != nil {
			t.Fatal(err)
		}
		e := &ear{s: b.p.sources[0], speech: s, settings: b.p.sources[0].settings.Load()}
		now := time.Now()
		e.heard(gate.Heard{Onsets: []gate.Onset{{Utterance: 1, Time: now}}})
		e.heard(gate.Heard{
			Onsets:   []gate.Onset{{Utterance: 2, Time: now}, {Utterance: 3, Time: now}},
			Segments: []gate.Segment{{Utterance: 3, Start: now, Samples: make([]float32, 16000)}, {Utterance: 3, Part: 1, Final: true, Start: now.Add(second), Samples: make([]float32, 16000)}},
		})
		e.heard(gate.Heard{Onsets: []gate.Onset{{Utterance: 4, Time: now}}})
		e.hear(devices.PCM{Time: now.Add(36 * second), Samples: silence(0.1)})
		e.heard(gate.Heard{Onsets: []gate.Onset{{Utterance: 5, Time: now}}})
		e.heard(gate.Heard{Noise: []int{5}})
		e.heard(gate.Heard{Onsets: []gate.Onset{{Utterance: 6, Time: now}, {Utterance: 7, Time: now}}, Noise: []int{6}})
		e.flush()
		after(second)
		b.quiet()
		diff(t, "sounds", b.pub.lines(event.Sound),
			"hall sound #1", "hall sound #1 ! no words were spoken",
			"hall sound #2", "hall sound #2 ! no words were spoken",
			"hall sound #3",
			"hall sound #4", "hall sound #4 ! no words were spoken",
			"hall sound #5", "hall sound #5 ! no words were spoken",
			"hall sound #6", "hall sound #6 ! no words were spoken",
			"hall sound #7", "hall sound #7 ! no words were spoken")
		diff(t, "transcripts", b.pub.lines(event.Transcript), "hall transcript #3 about 1.0 s", "hall transcript #3 about 1.0 s")
	})
}

func TestAlwaysListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mic := &opener{t: t, scripts: [][]step{append(chunks("", silence(24)), step{err: io.EOF})}}
		b := run(t, Options{Once: true, Sources: []Source{{Name: "hall", OpenMicrophone: mic.microphone, Always: true, Tasks: []Task{transcribe()}}}})
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		diff(t, "asked", b.eng.asked(), "transcribe: 10.0 s", "transcribe: 10.0 s", "transcribe: 4.0 s")
	})
}

func TestTranscriptsOfTwoTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mic := &opener{t: t, scripts: [][]step{chunks("", append(append(silence(1), voice(1)...), silence(2)...))}}
		tasks := []Task{transcribe(), {Task: event.Task{Kind: event.TaskTranslate, Name: "german", Into: "German"}}}
		b := run(t, Options{Sources: []Source{{Name: "hall", OpenMicrophone: mic.microphone, Speech: &gate.SpeechOpts{}, Tasks: tasks}}})
		after(10 * second)
		b.quiet()
		var got []string
		for _, e := range b.pub.all(event.Transcript) {
			got = append(got, fmt.Sprint(e.ID, " ", e.Task))
		}
		diff(t, "transcripts", got, "#2 transcribe", "#2 german")
	})
}

func badMotion(cam openCamera) Source {
	return Source{Name: "a", OpenCamera: cam, Motion: &gate.MotionOpts{Sensitivity: math.NaN()}}
}

func badSpeech(mic openMicrophone) Source {
	return Source{Name: "a", OpenMicrophone: mic, Speech: &gate.SpeechOpts{Sensitivity: 2}}
}

// The loudness is published at its pace, whether or not anybody speaks.
func TestLevelsArePublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{t: t, scripts: [][]step{chunks("", append(silence(6), voice(6)...))}}
		b := run(t, Options{Sources: []Source{{Name: "hall", OpenMicrophone: o.microphone, Levels: 4 * second}}})
		after(20 * second)
		b.quiet()
		got := b.pub.all(event.Level)
		if len(got) != 3 {
			t.Fatalf("%d levels of twelve seconds, want 3", len(got))
		}
		if quiet, loud := got[0], got[2]; *quiet.Level > -60 || *quiet.Floor > -60 || *loud.Level < -40 || *loud.Peak < *loud.Level || *loud.Floor > *loud.Level {
			t.Errorf("levels %v %v %v, then %v %v %v", *quiet.Level, *quiet.Peak, *quiet.Floor, *loud.Level, *loud.Peak, *loud.Floor)
		}
	})
}
