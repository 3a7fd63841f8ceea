package pipeline

import (
	"cmp"
	"context"
	"math"
	"strings"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/gate"
	"sensed/daemon/schedule"
	"sensed/devices"
)

// patience is how long, in sound, an onset may stay without a segment before it
// counts as noise: longer than the longest segment.
const onsetPatience = 35 * time.Second

// ear is what an open microphone's goroutine knows between two chunks.
type ear struct {
	s        *source
	settings *Settings    // as they were adopted
	speech   *gate.Speech // nil: speech is not listened for
	// meter measures the loudness; nil: it is not published.
	meter *gate.Meter
	// watched measures it for an onlooker; nil until there is one.
	watched *gate.Meter
	// onset is the announced utterance of which no segment came yet, parts the
	// one of which the last part did not.
	onset, parts utterance
	// live is the segment that goes on now.
	live *live
	// windows collect sound without a gate: one for each trigger, and the one of
	// Always.
	windows []*window
}

// utterance is something that was announced.
type utterance struct {
	id     string // "": there is none
	number int
	at     time.Time
	sample string
	told   bool // it was announced
}

// window collects sound for one question.
type window struct {
	id        string
	class     schedule.Class
	announced bool
	at        time.Time
	samples   []float32
	names     []string
	// talk: it is open until the button is let go; part of what was said there
	// may have gone ahead.
	talk, part bool
	kick       kick // that opened it
}

// listen works with the microphone until an error. What was heard until then is
// still asked about.
func (s *source) listen(ctx context.Context) (err error) {
	e := &ear{s: s}
	if err := e.adopt(); err != nil {
		return err
	}
	if s.Levels > 0 {
		var err error
		if e.meter, err = gate.NewMeter(s.Levels); err != nil {
			return err
		}
	}
	mic, err := s.OpenMicrophone(ctx)
	if err != nil {
		return err
	}
	defer s.opened(mic)()
	defer e.flush()
	if k, ok := s.hearTalk(); ok {
		e.windows = append(e.windows, &window{id: k.id, class: schedule.Trigger, announced: true, at: k.at, talk: true})
	}
	for {
		if s.Lossless {
			if err := s.idle(ctx); err != nil {
				return err
			}
		}
		c, err := mic.Next(ctx)
		if err != nil {
			return err
		}
		s.delivered()
		if err := e.adopt(); err != nil {
			return err
		}
		e.hear(c)
	}
}

// hear takes a chunk.
func (e *ear) hear(c devices.PCM) {
	if e.meter != nil {
		if l, ok := e.meter.Push(c.Time, c.Samples); ok {
			e.tell(l)
		}
	}
	if e.speech != nil {
		e.heard(e.speech.Push(c.Time, c.Samples, c.Name))
		e.follow(len(c.Samples))
		if e.onset.id != "" && c.Time.Sub(e.onset.at) > onsetPatience {
			e.dismiss()
		}
	}
	e.sound(c)
	for _, k := range e.s.kicked() {
		if len(e.windows) >= maxKicks { // each holds its own copy of the sound
			e.s.refuseKick(k, event.Throttled, string(schedule.Full))
			continue
		}
		e.windows = append(e.windows, &window{id: k.id, class: schedule.Trigger, announced: true, at: c.Time, kick: k})
	}
	if e.s.Always && !e.collecting() {
		e.windows = append(e.windows, &window{id: e.s.p.opts.NewID(), class: schedule.Timed, at: c.Time})
	}
	e.collect(c)
}

// tell publishes how loud it was.
func (e *ear) tell(l gate.Loudness) {
	mean, peak, floor := tenth(l.Mean), tenth(l.Peak), tenth(l.Floor)
	e.s.p.publish(event.Event{ID: e.s.p.opts.NewID(), Kind: event.Level, Source: e.s.Name, Time: l.Time, Level: &mean, Peak: &peak, Floor: &floor})
}

// tenth rounds to a decimal: nobody hears more.
func tenth(x float64) float64 { return math.Round(10*x) / 10 }

// flush ends the sound.
func (e *ear) flush() {
	e.hush()
	for _, w := range e.windows {
		e.close(w)
	}
	e.windows = nil
}

// hush ends what is being said.
func (e *ear) hush() {
	if e.speech != nil {
		e.heard(e.speech.Flush())
		e.unfollow()
		e.dismiss()
	}
}

// heard announces what begins and asks about what was said.
func (e *ear) heard(h gate.Heard) {
	// An utterance may begin and end in one push: onsets come before their
	// segments, and a new one says that the one before it was noise.
	for len(h.Onsets) > 0 || len(h.Segments) > 0 {
		if len(h.Onsets) > 0 && (len(h.Segments) == 0 || h.Onsets[0].Utterance <= h.Segments[0].Utterance) {
			e.begin(h.Onsets[0])
			h.Onsets = h.Onsets[1:]
			continue
		}
		e.segment(h.Segments[0])
		h.Segments = h.Segments[1:]
	}
	for _, n := range h.Noise {
		if e.onset.number == n {
			e.dismiss()
		}
	}
}

func (e *ear) begin(o gate.Onset) {
	e.dismiss()
	e.onset = utterance{id: e.s.p.opts.NewID(), number: o.Utterance, at: o.Time, sample: o.Name, told: true}
	begun := true
	e.s.p.publish(event.Event{
		ID: e.onset.id, Kind: event.Sound, Source: e.s.Name, Time: o.Time, Sample: o.Name, Level: &o.Level,
		Status: event.Announced, Active: &begun,
	})
}

// dismiss says that no words follow an onset which was noise.
func (e *ear) dismiss() {
	if e.onset.id != "" {
		over := false
		e.s.p.publish(event.Event{
			ID: e.onset.id, Kind: event.Sound, Source: e.s.Name, Time: e.onset.at, Sample: e.onset.sample,
			Status: event.Skipped, Error: event.NoWords, Active: &over,
		})
	}
	e.onset = utterance{}
}

func (e *ear) segment(g gate.Segment) {
	if e.onset.number == g.Utterance && e.onset.id != "" {
		e.parts, e.onset = e.onset, utterance{}
	}
	if e.parts.number != g.Utterance || e.parts.id == "" { // never announced
		e.parts = utterance{id: e.s.p.opts.NewID(), number: g.Utterance, at: g.Start}
	}
	if g.Final && e.parts.told {
		e.silence(g)
	}
	level := g.Level // a pointer into g would keep its samples as long as the event
	e.ask(question{
		id: e.parts.id, class: schedule.Speech, announced: true, lone: g.Part == 0 && g.Final,
		at: g.Start, sample: strings.Join(g.Names, ", "), level: &level,
	}, g.Samples, nil, e.take(g))
}

// silence says that an announced utterance is over, before its words come.
func (e *ear) silence(g gate.Segment) {
	over := false
	end := g.Start.Add(time.Duration(len(g.Samples)) * time.Second / devices.SampleRate)
	e.s.p.publish(event.Event{
		ID: e.parts.id, Kind: event.Sound, Source: e.s.Name, Time: end,
		Status: event.Done, Active: &over, Duration: max(0, end.Sub(e.parts.at).Round(time.Millisecond).Seconds()),
	})
}

// collecting tells whether the window of Always is open.
func (e *ear) collecting() bool {
	for _, w := range e.windows {
		if !w.announced {
			return true
		}
	}
	return false
}

// collect adds a chunk to the open windows and closes the full ones.
func (e *ear) collect(c devices.PCM) {
	open := e.windows[:0]
	for _, w := range e.windows {
		w.samples = append(w.samples, c.Samples...)
		if c.Name != "" && (len(w.names) == 0 || w.names[len(w.names)-1] != c.Name) {
			w.names = append(w.names, c.Name)
		}
		if len(w.samples) < w.limit() {
			open = append(open, w)
			continue
		}
		e.close(w)
		if w.talk {
			open = append(open, &window{id: w.id, class: w.class, announced: true, at: c.Time, talk: true, part: true})
		}
	}
	clear(e.windows[len(open):])
	e.windows = open
}

// limit is how many samples fill the window.
func (w *window) limit() int {
	if w.talk {
		return int(talkWindow.Seconds()) * devices.SampleRate
	}
	return int(cmp.Or(w.kick.window, Window).Seconds() * devices.SampleRate)
}

func (e *ear) close(w *window) {
	if len(w.samples) == 0 {
		if !w.part {
			e.s.refuseKick(kick{id: w.id, at: w.at}, event.Skipped, "nothing was heard while the button was held")
		}
		return
	}
	e.ask(question{
		id: w.id, class: w.class, announced: w.announced, lone: !w.talk || !w.part && len(w.samples) < w.limit(),
		at: w.at, sample: strings.Join(w.names, ", "), tell: w.kick.tell, wrote: w.kick.wrote, quiet: w.kick.quiet,
	}, w.samples, w.kick.tasks, nil)
}

// ask asks tasks (nil: all) about some sound, of which one may have heard it
// live.
func (e *ear) ask(q question, samples []float32, tasks []Task, l *live) {
	if tasks == nil {
		tasks = e.settings.Tasks
	}
	q.source = e.s
	q.input = event.Input{Audio: samples}
	q.duration = float64(len(samples)) / devices.SampleRate
	end := q.at.Add(time.Duration(q.duration * float64(time.Second)))
	q.since = earlier(end, time.Now())
	for i, t := range tasks {
		one := q
		one.task = t
		if l != nil && l.task == i {
			one.hearing = l.hearing
		}
		e.s.p.ask(&one, false)
	}
}
